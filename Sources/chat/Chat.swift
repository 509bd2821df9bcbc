import Commands
import Console
import Platform

@main
struct Chat {
    /// Not async: an async `main` would hand this thread to a library that lets signals end the process.
    static func main() {
        // Before the first thread starts, since threads inherit the signal mask.
        ProcessSetup.begin()
        let arguments = Array(CommandLine.arguments.dropFirst())
        let status = MainThread.run { await CommandLineInterface.run(arguments).rawValue }
        ProcessSetup.end(status)
    }
}
