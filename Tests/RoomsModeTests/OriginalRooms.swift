import Net
import TestSupport
import Wire

@testable import RoomsMode

/// A double of the original's client: one `recv` for each message of the handshake, a listener that dies of what is not
/// UTF-8, and no sign of life once it has registered.
actor OriginalRoomsClient {
    enum Failure: Error {
        /// The handshake is not what the original reads.
        case handshake(String)
        /// It was refused.
        case refused
    }

    let name: String
    private let room: String
    private var token = ""
    private let socket: DatagramPeer
    private let udpPort: UInt16
    /// Why the listener is dead; nil while it lives.
    private(set) var listenerDeath: String?

    init(_ name: String, in room: String, udpPort: UInt16) throws {
        self.name = name
        self.room = room
        self.udpPort = udpPort
        socket = try DatagramPeer()
    }

    /// Creates or joins, and registers.
    func enter(creates: Bool, tcpPort: UInt16) async throws {
        let peer = try await RawPeer.connect(to: tcpPort)
        let roomBytes = Array(room.utf8)
        let payload = JSON.string(name).encoded(style: .python)
        var message: [UInt8] = [UInt8(roomBytes.count), creates ? 1 : 2, 0, 0] + [UInt8](repeating: 0, count: 27)
        message += [UInt8(payload.count)] + roomBytes + payload
        try await peer.send(message)
        let compliance = try await Self.read(peer, state: 1)
        let complete = try await Self.read(peer, state: 2)
        await peer.close()
        guard compliance["success"]?.integer == 1 else { throw Failure.refused }
        guard let token = complete["token"]?.string, token.utf8.count == 38 else {
            throw Failure.handshake("no token")
        }
        self.token = token
        await send("__REGISTER__")
    }

    /// A header, then the rest: exactly what it says.
    private static func read(_ peer: RawPeer, state: UInt8) async throws -> JSON {
        let header = try await peer.receive(32)
        guard header[2] == state else { throw Failure.handshake("state \(header[2])") }
        let length = header[4...].reduce(0) { $0 << 8 | Int($1) }
        _ = try await peer.receive(Int(header[0]))
        let payload = try await peer.receive(length)
        guard let json = try? JSON(parsing: payload[...]) else { throw Failure.handshake("not JSON") }
        return json
    }

    func send(_ text: String) async {
        let room = Array(room.utf8)
        await socket.send([UInt8(room.count), 38] + room + Array(token.utf8) + Array(text.utf8), to: udpPort)
    }

    /// The next line of its screen.
    func line() async throws -> String {
        while true {
            let bytes = try await socket.receive(limit: 4_096)
            guard listenerDeath == nil else { continue }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                listenerDeath = "not UTF-8"
                throw Failure.handshake("the listener died")
            }
            if text == "__ROOM_CLOSED__" { return "[room closed]" }
            let length = Int(bytes[0])
            let sender = String(decoding: bytes[1..<(1 + length)], as: UTF8.self)
            if sender == name { continue }
            return "\(sender): " + String(decoding: bytes[(1 + length)...], as: UTF8.self)
        }
    }
}

