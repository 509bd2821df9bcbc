import Delivery
import TestSupport
import Testing
import Wire

@testable import RoomsMode

@Suite struct TCRPTests {
    static let createDen =
        "0a010000" + String(repeating: "00", count: 27) + "07" + "e983a8e5b18b206f6e65" + "22416c69636522"

    /// The bytes that a program of old sends to create a room.
    @Test func readsAndWritesTheOriginalsCreate() throws {
        let wire = try #require(bytes(hexadecimal: Self.createDen))
        var decoder = TCRPDecoder(limit: 4_096)
        decoder.append(wire[...])
        let message = try #require(try decoder.next())
        #expect(try decoder.next() == nil)
        let request = try RoomsRequest(message)
        #expect(request == RoomsRequest(room: "部屋 one", .create(name: "Alice"), isExtended: false))
        #expect(request.message.encoded == wire)
    }

    @Test func decodesAnySplit() throws {
        let first = RoomsRequest(room: "den", .join(name: "Zoë", token: nil), isExtended: true).message
        let second = RoomsRequest(room: "", .list(after: 7), isExtended: true).message
        let wire = first.encoded + second.encoded
        for piece in 1...wire.count {
            var decoder = TCRPDecoder(limit: 4_096)
            var found: [TCRPMessage] = []
            for start in stride(from: 0, to: wire.count, by: piece) {
                decoder.append(wire[start..<min(start + piece, wire.count)])
                while let message = try decoder.next() { found.append(message) }
            }
            #expect(found == [first, second], "in pieces of \(piece)")
            #expect(decoder.pendingCount == 0)
        }
    }

    /// The length is refused from the header alone: nothing is reserved and nothing is waited for.
    @Test(arguments: [3, 4, 10, 27, 28])
    func refusesAnAbsurdLength(_ highest: Int) throws {
        var header = [UInt8](repeating: 0, count: 32)
        header[1] = 1
        header[32 - highest] = 1
        var decoder = TCRPDecoder(limit: 4_096)
        decoder.append(header[...])
        #expect(throws: TCRPDecoder.Failure.tooLong(limit: 4_096)) { try decoder.next() }
        decoder.append([UInt8](repeating: 0, count: 100_000)[...])
        #expect(decoder.pendingCount == 0, "nothing is kept after the failure")
        #expect(throws: TCRPDecoder.Failure.self) { try decoder.next() }
    }

    @Test func takesExactlyTheLimit() throws {
        let message = TCRPMessage(
            room: Array("den".utf8), operation: 1, state: 0, version: 0,
            payload: [UInt8](repeating: 65, count: 4_096 - 35))
        var decoder = TCRPDecoder(limit: 4_096)
        decoder.append(message.encoded[...])
        #expect(try decoder.next() == message)
        var tight = TCRPDecoder(limit: 4_095)
        tight.append(message.encoded[...])
        #expect(throws: TCRPDecoder.Failure.self) { try tight.next() }
    }

    @Test(arguments: [
        ("\"Alice\"", "Alice"), ("Alice", "Alice"), ("\"\\u90e8\\u5c4b\"", "部屋"), ("{\"name\":\"Bob\"}", "Bob"),
        ("\"Alice", "\"Alice"), ("42", "42"), ("{\"x\":1}", "{\"x\":1}"),
    ])
    func readsANameInEveryForm(_ payload: String, _ name: String) throws {
        let message = TCRPMessage(.join, .request, room: "den", extended: false, payload: Array(payload.utf8))
        #expect(try RoomsRequest(message).body == .join(name: name, token: nil))
    }

