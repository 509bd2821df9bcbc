import Delivery
import TestSupport
import Testing
import Wire

@testable import BoardMode

/// Every block `board.` of Protocols.md is what one end writes and the other reads.
@Suite("Board: the document's byte vectors")
struct BoardGoldenTests {
    static let vectors = Result { try GoldenVectors.ofProtocols() }

    static let epoch = Epoch(value: 0x0123_4567_89ab_cdef)
    static let id = MessageID(high: 0x0001_0203_0405_0607, low: 0x0809_0a0b_0c0d_0e0f)
    static let secret = ResumeSecret(MessageID(high: 0x5566_7788_99aa_bbcc, low: 0xddee_ff00_1122_3344))
    static let time = Timestamp(rfc3339: "2026-11-20T14:27:31.036Z")!
    static let post = KeptMessage(
        offset: 2, id: id, author: "alice", time: time, subject: "Two words", text: "Hello\nyou")
    static let history = GroupHistory(group: "main", epoch: epoch, messages: [post], earlier: nil)
    static let visible = JoinedGroup(
        group: "main", epoch: epoch, nextOffset: 2, firstVisible: 0, resume: secret, isResumed: false, history: nil)

    static let writer = BoardTextWriter(utcOffset: { _ in 0 })

    static func text(_ body: (inout ByteWriter) -> Void) -> [UInt8] {
        var bytes = ByteWriter()
        body(&bytes)
        return bytes.bytes
    }

    static func text(_ answer: BoardAnswer) -> [UInt8] { text { writer.write(answer, to: &$0) } }
    static func text(_ event: BoardEvent) -> [UInt8] { text { writer.write(event, to: &$0) } }

    /// What a server says in text.
    static let texts: [(name: String, bytes: [UInt8])] = [
        ("board.prompt", text { writer.writePrompt(to: &$0) }),
        ("board.name_taken", text { writer.writeNameTaken(to: &$0) }),
        ("board.welcome", text(.ready(name: "alice"))),
        (
            "board.joined",
            text(
                .joined(
                    JoinedGroup(
                        group: "main", epoch: epoch, nextOffset: 3, firstVisible: 2, resume: nil, isResumed: false,
                        history: history)))
        ),
        ("board.message", text(.message(group: "main", epoch: epoch, post))),
        ("board.posted", text(.posted(group: "main", epoch: epoch, offset: 2, id: id, time: time))),
        ("board.notify.joined", text(.joined(group: "main", name: "alice"))),
        ("board.notify.left", text(.left(group: "main", name: "alice"))),
        ("board.notify.message", text(.posted(group: "main", epoch: epoch, post))),
    ]

    static let draft = BoardDraft(id: id, subject: try! Subject(validating: "Two words"), text: "Hello\nyou")

    /// What a program asks for.
    static let requests: [(name: String, request: BoardRequest, id: JSON)] = [
        ("board.json.join", .join(group: "main", resume: nil), .integer(1)),
        ("board.json.join.resume", .join(group: "main", resume: secret), .integer(1)),
        ("board.json.post", .post(group: "main", draft), .null),
        ("board.json.since", .since(group: "main", epoch: epoch, offset: -1, limit: nil), .integer(2)),
    ]

    /// What it is answered.
    static let answers: [(name: String, operation: String, id: JSON, answer: BoardAnswer)] = [
        ("board.json.ready", "hello", .null, .ready(name: "alice")),
        ("board.json.joined", "join", .integer(1), .joined(visible)),
        (
            "board.json.posted", "post", .string(id.hex),
            .posted(group: "main", epoch: epoch, offset: 2, id: id, time: time)
        ),
        (
            "board.json.caught_up", "since", .integer(2),
            .caughtUp(
                CatchUp(group: "main", epoch: epoch, messages: [post], gap: 0...1, next: nil, isReset: false))
        ),
        (
            "board.json.error", "post", .string(id.hex),
            .refused(BoardRefusal(.notMember, "You must join group 'main' before posting."))
        ),
    ]

