import Glibc
import Platform
import TestSupport
import Testing
import Wire

@testable import Console
@testable import Terminal

private func start(
    _ arguments: [String] = [], columns: Int = 60, rows: Int = 14, reflows: Bool = true,
    environment: [String] = ["TERM=xterm-256color"]
) throws -> PseudoTerminal {
    try PseudoTerminal(
        ChildProcess.product("console-probe"), arguments, environment: environment, columns: columns, rows: rows,
        reflows: reflows)
}

extension ScreenModel {
    /// The rows from the prompt on.
    fileprivate var promptRows: [String] {
        guard let first = text.lastIndex(where: { $0.hasPrefix(">") }) else { return [] }
        return Array(text[first...]).reversed().drop { $0.isEmpty }.reversed()
    }
}

@Suite(.serialized, .timeLimit(.minutes(2)))
struct TerminalConsoleTests {
    @Test func whatIsTypedStandsAtThePromptAndWhatIsSaidAboveIt() async throws {
        let terminal = try start()
        try await terminal.wait { $0.promptRows == [">"] }
        await terminal.type("hello")
        try await terminal.wait { $0.promptRows == ["> hello"] && $0.column == 7 }
        await terminal.type("\r/say Bob one\r")
        let screen = try await terminal.wait { $0.promptRows == [">"] && $0.text.contains { $0.hasSuffix("Bob: one") } }
        #expect(screen.text[0].hasSuffix("] You: hello"))
        #expect(screen.text[1].hasSuffix("] Bob: one"))
        #expect(screen.text[2] == ">")
        #expect(screen.unknown == [])
        await terminal.type("\u{3}")
        #expect(await terminal.exitStatus() == 0)
        #expect(await terminal.isCooked)
    }

    @Test func aMessageIsDimUntilItIsSent() async throws {
        let terminal = try start()
        try await terminal.wait { $0.promptRows == [">"] }
        await terminal.type("/slow later\r/say Bob first\r")
        // The pending message stays at the prompt while another is printed above it.
        try await terminal.wait { screen in
            screen.text[0].hasSuffix("Bob: first") && screen.text[1].hasSuffix("You: later") && screen.text[2] == ">"
        }
        await terminal.type("/say Bob second\r")
        try await terminal.wait { screen in
            screen.text[2].hasSuffix("You: later") && screen.text[1].hasSuffix("Bob: second")
        }
        // Known to be delivered, it is printed where it stands, and stays there.
        await terminal.type("/settle\r/say Bob third\r")
        try await terminal.wait { screen in
            screen.text[2].hasSuffix("You: later") && screen.text[3].hasSuffix("Bob: third")
        }
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
    }

    @Test func tabCompletesCommandsAndNames() async throws {
        let terminal = try start()
        try await terminal.wait { $0.promptRows == [">"] }
        await terminal.type("/say Heisenberg hi\r/fl\t")
        try await terminal.wait { $0.promptRows == ["> /flood"] }
        await terminal.type("\u{15}hei\t")
        try await terminal.wait { $0.promptRows == ["> Heisenberg:"] && $0.column == 14 }
        await terminal.type("\u{3}\u{3}")
        #expect(await terminal.exitStatus() == 0)
    }

    @Test func aPasteOfSeveralLinesStaysInTheEditorAndRunsNothing() async throws {
        let folder = TemporaryFolder()
        let terminal = try start(["--sent", folder.path + "/sent"])
        try await terminal.wait { $0.pastesAreBracketed && $0.promptRows == [">"] }
        await terminal.paste("/quit\r\nsecond\nthird")
        try await terminal.wait { $0.promptRows == ["> /quit", "  second", "  third"] }
        await terminal.type("\r")
        try await terminal.wait { $0.promptRows == [">"] }
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
        let sent = try PrivateFile.read(folder.path + "/sent", limit: 10_000) ?? []
        #expect(String(decoding: sent, as: UTF8.self) == "\"/quit\\nsecond\\nthird\"\n")
    }

    @Test(arguments: [true, false])
    func aResizeLeavesNoFragment(reflows: Bool) async throws {
        let terminal = try start(
            reflows: reflows,
            environment: reflows ? ["TERM=xterm-256color"] : ["TERM=xterm-256color", "XTERM_VERSION=1"])
        let line = "0123456789 abcdefghij klmnopqrst uvwxyz 0123456789 abcdefghij klmnopqrst"
        try await terminal.wait { $0.promptRows == [">"] }
        await terminal.type("/say Bob hello\r" + line)
        try await terminal.wait { $0.promptRows.joined() == "> " + line }
        for (columns, rows) in [(40, 14), (23, 20), (80, 10), (31, 9), (60, 14)] {
            await terminal.resize(columns: columns, rows: rows)
            let screen = try await terminal.wait { screen in
                screen.promptRows.joined() == "> " + line && screen.promptRows.allSatisfy { $0.count <= columns }
                    && screen.promptRows.count == (line.count + 2 + columns - 1) / columns
            }
            #expect((screen.scrollback.map(\.text) + screen.text).count { $0.hasPrefix(">") } == 1)
            #expect(screen.lines.contains { $0.hasSuffix("Bob: hello") })
        }
        await terminal.type("\u{3}\u{3}")
        #expect(await terminal.exitStatus() == 0)
    }

    @Test func aDumbTerminalGetsPlainLines() async throws {
        let terminal = try start(environment: ["TERM=dumb"])
        await terminal.type("hello\r")
        let screen = try await terminal.wait { $0.text.contains { $0.hasSuffix("You: hello") } }
        #expect(screen.frames == 0)
        #expect(screen.unknown == [])
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
    }
}
