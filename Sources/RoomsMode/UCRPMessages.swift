package import Wire

/// A datagram from a client to the server (`Protocols.md`, "rooms").
///
///     +-------------+--------------+------+-------+---------+
///     | name length | token length | room | token | message |
///     +-------------+--------------+------+-------+---------+
///
/// Reading makes slices and copies nothing.
package struct UCRPRequest: Sendable {
    /// Bytes of a datagram.
    package static let mostBytes = 4_096

    package let room: ArraySlice<UInt8>
    package let token: ArraySlice<UInt8>
    package let message: ArraySlice<UInt8>

    /// Nil for a datagram that is no UCRP.
    @inline(__always)
    package init?(_ datagram: ArraySlice<UInt8>) {
        guard datagram.count >= 2, datagram.count <= Self.mostBytes else { return nil }
        let room = datagram.startIndex + 2
        let token = room + Int(datagram[room - 2])
        let message = token + Int(datagram[room - 1])
        guard message <= datagram.endIndex else { return nil }
        self.room = datagram[room..<token]
        self.token = datagram[token..<message]
        self.message = datagram[message...]
    }

    /// What the message of an original program is.
    package enum Control: Sendable, CaseIterable {
        case register
        case leave

        package var literal: StaticString {
            switch self {
            case .register: "__REGISTER__"
            case .leave: "__LEAVE__"
            }
        }
    }

    /// A command, which is recognised only as the whole message.
    package var control: Control? {
        // Both begin with an underscore, which few messages do.
        guard message.first == UInt8(ascii: "_") else { return nil }
        if message.isEqual(to: Control.register.literal) { return .register }
        if message.isEqual(to: Control.leave.literal) { return .leave }
        return nil
    }

    /// Appends the part before the message.
    package static func writeHeader(room: [UInt8], token: RoomToken, to writer: inout ByteWriter) {
        writer.append(UInt8(room.count))
        writer.append(UInt8(RoomToken.byteCount))
        writer.append(contentsOf: room)
        writer.append(token)
    }

    /// Bytes of text that fit a datagram to a server of old.
    package static func textLimit(room: [UInt8]) -> Int { mostBytes - 2 - room.count - RoomToken.byteCount }
}

/// What one of our own clients says in the message of a datagram (UCRP 2): `00 kind id[16] text`.
package struct UCRPSubmission: Equatable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable {
        /// A text for the room. The id is its author's; a retransmission keeps it.
        case message = 1
        /// Binds the datagram's source to the token, keeps paths through address translators open, and is answered by
        /// a heartbeat with the same id.
        case ping = 2
    }

    /// Bytes before the text.
    package static let headerLength = 2 + MessageID.byteCount

    package var kind: Kind
    package var id: MessageID
    package var text: ArraySlice<UInt8>

    package init(_ kind: Kind, id: MessageID, text: ArraySlice<UInt8> = []) {
        self.kind = kind
        self.id = id
        self.text = text
    }

    /// Nil for what is none; a kind to come is none either.
    package init?(_ message: ArraySlice<UInt8>) {
        var reader = ByteReader(message)
        guard reader.readUInt8() == 0, let kind = reader.readUInt8().flatMap({ Kind(rawValue: $0) }),
            let id = reader.readMessageID()
        else { return nil }
        self.init(kind, id: id, text: reader.rest())
    }

    package func write(to writer: inout ByteWriter) {
        writer.append(0)
        writer.append(kind.rawValue)
        writer.append(id)
        writer.append(contentsOf: text)
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.kind == right.kind && left.id == right.id && left.text.elementsEqual(right.text)
    }
}

