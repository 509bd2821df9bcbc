import Testing
import Wire

@testable import UDPMode

@Suite struct UDPMessageTests {
    static let client = UDPMetadata.client(
        .init(name: "client", serverIP: "127.0.0.1", serverPort: 5000, clientPort: 5555, clientIP: "127.0.0.1"))
    static let server = UDPMetadata.server(port: 5000, chat: nil)
    static let id = MessageID(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff)
    static let entry = UDPTableEntry(
        name: "client", clientIP: .loopbackV4, clientPort: 5555, senderIP: .loopbackV4, serverIP: "127.0.0.1",
        serverPort: 5000, announced: nil)

    /// One of each, so that what is said of every message is checked for every message.
    static let everything: [UDPMessage] = [
        UDPMessage(.registration, client), UDPMessage(.registrationConfirmation, server),
        UDPMessage(.registrationError(message: "`client2` already exists!"), server),
        UDPMessage(.deregistration, client), UDPMessage(.deregistrationConfirmation, server),
        UDPMessage(.stateChange([entry]), server), UDPMessage(.stateChange([]), server),
        UDPMessage(.clientOffline(name: "b"), client), UDPMessage(.clientOfflineAck(name: "b"), server),
        UDPMessage(.createGroup("g"), client), UDPMessage(.createGroupAck("g"), server),
        UDPMessage(.createGroupError(message: "no"), server), UDPMessage(.listGroups, client),
        UDPMessage(.listGroupsAck(["g1", "two"]), server), UDPMessage(.joinGroup("g"), client),
        UDPMessage(.joinGroupAck("g"), server), UDPMessage(.joinGroupError(message: "no"), server),
        UDPMessage(.listMembers(group: "g"), client), UDPMessage(.membersList(["a", "b"]), server),
        UDPMessage(.leaveGroup("g"), client), UDPMessage(.leaveGroupAck, server),
        UDPMessage(.groupMessage(text: "hi", group: "g"), client),
        UDPMessage(.groupRelay(text: "hi", sender: "a"), server),
        UDPMessage(.groupMessageAck(group: nil), server), UDPMessage(.groupMessageAck(group: "g"), client),
        UDPMessage(.message(text: "h\u{e9}llo \u{1F44B}\n\"x\" \\"), client),
        UDPMessage(.messageAck(name: "b"), client),
        UDPMessage(.ping, client), UDPMessage(.pong, server), UDPMessage(.tableRequest, client),
        UDPMessage(.introduce(name: "b"), client), UDPMessage(.introduceAck(name: "b"), server),
        UDPMessage(.storeMessage(to: "b", id: id, text: "later"), client),
        UDPMessage(.storeMessageAck(id: id), server), UDPMessage(.storeMessageError(id: id, message: "no"), server),
        UDPMessage(
            .storedMessage(from: "a", id: id, text: "later", time: Timestamp(microseconds: 1_700_000_000_123_000)),
            server),
        UDPMessage(.storedMessageAck(id: id), client), UDPMessage(.slowDown, server), UDPMessage(.stopping, server),
        UDPMessage(.refused(message: "no"), server),
        UDPMessage(.ping, .server(port: 1, chat: full)),
    ]

    static let full = UDPExtension {
        $0.run = .max
        $0.session = 1
        $0.secret = id
        $0.keep = true
        $0.reclaim = false
        $0.id = id
        $0.sequence = 7
        $0.base = 5
        $0.to = "b"
        $0.group = "g"
        $0.offset = 3
        $0.next = 4
        $0.revision = 9
        $0.from = 8
        $0.gone = ["x", "y"]
        $0.page = 0
        $0.pages = 2
        $0.wait = 500
        $0.registered = true
        $0.online = false
    }

    @Test(arguments: everything) func survivesTheWire(_ message: UDPMessage) throws {
        let bytes = try message.encoded()
        #expect(try UDPMessage(decoding: bytes[...]) == message)
        // The shorter spelling says the same.
        #expect(try UDPMessage(decoding: message.encoded(style: .compact)[...]) == message)
    }

    @Test func readsWhatIsNotPromised() throws {
        func decode(_ text: String) throws -> UDPMessage { try UDPMessage(decoding: Array(text.utf8)[...]) }
        // A port that came as text, unknown fields, a missing payload.
        let message = try decode(
            #"{"metadata": {"client_port": "5555", "name": "a", "colour": 3}, "type": "registration", "x": []}"#)
        #expect(message.metadata.client?.clientPort == 5555)
        #expect(message.body == .registration)
        #expect(throws: UDPMessageError.notJSON) { try decode("not json") }
        #expect(throws: UDPMessageError.notAnObject) { try decode("[1]") }
        #expect(throws: UDPMessageError.noType) { try decode("{}") }
        #expect(throws: UDPMessageError.badMetadata) { try decode(#"{"type": "ping"}"#) }
        #expect(throws: UDPMessageError.badMetadata) {
            try decode(#"{"type": "ping", "metadata": {"client_port": 0, "name": "a"}}"#)
        }
        #expect(throws: UDPMessageError.unknownType("dance")) {
            try decode(#"{"type": "dance", "metadata": {"port": 1}}"#)
        }
        #expect(throws: UDPMessageError.badPayload(type: "message")) {
            try decode(#"{"type": "message", "payload": {"a": 1}, "metadata": {"port": 1}}"#)
        }
        // An extension of a later version is read as far as it is known; one of no version is none.
        #expect(
            try decode(#"{"type": "ping", "metadata": {"port": 1, "chat": {"v": 2, "seq": 4}}}"#).metadata.chat?
                .sequence == 4)
        #expect(try decode(#"{"type": "ping", "metadata": {"port": 1, "chat": {"seq": 4}}}"#).metadata.chat == nil)
        #expect(
            try decode(#"{"type": "ping", "metadata": {"port": 1, "chat": {"v": 1, "seq": -4, "wait": 1e99}}}"#)
                .metadata.chat == UDPExtension())
    }

    @Test func whatDoesNotFitSaysByHowMuch() throws {
        func message(_ count: Int, _ character: String) -> UDPMessage {
            UDPMessage(.message(text: String(repeating: character, count: count)), Self.client)
        }
        let overhead = try message(0, "x").encoded().count
        #expect(try message(UDPMessage.datagramLimit - overhead, "x").encoded().count == UDPMessage.datagramLimit)
        // Where the original's spelling is too long, the shorter one is used: the room for spaces, and for `\u` escapes.
        let short = try message(1_200, "\u{90E8}").encoded()
        #expect(short.count < UDPMessage.datagramLimit)
        #expect(
            try UDPMessage(decoding: short[...]).body == .message(text: String(repeating: "\u{90E8}", count: 1_200)))
        #expect(throws: UDPMessageError.tooLong(by: 5_000 - (UDPMessage.datagramLimit - overhead) - 14)) {
            try message(5_000, "x").encoded()
        }
    }

    @Test func mutatedDatagramsNeverTrap() throws {
        var random = SplitMix64(seed: 6)
        let seeds = try Self.everything.map { try $0.encoded() }
        for _ in 0..<4_000 {
            var bytes = seeds.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                guard !bytes.isEmpty else { break }
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: bytes = Array(bytes[..<place])
                }
            }
            if let message = try? UDPMessage(decoding: bytes[...]) { _ = try? message.encoded() }
        }
    }
}
