import Delivery
import Testing
import Wire

@testable import BoardMode

@Suite("Board: JSON")
struct BoardJSONTests {
    static let epoch = Epoch(value: 0x0123_4567_89ab_cdef)
    static let secret = ResumeSecret(MessageID(high: 1, low: 2))
    static let message = KeptMessage(
        offset: 3, id: MessageID(high: 0xfedc, low: 9), author: "Zoë",
        time: Timestamp(rfc3339: "2026-11-20T14:27:31.036Z")!,
        subject: "two words", text: "a\n\"b\" \u{1B} 部屋")

    // MARK: - Requests

    @Test(
        "Requests as programs write them",
        arguments: [
            (#"{"op":"groups"}"#, .groups(after: nil, all: true)),
            (#"{"op": "groups", "after": "main"}"#, .groups(after: "main", all: true)),
            (#"{"op":"join","group":"main"}"#, .join(group: "main", resume: nil)),
            (
                #"{"op":"join","group":"main","resume":"00000000000000010000000000000002"}"#,
                .join(group: "main", resume: secret)
            ),
            (#"{"op":"join","group":"main","resume":"nonsense"}"#, .join(group: "main", resume: nil)),
            (#"{"op":"leave","group":"main"}"#, .leave(group: "main")),
            (#"{"op":"users","group":"main"}"#, .users(group: "main")),
            (#"{"op":"read","group":"main","offset":3}"#, .read(group: "main", .offset(3))),
            (#"{"op":"list","group":"main"}"#, .list(group: "main", before: nil)),
            (#"{"op":"list","group":"main","before":9}"#, .list(group: "main", before: 9)),
            (#"{"op":"since","group":"main"}"#, .since(group: "main", epoch: nil, offset: -1, limit: nil)),
            (
                #"{"op":"since","group":"main","epoch":"0123456789abcdef","offset":7,"limit":10}"#,
                .since(group: "main", epoch: epoch, offset: 7, limit: 10)
            ),
            (#"{"op":"create","group":"den","visibility":"last:3"}"#, .create(group: "den", visibility: .last(3))),
            (
                #"{"op":"post","group":"main","subject":"two words","text":"a\nb"}"#,
                .post(group: "main", BoardDraft(id: nil, subject: try! Subject(validating: "two words"), text: "a\nb"))
            ),
            (#"{"op":"ping"}"#, .ping), (#"{"op":"exit"}"#, .exit),
        ] as [(String, BoardRequest)])
    func requests(line: String, request: BoardRequest) {
        #expect(BoardJSONRequest(parsing: Array(line.utf8)[...]).content == .request(request))
    }

    @Test("Every operation is known by its name", arguments: BoardJSONRequest.Operation.allCases)
    func operations(operation: BoardJSONRequest.Operation) throws {
        var fields = BoardRequestFields()
        try fields.read(Array("{\"op\":\"\(operation.rawValue)\"}".utf8)[...])
        #expect(fields.operation == .known(operation))
    }

    @Test(
        "What is wrong with a request is said, with its id",
        arguments: [
            ("", "That is no JSON object on one line."),
            ("hello", "That is no JSON object on one line."),
            (#"[1]"#, "A request is an object with a string \"op\"."),
            (#"{"id":5}"#, "A request is an object with a string \"op\"."),
            (#"{"op":"dance","id":5}"#, "There is no \"op\" called \"dance\"."),
            (#"{"op":"join","id":5}"#, "\"group\" is missing."),
            (#"{"op":"join","group":5,"id":5}"#, "\"group\" is a string."),
            (#"{"op":"read","group":"g","offset":"x","id":5}"#, "\"offset\" is an integer."),
            (#"{"op":"read","group":"g","id":5}"#, "\"offset\" is missing."),
            (#"{"op":"since","group":"g","limit":0,"id":5}"#, "A \"limit\" is between 1 and 1000."),
            (#"{"op":"since","group":"g","epoch":"x","id":5}"#, "An \"epoch\" is what an answer to \"join\" said."),
            (#"{"op":"create","group":"g","visibility":"x","id":5}"#, "\"visibility\" is none, all or last:N."),
            (#"{"op":"ping","id":[1]}"#, "An \"id\" is an integer or a string of at most 64 bytes."),
            (
                #"{"op":"post","group":"g","subject":"s","text":"t","id":5}"#,
                "The \"id\" of a post is 32 hexadecimal digits, made by its author."
            ),
            (#"{"op":"post","group":"g","subject":"","text":"t"}"#, "The subject is empty."),
            (#"{"op":"post","group":"g","subject":"s","text":""}"#, "The text is empty."),
        ] as [(String, String)])
    func badRequests(line: String, sentence: String) {
        let request = BoardJSONRequest(parsing: Array(line.utf8)[...])
        guard case .request(.invalid(let refusal)) = request.content else {
            Issue.record("\(request)")
            return
        }
        #expect(refusal.text.string == sentence)
        #expect(request.id == (line.contains("\"id\":5") ? 5 : .null))
    }

    @Test("What a client writes is what the server reads")
    func requestsRoundTrip() throws {
        let draft = BoardDraft(
            id: Self.message.id, subject: try Subject(validating: "two words"), text: "a\n\u{1B}\"")
        let requests: [BoardRequest] = [
            .groups(after: nil, all: true), .groups(after: "main", all: true), .join(group: "main", resume: nil),
            .join(group: "main", resume: Self.secret), .leave(group: "main"),
            .leave(group: "main", resume: Self.secret), .post(group: "main", draft),
            .users(group: "main"), .read(group: "main", .offset(5)), .list(group: "main", before: nil),
            .list(group: "main", before: 4), .since(group: "main", epoch: Self.epoch, offset: 3, limit: 5),
            .since(group: "main", epoch: nil, offset: -1, limit: nil), .create(group: "den", visibility: .all),
            .create(group: "den", visibility: nil), .ping, .help, .exit,
        ]
        for request in requests {
            let line = try #require(request.json(id: 5))
            #expect(line.last == UInt8(ascii: "\n"))
            let read = BoardJSONRequest(parsing: line.dropLast())
            #expect(read.content == .request(request))
            if case .post = request {
                #expect(read.id == .string(Self.message.id.hex))
            } else {
                #expect(read.id == 5)
            }
        }
    }

    @Test("What a client writes as text is what the server reads")
    func commandsRoundTrip() throws {
        func draft(_ subject: String) throws -> BoardDraft {
            BoardDraft(id: nil, subject: try Subject(validating: subject), text: "a  b")
        }
        let requests: [BoardRequest] = [
            .groups(after: nil, all: false), .join(group: "general", resume: nil), .leave(group: "general"),
            .post(group: "general", try draft("one")), .users(group: "general"), .read(group: "general", .other("x")),
            .list(group: "general", before: nil), .exit,
        ]
        for request in requests { #expect(BoardRequest(text: try #require(request.command)) == request) }
        #expect(BoardRequest.post(group: "g", try draft("two words")).command == nil)
    }

    // MARK: - Answers

    static func line(_ answer: BoardAnswer, operation: String, id: JSON = 5) -> String {
        var writer = ByteWriter()
        BoardJSONWriter.write(answer, operation: operation, id: id, to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test("Answers, byte for byte")
    func answers() {
        #expect(
            Self.line(
                .posted(group: "main", epoch: Self.epoch, offset: 3, id: Self.message.id, time: Self.message.time),
                operation: "post")
                == #"{"event":"answer","op":"post","id":"000000000000fedc0000000000000009","group":"main","epoch":"0123456789abcdef","offset":3,"time":"2026-11-20T14:27:31.036Z"}"#
                + "\n")
        #expect(
            Self.line(.notMember(group: "main", .post), operation: "post", id: "x")
                == #"{"event":"error","op":"post","id":"x","code":"not_member","text":"You must join group 'main' before posting."}"#
                + "\n")
        #expect(
            Self.line(.ready(name: "alice"), operation: "json", id: .null)
                == #"{"event":"ready","op":"json","version":1,"name":"alice","limits":{"line":65536,"subject":200,"text":16384}}"#
                + "\n")
    }

    @Test("What the server writes is what a client reads, whatever is in it")
    func answersRoundTrip() {
        let head = KeptMessage(
            offset: 3, id: Self.message.id, author: "Zoë", time: Self.message.time, subject: "two words", text: "")
        let answers: [(BoardAnswer, String)] = [
            (.ready(name: "alice"), "hello"),
            (
                .groups([GroupDescription(name: "main", visibility: .last(2), isMember: true)], total: 9, next: "main"),
                "groups"
            ),
            (
                .joined(
                    JoinedGroup(
                        group: "main", epoch: Self.epoch, nextOffset: 9, firstVisible: 7, resume: Self.secret,
                        isResumed: true, history: nil)), "join"
            ),
            (
                .joined(
                    JoinedGroup(
                        group: "main", epoch: Self.epoch, nextOffset: 9, firstVisible: 7, resume: nil, isResumed: false,
                        history: nil)), "join"
            ),
            (.alreadyMember(group: "main"), "join"),
            (
                .posted(group: "main", epoch: Self.epoch, offset: 3, id: Self.message.id, time: Self.message.time),
                "post"
            ),
            (.users(group: "main", ["a", "b \" c"]), "users"), (.left(group: "main"), "leave"),
            (.message(group: "main", epoch: Self.epoch, Self.message), "read"),
            (.history(GroupHistory(group: "main", epoch: Self.epoch, messages: [head], earlier: 3)), "list"),
            (
                .caughtUp(
                    CatchUp(
                        group: "main", epoch: Self.epoch, messages: [Self.message], gap: 1...2, next: 3, isReset: true)),
                "since"
            ),
            (
                .caughtUp(CatchUp(group: "main", epoch: Self.epoch, messages: [], gap: nil, next: nil, isReset: false)),
                "since"
            ),
            (.created(group: "den"), "create"), (.pong, "ping"), (.help, "help"), (.goodbye, "exit"),
        ]
        for (answer, operation) in answers {
            let line = Array(Self.line(answer, operation: operation).utf8).dropLast()
            guard case .answer(operation, let id, answer)? = BoardIncoming(parsing: line) else {
                Issue.record("\(String(decoding: line, as: UTF8.self))")
                continue
            }
            #expect(operation == "post" ? id == .string(Self.message.id.hex) : id == 5)
        }
        let members = BoardJSONWriter.members(of: Self.message, in: "main", Self.epoch)
        #expect(
            Self.line(.encodedMessage(members), operation: "read")
                == Self.line(.message(group: "main", epoch: Self.epoch, Self.message), operation: "read"))
        for refusal: BoardAnswer in [
            .noSuchGroup("g"), .noSuchMessage(group: "g", id: "x"), .notMember(group: "g", .users),
            .groupExists(group: "g"),
            .groupFull(group: "g"), .unknown("x"), .refused(BoardRefusal(.idTaken, "text")),
        ] {
            let line = Array(Self.line(refusal, operation: "join").utf8).dropLast()
            #expect(BoardIncoming(parsing: line) == .answer(operation: "join", id: 5, .refused(refusal.refusal!)))
        }
    }

    @Test("Events round trip, and hold no control character")
    func events() {
        for event: BoardEvent in [
            .joined(group: "main", name: "bob"), .left(group: "main", name: "bob"),
            .posted(group: "main", epoch: Self.epoch, Self.message), .closing("The server is shutting down."),
        ] {
            var writer = ByteWriter()
            BoardJSONWriter.write(event, to: &writer)
            #expect(writer.bytes.last == UInt8(ascii: "\n"))
            #expect(writer.bytes.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F })
            #expect(BoardIncoming(parsing: writer.bytes.dropLast()) == .event(event))
        }
    }

    @Test("What a later version says is passed over; what is no protocol is not")
    func others() {
        func read(_ text: String) -> BoardIncoming? { BoardIncoming(parsing: Array(text.utf8)[...]) }
        #expect(read(#"{"event":"dance","group":"main"}"#) == .other)
        #expect(read(#"{"event":"answer","op":"dance"}"#) == .other)
        #expect(read("[GROUP:main] [NOTIFY] x") == nil)
        #expect(read(#"{"event":"message","group":"main"}"#) == nil)
        #expect(
            read(#"{"event":"error","op":"post","code":"later","text":"x"}"#)
                == .answer(operation: "post", id: .null, .refused(BoardRefusal(.unknown, "x"))))
    }

    @Test("Mutated lines never trap, whichever end reads them")
    func mutations() {
        var random = SplitMix64(seed: 5)
        let seeds = [
            Self.line(
                .caughtUp(
                    CatchUp(
                        group: "main", epoch: Self.epoch, messages: [Self.message], gap: 1...2, next: 3, isReset: true)),
                operation: "since"),
            #"{"op":"post","id":"000000000000fedc0000000000000009","group":"main","subject":"s","text":"t\u00e9"}"#,
            #"{"op":"since","group":"main","epoch":"0123456789abcdef","offset":9223372036854775807,"limit":10}"#,
        ].map { Array($0.utf8) }
        for _ in 0..<20_000 {
            var bytes = seeds[Int(random.next() % 3)]
            for _ in 0..<Int(random.next() % 4 + 1) where !bytes.isEmpty {
                let place = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: place)
                default: bytes.insert(bytes[Int(random.next() % UInt64(bytes.count))], at: place)
                }
            }
            _ = BoardIncoming(parsing: bytes[...])
            _ = BoardJSONRequest(parsing: bytes[...])
            _ = BoardRequest(text: String(decoding: bytes, as: UTF8.self))
        }
    }
}
