import Glibc
import TestSupport
import Wire

enum UDPPlugs {
    static let table: [String: ModePlug] = [
        "udp serve": .attacked(Self.serve),
        "udp join": .attacked(Self.join),
    ]

    private static func datagram(_ type: String, _ payload: JSON, _ metadata: JSON) -> [UInt8] {
        let message: JSON = ["type": .string(type), "payload": payload, "metadata": metadata]
        return message.encoded(style: .python)
    }

    /// Each vector of the document as it would be sent by, or to, a port, with each of its strings replaced.
    private static func variants(seed: UInt64, to change: (JSON) -> JSON) throws -> [[UInt8]] {
        let vectors = try GoldenVectors.ofProtocols()
        var supply = HostileSupply(seed: seed)
        var datagrams: [[UInt8]] = []
        for name in vectors.names(prefix: "udp.") {
            guard let bytes = vectors[name], let value = try? JSON(parsing: bytes[...]) else { continue }
            for variant in HostileText.variants(of: change(value), using: &supply) {
                datagrams.append(variant.encoded(style: .compact))
            }
        }
        return datagrams
    }

    /// A value with the port that answers go to.
    private static func with(port: UInt16, name: String? = nil, _ value: JSON) -> JSON {
        guard case .object(var object) = value, case .object(var metadata)? = value["metadata"] else { return value }
        if metadata["client_port"] != nil { metadata["client_port"] = .integer(Int64(port)) }
        if let name, metadata["name"] != nil { metadata["name"] = .string(name) }
        object["metadata"] = .object(metadata)
        return .object(object)
    }

    private static func client(_ name: String, _ port: UInt16, server: UInt16) -> JSON {
        [
            "name": .string(name), "server_ip": "127.0.0.1", "server_port": .integer(Int64(server)),
            "client_port": .integer(Int64(port)), "client_ip": "127.0.0.1",
        ]
    }

    @Sendable private static func serve(_ face: Face) async throws -> [UInt8] {
        let program = try FacedProgram(
            face,
            ["udp", "serve", "0", "--bind", "127.0.0.1", "--memory", "--no-rate-limit", "--log-level", "debug"])
        let port = try await program.port()
        // Names, then everything as somebody who is registered.
        for text in HostileText.corpus {
            let socket = try DatagramPeer()
            await socket.send(datagram("registration", .null, client(text, socket.port, server: port)), to: port)
            await socket.send(
                datagram("create_group", .string(text), client(text, socket.port, server: port)), to: port)
            await socket.send(datagram("deregistration", .null, client(text, socket.port, server: port)), to: port)
        }
        let mallory = try DatagramPeer()
        let metadata = client("mallory", mallory.port, server: port)
        await mallory.send(datagram("registration", .null, metadata), to: port)
        for text in HostileText.corpus + HostileText.random(60, seed: 11) {
            for type in ["create_group", "join_group", "leave_group", "client_offline", "message_ack", text] {
                await mallory.send(datagram(type, .string(text), metadata), to: port)
            }
            await mallory.send(datagram("group_message", ["message": .string(text), "group": "g"], metadata), to: port)
        }
        for bytes in try variants(seed: 5, to: { with(port: mallory.port, name: "mallory", $0) }) {
            await mallory.send(bytes, to: port)
        }
        for bytes in HostileText.bytes { await mallory.send(bytes, to: port) }
        // Datagrams may be dropped where there are so many; the last one is repeated until it was seen.
        let last = try DatagramPeer()
        let lastMetadata = client("last", last.port, server: port)
        for attempt in 0..<50 {
            await last.send(datagram("registration", .null, lastMetadata), to: port)
            _ = try await last.receive()
            await last.send(datagram("create_group", .string("\(endMark)-\(attempt)"), lastMetadata), to: port)
            if try await last.receive().holds(Array("create_group_ack".utf8)) { break }
        }
        try await program.shows(endMark)
        program.signal(SIGTERM)
        return try await program.end().bytes
    }

    @Sendable private static func join(_ face: Face) async throws -> [UInt8] {
        let server = try DatagramPeer()
        let program = try FacedProgram(face, ["udp", "join", "victim", "127.0.0.1", "\(server.port)", "--memory"])
        let registration = try JSON(parsing: try await server.receive()[...])
        let port = UInt16(clamping: registration["metadata"]?["client_port"]?.integer ?? 0)
        let own: JSON = ["port": .integer(Int64(server.port))]
        await server.send(datagram("registration_confirmation", .null, own), to: port)
        let peer = try DatagramPeer()
        // A table that holds the attacker under an honest name and under every other.
        func table(_ names: [String]) -> [UInt8] {
            var table: JSONObject = ["victim": registration["metadata"] ?? .null]
            for name in names {
                guard case .object(var entry) = client(name, peer.port, server: server.port) else { continue }
                entry["sender_ip"] = "127.0.0.1"
                table[name] = .object(entry)
            }
            return datagram("state_change", .object(table), own)
        }
        await server.send(table(["mallory"]), to: port)
        for text in HostileText.corpus {
            await server.send(table(["mallory", text]), to: port)
            await peer.send(
                datagram("message", .string("from \(text)"), client(text, peer.port, server: server.port)), to: port)
        }
        await server.send(table(["mallory"]), to: port)
        for text in HostileText.corpus + HostileText.random(60, seed: 13) {
            await peer.send(
                datagram("message", .string(text), client("mallory", peer.port, server: server.port)), to: port)
            await server.send(
                datagram("group_message", ["message": .string(text), "sender": .string(text)], own), to: port)
            await server.send(datagram("registration_error", ["message": .string(text)], own), to: port)
            await server.send(datagram("create_group_error", ["message": .string(text)], own), to: port)
            await server.send(datagram("client_offline_ack", .string(text), own), to: port)
        }
        for bytes in try variants(seed: 17, to: { with(port: server.port, $0) }) { await server.send(bytes, to: port) }
        for bytes in HostileText.bytes { await peer.send(bytes, to: port) }
        // Until it is acknowledged, as the original does; what else comes back is of no interest.
        var isHeard = false
        while !isHeard {
            await peer.send(
                datagram("message", .string(endMark), client("mallory", peer.port, server: server.port)), to: port)
            isHeard = try await peer.receive().holds(Array("message_ack".utf8))
        }
        try await program.shows(endMark)
        program.signal(SIGTERM)
        return try await program.end().bytes
    }
}
