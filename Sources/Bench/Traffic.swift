import Glibc
import Wire

/// What a member says and hears on a stream, by the protocols that `Protocols.md` states. Written for the load alone, so
/// that a server is not measured by its own words.
enum Traffic {
    /// What a frame means to a member.
    enum Heard: Equatable, Sendable {
        /// It may begin to sign in, or is let in.
        case greeting
        case signedIn
        case joined
        case answer
        /// It may hold a message of the load.
        case message
        case refused
        case other
    }

    // MARK: p2p

    /// The length of a frame at the start of some bytes, header included: u16 big-endian, payload.
    static func p2pFrame(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 2 else { return nil }
        let length = 2 + Int(bytes[0]) << 8 + Int(bytes[1])
        return length <= bytes.count ? length : nil
    }

    /// A member of the mesh that knows nothing of our extension only listens; the node's greeting says that it is in.
    static func p2pHeard(_ frame: UnsafeRawBufferPointer, isIn: Bool) -> Heard { isIn ? .message : .joined }

    // MARK: board

    /// The length of a line at the start of some bytes, its end included.
    static func boardFrame(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress, let end = memchr(base, 10, bytes.count) else { return nil }
        return UnsafeRawPointer(end) - base + 1
    }

    static func boardHeard(_ line: UnsafeRawBufferPointer) -> Heard {
        if starts(line, "{\"event\":\"message\"") { return .message }
        if starts(line, "{\"event\":\"answer\",\"op\":\"join\"") { return .joined }
        if starts(line, "{\"event\":\"answer\",\"op\":\"create\"") { return .other }
        if starts(line, "{\"event\":\"answer\"") { return .answer }
        if starts(line, "{\"event\":\"ready\"") { return .signedIn }
        // The group of a board that serves for longer is there already.
        if starts(line, "{\"event\":\"error\",\"op\":\"create\"") { return .other }
        if starts(line, "{\"event\":\"error\"") { return .refused }
        return line.first == UInt8(ascii: "{") ? .other : .greeting
    }

    static func boardHello(_ name: String, to writer: inout ByteWriter) {
        line(&writer) {
            $0.member("op", "hello")
            $0.member("name", name)
        }
    }

    /// Creates the group where it is not there, and joins it.
    static func boardJoin(_ group: String, to writer: inout ByteWriter) {
        line(&writer) {
            $0.member("op", "create")
            $0.member("group", group)
        }
        line(&writer) {
            $0.member("op", "join")
            $0.member("group", group)
        }
    }

    static func boardPost(_ group: String, _ text: (inout ByteWriter) -> Void, to writer: inout ByteWriter) {
        line(&writer) {
            $0.member("op", "post")
            $0.member("group", group)
            $0.member("subject", "load")
            $0.key("text")
            $0.plainString(text)
        }
    }

    /// Asks for the first post of a group.
    static func boardRead(_ group: String, to writer: inout ByteWriter) {
        line(&writer) {
            $0.member("op", "read")
            $0.member("group", group)
            $0.member("offset", 0)
        }
    }

    private static func line(_ writer: inout ByteWriter, _ members: (inout JSONWriter) -> Void) {
        writer.appendJSON { json in json.object(members) }
        writer.append(UInt8(ascii: "\n"))
    }

    // MARK: udp

    static func udpHeard(_ datagram: UnsafeRawBufferPointer) -> Heard {
        if starts(datagram, "{\"type\": \"group_message\"") { return .message }
        if starts(datagram, "{\"type\": \"group_message_ack\"") { return .answer }
        if starts(datagram, "{\"type\": \"registration_confirmation\"") { return .signedIn }
        if starts(datagram, "{\"type\": \"join_group_ack\"") { return .joined }
        if starts(datagram, "{\"type\": \"registration_error\"") || starts(datagram, "{\"type\": \"join_group_error\"")
        {
            return .refused
        }
        return .other
    }

    /// The metadata of a client, as the last field of every datagram of its.
    static func udpMetadata(name: String, server: SocketAddress, client: SocketAddress) -> [UInt8] {
        var writer = ByteWriter()
        writer.appendJSON(style: .python) { json in
            json.object { json in
                json.member("name", name)
                json.member("server_ip", server.ip.description)
                json.member("server_port", Int(server.port))
                json.member("client_port", Int(client.port))
                json.member("client_ip", client.ip.description)
            }
        }
        return writer.bytes
    }

    static func udpRequest(
        _ type: StaticString, _ metadata: [UInt8], to writer: inout ByteWriter,
        payload: (inout JSONWriter) -> Void = { $0.null() }
    ) {
        writer.appendJSON(style: .python) { json in
            json.object { json in
                json.key("type")
                json.plainString { $0.append(type) }
                json.key("payload")
                payload(&json)
                json.key("metadata")
                json.encoded(metadata)
            }
        }
    }

    // MARK: rooms

    /// What comes before a member has its token in the room: "I am here", to be heard by those who are there already.
    static let probe: StaticString = "-here-"

    /// A request to create a room (1) or to join it (2), as the programs of old make it.
    static func tcrpRequest(_ operation: UInt8, room: String, name: String, to writer: inout ByteWriter) {
        let payload = Array("\"\(name)\"".utf8)
        writer.append(UInt8(room.utf8.count))
        writer.append(operation)
        writer.append(0)
        writer.append(0)
        // 28 bytes of length, big-endian.
        for _ in 0..<20 { writer.append(0) }
        writer.appendUInt64(UInt64(payload.count))
        writer.append(utf8: room)
        writer.append(contentsOf: payload)
    }

    /// The length of a TCRP message at the start of some bytes.
    static func tcrpFrame(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 32 else { return nil }
        let length = 32 + Int(bytes[0]) + Int(bytes[30]) << 8 + Int(bytes[31])
        return length <= bytes.count ? length : nil
    }

    /// The token of an answer's second message; nil for the first, empty where the server refuses.
    static func tcrpToken(_ frame: UnsafeRawBufferPointer) -> String? {
        guard frame[2] == 2 else { return nil }
        let payload = Array(frame[(32 + Int(frame[0]))...])
        return (try? JSON(parsing: payload[...]))?["token"]?.string ?? ""
    }

    /// What stands before the message of every datagram of a member.
    static func ucrpHeader(room: String, token: String) -> [UInt8] {
        [UInt8(room.utf8.count), UInt8(token.utf8.count)] + Array(room.utf8) + Array(token.utf8)
    }

    private static func starts(_ bytes: UnsafeRawBufferPointer, _ prefix: StaticString) -> Bool {
        guard let base = bytes.baseAddress, bytes.count >= prefix.utf8CodeUnitCount else { return false }
        return memcmp(base, prefix.utf8Start, prefix.utf8CodeUnitCount) == 0
    }
}