/// A datagram from the server to an original client: `u8 sender length, sender, message`, or `__ROOM_CLOSED__` alone.
package enum UCRPPlainDelivery: Equatable, Sendable {
    case message(sender: ArraySlice<UInt8>, text: ArraySlice<UInt8>)
    case roomClosed

    package static let roomClosedLiteral: StaticString = "__ROOM_CLOSED__"

    package init?(_ datagram: ArraySlice<UInt8>) {
        if datagram.isEqual(to: Self.roomClosedLiteral) {
            self = .roomClosed
            return
        }
        var reader = ByteReader(datagram)
        guard let length = reader.readUInt8(), let sender = reader.read(count: Int(length)) else { return nil }
        self = .message(sender: sender, text: reader.rest())
    }

    package func write(to writer: inout ByteWriter) {
        switch self {
        case .message(let sender, let text):
            precondition(sender.count <= 255, "a sender longer than its length can say")
            writer.append(UInt8(sender.count))
            writer.append(contentsOf: sender)
            writer.append(contentsOf: text)
        case .roomClosed: writer.append(Self.roomClosedLiteral)
        }
    }

    package static func == (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.roomClosed, .roomClosed): true
        case (.message(let a, let b), .message(let c, let d)): a.elementsEqual(c) && b.elementsEqual(d)
        case (.roomClosed, .message), (.message, .roomClosed): false
        }
    }
}

/// A datagram from the server to one of our own clients (UCRP 2).
///
///     +----+------+----------------+--------+---------------+--------+------+
///     | 00 | kind | offset, u64 be | id[16] | sender length | sender | text |
///     +----+------+----------------+--------+---------------+--------+------+
///
/// To an original client the first byte is the length of a sender and never 0.
package struct UCRPDelivery: Equatable, Sendable {
    package enum Kind: UInt8, Sendable {
        /// A message of the room, at its offset.
        case message = 1
        /// The message with this id is kept at this offset.
        case ack = 2
        /// `offset` is the one that the room's next message gets. The first half of the id is the number of the state
        /// of the list of members, `roster`; the second half is that of the ping that it answers, or 0.
        case heartbeat = 3
        /// The room is closed; the text says why.
        case closed = 4
        /// The member `sender` has done what the text says: `joined`, `left`, `lost`, `returned`, `host`; or the topic
        /// is another: `topic`, a space and the topic. The first half of the id is `roster` afterwards.
        case event = 5
        /// The message with this id was refused. Where `offset` is not 0, it may be sent again after that many
        /// milliseconds; else the text says why it may not.
        case refused = 6
    }

    /// Bytes before the sender.
    package static let headerLength = 2 + 8 + MessageID.byteCount + 1

    package var kind: Kind
    package var offset: UInt64
    package var id: MessageID
    package var sender: ArraySlice<UInt8>
    package var text: ArraySlice<UInt8>

    package init(
        _ kind: Kind, offset: UInt64 = 0, id: MessageID = MessageID(high: 0, low: 0), sender: ArraySlice<UInt8> = [],
        text: ArraySlice<UInt8> = []
    ) {
        self.kind = kind
        self.offset = offset
        self.id = id
        self.sender = sender
        self.text = text
    }

    /// Nil for what is none; a kind to come is none either.
    package init?(_ datagram: ArraySlice<UInt8>) {
        var reader = ByteReader(datagram)
        guard reader.readUInt8() == 0, let kind = reader.readUInt8().flatMap({ Kind(rawValue: $0) }),
            let offset = reader.readUInt64(), let id = reader.readMessageID(), let length = reader.readUInt8(),
            let sender = reader.read(count: Int(length))
        else { return nil }
        self.init(kind, offset: offset, id: id, sender: sender, text: reader.rest())
    }

    package func write(to writer: inout ByteWriter) {
        precondition(sender.count <= 255, "a sender longer than its length can say")
        writer.append(0)
        writer.append(kind.rawValue)
        writer.appendUInt64(offset)
        writer.append(id)
        writer.append(UInt8(sender.count))
        writer.append(contentsOf: sender)
        writer.append(contentsOf: text)
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.kind == right.kind && left.offset == right.offset && left.id == right.id
            && left.sender.elementsEqual(right.sender) && left.text.elementsEqual(right.text)
    }
}

extension ArraySlice<UInt8> {
    /// True where the bytes are those of a literal.
    func isEqual(to literal: StaticString) -> Bool {
        literal.withUTF8Buffer { count == $0.count && elementsEqual($0) }
    }
}
