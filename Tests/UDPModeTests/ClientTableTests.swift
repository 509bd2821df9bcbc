import Delivery
import Net
import Platform
import Store
import TestSupport
import Testing
import Wire

@testable import UDPMode

/// How a scenario reaches the server: by turns handed to its actor, or by sockets.
protocol ScenarioNetwork: Sendable {
    /// A client with a port of its own.
    func open(_ name: String, run: UInt64?) async throws -> TestClient
    func send(_ bytes: [UInt8], from client: TestClient) async throws
    /// The next message of a type for a client; others are dropped.
    func next(_ type: String, for client: TestClient) async throws -> UDPMessage
}

extension ScenarioNetwork {
    func send(
        _ body: UDPMessage.Body, from client: TestClient, _ set: (inout UDPExtension) -> Void = { _ in }
    ) async throws {
        try await send(client.message(body, set).encoded(), from: client)
    }

    /// An original, registered.
    func original(_ name: String) async throws -> TestClient {
        let client = try await open(name, run: nil)
        try await send(.registration, from: client)
        #expect(try await next("registration_confirmation", for: client).metadata.chat == nil)
        #expect(try await names(for: client).first == name, "itself first")
        return client
    }

    /// One of ours that keeps its secret, registered and with its table.
    func ours(_ name: String, run: UInt64, secret: MessageID? = nil) async throws -> TestClient {
        var client = try await open(name, run: run)
        try await send(.registration, from: client) {
            $0.keep = true
            $0.secret = secret
        }
        let confirmation = try await next("registration_confirmation", for: client)
        client.session = confirmation.metadata.chat?.session
        client.secret = confirmation.metadata.chat?.secret
        #expect(client.session != nil && client.secret != nil)
        try await send(.tableRequest, from: client)
        return client
    }

    func names(for client: TestClient) async throws -> [String] {
        guard case .stateChange(let entries) = try await next("state_change", for: client).body else { return [] }
        return entries.map(\.name)
    }
}

/// The server as a whole, by a scenario that is written once: its actor turn by turn against an outbound that records,
/// and the program over loopback sockets.
@Suite(.timeLimit(.minutes(1))) struct ClientTableTests {
    private static let id = MessageID(high: 5, low: 6)

    private func scenario(_ network: some ScenarioNetwork) async throws {
        let bob = try await network.original("bob")
        let carol = try await network.ours("carol", run: 7)
        #expect(try await network.names(for: carol) == ["bob", "carol"])
        #expect(try await network.names(for: bob) == ["bob", "carol"])
        // Nothing that arrives stops it.
        for bytes in [[], Array("nonsense".utf8), Array("[1]".utf8), Array("{}".utf8), [0xff, 0xfe]] {
            try await network.send(bytes, from: bob)
        }
        try await network.send(.createGroup("g"), from: carol) { $0.id = Self.id }
        #expect(try await network.next("create_group_ack", for: carol).metadata.chat?.id == Self.id)
        try await network.send(.joinGroup("g"), from: carol) { $0.id = MessageID(high: 1, low: 2) }
        #expect(try await network.next("join_group_ack", for: carol).metadata.chat?.next == 0)
        try await network.send(.joinGroup("g"), from: bob)
        #expect(try await network.next("join_group_ack", for: bob).body == .joinGroupAck("g"))
        // An original's words to one of ours: numbered, and back to nobody else.
        try await network.send(.groupMessage(text: "hey", group: "g"), from: bob)
        #expect(try await network.next("group_message_ack", for: bob).body == .groupMessageAck(group: nil))
        let heard = try await network.next("group_message", for: carol)
        #expect(heard.body == .groupRelay(text: "hey", sender: "bob"))
        #expect(heard.metadata.chat?.offset == 0)
        try await network.send(.groupMessageAck(group: "g"), from: carol) { $0.next = 1 }
        // And the other way: in the original's words.
        try await network.send(.groupMessage(text: "ho", group: "g"), from: carol) {
            $0.id = MessageID(high: 9, low: 9)
            $0.sequence = 0
            $0.base = 0
        }
        #expect(try await network.next("group_message_ack", for: carol).metadata.chat?.sequence == 0)
        let relayed = try await network.next("group_message", for: bob)
        #expect(relayed.body == .groupRelay(text: "ho", sender: "carol"))
        try await network.send(.groupMessageAck(group: "g"), from: bob)
        // carol goes and keeps her name: what is written to her meanwhile is stored, for her secret alone.
        try await network.send(.deregistration, from: carol) { $0.keep = true }
        _ = try await network.next("deregistration_confirmation", for: carol)
        #expect(try await network.names(for: bob) == ["bob"])
        let dave = try await network.ours("dave", run: 8)
        try await network.send(.storeMessage(to: "carol", id: Self.id, text: "call me"), from: dave)
        #expect(try await network.next("store_message_ack", for: dave).body == .storeMessageAck(id: Self.id))
        let thief = try await network.open("carol", run: nil)
        try await network.send(.registration, from: thief)
        #expect(
            try await network.next("registration_error", for: thief).body
                == .registrationError(message: "`carol` already exists!"))
        let back = try await network.ours("carol", run: 10, secret: carol.secret)
        guard
            case .storedMessage(let from, let id, let text, _) = try await network.next("stored_message", for: back)
                .body
        else { return }
        #expect(from == "dave" && id == Self.id && text == "call me")
        try await network.send(.storedMessageAck(id: Self.id), from: back)
        try await network.send(.ping, from: back)
        #expect(try await network.next("pong", for: back).metadata.chat?.registered == true)
    }

    /// What the operator reads of it.
    private static let log = [
        "Server started on 5000", "Server table updated.", "Server table updated.",
        "Client carol created group `g` successfully!", "Client carol joined group `g`", "Client bob joined group `g`",
        "Client bob sent group message: hey", "Client carol acked group message",
        "Client carol sent group message: ho", "Client bob acked group message",
        "Server table updated. (removed carol)", "Server table updated.", "Message from dave stored for carol",
        "Server table updated.", "Stored message handed over to carol", "Quitting.",
    ]

    @Test func turnByTurn() async throws {
        let thread = try WorkerThread(name: "table")
        defer { thread.retire() }
        let outbound = RecordingOutbound()
        let socket = outbound.makeSocket()
        let store = try await MessageStore.open(path: nil, schema: UDPStorage.schema)
        let (reports, report) = AsyncStream.makeStream(of: UDPServerLogLine.self)
        let table = ClientTable(
            executor: thread, outbound: outbound, sockets: [socket], port: 5000, store: store,
            mailboxes: UDPMailboxes(), limitsRates: true
        ) { report.yield($0) }
        let network = TurnNetwork(table: table, outbound: outbound, socket: socket)
        await table.run {
            do { try await scenario(network) } catch { Issue.record(error) }
            await table.handle([.signal(.interrupt)])
        }
        await store.close()
        #expect(await network.sentFrom == [socket], "answers leave by the socket that was asked")
        #expect(outbound.takeSent().contains(.shutdown))
        report.finish()
        var lines: [String] = []
        for await line in reports { lines += line.lines.map(\.string) }
        #expect(lines == Self.log)
    }

    @Test func overLoopback() async throws {
        let folder = TemporaryFolder()
        let server = try await ProcessParty.server(["--data", folder.path])
        try await scenario(SocketNetwork(server: server.port))
        try await server.party.interrupt()
        #expect(await server.party.ended() == 0)
    }
}

