import Bench
import BoardMode
package import Console
import Glibc
import P2PMode
import Platform
import RoomsMode
import UDPMode
import Wire

/// The command line of `chat`: reading it is pure, carrying it out is not.
package enum CommandLineInterface {
    /// The version of the program, as `chat --version` and `CHANGELOG.md` state it.
    package static let version = "0.1.0"

    /// Reads a command line.
    ///
    /// - Parameters:
    ///   - arguments: the words behind the name of the program.
    ///   - environment: the value of a variable; `nil` where it is not set.
    package static func parse(
        _ arguments: [String], environment: @escaping @Sendable (String) -> String?
    ) throws(UsageError) -> Invocation {
        var parser = ArgumentParser(root: CommandTree.root, environment: environment)
        return try parser.parse(arguments)
    }

    /// Reads the command line of this process and carries it out.
    package static func run(_ arguments: [String]) async -> ExitStatus {
        let invocation: Invocation
        do {
            invocation = try parse(arguments, environment: { Environment[$0] })
        } catch {
            // Nothing can be said of an error stream that is gone.
            try? StandardStream.error.write(error.message + "\n")
            return .usage
        }
        switch invocation {
        case .help(let path): return show(help(path))
        case .version: return show("chat \(version)\n")
        case .completions(let shell): return show(completions(shell))
        case .p2p(let options, let common): return await runP2P(options, common: common)
        case .board(let options, let common): return await runBoard(options, common: common)
        case .udp(let options, let common): return await runUDP(options, common: common)
        case .bench(let options): return await runBench(options)
        case .rooms(let options, let common): return await runRooms(options, common: common)
        }
    }

    private static func show(_ text: String) -> ExitStatus {
        do {
            try StandardStream.output.write(SafeText(untrustedBlock: text))
            return .ok
        } catch {
            // Whoever has read enough has not failed, and neither has this.
            if error.code == EPIPE { return .ok }
            try? StandardStream.error.write("chat: \(error.message)\n")
            return .failure
        }
    }

    /// The help of the command that `path` names, without `chat`; it was found before.
    package static func help(_ path: [String]) -> String {
        guard let command = try? CommandTree.root.find(path) else {
            preconditionFailure("The help of a command was asked for that does not exist.")
        }
        return HelpText(path: [CommandTree.root.name] + path, command: command).text
    }

    package static func completions(_ shell: Shell) -> String {
        CompletionScript(root: CommandTree.root).text(for: shell)
    }

    /// The tables of the README, by the mark that stands above each.
    package static var readmeTables: [(mark: String, table: String)] {
        [
            ("commands", MarkdownTables.commands(CommandTree.root)),
            ("options", MarkdownTables.options(CommandTree.root)),
            ("statuses", MarkdownTables.statuses),
        ]
    }
}
