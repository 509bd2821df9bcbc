import Glibc
import TestSupport
import Wire

enum RoomsPlugs {
    static let table: [String: ModePlug] = [
        "rooms serve": .attacked(Self.serve),
        "rooms join": .attacked { face in
            try await enter(face, "join") + HostileRooms.enter(face, "join") + HostileRooms.refuse(face, "join")
        },
        "rooms create": .attacked { face in
            try await enter(face, "create") + HostileRooms.enter(face, "create") + HostileRooms.refuse(face, "create")
        },
        "rooms list": .attacked { face in
            try await ask(face, ["list"]) { text in
                ["rooms": [["name": .string(text), "members": 1, "topic": .string(text), "lobby": false]]]
            }
        },
        "rooms history": .attacked { face in
            try await ask(face, ["history", "lobby"]) { text in
                [
                    "epoch": "1f2e3d4c5b6a7988", "start": 0, "end": 1, "offset": 1, "more": false,
                    "messages": [
                        [
                            "offset": 0, "id": "00112233445566778899aabbccddeeff", "sender": .string(text),
                            "time": "2026-11-20T14:23:07.036Z", "text": .string(text),
                        ]
                    ],
                ]
            }
        },
        "rooms export": .attacked(Self.export),
        "rooms import": .attacked(Self.importing),
    ]

    /// A message of TCRP (Protocols.md, "rooms: TCRP").
    static func message(
        _ operation: UInt8, _ state: UInt8, version: UInt8, room: [UInt8], _ payload: [UInt8]
    ) -> [UInt8] {
        let name = Array(room.prefix(255))
        return [UInt8(name.count), operation, state, version] + [UInt8](repeating: 0, count: 26)
            + [UInt8(payload.count >> 8 & 0xFF), UInt8(payload.count & 0xFF)] + name + payload
    }

    private static func text(_ string: String) -> [UInt8] { JSON.string(string).encoded(style: .compact) }

    /// Asks a server for everything under every name there is.
    private static func attack(_ port: UInt16) async throws {
        for bytes in HostileText.corpus.map({ Array($0.utf8) }) + HostileText.bytes {
            let name = text(String(decoding: bytes, as: UTF8.self))
            for (operation, version) in [(1, 0), (2, 2), (3, 2), (6, 2)] as [(UInt8, UInt8)] {
                let peer = try await RawPeer.connect(to: port)
                do {
                    let room = operation == 2 ? Array("lobby".utf8) : bytes
                    try await peer.send(message(operation, 0, version: version, room: room, name))
                    await peer.endOutput()
                    _ = try await peer.receiveToEnd()
                } catch {
                    // Closed for what was said: that is an answer too.
                }
            }
        }
    }

    private static func server(_ face: Face, _ options: [String]) throws -> FacedProgram {
        try FacedProgram(
            face,
            [
                "rooms", "serve", "--tcp-port", "0", "--udp-port", "0", "--bind", "127.0.0.1", "--no-rate-limit",
                "--log-level", "debug",
            ] + options)
    }

    @Sendable private static func serve(_ face: Face) async throws -> [UInt8] {
        let program = try server(face, ["--memory"])
        let port = try await program.port()
        try await attack(port)
        program.signal(SIGTERM)
        return try await program.end().bytes
    }

    /// At a server that is an original and relays what it likes, under any name.
    private static func enter(_ face: Face, _ word: String) async throws -> [UInt8] {
        let listener = try RawListener()
        let socket = try DatagramPeer()
        let program = try FacedProgram(
            face,
            [
                "rooms", word, "den", "--name", "victim", "--server", "127.0.0.1:\(listener.port):\(socket.port)",
                "--memory",
            ])
        let peer = try await listener.accept()
        _ = try await peer.receiveOnce()
        let token = "token_0123456789abcdef0011223344556677"
        let operation: UInt8 = word == "create" ? 1 : 2
        try await peer.send(
            message(operation, 1, version: 0, room: Array("den".utf8), Array("{\"success\": 1}".utf8))
                + message(operation, 2, version: 0, room: Array("den".utf8), Array("{\"token\": \"\(token)\"}".utf8)))
        await peer.close()
        _ = try await socket.receive()
        guard let port = await socket.lastSender else { return [] }
        func relay(_ name: [UInt8], _ text: [UInt8]) async {
            let name = Array(name.prefix(255))
            await socket.send([UInt8(name.count)] + name + text, to: port)
        }
        for text in (HostileText.corpus + HostileText.random(80, seed: 19)).map({ Array($0.utf8) }) + HostileText.bytes
        {
            await relay(Array("mallory".utf8), text)
            await relay(text, Array("text".utf8))
            await relay(Array("system".utf8), text)
        }
        await relay(Array("mallory".utf8), Array(endMark.utf8))
        try await program.shows(endMark)
        program.signal(SIGTERM)
        return try await program.end().bytes
    }

    /// One question to a server of ours, as it says, whose answers hold each text in turn.
    private static func ask(
        _ face: Face, _ words: [String], _ answer: @Sendable (String) -> JSON
    ) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for text in HostileText.corpus.enumerated().filter({ $0.offset.isMultiple(of: 4) }).map(\.element) {
            let listener = try RawListener()
            let program = try FacedProgram(
                face, ["rooms"] + words + ["--server", "127.0.0.1:\(listener.port)"])
            let peer = try await listener.accept()
            let request = try await peer.receiveOnce()
            let room = request.count > 32 ? Array(request[32..<(32 + Int(request[0]))]) : []
            let operation = request.count > 1 ? request[1] : 3
            try? await peer.send(
                message(operation, 1, version: 2, room: room, Array("{\"success\": 1}".utf8))
                    + message(operation, 2, version: 2, room: room, answer(text).encoded(style: .python)))
            await peer.close()
            bytes += try await program.end().bytes
        }
        return bytes
    }

    @Sendable private static func export(_ face: Face) async throws -> [UInt8] {
        let folder = TemporaryFolder()
        let server = try server(.json, ["--data", folder.path])
        try await attack(try await server.port())
        server.signal(SIGTERM)
        _ = try await server.end()
        // What is exported is JSON on standard output, whatever the face.
        let way = face == .terminal ? Face.pipe : face
        return try await FacedProgram(way, ["rooms", "export", "-", "--data", folder.path]).end().bytes
    }

    @Sendable private static func importing(_ face: Face) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        let folder = TemporaryFolder()
        for (number, text) in (HostileText.corpus.prefix(12).map { self.text($0) } + HostileText.bytes.prefix(4))
            .enumerated()
        {
            let path = folder.path(of: "file\(number)")
            let stream = fopen(path, "w")!
            let content = Array("{\"rooms\":{".utf8) + text + Array(":{\"host\":".utf8) + text + Array("}}}".utf8)
            fwrite(content, 1, content.count, stream)
            fclose(stream)
            let program = try FacedProgram(face, ["rooms", "import", path, "--data", folder.path(of: "data")])
            bytes += try await program.end().bytes
        }
        return bytes
    }
}
