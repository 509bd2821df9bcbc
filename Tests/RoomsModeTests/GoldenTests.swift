import Console
import Delivery
import TestSupport
import Testing
import Wire

@testable import RoomsMode

/// Every block `rooms.` of Protocols.md is what the encoders write and what the decoders read.
@Suite struct GoldenTests {
    private static let id = MessageID(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff)
    private static let token = RoomToken(high: 0x0123_4567_89ab_cdef, low: 0x0011_2233_4455_6677)
    private static let room = "部屋 one"
    private static let epoch = Epoch(value: 0x1f2e_3d4c_5b6a_7988)

    /// What a block holds.
    enum Vector: Sendable {
        case request(RoomsRequest)
        case answer(Result<RoomsAnswer, RoomsRefusal>, to: RoomsRequest)
        case toServer(Message)
        case toOriginal(sender: String, text: String)
        case roomClosed
        case delivery(UCRPDelivery)
    }

    enum Message: Sendable {
        case control(UCRPRequest.Control)
        case text(String)
        case submission(UCRPSubmission)
    }

    private static func request(_ body: RoomsRequest.Body, isExtended: Bool = true, room: String = room) -> RoomsRequest
    {
        RoomsRequest(room: room, body, isExtended: isExtended)
    }

    private static let entered = RoomsAnswer.Entered(
        token: token,
        extended: .init(udpPort: 9_091, epoch: epoch, offset: 12, roster: 7, isHost: false, topic: "tea"))

    private static let page = RoomsAnswer.HistoryPage(
        epoch: epoch, start: 10, end: 12, offset: 12,
        messages: [
            KeptMessage(
                offset: 11, id: id, author: "Alice", time: Timestamp(microseconds: 1_795_184_587_036_000), subject: nil,
                text: "hello")
        ], hasMore: false)

    static let vectors: [(name: String, vector: Vector)] = [
        ("rooms.create", .request(request(.create(name: "Alice"), isExtended: false))),
        (
            "rooms.create.granted",
            .answer(.success(.entered(entered)), to: request(.create(name: "Alice"), isExtended: false))
        ),
        (
            "rooms.create.refused",
            .answer(.failure(.roomExists), to: request(.create(name: "Alice"), isExtended: false))
        ),
        ("rooms.register", .toServer(.control(.register))),
        ("rooms.leave", .toServer(.control(.leave))),
        ("rooms.message", .toServer(.text("hello"))),
        ("rooms.message.relayed", .toOriginal(sender: "Alice", text: "hello")),
        ("rooms.closed", .roomClosed),
        ("rooms.chat.join", .request(request(.join(name: "Alice", token: nil)))),
        (
            "rooms.chat.join.granted",
            .answer(.success(.entered(entered)), to: request(.join(name: "Alice", token: nil)))
        ),
        ("rooms.chat.join.refused", .answer(.failure(.nameInUse), to: request(.join(name: "Alice", token: nil)))),
        ("rooms.chat.return", .request(request(.join(name: "Alice", token: token)))),
        ("rooms.chat.list", .request(request(.list(after: 0), room: ""))),
        (
            "rooms.chat.list.granted",
            .answer(
                .success(
                    .rooms(.init(rooms: [.init(name: "lobby", members: 3, topic: "", isLobby: true)], next: nil))),
                to: request(.list(after: 0), room: ""))
        ),
        ("rooms.chat.history", .request(request(.history(token: token, .from(10), limit: 100)))),
        (
            "rooms.chat.history.granted",
            .answer(.success(.history(page)), to: request(.history(token: token, .from(10), limit: 100)))
        ),
        ("rooms.chat.leave", .request(request(.leave(token: token)))),
        ("rooms.chat.leave.granted", .answer(.success(.left), to: request(.leave(token: token)))),
        ("rooms.chat.who", .request(request(.who(token: token, after: 0)))),
        (
            "rooms.chat.who.granted",
            .answer(
                .success(
                    .members(
                        .init(roster: 7, members: [.init(name: "Alice", isHost: true, isPresent: true)], next: nil))),
                to: request(.who(token: token, after: 0)))
        ),
        ("rooms.chat.topic", .request(request(.topic(token: token, "tea")))),
        (
            "rooms.chat.message",
            .toServer(.submission(UCRPSubmission(.message, id: id, text: Array("hello".utf8)[...])))
        ),
        ("rooms.chat.ping", .toServer(.submission(UCRPSubmission(.ping, id: MessageID(high: 0, low: 5))))),
        (
            "rooms.chat.message.relayed",
            .delivery(
                UCRPDelivery(
                    .message, offset: 12, id: id, sender: Array("Alice".utf8)[...], text: Array("hello".utf8)[...]))
        ),
        ("rooms.chat.ack", .delivery(UCRPDelivery(.ack, offset: 12, id: id))),
        ("rooms.chat.heartbeat", .delivery(UCRPDelivery(.heartbeat, offset: 13, id: MessageID(high: 7, low: 5)))),
        (
            "rooms.chat.closed",
            .delivery(UCRPDelivery(.closed, text: Array("The host, Alice, has closed the room.".utf8)[...]))
        ),
        (
            "rooms.chat.event",
            .delivery(
                UCRPDelivery(
                    .event, offset: 13, id: MessageID(high: 8, low: 0), sender: Array("Bob".utf8)[...],
                    text: Array("joined".utf8)[...]))
        ),
        (
            "rooms.chat.refused",
            .delivery(UCRPDelivery(.refused, offset: 500, id: id, text: Array("You are sending too fast.".utf8)[...]))
        ),
    ]

