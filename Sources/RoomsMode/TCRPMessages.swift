package import Wire

/// One message of TCRP, the protocol of rooms over TCP (`Protocols.md`, "rooms").
///
///      0        1        2        3        4                    31   32
///     +--------+--------+--------+--------+----...----+--------+-----------+---------+
///     | name   | opera- | state  | ver-   | payload length, 28 | room name | payload |
///     | length | tion   |        | sion   | bytes, big-endian  |           |         |
///     +--------+--------+--------+--------+----...----+--------+-----------+---------+
package struct TCRPMessage: Equatable, Sendable {
    /// Bytes of the header.
    package static let headerLength = 32
    /// The most bytes of a room name that the header can say.
    package static let longestRoomName = 255

    /// Byte 1.
    package enum Operation: UInt8, Sendable, CaseIterable {
        case create = 1
        case join = 2
        // Our own extension; to the programs of old these are unknown, and closed without an answer.
        case list = 3
        case history = 4
        case leave = 5
        case who = 6
        case topic = 7

        /// True for what the programs of old know.
        package var isOriginal: Bool { self == .create || self == .join }
    }

    /// Byte 2: a request is answered by a compliance (whether it is granted) and a complete (what came of it).
    package enum State: UInt8, Sendable {
        case request = 0
        case compliance = 1
        case complete = 2
    }

    /// Byte 3 of our own programs; those of old send 0 and ignore it.
    package static let extendedVersion: UInt8 = 2

    /// As it was sent: not checked to be UTF-8.
    package var room: [UInt8]
    package var operation: UInt8
    package var state: UInt8
    package var version: UInt8
    package var payload: [UInt8]

    package init(room: [UInt8], operation: UInt8, state: UInt8, version: UInt8, payload: [UInt8]) {
        precondition(room.count <= Self.longestRoomName, "a room name longer than the header can say")
        self.room = room
        self.operation = operation
        self.state = state
        self.version = version
        self.payload = payload
    }

    package init(
        _ operation: Operation, _ state: State, room: String, extended: Bool, payload: [UInt8]
    ) {
        self.init(
            room: Array(room.utf8), operation: operation.rawValue, state: state.rawValue,
            version: extended ? Self.extendedVersion : 0, payload: payload)
    }

    package func write(to writer: inout ByteWriter) {
        writer.append(UInt8(room.count))
        writer.append(operation)
        writer.append(state)
        writer.append(version)
        for _ in 0..<20 { writer.append(0) }
        writer.appendUInt64(UInt64(payload.count))
        writer.append(contentsOf: room)
        writer.append(contentsOf: payload)
    }

    package var encoded: [UInt8] {
        var writer = ByteWriter(reserving: Self.headerLength + room.count + payload.count)
        write(to: &writer)
        return writer.bytes
    }
}

/// Cuts a stream into TCRP messages. Nothing is kept of a message that is over the limit.
package struct TCRPDecoder: Sendable, Equatable {
    package enum Failure: Error, Equatable, Sendable {
        /// The header announces a longer message than is taken. Nothing of it was kept, and nothing more can be read.
        case tooLong(limit: Int)
    }

    /// The most bytes of a message, header included.
    package let limit: Int

    private var buffer: [UInt8] = []
    private var failure: Failure?

    package init(limit: Int) { self.limit = limit }

    /// Bytes of a message that is not whole yet.
    package var pendingCount: Int { buffer.count }

    package mutating func append(_ bytes: ArraySlice<UInt8>) {
        guard failure == nil else { return }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole message; nil when there are not enough bytes.
    package mutating func next() throws(Failure) -> TCRPMessage? {
        if let failure { throw failure }
        guard buffer.count >= TCRPMessage.headerLength else { return nil }
        var reader = ByteReader(buffer[...])
        guard let nameLength = reader.readUInt8(), let operation = reader.readUInt8(),
            let state = reader.readUInt8(), let version = reader.readUInt8(),
            let length = reader.read(count: 28)
        else { return nil }
        // 28 bytes can say 2^224 - 1: more than an integer holds, so the bytes that must be zero are looked at first.
        var payloadLength = 0
        let isTooLong: Bool
        if length.dropLast(4).contains(where: { $0 != 0 }) {
            isTooLong = true
        } else {
            for byte in length.suffix(4) { payloadLength = payloadLength << 8 | Int(byte) }
            isTooLong = TCRPMessage.headerLength + Int(nameLength) + payloadLength > limit
        }
        if isTooLong {
            let failure = Failure.tooLong(limit: limit)
            self.failure = failure
            buffer = []
            throw failure
        }
        guard let room = reader.read(count: Int(nameLength)), let payload = reader.read(count: payloadLength) else {
            return nil
        }
        let message = TCRPMessage(
            room: Array(room), operation: operation, state: state, version: version, payload: Array(payload))
        buffer.removeFirst(buffer.count - reader.remaining)
        return message
    }
}
