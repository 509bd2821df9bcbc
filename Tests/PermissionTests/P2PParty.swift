import P2PMode
import Platform
import TestSupport
import Testing
import Wire

/// One connection to a node of p2p, spoken by hand: one of ours, or an original.
actor P2PParty {
    let node: NodeID
    let name: String
    private var peer: RawPeer
    private let port: UInt16
    /// The node at the other end, once it has greeted.
    private(set) var host: NodeID?
    private var pings: UInt64 = 0
    /// Every frame of ours that came, in the order in which they came.
    private(set) var heard: [MeshFrame] = []

    init(_ name: String, node: NodeID? = nil, port: UInt16) async throws {
        var random = SystemRandomNumberGenerator()
        self.node = node ?? .random(using: &random)
        self.name = name
        self.port = port
        peer = try await RawPeer.connect(to: port)
    }

    // MARK: - Speaking

    func send(_ frames: MeshFrame...) async throws {
        var writer = ByteWriter()
        for frame in frames { try writer.append(frame, at: Timestamp(microseconds: 0), utcOffset: 0) }
        try await peer.send(writer.bytes)
    }

    func say(_ text: String, in dialect: Dialect) async throws {
        var writer = ByteWriter()
        let line = SpokenLine(
            node: node, sender: name, time: Timestamp(microseconds: 1_795_188_924_000_000), content: .text(text, nil))
        try writer.append(line, in: dialect, utcOffset: 0)
        try await peer.send(writer.bytes)
    }

    /// A frame of no known shape.
    func sayRaw(_ text: String) async throws {
        var writer = ByteWriter()
        try writer.appendFrame(Array(text.utf8))
        try await peer.send(writer.bytes)
    }

    /// Greets, and waits until all that follows upon that has come.
    func greet(isProbe: Bool = false) async throws {
        try await send(.hello(MeshHello(node: node, name: name, port: 0, isProbe: isProbe)))
        try await settle()
    }

    /// Waits for the answer to a ping: what was sent before it was read.
    func settle() async throws {
        pings += 1
        try await send(.ping(pings))
        let number = pings
        try await wait { $0 == .pong(number) }
    }

    /// Ends the connection without a word, and opens another.
    func reconnect() async throws {
        await peer.reset()
        peer = try await RawPeer.connect(to: port)
    }

    // MARK: - Hearing

    private func next() async throws {
        let header = try await peer.receive(2)
        let payload = try await peer.receive(Int(header[0]) << 8 | Int(header[1]))
        guard case .mesh(let frame) = try P2PFrame(decoding: payload[...]) else { return }
        if case .hello(let hello) = frame { host = hello.node }
        heard.append(frame)
    }

    /// Waits for a frame, among those that have come as well.
    func wait(for isIt: @Sendable (MeshFrame) -> Bool) async throws {
        var seen = 0
        while true {
            while seen < heard.count {
                if isIt(heard[seen]) { return }
                seen += 1
            }
            try await next()
        }
    }

    /// Says nothing more, and hears the node out.
    func finish() async throws {
        await peer.endOutput()
        try await waitForEnd()
    }

    /// The members that the node says it is connected to.
    var links: Set<NodeID> {
        for case .member(let record) in heard.reversed() where record.node == host { return Set(record.links) }
        return []
    }

    /// Waits until the node is connected to a member, or is not any more.
    func wait(until member: NodeID, isLinked: Bool) async throws {
        while links.contains(member) != isLinked { try await next() }
    }

    /// Waits until the node has ended the connection.
    func waitForEnd() async throws {
        do {
            while true { try await next() }
        } catch RawPeer.Failure.ended(_) {
            // Between two frames, or within the last one.
        } catch let error as SystemError where error.call == "recv" {
            // A reset.
        }
    }
}
