import BoardMode
import Delivery
import Testing
import Wire

@Suite("Board: answers as text")
struct BoardTextAnswerTests {
    let writer = BoardTextWriter(utcOffset: { _ in 3_600 })
    static let epoch = Epoch(value: 7)

    func text(_ answer: BoardAnswer) -> String {
        var bytes = ByteWriter()
        writer.write(answer, to: &bytes)
        return String(decoding: bytes.bytes, as: UTF8.self)
    }

    func text(_ event: BoardEvent) -> String {
        var bytes = ByteWriter()
        writer.write(event, to: &bytes)
        return String(decoding: bytes.bytes, as: UTF8.self)
    }

    static func message(
        _ offset: Int64, _ subject: String, _ text: String = "", at time: String = "2026-11-20T14:27:31.5Z"
    ) -> KeptMessage {
        KeptMessage(
            offset: offset, id: MessageID(high: 0, low: UInt64(offset)), author: "alice",
            time: Timestamp(rfc3339: time)!, subject: subject, text: text)
    }

    static func groups(_ names: [String]) -> [GroupDescription] {
        names.map { GroupDescription(name: $0, visibility: .standard, isMember: false) }
    }

    @Test("Login, word for word")
    func login() {
        var bytes = ByteWriter()
        writer.writePrompt(to: &bytes)
        writer.writeNameTaken(to: &bytes)
        writer.writeWelcome("Zoë", to: &bytes)
        #expect(
            String(decoding: bytes.bytes, as: UTF8.self) == """
                What is your username?
                [ERROR] Username already in use. Please try another.
                What is your username?
                [INFO] Welcome Zoë
                [INFO] Use '%groups' to see available groups, and '%groupjoin id/name' to enter.

                """)
    }

    @Test(
        "Every answer of one line, word for word",
        arguments: [
            (.alreadyMember(group: "g"), "[INFO] You are already a member of group 'g'."),
            (.noSuchGroup("G"), "[ERROR] Group 'G' not found."),
            (
                .posted(
                    group: "g", epoch: epoch, offset: 12, id: MessageID(high: 0, low: 0),
                    time: Timestamp(microseconds: 0)),
                "[SUCCESS] Message posted to group 'g' with ID: 12"
            ),
            (.notMember(group: "g", .post), "[ERROR] You must join group 'g' before posting."),
            (.notMember(group: "g", .read), "[ERROR] You must join group 'g' to retrieve messages."),
            (.notMember(group: "g", .list), "[ERROR] You must join group 'g' to list messages."),
            (.notMember(group: "g", .users), "[ERROR] You must join group 'g' to list users."),
            (.notMember(group: "g", .leave), "[ERROR] You are not currently a member of group 'g'."),
            (.users(group: "g", []), "[INFO] No users currently in group 'g'."),
            (.users(group: "g", ["bob", "al ice"]), "[INFO] Users in group 'g':\nbob\nal ice"),
            (.left(group: "g"), "[SUCCESS] You have successfully left group 'g'."),
            (.noSuchMessage(group: "g", id: "x7"), "[ERROR] Message ID 'x7' not found in group 'g'."),
            (.alreadyConnected, "[INFO] Already connected to server. Use '%groups' to see available groups."),
            (.goodbye, "[INFO] Disconnecting..."),
            (.unknown("what is this"), "[ERROR] Unknown command or incorrect format: what is this"),
            (.created(group: "g"), "[SUCCESS] Group 'g' created."),
            (.groupExists(group: "g"), "[ERROR] Group 'g' already exists."),
            (
                .groups(groups(["main", "general", "sub_1", "sub_2", "sub_3"]), total: 5, next: nil),
                "[INFO] Available Groups (5 total): main, general, sub_1, sub_2, sub_3"
            ),
            (
                .groups(groups(["main", "general", "sub_1", "sub_2", "sub_3"]), total: 12, next: nil),
                "[INFO] Available Groups (12 total): main, general, sub_1, sub_2, sub_3 (+7 more not displayed)"
            ),
            (
                .groups(groups(["a", "b"]), total: 12, next: "b"),
                "[INFO] Available Groups (12 total): a, b\n[INFO] More groups: %allgroups after b"
            ),
        ] as [(BoardAnswer, String)])
    func oneLine(answer: BoardAnswer, line: String) { #expect(text(answer) == line + "\n") }

    @Test("A join shows the history, or that there is none")
    func join() {
        func joined(_ messages: [KeptMessage]) -> BoardAnswer {
            .joined(
                JoinedGroup(
                    group: "main", epoch: Self.epoch, nextOffset: 2, firstVisible: 0, resume: nil, isResumed: false,
                    history: GroupHistory(group: "main", epoch: Self.epoch, messages: messages, earlier: nil)))
        }
        #expect(
            text(joined([])) == """
                [SUCCESS] You have successfully joined group 'main'.
                [INFO] Group 'main' is empty.

                """)
        #expect(
            text(joined([Self.message(0, "first"), Self.message(1, "second", at: "2026-01-02T23:05:09Z")])) == """
                [SUCCESS] You have successfully joined group 'main'.
                --- Group: main History ---
                ID: 0 | Sender: alice | Date: Friday, 20 November 2026, 03:27:31PM | Subject: first
                ID: 1 | Sender: alice | Date: Saturday, 03 January 2026, 12:05:09AM | Subject: second
                --------------------------------

                """)
    }

    @Test("A list says where it goes on")
    func list() {
        #expect(
            text(
                .history(
                    GroupHistory(group: "main", epoch: Self.epoch, messages: [Self.message(41, "s")], earlier: 41)))
                    == """
                    --- Group: main History ---
                    ID: 41 | Sender: alice | Date: Friday, 20 November 2026, 03:27:31PM | Subject: s
                    --------------------------------
                    [INFO] Earlier messages: %grouplist main before 41
                    [INFO] Messages Listed.

                    """)
    }

    @Test("A message is a block; its further lines are indented, and no control character of it is left")
    func message() {
        #expect(
            text(.message(group: "main", epoch: Self.epoch, Self.message(0, "first", "This is the body of one"))) == """
                --- Message ID: 0 (Group: main) ---
                Sender: alice
                Date: Friday, 20 November 2026, 03:27:31PM
                Subject: first
                ---------------------------------------------------
                This is the body of one
                ---------------------------------------------------

                """)
        let hostile = text(
            .message(
                group: "main", epoch: Self.epoch,
                Self.message(0, "s", "a\u{1B}]0;x\u{7}\n[SUCCESS] forged\r\n\u{202E}b")))
        #expect(hostile.contains("\n    [SUCCESS] forged\n"))
        #expect(!hostile.contains("\n[SUCCESS]"))
        #expect(
            hostile.unicodeScalars.allSatisfy {
                $0 == "\n" || ($0.value >= 0x20 && $0.value != 0x202E && $0.value != 0x7F)
            })
    }

    @Test("An unknown command comes back without what could harm")
    func hostileEcho() {
        #expect(text(.unknown("\u{1B}[2J")) == "[ERROR] Unknown command or incorrect format: \\u{1B}[2J\n")
    }

    @Test("Notifications, word for word")
    func notifications() {
        #expect(text(.joined(group: "g", name: "bob")) == "[GROUP:g] [NOTIFY] User bob joined the group.\n")
        #expect(text(.left(group: "g", name: "bob")) == "[GROUP:g] [NOTIFY] User bob left the group.\n")
        #expect(
            text(.posted(group: "g", epoch: Self.epoch, Self.message(3, "fourth")))
                == "[GROUP:g] [NOTIFY] New message from alice (ID: 3, Subject: fourth)\n")
    }
}
