import Testing
import Wire

@testable import Console

private enum Verb: Hashable, Sendable {
    case peers
    case say
    case order
}

private let table = CommandTable<Verb>([
    .init(.peers, "peers", aliases: ["links"], summary: "list the peers"),
    .init(.say, "msg", [.required("NAME", .member), .required("TEXT", .text)], summary: "write to NAME alone"),
    .init(.order, "order", [.optional("WAY", .choice(["up", "down"]))], summary: "turn the list"),
])

struct CommandTableTests {
    @Test func textIsText() {
        #expect(table.parse("hello there") == .text("hello there"))
        #expect(table.parse("  two spaces ") == .text("  two spaces "))
        #expect(table.parse("") == .text(""))
        #expect(table.parse("   ") == .text(""))
        #expect(table.parse("5/3") == .text("5/3"))
    }

    /// The short way, for most lines: it may be silent of a text, and never takes anything else for one.
    @Test(arguments: [CommandMarks.slash, .slashAndPercent, .slashAndBareWord])
    func whatIsTextByItsFirstByteIsText(marks: CommandMarks) {
        let marked = CommandTable(table.commands, marks: marks)
        let pieces = ["/", "%", "//", " ", "\t", "peers", "msg", "x", "é", "\u{301}", "\u{A0}", "\u{2028}", "0", ""]
        var texts = 0
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let line = first + second + third
                    guard marks.leavesAsText(line) else { continue }
                    texts += 1
                    #expect(marked.parse(line) == .text(line), "\(line.debugDescription)")
                }
            }
        }
        #expect(marks == .slashAndBareWord ? texts == 0 : texts > 300)
    }

    @Test func doubledSlashIsText() {
        #expect(table.parse("//etc/passwd") == .text("/etc/passwd"))
        #expect(table.parse("//") == .text("/"))
    }

    @Test func commandsAreFoundByNameAndAliasInAnyCase() {
        #expect(table.parse("/peers") == .command(.peers, CommandArguments("")))
        #expect(table.parse("  /LINKS  ") == .command(.peers, CommandArguments("")))
    }

    @Test func theRestOfALineKeepsItsSpacesAndLineBreaks() {
        guard case .command(.say, let arguments) = table.parse("/msg  Bob   two  spaces\nand a line ") else {
            Issue.record("no command")
            return
        }
        #expect(arguments[0] == "Bob")
        #expect(arguments.rest(after: 1) == "two  spaces\nand a line")
    }

    @Test func wrongNumbersOfWordsShowTheUsage() {
        #expect(table.parse("/msg Bob") == .mistake("Usage: /msg NAME TEXT"))
        #expect(table.parse("/peers now") == .mistake("Usage: /peers"))
        #expect(table.parse("/order sideways") == .mistake("Usage: /order [up|down]"))
        #expect(table.parse("/order UP") == .command(.order, CommandArguments("UP")))
    }

    @Test func unknownCommandsAreMistakesWithASuggestion() {
        #expect(table.parse("/pears") == .mistake("Unknown command /pears. Did you mean /peers?"))
        #expect(table.parse("/xyzzy") == .mistake("Unknown command /xyzzy; /help lists the commands."))
        #expect(table.parse("/") == .mistake("/ alone is no command; /help lists the commands."))
    }

    @Test func unknownCommandsAreShownHarmlessly() {
        guard case .mistake(let sentence) = table.parse("/x\u{1B}]0;title\u{7}") else {
            Issue.record("no mistake")
            return
        }
        #expect(!sentence.string.unicodeScalars.contains("\u{1B}"))
    }

    @Test func percentWordsAndBareVerbsAreCommandsWhereTheModeHasThem() {
        let percent = CommandTable(table.commands, marks: .slashAndPercent, text: .refused("No."))
        #expect(percent.parse("%peers") == .command(.peers, CommandArguments("")))
        #expect(percent.parse("%pears") == .mistake("Unknown command %pears. Did you mean %peers?"))
        #expect(percent.parse("hello") == .mistake("No."))
        let bare = CommandTable(table.commands, marks: .slashAndBareWord)
        #expect(bare.parse("msg Bob hi") == .command(.say, CommandArguments("Bob hi")))
        #expect(bare.parse("message Bob") == .text("message Bob"))
        #expect(table.parse("%peers") == .text("%peers"))
    }

    @Test func helpIsTheTable() {
        #expect(
            table.helpLines.map(\.string) == [
                "/peers            list the peers (also /links)",
                "/msg NAME TEXT    write to NAME alone",
                "/order [up|down]  turn the list",
                "A line that begins with // is sent as text that begins with /.",
            ])
        #expect(table.markdownRows[2] == "| `/order [up\\|down]` | turn the list |")
    }

    @Test func theCommonCommandsAreInEveryTable() {
        let merged = table.withCommonCommands()
        for common in CommonCommand.allCases {
            #expect(merged.parse("/\(common.rawValue) x") != .text("/\(common.rawValue) x"))
            #expect(merged.command(named: common.rawValue)?.id == .common(common))
        }
    }

    @Test(arguments: [
        ("pers", "peers"), ("peesr", "peers"), ("pe", "peers"), ("ordr", "order"), ("ms", "msg"),
    ])
    func nearNamesAreFound(typed: String, meant: String) {
        #expect(nearestName(to: typed, among: table.words) == meant)
    }

    @Test(arguments: ["", "q", "zzzzz", "a"])
    func farNamesAreNot(typed: String) {
        #expect(nearestName(to: typed, among: table.words) == nil)
    }
}