    static let events: [(name: String, event: BoardEvent)] = [
        ("board.json.message", .posted(group: "main", epoch: epoch, post)),
        ("board.json.joined_event", .joined(group: "main", name: "bob")),
    ]

    /// Commands as the original's client sends them: a segment without an end.
    static let commands: [(name: String, request: BoardRequest)] = [
        (
            "board.command.post",
            .post(group: "main", BoardDraft(id: nil, subject: try! Subject(validating: "first"), text: "Hello  there"))
        )
    ]

    func bytes(_ name: String) throws -> [UInt8] { try #require(try Self.vectors.get()[name], "no block \(name)") }

    func expect(_ bytes: [UInt8], _ name: String) throws {
        let wanted = String(decoding: try self.bytes(name), as: UTF8.self)
        #expect(String(decoding: bytes, as: UTF8.self) == wanted, "\(name)")
    }

    @Test("The server's words in text")
    func wordsOfTheServer() throws {
        for vector in Self.texts { try expect(vector.bytes, vector.name) }
    }

    @Test("A notification is read by our client, at a server of text")
    func notifications() throws {
        func read(_ name: String) throws -> BoardTextNotification? {
            BoardTextNotification(String(decoding: try bytes(name).dropLast(), as: UTF8.self))
        }
        #expect(try read("board.notify.joined") == .joined(group: "main", name: "alice"))
        #expect(try read("board.notify.left") == .left(group: "main", name: "alice"))
        #expect(
            try read("board.notify.message")
                == .other(group: "main", text: "New message from alice (ID: 2, Subject: Two words)"))
    }

    @Test("A command without a line end is one when silence follows")
    func segments() throws {
        for vector in Self.commands {
            var input = BoardInputMachine()
            input.received(try bytes(vector.name)[...])
            #expect(input.next() == nil && input.waitsForSilence)
            input.silenceElapsed()
            guard case .command(let command)? = input.next() else {
                Issue.record("\(vector.name) is no command")
                continue
            }
            #expect(BoardRequest(text: String(decoding: command, as: UTF8.self)) == vector.request)
        }
    }

    @Test("Requests are written and read")
    func requests() throws {
        for vector in Self.requests {
            try expect(try #require(vector.request.json(id: vector.id)), vector.name)
            let read = BoardJSONRequest(parsing: try bytes(vector.name).dropLast()[...])
            #expect(read.content == .request(vector.request), "\(vector.name)")
            #expect(read.operation == vector.request.operation)
        }
        let hello = BoardJSONRequest(parsing: try bytes("board.json.hello").dropLast()[...])
        #expect(hello == BoardJSONRequest(id: .null, operation: "hello", content: .hello(name: "alice")))
    }

    @Test("Answers and events are written and read")
    func answers() throws {
        for vector in Self.answers {
            var writer = ByteWriter()
            BoardJSONWriter.write(vector.answer, operation: vector.operation, id: vector.id, to: &writer)
            try expect(writer.bytes, vector.name)
            #expect(
                BoardIncoming(parsing: try bytes(vector.name).dropLast()[...])
                    == .answer(operation: vector.operation, id: vector.id, vector.answer), "\(vector.name)")
        }
        for vector in Self.events {
            var writer = ByteWriter()
            BoardJSONWriter.write(vector.event, to: &writer)
            try expect(writer.bytes, vector.name)
            #expect(BoardIncoming(parsing: try bytes(vector.name).dropLast()[...]) == .event(vector.event))
        }
    }

    @Test("Every block of the board is tested, and every vector is in the document")
    func complete() throws {
        let tested =
            Self.texts.map(\.name) + Self.requests.map(\.name) + Self.answers.map(\.name) + Self.events.map(\.name)
            + Self.commands.map(\.name) + ["board.json.hello"]
        #expect(Set(tested) == Set(try Self.vectors.get().names(prefix: "board.")))
    }
}