/// A double of the original's server: it never decodes the user name, answers a REGISTER with nothing, relays to who has
/// registered, takes whoever joins under a name that is there for that member, and does not look at byte 3.
actor OriginalRoomsServer {
    private struct Token {
        let user: [UInt8]
        let room: [UInt8]
        let isHost: Bool
        var address: SocketAddress?
    }

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var rooms: [[UInt8]: (host: String, members: [String])] = [:]
    private var tokens: [String: Token] = [:]
    private var nextToken = 1
    private var datagrams: SocketID!
    private(set) var tcpPort: UInt16 = 0
    private(set) var udpPort: UInt16 = 0
    /// What it has been sent that it does not know.
    private(set) var dropped: [[UInt8]] = []

    private init(loop: EventLoop) { self.loop = loop }

    static func with(_ body: @Sendable (OriginalRoomsServer) async throws -> Void) async throws {
        let loop = try EventLoop.start(name: "original")
        let server = OriginalRoomsServer(loop: loop)
        try await server.open()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: loop.tasks) { await server.consume() }
            do {
                try await body(server)
            } catch {
                await server.close()
                throw error
            }
            await server.close()
            try await group.waitForAll()
        }
        loop.stop()
    }

    private func open() throws {
        let any = SocketAddress(ip: .loopbackV4, port: 0)
        tcpPort = try loop.hub.listen(on: any).address.port
        let opened = try loop.hub.bindDatagram(on: any)
        datagrams = opened.id
        udpPort = opened.address.port
    }

    private func close() { loop.hub.shutdown(grace: .zero) }

    private func consume() async {
        for await turn in loop.hub.turns {
            for event in turn {
                switch event {
                // One recv is one message.
                case .received(let id, let bytes): handshake(Array(bytes), id)
                case .inputEnded(let id): loop.hub.close(id)
                case .datagrams(_, let batch): for datagram in batch { received(datagram) }
                default: break
                }
            }
        }
    }

    private func handshake(_ bytes: [UInt8], _ id: SocketID) {
        defer { loop.hub.close(id) }
        guard bytes.count >= 32, bytes[1] == 1 || bytes[1] == 2, bytes[2] == 0 else { return }
        let end = 32 + Int(bytes[0])
        let room = Array(bytes[32..<end])
        let user = Array(bytes[end...])
        var token = ""
        if bytes[1] == 1, rooms[room] == nil {
            token = add(user, room, isHost: true)
            rooms[room] = (token, [token])
        } else if bytes[1] == 2, let known = rooms[room] {
            token = known.members.first { tokens[$0]!.user == user } ?? add(user, room, isHost: false)
            if !known.members.contains(token) { rooms[room]!.members.append(token) }
        }
        let answer =
            message(bytes[1], 1, room, "{\"success\": \(token.isEmpty ? 0 : 1)}")
            + message(bytes[1], 2, room, "{\"token\": \"\(token)\"}")
        loop.hub.send(answer, to: id)
    }

    private func add(_ user: [UInt8], _ room: [UInt8], isHost: Bool) -> String {
        let token = RoomToken(high: 0, low: UInt64(nextToken)).text
        nextToken += 1
        tokens[token] = Token(user: user, room: room, isHost: isHost)
        return token
    }

    private func message(_ operation: UInt8, _ state: UInt8, _ room: [UInt8], _ payload: String) -> [UInt8] {
        [UInt8(room.count), operation, state, 0] + [UInt8](repeating: 0, count: 27) + [UInt8(payload.utf8.count)] + room
            + Array(payload.utf8)
    }

    private func received(_ datagram: Datagram) {
        let bytes = Array(datagram.bytes)
        guard bytes.count >= 2, bytes.count >= 2 + Int(bytes[0]) + Int(bytes[1]) else { return }
        let start = 2 + Int(bytes[0])
        let room = Array(bytes[2..<start])
        let token = String(decoding: bytes[start..<(start + Int(bytes[1]))], as: UTF8.self)
        let text = Array(bytes[(start + Int(bytes[1]))...])
        guard let member = tokens[token], member.room == room, let known = rooms[room] else {
            dropped.append(bytes)
            return
        }
        switch String(decoding: text, as: UTF8.self) {
        case "__REGISTER__": tokens[token]!.address = datagram.source
        case "__LEAVE__":
            if member.isHost {
                for other in known.members where other != token { send(Array("__ROOM_CLOSED__".utf8), to: other) }
                for other in known.members { tokens[other] = nil }
                rooms[room] = nil
            } else {
                tokens[token] = nil
                rooms[room]!.members.removeAll { $0 == token }
            }
        default:
            for other in known.members where other != token {
                send([UInt8(member.user.count)] + member.user + text, to: other)
            }
        }
    }

    private func send(_ bytes: [UInt8], to token: String) {
        guard let address = tokens[token]?.address else { return }
        loop.hub.send(loop.hub.encode { $0.append(contentsOf: bytes) }, to: address, from: datagrams)
    }

    /// Members that have registered in a room, by the name as it was sent.
    func registered(in room: String) -> [String] {
        tokens.values.filter { $0.room == Array(room.utf8) && $0.address != nil }
            .map { String(decoding: $0.user, as: UTF8.self) }.sorted()
    }
}