/// Turns handed to the actor; what it sends is taken from the recording.
private actor TurnNetwork: ScenarioNetwork {
    private let table: ClientTable
    private let outbound: RecordingOutbound
    private let socket: SocketID
    private var port: UInt16 = 6_000
    private var arrived: [(to: SocketAddress, message: UDPMessage)] = []
    private(set) var sentFrom: Set<SocketID> = []

    init(table: ClientTable, outbound: RecordingOutbound, socket: SocketID) {
        self.table = table
        self.outbound = outbound
        self.socket = socket
    }

    func open(_ name: String, run: UInt64?) -> TestClient {
        port += 1
        return run.map { .ours(name, port, run: $0) } ?? .original(name, port)
    }

    func send(_ bytes: [UInt8], from client: TestClient) async throws {
        await table.handle([.datagrams(socket, [Datagram(source: client.source.address, bytes: bytes[...])])])
    }

    func next(_ type: String, for client: TestClient) async throws -> UDPMessage {
        while true {
            for case .datagram(let address, let bytes, let from) in outbound.takeSent() {
                sentFrom.insert(from)
                arrived.append((address, try UDPMessage(decoding: bytes[...])))
            }
            while let index = arrived.firstIndex(where: { $0.to == client.path.address }) {
                let message = arrived.remove(at: index).message
                if message.body.type == type { return message }
            }
            // What has to be on the disk first comes a little later.
            try Task.checkCancellation()
            await Task.yield()
        }
    }
}

/// Sockets on a loop of their own, one a client.
private actor SocketNetwork: ScenarioNetwork {
    private let server: SocketAddress
    private var sockets: [UInt16: DatagramPeer] = [:]

    init(server: UInt16) { self.server = SocketAddress(ip: .loopbackV4, port: server) }

    func open(_ name: String, run: UInt64?) throws -> TestClient {
        let socket = try DatagramPeer()
        sockets[socket.port] = socket
        var client: TestClient = run.map { .ours(name, socket.port, run: $0) } ?? .original(name, socket.port)
        client.sourcePort = socket.port
        return client
    }

    func send(_ bytes: [UInt8], from client: TestClient) async throws {
        await sockets[client.port]?.send(bytes, to: server.port)
    }

    func next(_ type: String, for client: TestClient) async throws -> UDPMessage {
        guard let socket = sockets[client.port] else { throw CancellationError() }
        while true {
            let message = try UDPMessage(decoding: try await socket.receive()[...])
            if message.body.type == type { return message }
        }
    }
}
