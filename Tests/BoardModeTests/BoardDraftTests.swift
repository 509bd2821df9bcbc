import Testing
import Wire

@testable import BoardMode

@Suite("Board: drafts and names")
struct BoardDraftTests {
    func parse(_ text: String) throws(BoardDraftText.Problem) -> BoardDraftText {
        try BoardDraftText(parsing: Array(text.utf8))
    }

    @Test("A subject, an empty line, the text: edges go, inner lines and indentation stay")
    func parsed() throws {
        var draft = try parse("Subject: Two words\n\nOne\n  two\n\nthree\n\n\n")
        #expect(draft.subject == "Two words" && draft.text == "One\n  two\n\nthree")
        draft = try parse("SUBJECT :s\r\n\r\n\r\n   indented\r\nlast  ")
        #expect(draft.subject == "s" && draft.text == "   indented\nlast")
        draft = try parse("\u{FEFF}Subject: s: t\ntext right below")
        #expect(draft.subject == "s: t" && draft.text == "text right below")
        draft = try parse("Subject:\n\n# not a comment")
        #expect(draft.subject == "" && draft.text == "# not a comment")
    }

    @Test(
        "What is no draft",
        arguments: [
            ("", BoardDraftText.Problem.empty), (" \n\n", .empty), ("Subject: s\n", .empty),
            ("Subject: s\n\n \t\n", .empty),
            (BoardDraftText.template(subject: "s"), .empty), ("text alone", .noSubject),
            ("\nSubject: s\n\nt", .noSubject),
            ("Topic: s\n\nt", .noSubject),
        ])
    func refused(text: String, problem: BoardDraftText.Problem) {
        #expect(throws: problem) { try parse(text) }
    }

    @Test("Bytes that are no text")
    func notText() {
        #expect(throws: BoardDraftText.Problem.notText) {
            try BoardDraftText(parsing: Array("Subject: ".utf8) + [0xFF])
        }
    }

    @Test("Names for completion come from answers and events, and from nothing that could not be typed")
    func names() {
        var names = BoardNames()
        names.note(
            .groups(
                ["main", "den", "a b", "x\u{1B}[2J"].map {
                    GroupDescription(name: $0, visibility: .all, isMember: false)
                }, total: 4, next: nil))
        #expect(names.groups == ["main", "den"])
        names.note(.users(group: "main", ["bob", "alice"]))
        names.note(.joined(group: "den", name: "carol"))
        names.note(.joined(group: "main", name: "carol"))
        names.note(.joined(group: "main", name: "\u{202E}evil"))
        #expect(names.people == ["alice", "bob", "carol"])
        names.note(.left(group: "MAIN", name: "Carol"))
        #expect(names.people == ["alice", "bob", "carol"], "she is still in the other group")
        names.note(.left(group: "den", name: "carol"))
        #expect(names.people == ["alice", "bob"])
        names.note(.users(group: "main", ["dave"]))
        #expect(names.people == ["dave"])
        names.note(BoardAnswer.left(group: "main"))
        #expect(names.people == [])
        names.note(
            line: "[INFO] Available Groups (7 total): main, general, sub_1, sub_2, sub_3 (+2 more not displayed)")
        #expect(names.groups == ["main", "den", "general", "sub_1", "sub_2"])
    }
}