    @Test func whatIsNoRequestIsRefused() {
        func failure(_ message: TCRPMessage) -> RoomsRequest.Failure? {
            do {
                _ = try RoomsRequest(message)
                return nil
            } catch { return error }
        }
        let name = Array("\"A\"".utf8)
        #expect(failure(.init(.create, .compliance, room: "den", extended: true, payload: name)) == .notARequest)
        #expect(failure(.init(room: [], operation: 9, state: 0, version: 2, payload: [])) == .unknownOperation(9))
        #expect(failure(.init(room: [0xff], operation: 1, state: 0, version: 0, payload: name)) == .malformed)
        #expect(failure(.init(.join, .request, room: "den", extended: false, payload: [0xff])) == .malformed)
        // Our own operations need our own version.
        #expect(failure(.init(.list, .request, room: "", extended: false, payload: Array("{}".utf8))) == .malformed)
        #expect(failure(.init(.list, .request, room: "", extended: true, payload: Array("[]".utf8))) == .malformed)
        #expect(failure(.init(.leave, .request, room: "den", extended: true, payload: Array("{}".utf8))) == .malformed)
        let short = Array("{\"name\":\"A\",\"token\":\"token_1\"}".utf8)
        #expect(failure(.init(.join, .request, room: "den", extended: true, payload: short)) == .malformed)
    }

    @Test func everyRequestComesBack() throws {
        let token = RoomToken(high: 1, low: .max)
        let bodies: [RoomsRequest.Body] = [
            .create(name: "A \"b\" ü"), .join(name: "A", token: nil), .join(name: "A", token: token), .list(after: 0),
            .list(after: 99), .history(token: nil, .before(nil), limit: 5),
            .history(token: token, .from(12), limit: 1_000), .history(token: token, .before(3), limit: 1),
            .leave(token: token), .who(token: nil, after: 0), .who(token: token, after: 4),
            .topic(token: token, "Tea & co"),
        ]
        for body in bodies {
            let request = RoomsRequest(room: "部屋 one", body, isExtended: true)
            #expect(try RoomsRequest(request.message) == request)
        }
    }

    /// What an original client gets is what the original server writes, to the byte.
    @Test func answersTheOriginalWithItsOwnBytes() throws {
        let request = RoomsRequest(room: "den", .create(name: "A"), isExtended: false)
        var writer = ByteWriter()
        let entered = RoomsAnswer.Entered(
            token: RoomToken(high: 0x0123_4567_89ab_cdef, low: 1),
            extended: .init(
                udpPort: 9, epoch: Epoch(value: 1), offset: 0, roster: 0, isHost: true, topic: ""))
        RoomsAnswerWriter.write(.success(.entered(entered)), to: request, &writer)
        let compliance = TCRPMessage(
            .create, .compliance, room: "den", extended: false, payload: Array("{\"success\": 1}".utf8))
        let complete = TCRPMessage(
            .create, .complete, room: "den", extended: false,
            payload: Array("{\"token\": \"token_0123456789abcdef0000000000000001\"}".utf8))
        #expect(writer.bytes == compliance.encoded + complete.encoded)
        writer.removeAll()
        RoomsAnswerWriter.write(.failure(.roomExists), to: request, &writer)
        let refused = TCRPMessage(
            .create, .compliance, room: "den", extended: false, payload: Array("{\"success\": 0}".utf8))
        let none = TCRPMessage(
            .create, .complete, room: "den", extended: false, payload: Array("{\"token\": \"\"}".utf8))
        #expect(writer.bytes == refused.encoded + none.encoded)
    }

    static let answers: [(RoomsRequest.Body, RoomsAnswer)] = {
        let token = RoomToken(high: 7, low: 8)
        let message = KeptMessage(
            offset: 4, id: MessageID(high: 1, low: 2), author: "Ali",
            time: Timestamp(microseconds: 1_700_000_000_123_000),
            subject: nil, text: "two\nlines \u{1b}[2J ü")
        return [
            (
                .create(name: "A"),
                .entered(
                    .init(
                        token: token,
                        extended: .init(
                            udpPort: 9_091, epoch: Epoch(value: 5), offset: 12, roster: .max, isHost: true, topic: "tea"
                        )))
            ),
            (
                .list(after: 0),
                .rooms(
                    .init(
                        rooms: [.init(name: "lobby", members: 3, topic: "", isLobby: true)], next: 9))
            ),
            (
                .history(token: nil, .from(0), limit: 9),
                .history(
                    .init(
                        epoch: Epoch(value: 5), start: 3, end: 9, offset: 9, messages: [message], hasMore: true))
            ),
            (.leave(token: token), .left),
            (
                .who(token: nil, after: 0),
                .members(
                    .init(
                        roster: 77, members: [.init(name: "A", isHost: true, isPresent: false)], next: nil))
            ),
            (.topic(token: token, ""), .topicSet),
        ]
    }()

