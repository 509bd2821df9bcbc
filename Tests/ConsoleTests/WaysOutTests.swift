import Glibc
import Platform
import TestSupport
import Testing

/// A way in which a program ends while a line is being typed, and the status that is left.
struct WayOut: CustomTestStringConvertible, Sendable {
    enum Act: Sendable {
        case type(String)
        case signal(Int32)
    }

    let name: String
    let act: Act
    let status: Int32

    var testDescription: String { name }

    static func typed(_ name: String, _ keys: String, _ status: Int32) -> WayOut {
        WayOut(name: name, act: .type(keys), status: status)
    }

    static func signal(_ number: Int32, status: Int32? = nil) -> WayOut {
        WayOut(name: "signal \(number)", act: .signal(number), status: status ?? 128 + number)
    }

    /// All of them. SIGKILL alone leaves a terminal as it is, and nothing can be done about it.
    static let all: [WayOut] =
        [
            .typed("/quit", "/quit\r", 0),
            .typed("Ctrl+C at an empty line", "\u{3}", 0),
            .typed("Ctrl+D at an empty line", "\u{4}", 0),
            .typed("return from the mode", "/die return\r", 0),
            .typed("exit(3)", "/die exit\r", 3),
            .typed("a trap of the runtime", "/die trap\r", 128 + SIGILL),
            .typed("abort(3)", "/die abort\r", 128 + SIGABRT),
            .typed("a fault", "/die segfault\r", 128 + SIGSEGV),
            .typed("a stack that overflows", "/die overflow\r", 128 + SIGSEGV),
        ]
        // Those that are asked to end say goodbye first.
        + [SIGTERM, SIGINT, SIGHUP].map { .signal($0, status: 0) }
        + [
            SIGQUIT, SIGUSR2, SIGALRM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGXCPU, SIGVTALRM,
            SIGPROF, SIGIO, SIGPWR, 34, 64,
        ].map { .signal($0) }
}

@Suite(.serialized, .timeLimit(.minutes(2)))
struct WaysOutTests {
    /// Without the runtime's crash report, which takes seconds to write.
    private static let environment = ["TERM=xterm-256color", "SWIFT_BACKTRACE=enable=no"] + sanitizerOptions

    @Test(arguments: WayOut.all)
    func givesTheTerminalBack(way: WayOut) async throws {
        let terminal = try PseudoTerminal(
            ChildProcess.product("console-probe"), environment: Self.environment, columns: 60, rows: 14)
        try await terminal.wait { $0.text.contains(">") && $0.pastesAreBracketed }
        #expect(await !terminal.isCooked)
        switch way.act {
        case .type(let keys): await terminal.type(keys)
        case .signal(let number):
            await terminal.type("half a line")
            try await terminal.wait { $0.text.contains("> half a line") }
            terminal.send(number)
        }
        #expect(await terminal.exitStatus() == way.status)
        #expect(await terminal.isCooked)
        let screen = await terminal.screen
        #expect(!screen.pastesAreBracketed)
        #expect(screen.isCursorShown)
    }

    /// Before the mode runs nobody says goodbye, and the status says what happened (128 and the signal).
    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func givesTheTerminalBackWhileTheNameIsAsked(signal: Int32) async throws {
        let terminal = try PseudoTerminal(
            ChildProcess.product("chat"), ["p2p", "0", "--bind", "127.0.0.1", "--memory"],
            environment: Self.environment, columns: 60, rows: 14)
        try await terminal.wait { $0.text.contains { $0.hasPrefix("Your name") } }
        #expect(await !terminal.isCooked)
        terminal.send(signal)
        #expect(await terminal.exitStatus() == 128 + signal)
        #expect(await terminal.isCooked)
        #expect(await !terminal.screen.pastesAreBracketed)
    }

    @Test(arguments: ["\u{3}", "\u{4}", "/quit\r"])
    func theQuestionForANameCanBeLeft(keys: String) async throws {
        let terminal = try PseudoTerminal(
            ChildProcess.product("chat"), ["p2p", "0", "--bind", "127.0.0.1", "--memory"],
            environment: Self.environment, columns: 60, rows: 14)
        try await terminal.wait { $0.text.contains { $0.hasPrefix("Your name") } }
        await terminal.type(keys)
        #expect(await terminal.exitStatus() == 0)
        #expect(await terminal.isCooked)
    }

    /// A script types without waiting: what stands behind the name is said, or stays on the line, and a name that will not
    /// do takes nothing with it.
    @Test func whatIsTypedBehindTheNameIsNotLost() async throws {
        let terminal = try PseudoTerminal(
            ChildProcess.product("chat"), ["p2p", "0", "--bind", "127.0.0.1", "--memory"],
            environment: Self.environment, columns: 60, rows: 14)
        try await terminal.wait { $0.text.contains { $0.hasPrefix("Your name") } }
        await terminal.type(" \rtoo\u{7F}\u{7F}\u{7F}\u{1B}[200~a\tb\u{1B}[201~\rann\rfirst words\r\u{1B}[200~half")
        try await terminal.wait { screen in
            screen.text.contains { $0.hasSuffix("first words") } && screen.text.contains { $0.hasPrefix(">") }
        }
        // The paste that was begun at the question ends at the prompt.
        await terminal.type(" a line\u{1B}[201~")
        try await terminal.wait { screen in screen.text.contains { $0.hasSuffix("> half a line") } }
    }

    /// A shell with job control: Ctrl+Z gives the terminal back, `fg` takes it again with the line as it was.
    @Test func ctrlZAndBack() async throws {
        let terminal = try PseudoTerminal(
            "/bin/bash", ["--norc", "--noprofile", "--noediting", "-i"],
            environment: Self.environment + ["PS1=shell: ", "LC_ALL=C"], columns: 80, rows: 20)
        try await terminal.wait { $0.text.contains("shell:") }
        await terminal.type("\(ChildProcess.product("console-probe"))\r")
        try await terminal.wait { $0.text.contains(">") && $0.pastesAreBracketed }
        for round in 1...2 {
            await terminal.type("typed")
            let line = "> " + String(repeating: "typed", count: round)
            try await terminal.wait { $0.text.contains(line) }
            #expect(await !terminal.isCooked)
            await terminal.type("\u{1A}")
            let stopped = try await terminal.wait { screen in
                screen.text.contains { $0.contains("Stopped") } && screen.text.last { !$0.isEmpty } == "shell:"
            }
            #expect(await terminal.isCooked)
            #expect(!stopped.pastesAreBracketed && stopped.isCursorShown)
            // What was typed is not left on the screen.
            #expect(!stopped.text.contains(line))
            await terminal.type("fg\r")
            try await terminal.wait { $0.text.contains(line) && $0.pastesAreBracketed }
        }
        await terminal.type("\u{3}\u{3}")
        try await terminal.wait { $0.text.last { !$0.isEmpty } == "shell:" }
        await terminal.type("exit\r")
        #expect(await terminal.exitStatus() == 0)
    }

    /// A stop that cannot be prepared: whoever continues the program finds the screen whole.
    @Test func sigstopAndBack() async throws {
        let terminal = try PseudoTerminal(ChildProcess.product("console-probe"), columns: 60, rows: 14)
        await terminal.type("typed")
        try await terminal.wait { $0.text.contains("> typed") }
        terminal.send(SIGSTOP)
        await terminal.waitUntilStopped()
        terminal.send(SIGCONT)
        await terminal.type(" more")
        try await terminal.wait { $0.text.contains("> typed more") }
        await terminal.type("\u{3}\u{3}")
        #expect(await terminal.exitStatus() == 0)
    }
}
