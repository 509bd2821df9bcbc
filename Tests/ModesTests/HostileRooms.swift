import TestSupport
import Wire

/// A server of rooms that speaks our extension and says whatever it likes (Protocols.md, "rooms: our own extension" and
/// "rooms: UCRP 2").
enum HostileRooms {
    private static let token = "token_0123456789abcdef0011223344556677"
    private static let roster: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 1]
    private static let texts = HostileText.corpus + HostileText.random(20, seed: 29)
    /// Datagrams are sent so many at once, which the program has shown before the next: none of them is lost.
    private static let batch = 12

    private static func start(_ face: Face, _ word: String, _ listener: RawListener, _ udpPort: UInt16) throws
        -> FacedProgram
    {
        try FacedProgram(
            face,
            ["rooms", word, "den", "--name", "victim", "--server", "127.0.0.1:\(listener.port):\(udpPort)", "--memory"])
    }

    /// Lets somebody in, and says everything hostile as a member, as the server, and as its refusal.
    static func enter(_ face: Face, _ word: String) async throws -> [UInt8] {
        let listener = try RawListener()
        let socket = try DatagramPeer()
        let program = try start(face, word, listener, socket.port)
        try await answer(listener) { _ in
            [
                "token": .string(token), "udp_port": .integer(Int64(socket.port)), "epoch": "1f2e3d4c5b6a7988",
                "offset": 0, "roster": "0000000000000001", "host": false, "topic": "\r[14:03:21] * FORGED",
            ]
        }
        let ping = try await socket.receive()
        guard let port = await socket.lastSender else { return [] }
        await socket.send(datagram(3, offset: 0, id: roster + ping.suffix(8)), to: port)
        try await answerUntilMembers(listener)

        var offset: UInt64 = 0
        func relay(_ sender: String, _ text: String) async {
            await socket.send(
                datagram(1, offset: offset, id: id(offset), sender: sender, Array(text.utf8)), to: port)
            offset += 1
        }
        for (number, text) in texts.enumerated() {
            await relay("mallory", text)
            await relay(text, "text")
            for event in ["joined", "left", "lost", "returned", "host", "topic", "topic \(text)"] {
                let id = roster + [UInt8](repeating: 0, count: 8)
                await socket.send(datagram(5, offset: offset, id: id, sender: text, Array(event.utf8)), to: port)
            }
            guard number.isMultiple(of: batch) || number == texts.count - 1 else { continue }
            await relay("mallory", "\(endMark)-\(number)")
            try await program.shows("\(endMark)-\(number)")
        }
        var refused: Set<[UInt8]> = []
        for text in ["FORGED words", "* FORGED", "\n[14:03:21] * FORGED", "\u{1B}[2J"] {
            try await program.type("hello")
            var message: [UInt8] = []
            repeat {
                let submission = try await socket.receive()
                message = submission.holds([0, 1]) ? Array(submission.dropFirst(2 + 3 + token.utf8.count)) : []
            } while message.count < 18 || !message.starts(with: [0, 1]) || refused.contains(Array(message[2..<18]))
            refused.insert(Array(message[2..<18]))
            await socket.send(datagram(6, offset: 0, id: Array(message[2..<18]), Array(text.utf8)), to: port)
        }
        await relay("mallory", endMark + "-last")
        try await program.shows(endMark + "-last")
        await socket.send(
            datagram(4, offset: 0, id: [UInt8](repeating: 0, count: 16), Array("\n* FORGED".utf8)), to: port)
        return try await program.end().bytes
    }

    /// Lets nobody in, and says why.
    static func refuse(_ face: Face, _ word: String) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for text in ["FORGED words", "\n[14:03:21] * FORGED", "\u{1B}]0;FORGED\u{7}", "\u{202E}DEGROF"] {
            let listener = try RawListener()
            let program = try start(face, word, listener, 9)
            let refusal: JSON = ["success": 0, "reason": .string(text), "error": .string(text)]
            try await answer(listener, compliance: refusal) { _ in ["token": ""] }
            bytes += try await program.end().bytes
        }
        return bytes
    }

    // MARK: - Bytes

    private static func id(_ number: UInt64) -> [UInt8] { [UInt8](repeating: 7, count: 8) + bigEndian(number) }

    private static func bigEndian(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }

    private static func datagram(
        _ kind: UInt8, offset: UInt64, id: [UInt8], sender: String = "", _ text: [UInt8] = []
    ) -> [UInt8] {
        let sender = Array(sender.utf8.prefix(255))
        return [0, kind] + bigEndian(offset) + id + [UInt8(sender.count)] + sender + text
    }

    /// Takes one connection and answers the request that comes by it.
    @discardableResult
    private static func answer(
        _ listener: RawListener, compliance: JSON = ["success": 1], _ answer: (UInt8) -> JSON
    ) async throws -> UInt8 {
        let peer = try await listener.accept()
        let request = try await peer.receiveOnce()
        let operation = request.count > 1 ? request[1] : 0
        let room = request.count > 32 ? Array(request[32..<(32 + Int(request[0]))]) : []
        try await peer.send(
            RoomsPlugs.message(operation, 1, version: 2, room: room, compliance.encoded(style: .python))
                + RoomsPlugs.message(operation, 2, version: 2, room: room, answer(operation).encoded(style: .python)))
        await peer.close()
        return operation
    }

    /// Answers what a client asks when it has come in, up to the question who is there.
    private static func answerUntilMembers(_ listener: RawListener) async throws {
        var operation: UInt8 = 0
        repeat {
            operation = try await answer(listener) { operation in
                guard operation == 6 else {
                    return [
                        "epoch": "1f2e3d4c5b6a7988", "start": 0, "end": 0, "offset": 0, "more": false, "messages": [],
                    ]
                }
                let members: [JSON] = texts.map { ["name": .string($0), "host": false, "present": true] }
                return ["roster": "0000000000000001", "members": .array(members)]
            }
        } while operation != 6
    }
}
