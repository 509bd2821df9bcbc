import BoardMode
import Testing
import Wire

@Suite("Board: commands as text")
struct BoardTextRequestTests {
    static func post(_ group: String, _ subject: String, _ text: String) -> BoardRequest {
        .post(group: group, BoardDraft(id: nil, subject: try! Subject(validating: subject), text: text))
    }

    @Test(
        "Each command, its short form, and any spelling of its word",
        arguments: [
            ("%groups", .groups(after: nil, all: false)),
            ("groups", .groups(after: nil, all: false)),
            ("GROUPS and more words", .groups(after: nil, all: false)),
            ("%%gr%oups%", .groups(after: nil, all: false)),
            ("%allgroups", .groups(after: nil, all: true)),
            ("%allgroups after sub_3", .groups(after: "sub_3", all: true)),
            ("%groupjoin general", .join(group: "general", resume: nil)),
            ("%join", .join(group: "main", resume: nil)),
            ("%join whatever", .join(group: "main", resume: nil)),
            ("%groupusers general", .users(group: "general")),
            ("%users", .users(group: "main")),
            ("%users x y", .users(group: "main")),
            ("%groupleave general", .leave(group: "general")),
            ("%leave now", .leave(group: "main")),
            ("%groupmessage general 3", .read(group: "general", .offset(3))),
            ("%message x", .read(group: "main", .other("x"))),
            ("%grouplist general", .list(group: "general", before: nil)),
            ("%grouplist general before 20", .list(group: "general", before: 20)),
            ("%list", .list(group: "main", before: nil)),
            ("%list BEFORE 7", .list(group: "main", before: 7)),
            ("%groupcreate den", .create(group: "den", visibility: nil)),
            ("%groupcreate den last:5", .create(group: "den", visibility: .last(5))),
            ("%groupcreate den ALL", .create(group: "den", visibility: .all)),
            ("%connect 127.0.0.1 6789", .connect),
            ("%help", .help), ("%exit", .exit), ("exit now", .exit), ("%json", .upgrade),
            ("  %post   subject   two  words \r", post("main", "subject", "two  words")),
            ("%grouppost general s c", post("general", "s", "c")),
        ] as [(String, BoardRequest)])
    func commands(line: String, request: BoardRequest) {
        #expect(BoardRequest(text: line) == request)
    }

    @Test(
        "A quoted subject may hold spaces; a quote without its match is a plain character",
        arguments: [
            ("%post \"two words\" text", post("main", "two words", "text")),
            ("%grouppost g \"a b  c\" t \"u\"", post("g", "a b  c", "t \"u\"")),
            ("%post \"a\"b c\" text", post("main", "a\"b c", "text")),
            ("%post \"open text here", post("main", "\"open", "text here")),
            ("%post \"\" text", post("main", "\"\"", "text")),
            ("%post a\"b text", post("main", "a\"b", "text")),
        ] as [(String, BoardRequest)])
    func quotes(line: String, request: BoardRequest) {
        #expect(BoardRequest(text: line) == request)
    }

    @Test(
        "What is no command, or has the wrong number of words, is answered with itself",
        arguments: [
            "hello", "%nonsense x", "%", "%groupjoin", "%groupjoin a b", "%post", "%post subject", "%grouppost g s",
            "%post \"two words\"", "%groupmessage g", "%message", "%message 1 2", "%groupleave", "%groupusers a b",
            "%list 3", "%list before", "%list before x", "%list before -1", "%grouplist", "%grouplist g before 1 2",
            "%groupcreate", "%groupcreate a b", "%groupcreate a last:-1", "%json now", "%allgroups x", "部屋 へ",
        ])
    func unknown(line: String) {
        #expect(BoardRequest(text: "  " + line + " ") == .unknown(line))
    }

    @Test("A blank line is nothing", arguments: ["", " ", "\t \r"])
    func blank(line: String) { #expect(BoardRequest(text: line) == nil) }

    @Test("Limits are said with the number of bytes that are too many")
    func limits() {
        let long = String(repeating: "x", count: BoardPostRules.textLimit)
        #expect(BoardRequest(text: "%post s \(long)") == Self.post("main", "s", long))
        #expect(
            BoardRequest(text: "%post s \(long)yz")
                == .invalid(BoardRefusal(.tooLong, "The text is 2 bytes too long; a post holds 16384.")))
        let subject = String(repeating: "s", count: 203)
        #expect(
            BoardRequest(text: "%post \(subject) t")
                == .invalid(
                    BoardRefusal(.badName, "The subject is 3 bytes too long; it may have 200 bytes of UTF-8.")))
        #expect(
            BoardRequest(text: "%post a\u{202E}b t")
                == .invalid(
                    BoardRefusal(
                        .badName,
                        "The subject 'a\\u{202E}b' holds a character that cannot be shown; leave it out.")))
    }
}
