import Console
import TestSupport
import Testing

@testable import Commands

/// The built program, run as a process of its own.
@Suite struct ProcessTests {
    /// What a command line writes to one stream, and the status that it ends with; the other stream must stay empty.
    private func run(
        _ words: [String], showing stream: Int, environment: [String] = []
    ) async throws -> (text: String, status: Int32) {
        let command =
            stream == 1
            ? #"errors=$("$0" "$@" 2>&1 >&3 3>&-); status=$?; [ -z "$errors" ] || exit 99; exit $status"#
            : #"output=$("$0" "$@" 2>&3 3>&-); status=$?; [ -z "$output" ] || exit 99; exit $status"#
        let child = try ChildProcess(
            "/bin/sh", ["-c", "exec 3>&1; " + command, ChildProcess.product("chat")] + words,
            environment: environment)
        await child.closeInput()
        let text = try await child.rest()
        return (text, await child.exitStatus())
    }

    @Test(arguments: [[], ["help"], ["--help"], ["--json", "--help"]])
    func helpGoesToStandardOutput(words: [String]) async throws {
        let (text, status) = try await run(words, showing: 1)
        #expect(text == CommandLineInterface.help([]))
        #expect(status == ExitStatus.ok.rawValue)
    }

    @Test func helpOfACommand() async throws {
        for words in [["help", "p2p"], ["p2p", "--help"]] {
            let (text, status) = try await run(words, showing: 1)
            #expect(text == CommandLineInterface.help(["p2p"]) && status == 0)
        }
    }

    @Test func version() async throws {
        let (text, status) = try await run(["--version"], showing: 1)
        #expect(text == "chat \(CommandLineInterface.version)\n" && status == 0)
    }

    @Test func completions() async throws {
        for shell in Shell.allCases {
            let (text, status) = try await run(["completions", shell.rawValue], showing: 1)
            #expect(text == CommandLineInterface.completions(shell) && status == 0)
        }
    }

    @Test func aMistakeIsOneLineOnStandardError() async throws {
        let (text, status) = try await run(["p2p", "not-a-port"], showing: 2)
        #expect(
            text == "chat p2p: PORT: 'not-a-port' is not a port; use a number from 0 to 65535 (0 takes a free one).\n")
        #expect(status == ExitStatus.usage.rawValue)
        let fromEnvironment = try await run(["p2p", "1"], showing: 2, environment: ["CHAT_COLOR=red"])
        #expect(fromEnvironment.text == "chat p2p: CHAT_COLOR: 'red' is none of auto, always and never.\n")
        #expect(fromEnvironment.status == 64)
    }

    @Test func bytesThatAreNotUTF8AreShownAndNotObeyed() async throws {
        let child = try ChildProcess(
            "/bin/sh", ["-c", #"exec "$0" "$(printf '\033]0;x\007\377')" 2>&1"#, ChildProcess.product("chat")])
        #expect(try await child.rest() == "chat: '\\u{1B}]0;x\\u{7}\u{FFFD}' is no command; 'chat help' lists them.\n")
        #expect(await child.exitStatus() == 64)
    }

    @Test func outputThatCannotBeWrittenIsAFailure() async throws {
        let child = try ChildProcess(
            "/bin/sh", ["-c", #"exec "$0" help 2>&1 >/dev/full"#, ChildProcess.product("chat")])
        #expect(try await child.rest() == "chat: write: No space left on device\n")
        #expect(await child.exitStatus() == 1)
    }
}
