package import Wire

/// A name that is kept for who holds its secret.
package struct UDPReservation: Sendable, Equatable {
    package var name: String
    package var key: String
    package var secret: MessageID
    package var lastSeen: Timestamp
    /// Where it listens; nil while it is away. A server that was started anew says there that it is back.
    package var address: SocketAddress?

    package init(
        name: String, key: String, secret: MessageID, lastSeen: Timestamp, address: SocketAddress? = nil
    ) {
        self.name = name
        self.key = key
        self.secret = secret
        self.lastSeen = lastSeen
        self.address = address
    }
}

/// A direct message that the server keeps until its receiver comes back.
package struct UDPStoredMessage: Sendable, Equatable {
    package var id: MessageID
    package var from: String
    /// The key of the name it is for.
    package var to: String
    package var text: String
    package var time: Timestamp

    package init(id: MessageID, from: String, to: String, text: String, time: Timestamp) {
        self.id = id
        self.from = from
        self.to = to
        self.text = text
        self.time = time
    }
}

/// What has to be in the database before it counts.
package enum UDPRecord: Sendable, Equatable {
    case keepName(UDPReservation)
    /// With everything stored for it.
    case dropName(key: String)
    case store(UDPStoredMessage)
    case discard(id: MessageID, to: String)
}

/// Names that are kept, and the direct messages that wait for who holds their secret.
package struct UDPMailboxes: Sendable {
    /// Names in all; how long one is kept after it was last seen, and a message after it was stored.
    package static let nameLimit = 10_000
    package static let lifetime: Duration = .seconds(7 * 24 * 3_600)
    /// Messages and bytes of text of one name, and bytes of all.
    package static let messageLimit = 100
    package static let byteLimit = 64 * 1_024
    package static let totalByteLimit = 64 * 1_024 * 1_024

    private struct Mailbox: Sendable {
        var reservation: UDPReservation
        /// Stored ones, in order; the ids of those that are in the database.
        var messages: [UDPStoredMessage] = []
        var committed: Set<MessageID> = []
        var bytes = 0
    }

    private var mailboxes: [String: Mailbox] = [:]
    private var totalBytes = 0

    package init() {}

    /// What the database holds when the server starts.
    package init(reservations: [UDPReservation], messages: [UDPStoredMessage]) {
        for reservation in reservations { mailboxes[reservation.key] = Mailbox(reservation: reservation) }
        for message in messages where mailboxes[message.to] != nil {
            mailboxes[message.to]?.messages.append(message)
            mailboxes[message.to]?.committed.insert(message.id)
            mailboxes[message.to]?.bytes += message.text.utf8.count
            totalBytes += message.text.utf8.count
        }
    }

    package func reservation(_ key: String) -> UDPReservation? { mailboxes[key]?.reservation }

    package var count: Int { mailboxes.count }

    /// Names whose programs were there when they were last seen.
    package var present: [UDPReservation] {
        mailboxes.values.map(\.reservation).filter { $0.address != nil }.sorted { $0.key < $1.key }
    }

    /// Keeps a name, or notes that it was seen; nil when there are too many.
    package mutating func keep(_ reservation: UDPReservation) -> UDPRecord? {
        if mailboxes[reservation.key] == nil {
            guard mailboxes.count < Self.nameLimit else { return nil }
            mailboxes[reservation.key] = Mailbox(reservation: reservation)
        } else {
            mailboxes[reservation.key]?.reservation = reservation
        }
        return .keepName(reservation)
    }

    package mutating func drop(_ key: String) -> UDPRecord? {
        guard let mailbox = mailboxes.removeValue(forKey: key) else { return nil }
        totalBytes -= mailbox.bytes
        return .dropName(key: key)
    }

    package enum Refusal: Error, Equatable {
        case noMailbox, full
    }

    package enum Stored: Sendable, Equatable {
        /// It is answered once the record is committed.
        case pending(UDPRecord)
        /// A copy is being committed: its commit answers this one as well.
        case underWay
        case already
    }

    package mutating func store(_ message: UDPStoredMessage) throws(Refusal) -> Stored {
        guard let mailbox = mailboxes[message.to] else { throw .noMailbox }
        if mailbox.messages.contains(where: { $0.id == message.id && $0.from == message.from }) {
            return mailbox.committed.contains(message.id) ? .already : .underWay
        }
        let size = message.text.utf8.count
        guard mailbox.messages.count < Self.messageLimit, mailbox.bytes + size <= Self.byteLimit,
            totalBytes + size <= Self.totalByteLimit
        else { throw .full }
        mailboxes[message.to]?.messages.append(message)
        mailboxes[message.to]?.bytes += size
        totalBytes += size
        return .pending(.store(message))
    }

    /// True when the message may be acknowledged: it is there and committed.
    package mutating func committed(_ id: MessageID, to key: String) -> Bool {
        guard mailboxes[key]?.messages.contains(where: { $0.id == id }) == true else { return false }
        mailboxes[key]?.committed.insert(id)
        return true
    }

    /// The database did not take it: it was never accepted.
    package mutating func failed(_ id: MessageID, to key: String) {
        guard mailboxes[key]?.committed.contains(id) == false else { return }
        _ = remove(id, to: key)
    }

    /// The receiver has it.
    package mutating func handedOver(_ id: MessageID, to key: String) -> UDPRecord? {
        remove(id, to: key) ? .discard(id: id, to: key) : nil
    }

    /// What may be handed over, in the order in which it was stored.
    package func waiting(for key: String, _ count: Int) -> [UDPStoredMessage] {
        guard let mailbox = mailboxes[key] else { return [] }
        return Array(mailbox.messages.lazy.filter { mailbox.committed.contains($0.id) }.prefix(count))
    }

    /// Drops names that nobody came back for, and messages that waited too long; names that are `inUse` stay.
    package mutating func expired(at now: Timestamp, inUse: (String) -> Bool) -> [UDPRecord] {
        var records: [UDPRecord] = []
        for (key, mailbox) in mailboxes {
            if now - mailbox.reservation.lastSeen >= Self.lifetime, !inUse(key) {
                if let record = drop(key) { records.append(record) }
                continue
            }
            for message in mailbox.messages where now - message.time >= Self.lifetime {
                if let record = handedOver(message.id, to: key) { records.append(record) }
            }
        }
        return records
    }

    private mutating func remove(_ id: MessageID, to key: String) -> Bool {
        guard let index = mailboxes[key]?.messages.firstIndex(where: { $0.id == id }),
            let message = mailboxes[key]?.messages.remove(at: index)
        else { return false }
        mailboxes[key]?.committed.remove(id)
        mailboxes[key]?.bytes -= message.text.utf8.count
        totalBytes -= message.text.utf8.count
        return true
    }
}