    static func bytes(_ vector: Vector) -> [UInt8] {
        var writer = ByteWriter()
        switch vector {
        case .request(let request): return request.message.encoded
        case .answer(let answer, let request): RoomsAnswerWriter.write(answer, to: request, &writer)
        case .toServer(let message):
            UCRPRequest.writeHeader(room: Array(room.utf8), token: token, to: &writer)
            switch message {
            case .control(let control): writer.append(control.literal)
            case .text(let text): writer.append(utf8: text)
            case .submission(let submission): submission.write(to: &writer)
            }
        case .toOriginal(let sender, let text):
            UCRPPlainDelivery.message(sender: Array(sender.utf8)[...], text: Array(text.utf8)[...]).write(to: &writer)
        case .roomClosed: UCRPPlainDelivery.roomClosed.write(to: &writer)
        case .delivery(let delivery): delivery.write(to: &writer)
        }
        return writer.bytes
    }

    @Test func theDocumentIsWhatIsWritten() throws {
        let document = try GoldenVectors.ofProtocols()
        #expect(Set(document.names(prefix: "rooms.")) == Set(Self.vectors.map(\.name)))
        for (name, vector) in Self.vectors {
            let golden = try #require(document[name], "Protocols.md lacks \(name)")
            #expect(Self.bytes(vector) == golden, "\(name)")
        }
    }

    @Test func theDocumentIsWhatIsRead() throws {
        let document = try GoldenVectors.ofProtocols()
        for (name, vector) in Self.vectors {
            let golden = try #require(document[name])
            switch vector {
            case .request(let request):
                var decoder = TCRPDecoder(limit: 4_096)
                decoder.append(golden[...])
                #expect(try RoomsRequest(#require(try decoder.next())) == request, "\(name)")
            case .answer(let answer, let request):
                var machine = ClientExchangeMachine(request)
                _ = machine.connected()
                var effects: [ClientExchangeMachine.Effect] = []
                for byte in golden { effects += machine.received([byte]) }
                #expect(effects == [.finished(Self.outcome(answer, of: request))], "\(name)")
            case .toServer(let message):
                let read = try #require(UCRPRequest(golden[...]))
                #expect(read.room.elementsEqual(Self.room.utf8) && RoomToken(read.token) == Self.token)
                switch message {
                case .control(let control): #expect(read.control == control)
                case .text(let text): #expect(read.control == nil && read.message.elementsEqual(text.utf8))
                case .submission(let submission): #expect(UCRPSubmission(read.message) == submission)
                }
            case .toOriginal(let sender, let text):
                #expect(
                    UCRPPlainDelivery(golden[...])
                        == .message(sender: Array(sender.utf8)[...], text: Array(text.utf8)[...]))
            case .roomClosed: #expect(UCRPPlainDelivery(golden[...]) == .roomClosed)
            case .delivery(let delivery): #expect(UCRPDelivery(golden[...]) == delivery, "\(name)")
            }
        }
    }

    /// What a client makes of an answer: an original's has less in it.
    private static func outcome(
        _ answer: Result<RoomsAnswer, RoomsRefusal>, of request: RoomsRequest
    ) -> ClientExchangeMachine.Outcome {
        switch answer {
        case .failure(let refusal): .failure(.refused(refusal))
        case .success(.entered(let entered)) where !request.isExtended:
            .success(.init(.entered(.init(token: entered.token, extended: nil)), isExtended: false))
        case .success(let answer): .success(.init(answer, isExtended: request.isExtended))
        }
    }

    /// The README's table of the client's commands is that of the program.
    @Test func readmeHoldsTheCommands() {
        let lines = String(decoding: contents(ofProjectFile: "README.md"), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let table = lines.drop { $0 != "<!-- rooms commands -->" }.prefix { $0 != "<!-- end -->" }
        #expect(table.filter { $0.hasPrefix("| `") } == RoomsTypedCommand.table.markdownRows)
    }
}
