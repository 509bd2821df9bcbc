import Glibc
import Wire

/// A mode as an attacker knows it: what it listens to, and what is said to it.
package enum Mode: String, CaseIterable, Sendable { case p2p, board, udp, rooms }

/// Where a server listens and what can be written there.
package struct Target: Sendable {
    package let mode: Mode
    /// 0 where there is none.
    package var streams: UInt16 = 0
    package var datagrams: UInt16 = 0

    /// The first thing that a client writes on a connection, complete.
    func opening(_ number: Int) -> [UInt8] {
        switch mode {
        case .board:
            Array(
                "{\"op\":\"hello\",\"name\":\"stranger\(number)\"}\n{\"op\":\"join\",\"group\":\"general\"}\n".utf8)
        case .p2p: frame("{\"chat\":{\"kind\":\"hello\",\"v\":1,\"node\":\"\(hex(number))\",\"port\":0}}")
        case .rooms: roomsRequest(2, "lobby", "\"stranger\(number)\"")
        case .udp: []
        }
    }

    /// What makes something new there: a group, a room, a member.
    func creation(_ number: Int) -> [UInt8] {
        switch mode {
        case .board: Array("{\"op\":\"create\",\"group\":\"g\(number)\"}\n".utf8)
        case .p2p:
            frame(
                "{\"chat\":{\"kind\":\"peers\",\"peers\":[[\"\(hex(number))\",\"127.0.0.1:\(1 + number % 1_000)\"]]}}")
        case .rooms: roomsRequest(1, "r\(number)", "\"host\(number)\"")
        case .udp: []
        }
    }

    /// One message for the others.
    func line(_ number: Int) -> [UInt8] {
        switch mode {
        case .board:
            Array("{\"op\":\"post\",\"group\":\"general\",\"subject\":\"s\",\"text\":\"flood \(number)\"}\n".utf8)
        case .p2p: frame("flood \(number)")
        // What is said goes by datagram; over a connection a question costs most.
        case .rooms: question(number)
        case .udp: []
        }
    }

    /// What is answered with much.
    func question(_ number: Int) -> [UInt8] {
        switch mode {
        case .board: Array("{\"op\":\"groups\",\"id\":\(number)}\n".utf8)
        case .p2p: frame("{\"chat\":{\"kind\":\"ping\",\"number\":\(number)}}")
        case .rooms: roomsRequest(3, "", "{\"after\":0}", version: 2)
        case .udp: []
        }
    }

    /// A message that is announced as large as can be and has no end.
    var giant: [UInt8] {
        switch mode {
        case .board: [UInt8](repeating: 0x41, count: 65_536)
        case .p2p: [0xFF, 0xFF] + [UInt8](repeating: 0x41, count: 60_000)
        case .rooms: [0xFF, 1, 0, 0] + [UInt8](repeating: 0xFF, count: 28) + [UInt8](repeating: 0x41, count: 60_000)
        case .udp: [UInt8](repeating: 0x41, count: 65_000)
        }
    }

    /// JSON that goes deeper than anybody needs.
    var deep: [UInt8] {
        let nested = String(repeating: "{\"a\":[", count: 500)
        return switch mode {
        case .board: Array((nested + "\n").utf8)
        case .p2p: frame(nested)
        case .rooms: roomsRequest(2, "lobby", nested)
        case .udp: Array("{\"type\": \"message\", \"payload\": \(nested)".utf8)
        }
    }

    // MARK: - udp

    /// A registration as an original writes it.
    func registration(_ name: String, port: UInt16) -> [UInt8] { request("registration", "null", name, port) }

    func request(_ type: String, _ payload: String, _ name: String, _ port: UInt16) -> [UInt8] {
        Array(
            """
            {"type": "\(type)", "payload": \(payload), "metadata": {"name": "\(name)", "server_ip": "127.0.0.1", \
            "server_port": \(datagrams), "client_port": \(port), "client_ip": "127.0.0.1"}}
            """.utf8)
    }

    // MARK: - rooms

    func roomsRequest(_ operation: UInt8, _ room: String, _ payload: String, version: UInt8 = 0) -> [UInt8] {
        let room = Array(room.utf8)
        let payload = Array(payload.utf8)
        var header: [UInt8] = [UInt8(room.count), operation, 0, version] + [UInt8](repeating: 0, count: 24)
        header += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: payload.count >> $0) }
        return header + room + payload
    }

    func roomsMessage(_ room: String, token: String, _ text: String) -> [UInt8] {
        [UInt8(room.utf8.count), UInt8(token.utf8.count)] + Array((room + token + text).utf8)
    }

    // MARK: - p2p

    private func frame(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes
    }

    private func hex(_ number: Int) -> String {
        let digits = String(number &* 0x9E37_79B9 & 0xFFFF_FFFF, radix: 16)
        return String(repeating: "5", count: 32 - digits.count) + digits
    }
}
