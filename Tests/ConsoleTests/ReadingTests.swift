import Platform
import TestSupport
import Testing

/// The probe, when it is ready for keys: what is typed before goes through the terminal's own line editing.
private func start(
    _ arguments: [String] = [], environment: [String] = ["TERM=xterm-256color"]
) async throws -> PseudoTerminal {
    let terminal = try PseudoTerminal(
        ChildProcess.product("console-probe"), arguments, environment: environment, columns: 70, rows: 16)
    try await terminal.wait { $0.text[0] == ">" && $0.pastesAreBracketed }
    return terminal
}

extension PseudoTerminal {
    /// The escape sequences of colour that were written.
    fileprivate var colours: Set<String> {
        var found: Set<String> = []
        let text = String(decoding: output, as: UTF8.self)
        for piece in text.split(separator: "\u{1B}[").dropFirst() {
            let parameters = piece.prefix { $0.isNumber || $0 == ";" }
            if piece.dropFirst(parameters.count).first == "m" { found.insert(String(parameters)) }
        }
        return found
    }
}

/// What people read, as the program writes it to a terminal.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ReadingTests {
    @Test func namesMentionsAndPendingLinesHaveTheirLooks() async throws {
        let terminal = try await start()
        await terminal.type("/say Bob hello\r/say Bob hi Tester\r/slow mine\r/settle\r/say Bob end\r")
        try await terminal.wait { $0.text.contains { $0.hasSuffix("Bob: end") } }
        let colours = await terminal.colours
        // Dim, bold, reset, the mention, and a name in a colour of the large palette.
        for wanted in ["0", "1", "2", "1;33"] { #expect(colours.contains(wanted), "\(wanted)") }
        #expect(colours.contains { $0.hasPrefix("1;38;5;") })
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
    }

    @Test(arguments: [
        (["--color", "never"], ["TERM=xterm-256color"], false),
        ([], ["TERM=xterm-256color", "NO_COLOR=1"], false),
        ([], ["TERM=xterm-256color", "NO_COLOR="], true),
        (["--color", "always"], ["TERM=xterm-256color", "NO_COLOR=1"], true),
    ])
    func colourCanBeDeclined(arguments: [String], environment: [String], expected: Bool) async throws {
        let terminal = try await start(arguments, environment: environment)
        await terminal.type("/say Bob hi Tester\r/slow mine\r/say Bob end\r")
        let screen = try await terminal.wait { $0.text.contains { $0.hasSuffix("Bob: end") } }
        // Giving the terminal back turns colours off, which is no colour.
        #expect(await terminal.colours.subtracting(["0"]).isEmpty == !expected)
        #expect(screen.unknown == [])
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
        #expect(await terminal.isCooked)
    }

    @Test func theBellRingsAsAsked() async throws {
        let terminal = try await start()
        await terminal.type("/say Bob hi\r/say Bob hi Tester\r/say Bob one\r")
        #expect(try await terminal.wait { $0.text.contains { $0.hasSuffix("Bob: one") } }.bells == 1)
        await terminal.type("/bell off\r/say Bob hi Tester\r/say Bob two\r")
        #expect(try await terminal.wait { $0.text.contains { $0.hasSuffix("Bob: two") } }.bells == 1)
        await terminal.type("/bell all\r")
        try await terminal.wait { $0.text.contains { $0.hasSuffix("* bell: all") } }
        await terminal.type("/say Bob three\r")
        #expect(try await terminal.wait { $0.text.contains { $0.hasSuffix("Bob: three") } }.bells == 2)
        // One's own lines never ring.
        await terminal.type("Tester\r/bell\r")
        #expect(try await terminal.wait { $0.text.count { $0.hasSuffix("* bell: all") } == 2 }.bells == 2)
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
    }

    @Test func timeClearAndIgnore() async throws {
        let terminal = try await start()
        await terminal.type("/time off\r/say Bob one\r")
        try await terminal.wait { $0.text.contains("Bob: one") && $0.text.contains("* time: off") }
        await terminal.type("/ignore bob\r/say Bob two\r/say Carol end\r")
        try await terminal.wait { $0.text.contains("Carol: end") }
        await terminal.type("/unignore Bob\r/say Bob three\r")
        let screen = try await terminal.wait { $0.text.contains("Bob: three") }
        #expect(!screen.text.contains("Bob: two"))
        await terminal.type("/time short\r/say Bob four\r")
        let short = try await terminal.wait { $0.text.contains { $0.hasSuffix("] Bob: four") } }
        #expect(short.text.first { $0.hasSuffix("] Bob: four") }?.count == "[14:03] Bob: four".count)
        await terminal.type("typed")
        try await terminal.wait { $0.text.contains("> typed") }
        await terminal.type("\u{C}")
        let cleared = try await terminal.wait { $0.text[0] == "> typed" }
        #expect(cleared.text.filter { !$0.isEmpty } == ["> typed"])
        await terminal.type("\u{15}/say Bob five\r")
        try await terminal.wait { $0.text.contains { $0.hasSuffix("Bob: five") } }
        await terminal.type("/clear\r")
        try await terminal.wait { $0.text[0] == ">" && $0.text.dropFirst().allSatisfy(\.isEmpty) }
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
    }

    @Test func manyJoinsAreOneLine() async throws {
        let terminal = try await start()
        await terminal.type("/joins 40\r")
        try await terminal.wait { $0.text.contains { $0.contains("Guest0, Guest1") } }
        await terminal.type("/say Bob end\r")
        let screen = try await terminal.wait { $0.text.contains { $0.hasSuffix("Bob: end") } }
        #expect(screen.lines.count { $0.contains("joined") } == 1)
        #expect(screen.lines.contains { $0.hasSuffix("Guest5 and 34 others joined") })
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
    }

    @Test func searchShowsWhatIsLookedFor() async throws {
        let terminal = try await start()
        await terminal.type("first line\rsecond line\r\u{12}fir")
        try await terminal.wait { $0.text.contains("(search \"fir\") first line") }
        await terminal.type("x")
        try await terminal.wait { $0.text.contains("(no older line with \"firx\") first line") }
        await terminal.type("\u{7}")
        try await terminal.wait { $0.text.contains(">") }
        await terminal.type("\u{4}")
        #expect(await terminal.exitStatus() == 0)
    }

    @Test func theHistoryIsAPrivateFileOfTheLastLines() async throws {
        let folder = TemporaryFolder()
        let path = folder.path(of: "history")
        for (typed, recalled) in [("one\rtwo\r", "> two"), ("", "> two")] {
            let terminal = try await start(["--history", path])
            await terminal.type(typed + "\u{1B}[A")
            try await terminal.wait { $0.text.contains(recalled) }
            await terminal.type("\u{3}\u{3}")
            #expect(await terminal.exitStatus() == 0)
        }
        #expect(try PrivateFile.read(path, limit: 1_000).map { String(decoding: $0, as: UTF8.self) } == "one\ntwo\n")
        #expect(fileMode(path) == 0o600)
    }

    @Test func aPasteThatIsTooLongIsSaidSo() async throws {
        let terminal = try await start()
        await terminal.type("x")
        try await terminal.wait { $0.text.contains("> x") }
        await terminal.paste(String(repeating: "a", count: 70_000))
        try await terminal.wait { screen in
            screen.lines.contains { $0.contains("its end was dropped") }
                && screen.lines.contains { $0.contains("what would not fit was not inserted") }
                && screen.text.contains("> x")
        }
        await terminal.type("\u{3}\u{3}")
        #expect(await terminal.exitStatus() == 0)
    }
}
