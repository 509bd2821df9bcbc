import Glibc
import TestSupport
import Wire

enum BoardPlugs {
    static let table: [String: ModePlug] = [
        "board serve": .attacked(Self.serve),
        "board connect": .attacked { face in
            try await connect(face) + HostileBoard.connectInJSON(face) + HostileBoard.connectInText(face)
        },
        "board post": .attacked { face in
            let words = ["post", "main", "subject", "text"]
            return try await errand(face, words) + HostileBoard.errands(face, words)
        },
        "board read": .attacked { face in
            try await errand(face, ["read", "main"]) + HostileBoard.errands(face, ["read", "main"])
        },
        "board groups": .attacked { face in
            try await errand(face, ["groups"]) + HostileBoard.errands(face, ["groups"])
        },
        "board export": .attacked(Self.export),
        "board import": .attacked(Self.importing),
    ]

    private static func server(_ face: Face, keepsIn folder: String? = nil) throws -> FacedProgram {
        try FacedProgram(
            face,
            ["board", "serve", "--port", "0", "--bind", "127.0.0.1", "--no-rate-limit", "--log-level", "debug"]
                + (folder.map { ["--data", $0] } ?? ["--memory"]))
    }

    private static func login(_ port: UInt16, _ name: String) async throws -> RawPeer {
        let peer = try await RawPeer.connect(to: port)
        _ = try await peer.receive(until: "What is your username?\n")
        try await peer.send(#"{"op":"hello","name":"\#(name)"}"# + "\n")
        _ = try await peer.receive(until: "\n")
        try await peer.send(#"{"op":"join","id":1,"group":"main"}"# + "\n")
        _ = try await peer.receive(until: "\n")
        return peer
    }

    private static func post(_ peer: RawPeer, subject: String, text: String, number: Int) async throws {
        var digits = String(number, radix: 16)
        digits = String(repeating: "0", count: 32 - digits.count) + digits
        let request: JSON = [
            "op": "post", "id": .string(digits), "group": "main", "subject": .string(subject), "text": .string(text),
        ]
        try await peer.send(request.encoded(style: .compact) + [0x0A])
        _ = try await peer.receive(until: "\n")
    }

    /// Posts everything to the group main of a server: as texts, and as subjects.
    private static func postAll(to port: UInt16) async throws -> RawPeer {
        let peer = try await login(port, "mallory")
        for (number, text) in (HostileText.corpus + HostileText.random(60, seed: 9)).enumerated() {
            try await post(peer, subject: "subject", text: text, number: 2 * number + 1)
            if number.isMultiple(of: 4) { try await post(peer, subject: text, text: "text", number: 2 * number + 2) }
        }
        return peer
    }

    @Sendable private static func serve(_ face: Face) async throws -> [UInt8] {
        let program = try server(face)
        let port = try await program.port()
        // Names, commands, groups and objects, as whoever comes by netcat types them.
        for text in HostileText.corpus.map({ Array($0.utf8) }) + HostileText.bytes {
            let peer = try await RawPeer.connect(to: port)
            do {
                try await peer.send(text + [0x0A])
                try await peer.send(Array("%groupjoin ".utf8) + text + [0x0A])
                try await peer.send(Array("{\"op\":\"".utf8) + text + Array("\"}\n".utf8))
                await peer.endOutput()
                _ = try await peer.receiveToEnd()
            } catch {
                // Closed for what was said: that is an answer too.
            }
        }
        let peer = try await postAll(to: port)
        await peer.endOutput()
        _ = try await peer.receiveToEnd()
        program.signal(SIGTERM)
        return try await program.end().bytes
    }

    /// A member beside the attacker, at a server of ours.
    @Sendable private static func connect(_ face: Face) async throws -> [UInt8] {
        let server = try server(.json)
        let port = try await server.port()
        let program = try FacedProgram(face, ["board", "connect", "127.0.0.1:\(port)", "--name", "victim", "--memory"])
        try await program.shows("connected")
        try await program.type("%groupjoin main")
        try await program.shows("joined group 'main'")
        let peer = try await login(port, "witness")
        try await program.shows("witness")
        await peer.close()
        let attacker = try await postAll(to: port)
        try await program.type("%grouplist main")
        try await post(attacker, subject: endMark, text: endMark, number: 1_000_000)
        try await program.shows(endMark)
        try await program.type("/quit")
        let bytes = try await program.end().bytes
        server.signal(SIGTERM)
        _ = try await server.end()
        return bytes
    }

    private static func errand(_ face: Face, _ words: [String]) async throws -> [UInt8] {
        let server = try server(.json)
        let port = try await server.port()
        _ = try await postAll(to: port)
        let program = try FacedProgram(
            face, ["board"] + words + ["--server", "127.0.0.1:\(port)", "--name", "victim", "--memory"])
        let bytes = try await program.end().bytes
        server.signal(SIGTERM)
        _ = try await server.end()
        return bytes
    }

    @Sendable private static func export(_ face: Face) async throws -> [UInt8] {
        let folder = TemporaryFolder()
        let server = try server(.json, keepsIn: folder.path)
        _ = try await postAll(to: try await server.port())
        server.signal(SIGTERM)
        _ = try await server.end()
        // What is exported is JSON on standard output, whatever the face.
        return try await FacedProgram(
            face == .terminal ? .pipe : face, ["board", "export", "-", "--data", folder.path]
        )
        .end().bytes
    }

    @Sendable private static func importing(_ face: Face) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        let folder = TemporaryFolder()
        for (number, text) in (HostileText.corpus.prefix(12).map { Array($0.utf8) } + HostileText.bytes.prefix(4))
            .enumerated()
        {
            let path = folder.path(of: "file\(number)")
            let stream = fopen(path, "w")!
            let content = Array("{\"chat\":\"board\",\"version\":1}\n{\"group\":\"".utf8) + text + Array("\"}\n".utf8)
            fwrite(content, 1, content.count, stream)
            fclose(stream)
            let program = try FacedProgram(face, ["board", "import", path, "--data", folder.path(of: "data")])
            bytes += try await program.end().bytes
        }
        return bytes
    }
}
