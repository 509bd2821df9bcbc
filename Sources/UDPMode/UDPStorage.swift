import Platform
package import Store
import Wire

/// What the server keeps in its database: names with their secrets, and direct messages that wait for them.
package enum UDPStorage {
    package static let schema = Schema(
        mode: "udp",
        migrations: [
            """
            CREATE TABLE udp_name (
                key TEXT PRIMARY KEY,
                name TEXT NOT NULL,
                secret BLOB NOT NULL,
                last_seen INTEGER NOT NULL
            ) WITHOUT ROWID;
            CREATE TABLE udp_message (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                receiver TEXT NOT NULL,
                id BLOB NOT NULL,
                sender TEXT NOT NULL,
                text TEXT NOT NULL,
                time INTEGER NOT NULL,
                UNIQUE (receiver, id)
            );
            """,
            """
            ALTER TABLE udp_name ADD COLUMN ip TEXT;
            ALTER TABLE udp_name ADD COLUMN port INTEGER;
            """,
        ])

    /// Everything, as it was when the last server ended.
    package static func load(from store: MessageStore) async throws(StoreError) -> UDPMailboxes {
        try await store.read { (transaction) throws(StoreError) in
            var reservations: [UDPReservation] = []
            for row in try transaction.rows("SELECT key, name, secret, last_seen, ip, port FROM udp_name") {
                guard case .text(let key) = row[0], case .text(let name) = row[1], case .blob(let secret) = row[2],
                    case .integer(let seen) = row[3], let secret = MessageID(bytes: secret[...])
                else { continue }
                var reservation = UDPReservation(
                    name: name, key: key, secret: secret, lastSeen: Timestamp(microseconds: seen))
                if case .text(let text) = row[4], case .integer(let number) = row[5], let ip = IPAddress(parsing: text),
                    let port = UInt16(exactly: number)
                {
                    reservation.address = SocketAddress(ip: ip, port: port)
                }
                reservations.append(reservation)
            }
            var messages: [UDPStoredMessage] = []
            for row in try transaction.rows(
                "SELECT receiver, id, sender, text, time FROM udp_message ORDER BY number")
            {
                guard case .text(let receiver) = row[0], case .blob(let id) = row[1], case .text(let sender) = row[2],
                    case .text(let text) = row[3], case .integer(let time) = row[4], let id = MessageID(bytes: id[...])
                else { continue }
                messages.append(
                    UDPStoredMessage(
                        id: id, from: sender, to: receiver, text: text, time: Timestamp(microseconds: time)))
            }
            return UDPMailboxes(reservations: reservations, messages: messages)
        }
    }

    /// Writes a batch of records; they are on the disk when this returns.
    package static func commit(_ records: [UDPRecord], in store: MessageStore) async -> Result<Void, StoreError> {
        do throws(StoreError) {
            try await store.write { (transaction) throws(StoreError) in
                for record in records { try write(record, in: transaction) }
            }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private static func write(_ record: UDPRecord, in transaction: borrowing Transaction) throws(StoreError) {
        switch record {
        case .keepName(let reservation):
            try transaction.run(
                """
                INSERT INTO udp_name (key, name, secret, last_seen, ip, port) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (key) DO UPDATE SET name = excluded.name, secret = excluded.secret,
                    last_seen = excluded.last_seen, ip = excluded.ip, port = excluded.port
                """,
                .text(reservation.key), .text(reservation.name), .blob(reservation.secret.bytes),
                .integer(reservation.lastSeen.microseconds),
                reservation.address.map { .text($0.ip.description) } ?? .null,
                reservation.address.map { .integer(Int64($0.port)) } ?? .null)
        case .dropName(let key):
            try transaction.run("DELETE FROM udp_message WHERE receiver = ?", .text(key))
            try transaction.run("DELETE FROM udp_name WHERE key = ?", .text(key))
        case .store(let message):
            try transaction.run(
                """
                INSERT INTO udp_message (receiver, id, sender, text, time) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (receiver, id) DO NOTHING
                """,
                .text(message.to), .blob(message.id.bytes), .text(message.from), .text(message.text),
                .integer(message.time.microseconds))
        case .discard(let id, let receiver):
            try transaction.run(
                "DELETE FROM udp_message WHERE receiver = ? AND id = ?", .text(receiver), .blob(id.bytes))
        }
    }
}
