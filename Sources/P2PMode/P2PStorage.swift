import Platform
package import Store
package import Wire

/// What a peer keeps in `p2p.db` (with `--data`): the messages of the last day, so that after a restart only what was
/// missed is shown, and others can fetch from here what they missed.
package enum P2PStorage {
    package static let schema = Schema(
        mode: "p2p",
        migrations: [
            """
            CREATE TABLE p2p_message (
                node BLOB NOT NULL,
                sequence INTEGER NOT NULL,
                time INTEGER NOT NULL,
                kept INTEGER NOT NULL,
                sender TEXT NOT NULL,
                text TEXT NOT NULL,
                action INTEGER NOT NULL,
                person BLOB,
                line BLOB,
                timed INTEGER NOT NULL,
                PRIMARY KEY (node, sequence)
            ) WITHOUT ROWID;
            CREATE INDEX p2p_message_kept ON p2p_message (kept);
            CREATE TABLE p2p_self (
                node BLOB PRIMARY KEY,
                since INTEGER NOT NULL
            ) WITHOUT ROWID;
            """
        ])

    /// What is kept of earlier runs.
    package struct Kept: Sendable, Equatable {
        /// By author, then by sequence.
        package var messages: [MeshMessage]
        /// The nodes that this peer was before.
        package var selves: Set<NodeID>

        package init(messages: [MeshMessage], selves: Set<NodeID>) {
            self.messages = messages
            self.selves = selves
        }
    }

    package enum Change: Sendable {
        case keep(MeshMessage)
        /// Drops what is too old or too much.
        case prune

        /// Bytes that it holds, about.
        var size: Int {
            switch self {
            case .keep(let message): MessageLog.cost(message)
            case .prune: 16
            }
        }
    }

    /// Reads what is kept and notes who this peer is now.
    package static func begin(as node: NodeID, in store: MessageStore, at now: Timestamp) async throws(StoreError)
        -> Kept
    {
        try await store.write { (transaction) throws(StoreError) in
            try prune(transaction, at: now)
            var selves: Set<NodeID> = []
            for row in try transaction.rows("SELECT node FROM p2p_self") {
                if case .blob(let bytes) = row[0], let former = NodeID(bytes: bytes[...]) { selves.insert(former) }
            }
            try transaction.run(
                "INSERT OR REPLACE INTO p2p_self (node, since) VALUES (?, ?)", .blob(node.bytes),
                .integer(now.microseconds))
            var messages: [MeshMessage] = []
            for row in try transaction.rows(
                """
                SELECT node, sequence, time, sender, text, action, person, line, timed FROM p2p_message
                ORDER BY node, sequence
                """)
            {
                if let message = message(row) { messages.append(message) }
            }
            return Kept(messages: messages, selves: selves)
        }
    }

    /// Writes a batch; it is on the disk when this returns.
    package static func commit(_ changes: [Change], in store: MessageStore, at now: Timestamp) async -> StoreError? {
        do throws(StoreError) {
            try await store.write { (transaction) throws(StoreError) in
                for change in changes {
                    switch change {
                    case .keep(let message): try keep(message, transaction, at: now)
                    case .prune: try prune(transaction, at: now)
                    }
                }
            }
            return nil
        } catch {
            return error
        }
    }

    private static func keep(
        _ message: MeshMessage, _ transaction: borrowing Transaction, at now: Timestamp
    ) throws(StoreError) {
        try transaction.run(
            """
            INSERT OR IGNORE INTO p2p_message (node, sequence, time, kept, sender, text, action, person, line, timed)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            .blob(message.author.bytes), .integer(Int64(message.sequence)), .integer(message.time.microseconds),
            .integer(now.microseconds), .text(message.sender), .text(message.text), .integer(message.isAction ? 1 : 0),
            message.guest.map { .blob($0.person.bytes) } ?? .null,
            message.guest.map { .blob($0.digest.bytes) } ?? .null, .integer(message.guest?.isTimed == true ? 1 : 0))
    }

    private static func prune(_ transaction: borrowing Transaction, at now: Timestamp) throws(StoreError) {
        let oldest = now.microseconds - MessageLog.lifetime.microseconds
        try transaction.run("DELETE FROM p2p_message WHERE kept < ?", .integer(oldest))
        try transaction.run(
            """
            DELETE FROM p2p_message WHERE sequence <= (
                SELECT max(sequence) FROM p2p_message AS other WHERE other.node = p2p_message.node) - ?
            """, .integer(Int64(MessageLog.messagesPerAuthor)))
        try transaction.run(
            "DELETE FROM p2p_message WHERE kept < coalesce((SELECT kept FROM p2p_message ORDER BY kept DESC LIMIT 1 OFFSET ?), 0)",
            .integer(Int64(MessageLog.messages)))
        // Whoever this peer was is of interest as long as anybody can hand on what it said.
        try transaction.run(
            "DELETE FROM p2p_self WHERE since < ?",
            .integer(now.microseconds - MessageLog.authorLifetime.microseconds))
    }

    private static func message(_ row: [SQLValue]) -> MeshMessage? {
        guard case .blob(let node) = row[0], let author = NodeID(bytes: node[...]),
            case .integer(let number) = row[1], let sequence = UInt64(exactly: number),
            case .integer(let time) = row[2],
            case .text(let sender) = row[3], case .text(let text) = row[4], case .integer(let action) = row[5]
        else { return nil }
        var guest: GuestLine?
        if case .blob(let person) = row[6], case .blob(let line) = row[7], case .integer(let timed) = row[8],
            let person = NodeID(bytes: person[...]), let line = NodeID(bytes: line[...])
        {
            guest = GuestLine(person: person, digest: line, isTimed: timed != 0)
        }
        return MeshMessage(
            author: author, sequence: sequence, time: Timestamp(microseconds: time), sender: sender, text: text,
            isAction: action != 0, guest: guest)
    }
}

extension NodeID {
    fileprivate var bytes: [UInt8] {
        var writer = ByteWriter(reserving: 16)
        writer.appendUInt64(high)
        writer.appendUInt64(low)
        return writer.bytes
    }
}
