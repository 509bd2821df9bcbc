import TestSupport
import Testing
import UDPMode
import Wire

/// One client before a server of udp, spoken by hand: an original, or one of ours.
actor UDPParty {
    let name: String
    let isOurs: Bool
    let socket: DatagramPeer
    private let server: UInt16
    private var run: UInt64
    private(set) var session: UInt64?
    private(set) var secret: MessageID?
    private var requests: UInt64 = 0
    /// Group messages that came, by their texts, in the order in which they came, repetitions included.
    private(set) var relayed: [String] = []

    init(_ name: String, isOurs: Bool, server: UInt16, socket: DatagramPeer? = nil) throws {
        self.name = name
        self.isOurs = isOurs
        self.server = server
        self.socket = try socket ?? DatagramPeer()
        run = .random(in: 1 ... .max)
    }

    /// Another program under the same name at the same port, which knows the secret.
    func restart() {
        run = .random(in: 1 ... .max)
        session = nil
    }

    // MARK: - Sending

    /// Somebody else who says that it is this one.
    struct Impostor {
        let socket: DatagramPeer
    }

    func send(
        _ body: UDPMessage.Body, by impostor: Impostor? = nil, _ set: (inout UDPExtension) -> Void = { _ in }
    ) async throws {
        var metadata = UDPMetadata.Client(
            name: name, serverIP: "127.0.0.1", serverPort: server, clientPort: socket.port, clientIP: "127.0.0.1")
        if isOurs {
            requests += 1
            metadata.chat = UDPExtension {
                $0.run = impostor == nil ? run : run ^ 1
                $0.session = impostor == nil ? session : (session ?? 0) ^ 1
                $0.id = MessageID(high: run, low: requests)
                set(&$0)
            }
        }
        let bytes = try UDPMessage(body, .client(metadata)).encoded()
        await (impostor?.socket ?? socket).send(bytes, to: server)
    }

    // MARK: - Receiving

    /// Reads one datagram; a member acknowledges what is said in its group where `acknowledges`.
    private func read(_ datagram: [UInt8], acknowledges: Bool) async throws -> UDPMessage {
        let message = try UDPMessage(decoding: datagram[...])
        if case .groupRelay(let text, _) = message.body {
            relayed.append(text)
            let next = (message.metadata.chat?.offset ?? 0) + 1
            if acknowledges {
                try await send(.groupMessageAck(group: nil)) {
                    $0.next = next
                    $0.id = nil
                }
            }
        }
        return message
    }

    func next() async throws -> UDPMessage { try await read(try await socket.receive(), acknowledges: false) }

    /// All that has come already.
    func arrived() async throws -> [UDPMessage] {
        var messages: [UDPMessage] = []
        for datagram in await socket.arrived() { messages.append(try await read(datagram, acknowledges: false)) }
        return messages
    }

    /// The next that answers: not what the server says by itself.
    func answer(to kind: UDPMessage.Kind) async throws -> UDPMessage {
        while true {
            let message = try await next()
            if Self.answers(message, kind) { return message }
        }
    }

    static func answers(_ message: UDPMessage, _ kind: UDPMessage.Kind) -> Bool {
        switch message.body.kind {
        case .groupMessage, .ping, .storedMessage: false
        // The server of the table tells of changes by itself.
        case .stateChange: kind == .table && message.metadata.chat?.from == nil
        default: true
        }
    }

    /// Asks something and takes the answer; all pages of it, for the names in a list.
    func ask(_ body: UDPMessage.Body) async throws -> UDPMessage {
        try await send(body)
        return try await answer(to: body.kind)
    }

    /// The names that a list holds, for one of ours.
    func list(_ body: UDPMessage.Body) async throws -> [String] {
        try await send(body)
        var names: [String] = []
        while true {
            let message = try await read(try await socket.receive(), acknowledges: true)
            guard Self.answers(message, body.kind) else { continue }
            names += message.body.names
            if (message.metadata.chat?.page ?? 0) + 1 >= message.metadata.chat?.pages ?? 1 { return names }
        }
    }

    // MARK: - Ways in and out

    func register() async throws {
        try await send(.registration) {
            $0.keep = true
            $0.secret = secret
        }
        while try await !confirmed(try await next()) {}
    }

    /// Takes the confirmation of a registration; one of ours shows that it has come by asking for the table.
    func confirmed(_ message: UDPMessage) async throws -> Bool {
        guard case .registrationConfirmation = message.body else { return false }
        session = message.metadata.chat?.session
        secret = message.metadata.chat?.secret ?? secret
        if isOurs { _ = try await ask(.tableRequest) }
        return true
    }

    /// Leaves, for good or so that the name is kept.
    func leave(keeps: Bool = false) async throws {
        try await send(.deregistration) { $0.keep = keeps }
        while try await next().body.kind != .deregistrationConfirmation {}
    }
}

extension UDPMessage.Body {
    /// The names in a list of groups, of members or of the table.
    var names: [String] {
        switch self {
        case .listGroupsAck(let names), .membersList(let names): names
        case .stateChange(let entries): entries.map(\.name)
        default: []
        }
    }
}
