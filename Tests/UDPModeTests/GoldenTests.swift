import TestSupport
import Testing
import Wire

@testable import UDPMode

/// Every block `udp.` of Protocols.md is what the encoder writes and what the decoder reads.
@Suite struct GoldenTests {
    private static let id = MessageID(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff)
    private static let secret = MessageID(high: 0x5566_7788_99aa_bbcc, low: 0xddee_ff00_1122_3344)
    private static let run: UInt64 = 0x1f2e_3d4c_5b6a_7988
    private static let session: UInt64 = 0x0123_4567_89ab_cdef

    private static func client(_ name: String = "client", _ set: ((inout UDPExtension) -> Void)? = nil) -> UDPMetadata {
        .client(
            .init(
                name: name, serverIP: "127.0.0.1", serverPort: 5000, clientPort: 5555, clientIP: "127.0.0.1",
                chat: set.map { UDPExtension($0) }))
    }

    private static func server(_ set: ((inout UDPExtension) -> Void)? = nil) -> UDPMetadata {
        .server(port: 5000, chat: set.map { UDPExtension($0) })
    }

    private static func entry(_ name: String, _ port: UInt16, run: UInt64? = nil) -> UDPTableEntry {
        UDPTableEntry(
            name: name, clientIP: .loopbackV4, clientPort: port, senderIP: .loopbackV4, serverIP: "127.0.0.1",
            serverPort: 5000, announced: run.map { run in UDPExtension { $0.run = run } })
    }

    static let vectors: [(name: String, message: UDPMessage)] = [
        ("udp.registration", UDPMessage(.registration, client())),
        ("udp.registration_confirmation", UDPMessage(.registrationConfirmation, server())),
        (
            "udp.registration_error",
            UDPMessage(.registrationError(message: "`client2` already exists!"), server())
        ),
        ("udp.state_change", UDPMessage(.stateChange([entry("client", 5555), entry("client2", 5556)]), server())),
        ("udp.message", UDPMessage(.message(text: "gr\u{FC}\u{DF}e \u{1F600}"), client())),
        ("udp.message_ack", UDPMessage(.messageAck(name: "client"), client())),
        ("udp.group_message", UDPMessage(.groupMessage(text: "hey there :)", group: "group-name"), client())),
        ("udp.group_message.relayed", UDPMessage(.groupRelay(text: "hey there :)", sender: "client"), server())),
        ("udp.group_message_ack", UDPMessage(.groupMessageAck(group: "group-name"), client("client2"))),
        (
            "udp.chat.registration",
            UDPMessage(
                .registration,
                client {
                    $0.run = run; $0.keep = true
                })
        ),
        (
            "udp.chat.registration_confirmation",
            UDPMessage(
                .registrationConfirmation,
                server {
                    $0.run = run; $0.session = session; $0.secret = secret; $0.revision = 4
                })
        ),
        (
            "udp.chat.registration_error",
            UDPMessage(
                .registrationError(message: "`client` already exists!"),
                server {
                    $0.run = run; $0.reclaim = true; $0.revision = 4
                })
        ),
        (
            "udp.chat.registration.reclaims",
            UDPMessage(
                .registration,
                client {
                    $0.run = run; $0.secret = secret; $0.keep = true
                })
        ),
        (
            "udp.chat.table",
            UDPMessage(
                .tableRequest,
                client {
                    $0.run = run; $0.session = session; $0.id = id
                })
        ),
        (
            "udp.chat.table.page",
            UDPMessage(
                .stateChange([entry("client", 5555, run: run)]),
                server {
                    $0.revision = 5; $0.page = 0; $0.pages = 1
                })
        ),
        (
            "udp.chat.table.change",
            UDPMessage(
                .stateChange([entry("client2", 5556)]),
                server {
                    $0.revision = 6; $0.from = 5; $0.gone = ["client3"]
                })
        ),
        (
            "udp.chat.message",
            UDPMessage(
                .message(text: "hello"),
                client {
                    $0.run = run; $0.id = id; $0.sequence = 7; $0.base = 5; $0.to = "client2"
                })
        ),
        (
            "udp.chat.message_ack",
            UDPMessage(
                .messageAck(name: "client2"),
                client("client2") {
                    $0.run = 1; $0.sequence = 7
                })
        ),
        (
            "udp.chat.slow_down",
            UDPMessage(
                .slowDown,
                server {
                    $0.id = id; $0.sequence = 7; $0.revision = 6; $0.wait = 500
                })
        ),
        ("udp.chat.stopping", UDPMessage(.stopping, server { _ in })),
        (
            "udp.chat.join_group_ack",
            UDPMessage(
                .joinGroupAck("group-name"),
                server {
                    $0.id = id; $0.next = 40; $0.revision = 6
                })
        ),
        (
            "udp.chat.group_message",
            UDPMessage(
                .groupMessage(text: "hello", group: "group-name"),
                client {
                    $0.run = run; $0.session = session; $0.id = id; $0.sequence = 0; $0.base = 0
                })
        ),
        (
            "udp.chat.group_message.relayed",
            UDPMessage(
                .groupRelay(text: "hello", sender: "client"),
                server {
                    $0.id = id; $0.group = "group-name"; $0.offset = 40
                })
        ),
        (
            "udp.chat.group_message_ack",
            UDPMessage(
                .groupMessageAck(group: "group-name"),
                client("client2") {
                    $0.run = 1; $0.session = 2; $0.next = 41
                })
        ),
        (
            "udp.chat.ping",
            UDPMessage(
                .ping,
                client {
                    $0.run = run; $0.session = session
                })
        ),
        (
            "udp.chat.pong",
            UDPMessage(
                .pong,
                server {
                    $0.registered = true; $0.group = "group-name"; $0.revision = 6
                })
        ),
        (
            "udp.chat.store_message",
            UDPMessage(
                .storeMessage(to: "client2", id: id, text: "call me"),
                client {
                    $0.run = run; $0.session = session; $0.id = secret
                })
        ),
        ("udp.chat.store_message_ack", UDPMessage(.storeMessageAck(id: id), server { $0.revision = 6 })),
        (
            "udp.chat.stored_message",
            UDPMessage(
                .storedMessage(
                    from: "client", id: id, text: "call me", time: Timestamp(microseconds: 1_795_184_587_036_000)),
                server { _ in })
        ),
        (
            "udp.chat.stored_message_ack",
            UDPMessage(
                .storedMessageAck(id: id),
                client("client2") {
                    $0.run = 1; $0.session = 2
                })
        ),
    ]

    @Test func theDocumentIsWhatIsWritten() throws {
        let document = try GoldenVectors.ofProtocols()
        #expect(Set(document.names(prefix: "udp.")) == Set(Self.vectors.map(\.name)))
        for (name, message) in Self.vectors {
            let golden = try #require(document[name], "Protocols.md lacks \(name)")
            #expect(String(decoding: try message.encoded(), as: UTF8.self) == String(decoding: golden, as: UTF8.self))
            #expect(try UDPMessage(decoding: golden[...]) == message, "\(name)")
        }
    }
}