    @Test func everyAnswerComesBack() throws {
        for (body, answer) in Self.answers {
            let request = RoomsRequest(room: "den", body, isExtended: true)
            var writer = ByteWriter()
            RoomsAnswerWriter.write(.success(answer), to: request, &writer)
            var decoder = TCRPDecoder(limit: 65_536)
            decoder.append(writer.bytes[...])
            let compliance = try #require(try decoder.next())
            let complete = try #require(try decoder.next())
            #expect(compliance.version == 2 && compliance.state == 1 && complete.state == 2)
            #expect(try RoomsAnswerReader.refusal(ofCompliance: compliance.payload) == nil)
            #expect(
                try RoomsAnswerReader.answer(ofComplete: complete.payload, to: request.operation, isExtended: true)
                    == answer)
        }
    }

    @Test(arguments: [
        RoomsRefusal.roomExists, .noSuchRoom, .nameInUse, .badName("The name is empty."), .tooManyRooms, .roomIsFull,
        .tooFast, .notAMember, .notAllowed, .storage, .shuttingDown,
    ])
    func everyRefusalComesBack(_ refusal: RoomsRefusal) throws {
        let request = RoomsRequest(room: "den", .join(name: "A", token: nil), isExtended: true)
        var writer = ByteWriter()
        RoomsAnswerWriter.write(.failure(refusal), to: request, &writer)
        var decoder = TCRPDecoder(limit: 65_536)
        decoder.append(writer.bytes[...])
        let compliance = try #require(try decoder.next())
        #expect(try RoomsAnswerReader.refusal(ofCompliance: compliance.payload) == refusal)
    }

    /// Bytes of a server that is broken or hostile: an error or a value, never a trap.
    @Test func mutatedAnswersAndRequestsAreHarmless() {
        var random = SplitMix64(seed: 41)
        var seeds: [[UInt8]] = [bytes(hexadecimal: Self.createDen)!]
        for (body, answer) in Self.answers {
            let request = RoomsRequest(room: "den", body, isExtended: true)
            seeds.append(request.message.encoded)
            var writer = ByteWriter()
            RoomsAnswerWriter.write(.success(answer), to: request, &writer)
            seeds.append(writer.bytes)
        }
        for _ in 0..<20_000 {
            var wire = seeds.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<wire.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: wire[place] = UInt8.random(in: 0...255, using: &random)
                case 1: wire.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: wire.remove(at: place)
                }
                if wire.isEmpty { break }
            }
            var decoder = TCRPDecoder(limit: 4_096)
            decoder.append(wire[...])
            while let message = try? decoder.next() {
                _ = try? RoomsRequest(message)
                _ = try? RoomsAnswerReader.refusal(ofCompliance: message.payload)
                for operation in TCRPMessage.Operation.allCases {
                    _ = try? RoomsAnswerReader.answer(ofComplete: message.payload, to: operation, isExtended: true)
                }
            }
            #expect(decoder.pendingCount <= 4_096)
        }
    }
}

