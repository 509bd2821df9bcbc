import Glibc
import TestSupport
import Wire

enum P2PPlugs {
    static let table: [String: ModePlug] = ["p2p": .attacked(Self.converse)]

    @Sendable private static func converse(_ face: Face) async throws -> [UInt8] {
        let program = try FacedProgram(
            face, ["p2p", "0", "--bind", "127.0.0.1", "--name", "victim", "--memory", "--no-rate-limit"])
        let port = try await program.port()
        try await speakAsOriginals(to: port)
        try await speakAsOurs(to: port)
        // Last, somebody who says something harmless; what came before was read before, or its connection was closed.
        let last = try await RawPeer.connect(to: port)
        try await last.send(frame(original("last", endMark, number: 0)))
        try await program.shows(endMark)
        try await program.type("/quit")
        return try await program.end().bytes
    }

    private static func frame(_ payload: [UInt8]) -> [UInt8] {
        [UInt8(payload.count >> 8 & 0xFF), UInt8(payload.count & 0xFF)] + payload
    }

    private static func original(_ sender: String, _ text: String, number: Int) -> [UInt8] {
        let time = Timestamp(microseconds: 1_795_188_924_000_000 + Int64(number)).pythonISO(utcOffset: 0)
        let line: JSON = [
            "type": "chat", "sender": .string(sender), "sender_id": "fa326213-2b51-40c5-84f6-69fc5c253740",
            "text": .string(text), "timestamp": .string(time), "formatted": .string("[\(time)] \(sender):\n\t\(text)"),
        ]
        return line.encoded(style: .python)
    }

    /// Both dialects of the originals: names and texts, bytes that are no text, times that are none.
    private static func speakAsOriginals(to port: UInt16) async throws {
        let json = try await RawPeer.connect(to: port)
        for (number, text) in (HostileText.corpus + HostileText.random(100, seed: 7)).enumerated() {
            try await json.send(frame(original("mallory", text, number: number)))
            if number.isMultiple(of: 3) { try await json.send(frame(original(text, "by \(number)", number: number))) }
        }
        await json.endOutput()
        _ = try? await json.receiveToEnd()
        let plain = try await RawPeer.connect(to: port)
        for text in HostileText.corpus {
            for line in [
                "[2026-11-20T15:23:07.036119] mallory:\n\t\(text)", "[2026-11-20T15:23:07.036119] \(text):\n\tx",
            ] {
                try await plain.send(frame(Array(line.utf8)))
            }
        }
        await plain.endOutput()
        _ = try? await plain.receiveToEnd()
        for bytes in HostileText.bytes {
            let peer = try await RawPeer.connect(to: port)
            try await peer.send(frame(bytes))
            try? await peer.send(frame(Array("mallory#".utf8) + bytes))
            await peer.endOutput()
            _ = try? await peer.receiveToEnd()
        }
    }

    /// Our own extension: each vector of the document, with each of its strings replaced.
    private static func speakAsOurs(to port: UInt16) async throws {
        let vectors = try GoldenVectors.ofProtocols()
        var supply = HostileSupply(seed: 3)
        let names = vectors.names(prefix: "p2p.mesh.") + vectors.names(prefix: "p2p.json.")
        for name in names {
            guard let bytes = vectors[name], let value = try? JSON(parsing: bytes.dropFirst(2)) else { continue }
            let peer = try await RawPeer.connect(to: port)
            do {
                if name.hasPrefix("p2p.mesh."), let hello = vectors["p2p.mesh.hello"] { try await peer.send(hello) }
                for variant in HostileText.variants(of: value, using: &supply) {
                    try await peer.send(frame(variant.encoded(style: .compact)))
                }
                await peer.endOutput()
                _ = try await peer.receiveToEnd()
            } catch {
                // Closed for what was said: that is an answer too.
            }
        }
    }
}
