import Glibc
import TestSupport
import Wire

/// Measurements read from a server that is not theirs only where one is named.
enum BenchPlugs {
    static let table: [String: ModePlug] = [
        "bench p2p": .untouched("its node is a process of its own, on the loopback interface"),
        "bench board": .attacked(Self.board),
        "bench udp": .attacked(Self.udp),
        "bench rooms": .attacked(Self.rooms),
    ]

    private static let texts = HostileText.corpus.enumerated().filter { $0.offset.isMultiple(of: 8) }.map(\.element)

    private static func run(_ face: Face, _ words: [String]) throws -> FacedProgram {
        try FacedProgram(face, ["bench"] + words + ["--members", "1", "--senders", "1", "--seconds", "1"])
    }

    /// Streams that say each text where a server asks for a name, greets, or refuses.
    private static func streams(
        _ face: Face, _ words: [String], _ speak: @Sendable (RawPeer, [UInt8]) async throws -> Void
    ) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for text in texts.map({ Array($0.utf8) }) + HostileText.bytes.prefix(3) {
            let listener = try RawListener()
            let program = try run(face, words + ["--server", "127.0.0.1:\(listener.port)"])
            let peer = try await listener.accept()
            do {
                try await speak(peer, text)
            } catch {
                // Closed for what was said: that is an answer too.
            }
            await peer.close()
            program.signal(SIGTERM)
            bytes += try await program.end().bytes
        }
        return bytes
    }

    @Sendable private static func board(_ face: Face) async throws -> [UInt8] {
        try await streams(face, ["board"]) { peer, text in
            try await peer.send("What is your username?\n")
            _ = try await peer.receiveOnce()
            try await peer.send(Array("[ERROR] ".utf8) + text + [0x0A])
            try await peer.send(
                Array("{\"event\":\"error\",\"op\":\"hello\",\"code\":\"".utf8) + text + Array("\"}\n".utf8))
            _ = try await peer.receiveToEnd()
        }
    }

    @Sendable private static func rooms(_ face: Face) async throws -> [UInt8] {
        try await streams(face, ["rooms"]) { peer, text in
            let request = try await peer.receiveOnce()
            let shown = JSON.string(String(decoding: text, as: UTF8.self)).encoded(style: .compact)
            let refusal =
                Array("{\"success\": 0, \"reason\": ".utf8) + shown + Array(", \"error\": ".utf8) + shown + [0x7D]
            let header: [UInt8] = [0, request.count > 1 ? request[1] : 2, 1, 2] + [UInt8](repeating: 0, count: 26)
            try await peer.send(header + [UInt8(refusal.count >> 8), UInt8(refusal.count & 0xFF)] + refusal)
            await peer.endOutput()
            _ = try await peer.receiveToEnd()
        }
    }

    @Sendable private static func udp(_ face: Face) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for text in texts {
            let server = try DatagramPeer()
            let program = try run(face, ["udp", "--server", "127.0.0.1:\(server.port)"])
            let registration = try JSON(parsing: try await server.receive()[...])
            let port = UInt16(clamping: registration["metadata"]?["client_port"]?.integer ?? 0)
            for type in ["registration_error", "create_group_error", text] {
                let message: JSON = [
                    "type": .string(type), "payload": ["message": .string(text)], "metadata": ["port": .integer(1)],
                ]
                await server.send(message.encoded(style: .python), to: port)
            }
            program.signal(SIGTERM)
            bytes += try await program.end().bytes
        }
        return bytes
    }
}