@Suite struct UCRPTests {
    @Test func readsTheOriginalsRegister() throws {
        let token = "token_0123456789abcdef0123456789abcdef"
        let wire =
            try #require(bytes(hexadecimal: "0a26")) + Array("部屋 one".utf8) + Array(token.utf8)
            + Array("__REGISTER__".utf8)
        let request = try #require(UCRPRequest(wire[...]))
        #expect(request.room.elementsEqual("部屋 one".utf8))
        #expect(RoomToken(request.token)?.text == token)
        #expect(request.control == .register)
        var writer = ByteWriter()
        UCRPRequest.writeHeader(room: Array("部屋 one".utf8), token: RoomToken(token)!, to: &writer)
        writer.append(UCRPRequest.Control.register.literal)
        #expect(writer.bytes == wire)
    }

    @Test func controlsAreWholeMessages() throws {
        func control(_ message: String) -> UCRPRequest.Control? {
            UCRPRequest(([0, 0] + Array(message.utf8))[...])?.control
        }
        #expect(control("__REGISTER__") == .register)
        #expect(control("__LEAVE__") == .leave)
        for text in ["", "__LEAVE__ ", " __LEAVE__", "__LEAVE", "__register__", "_"] { #expect(control(text) == nil) }
    }

    @Test func shortAndLongDatagramsAreNone() {
        #expect(UCRPRequest([]) == nil)
        #expect(UCRPRequest([0]) == nil)
        #expect(UCRPRequest([1, 0]) == nil)
        #expect(UCRPRequest([255, 255, 1]) == nil)
        #expect(UCRPRequest([0, 0])?.message.isEmpty == true)
        #expect(UCRPRequest([UInt8](repeating: 0, count: 4_096)[...]) != nil)
        #expect(UCRPRequest([UInt8](repeating: 0, count: 4_097)[...]) == nil)
    }

    @Test(arguments: [
        "token_0123456789ABCDEF0123456789abcdef", "token_0123456789abcdef0123456789abcde",
        "token_0123456789abcdef0123456789abcdeff", "Token_0123456789abcdef0123456789abcdef", "", "token_",
        "token_0123456789abcdeg0123456789abcdef",
    ])
    func whatIsNoTokenIsRefused(_ text: String) {
        #expect(RoomToken(text) == nil)
    }

    @Test func tokensComeBackAndTellLittle() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<1_000 {
            let token = RoomToken.random(using: &random)
            #expect(RoomToken(token.text) == token)
            #expect(RoomToken(high: token.high, low: token.low ^ 1) != token)
            #expect(token.hint.string.count == 11)
        }
    }

    @Test func submissionsAndDeliveriesComeBack() {
        let id = MessageID(high: 3, low: 4)
        for kind in [UCRPSubmission.Kind.message, .ping] {
            let submission = UCRPSubmission(kind, id: id, text: Array("ü".utf8)[...])
            var writer = ByteWriter()
            submission.write(to: &writer)
            #expect(UCRPSubmission(writer.bytes[...]) == submission)
            #expect(UCRPSubmission(writer.bytes.dropLast(3)) == nil)
        }
        for kind in [UCRPDelivery.Kind.message, .ack, .heartbeat, .closed, .event, .refused] {
            let delivery = UCRPDelivery(
                kind, offset: 1 << 39, id: id, sender: Array("Zoë".utf8)[...], text: Array("hi".utf8)[...])
            var writer = ByteWriter()
            delivery.write(to: &writer)
            #expect(UCRPDelivery(writer.bytes[...]) == delivery)
            #expect(UCRPDelivery(writer.bytes.prefix(26)) == nil)
        }
        #expect(UCRPDelivery([0, 99] + [UInt8](repeating: 0, count: 40)) == nil)
    }

    @Test func plainDeliveriesComeBack() {
        for delivery in [
            UCRPPlainDelivery.message(sender: Array("A".utf8)[...], text: Array("hello".utf8)[...]), .roomClosed,
        ] {
            var writer = ByteWriter()
            delivery.write(to: &writer)
            #expect(UCRPPlainDelivery(writer.bytes[...]) == delivery)
        }
        #expect(UCRPPlainDelivery([5, 65]) == nil)
        #expect(UCRPPlainDelivery([]) == nil)
    }
}
