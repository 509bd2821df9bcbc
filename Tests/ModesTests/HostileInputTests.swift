import TestSupport
import Testing
import Wire

@testable import Commands

/// One command with one face.
private struct Attack: CustomTestStringConvertible, Sendable {
    let command: String
    let face: Face

    var testDescription: String { "chat \(command), \(face.rawValue)" }

    static let all: [Attack] = ModePlug.all.keys.sorted().flatMap { command in
        guard case .attacked? = ModePlug.all[command] else { return [] as [Attack] }
        return Face.allCases.map { Attack(command: command, face: $0) }
    }
}

/// Whatever a stranger sends: nothing of it acts on a terminal, nothing of it looks like the program's own words.
@Suite(.serialized, .timeLimit(.minutes(4)))
struct HostileInputTests {
    @Test func everyCommandIsPluggedIn() {
        let commands = CommandTree.root.leaves().map { $0.path.dropFirst().joined(separator: " ") }
        for command in commands {
            #expect(
                ModePlug.all[command] != nil,
                "chat \(command) has no row in Tests/ModesTests: who attacks it, and on which ways?")
        }
        // Rows of commands that do not exist are a mistake as well.
        #expect(Set(ModePlug.all.keys).subtracting(commands) == [])
    }

    @Test(arguments: Attack.all)
    private func nothingOfAStrangersActsOrPassesForTheProgram(attack: Attack) async throws {
        guard case .attacked(let run)? = ModePlug.all[attack.command] else { return }
        let bytes = try await run(attack.face)
        #expect(bytes.count > 20)
        // An export has a schema of its own.
        if attack.command.hasSuffix(" export") {
            #expect(Harmlessness.violations(export: bytes) == [])
            return
        }
        switch attack.face {
        case .terminal:
            #expect(Harmlessness.violations(terminal: bytes) == [])
            var screen = ScreenModel(columns: 200, rows: 50)
            screen.feed(bytes)
            #expect(screen.unknown.filter { $0 != "control 9" } == [])
            expectNothingForged(in: screen.lines, attack)
        case .pipe:
            #expect(Harmlessness.violations(stream: bytes) == [])
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { String($0) }
            expectNothingForged(in: lines, attack)
        case .json:
            #expect(Harmlessness.violations(stream: bytes) == [])
            // A measurement is an object of its own, and what it cannot measure is said on standard error.
            guard !attack.command.hasPrefix("bench ") else { return }
            let schema = try EventSchema.ofProtocols()
            let lines = bytes.split(separator: 0x0A)
            #expect(!lines.isEmpty)
            for line in lines { #expect(schema.violations(of: line) == []) }
        }
    }

    private func expectNothingForged(in lines: [String], _ attack: Attack) {
        #expect(Harmlessness.forged(in: lines) == [], "\(attack)")
    }

    @Test func theChecksSeeWhatTheyAreFor() {
        for text in HostileText.corpus where !text.isEmpty {
            let isSeen =
                !Harmlessness.violations(stream: Array(text.utf8)).isEmpty
                || !Harmlessness.violations(terminal: Array(text.utf8)).isEmpty
                || text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7F }
                || ["\u{3164}", "\u{115F}", "\u{301}", "\ttab"].contains(text) || text.contains("\n")
            #expect(isSeen, "\(text.debugDescription)")
        }
        for bytes in HostileText.bytes { #expect(!Harmlessness.violations(stream: bytes).isEmpty) }
        #expect(Harmlessness.violations(terminal: Array("\u{1B}[2m[14:03:21] \u{1B}[0mhi\r\n\u{1B}[12G".utf8)) == [])
        #expect(
            Harmlessness.forged(in: ["[14:03:21] * FORGED joined", "* FORGED", "[14:03:21] You: FORGED"]).count == 3)
        #expect(Harmlessness.forged(in: ["[14:03:21] \"* FORGED\" joined", "[14:03:21] mallory: * FORGED"]) == [])
    }
}
