import CSQLite
package import Delivery
import Platform
package import Wire

/// What can be read and written between the beginning of a transaction and its commit. Handed to the closure of
/// `MessageStore.write` and `read`; of no use outside it.
package struct Transaction: ~Copyable {
    private let log: MessageLog

    init(_ log: MessageLog) { self.log = log }

    // MARK: - Conversations

    /// The conversation of that name, which is created where there is none.
    package func conversation(_ name: String) throws(StoreError) -> Conversation {
        if let found = try findConversation(name) { return found }
        var generator = SystemRandomness()
        return try createConversation(name, epoch: .random(using: &generator), nextOffset: 0)
    }

    /// Creates a conversation with a life that is known already, as an import does. There must be none of that name.
    package func createConversation(
        _ name: String, epoch: Epoch, nextOffset: Int64
    ) throws(StoreError) -> Conversation {
        let database = try log.changing
        let statement = try database.statement(
            "INSERT INTO conversation (mode, name, epoch, next_offset) VALUES (?, ?, ?, ?)")
        statement.bind(1, log.mode)
        statement.bind(2, name)
        statement.bind(3, Int64(bitPattern: epoch.value))
        statement.bind(4, nextOffset)
        try statement.execute()
        let id = ConversationID(row: database.lastInsertedRow)
        return Conversation(id: id, name: name, epoch: epoch, nextOffset: nextOffset)
    }

    /// The conversation of that name; nil where there is none.
    package func findConversation(_ name: String) throws(StoreError) -> Conversation? {
        let statement = try log.reading.statement(
            "SELECT row, epoch, next_offset FROM conversation WHERE mode = ? AND name = ?")
        defer { statement.reset() }
        statement.bind(1, log.mode)
        statement.bind(2, name)
        guard try statement.step() else { return nil }
        let id = ConversationID(row: statement.integer(0))
        return Conversation(
            id: id, name: name, epoch: Epoch(value: UInt64(bitPattern: statement.integer(1))),
            nextOffset: log.nextOffset(of: id, stored: statement.integer(2)))
    }

    /// All conversations, oldest first.
    package func conversations() throws(StoreError) -> [Conversation] {
        let statement = try log.reading.statement(
            "SELECT row, name, epoch, next_offset FROM conversation WHERE mode = ? ORDER BY row")
        defer { statement.reset() }
        statement.bind(1, log.mode)
        var found: [Conversation] = []
        while try statement.step() {
            let id = ConversationID(row: statement.integer(0))
            found.append(
                Conversation(
                    id: id, name: statement.text(1), epoch: Epoch(value: UInt64(bitPattern: statement.integer(2))),
                    nextOffset: log.nextOffset(of: id, stored: statement.integer(3))))
        }
        return found
    }

    /// Removes a conversation and its messages. One of the same name that is begun later has another epoch.
    package func removeConversation(_ id: ConversationID) throws(StoreError) {
        try removeMessages(in: id, before: ConversationID.offsetLimit)
        let statement = try log.changing.statement("DELETE FROM conversation WHERE row = ?")
        statement.bind(1, id.row)
        try statement.execute()
        log.forget(id)
    }

    // MARK: - Messages

    /// Adds a message at the end of its conversation, or finds the one with the same id that is there already.
    ///
    /// - Parameter offset: a place out of a block that `reserveOffsets` gave, for a conversation whose messages get their
    ///   offsets before they are kept; nil for the next one.
    package func append(
        id: MessageID, author: String, time: Timestamp, subject: String?, text: String, to conversation: ConversationID,
        at offset: Int64? = nil
    ) throws(StoreError) -> Appended {
        try log.append(
            id: id, author: author, time: time, subject: subject, text: text, to: conversation, at: offset)
    }

    /// Adds a message as it is, at its own offset, as an import does.
    package func append(_ message: KeptMessage, to conversation: ConversationID) throws(StoreError) -> Appended {
        try append(
            id: message.id, author: message.author, time: message.time, subject: message.subject, text: message.text,
            to: conversation, at: message.offset)
    }

    /// The offset that the next message of a conversation gets, those of this transaction counted.
    package func nextOffset(of conversation: ConversationID) throws(StoreError) -> Int64 {
        try log.nextOffset(of: conversation)
    }

    /// Takes a block of offsets out of a conversation. A crash leaves a hole where they were not used, and never gives
    /// them to other messages.
    ///
    /// - Returns: the first of them.
    package func reserveOffsets(_ count: Int64, in conversation: ConversationID) throws(StoreError) -> Int64 {
        let first = try log.nextOffset(of: conversation)
        log.setNextOffset(of: conversation, to: first + count)
        return first
    }

    /// Gives the end of the last block back that `reserveOffsets` gave: nothing stands at these offsets, and nobody was
    /// told of one.
    package func returnOffsets(from offset: Int64, in conversation: ConversationID) throws(StoreError) {
        let next = try log.nextOffset(of: conversation)
        if offset < next { log.setNextOffset(of: conversation, to: offset) }
    }

    /// The offset of the message with an id; nil where there is none.
    package func offset(of id: MessageID, in conversation: ConversationID) throws(StoreError) -> Int64? {
        try log.offset(of: id, in: conversation)
    }

    /// True where a place of a conversation holds a message.
    package func hasMessage(at offset: Int64, in conversation: ConversationID) throws(StoreError) -> Bool {
        guard (0..<ConversationID.offsetLimit).contains(offset) else { return false }
        return try log.hasMessage(at: offset, in: conversation)
    }

    /// The messages of a page, in its order.
    package func messages(_ page: Page, in conversation: ConversationID) throws(StoreError) -> [KeptMessage] {
        var page = page
        page.offsets = page.offsets.clamped(to: 0..<ConversationID.offsetLimit)
        return try log.messages(page, in: conversation)
    }

    /// Removes the messages below an offset. Their offsets stay used.
    package func removeMessages(in conversation: ConversationID, before offset: Int64) throws(StoreError) {
        try log.removeMessages(in: conversation, before: min(max(offset, 0), ConversationID.offsetLimit))
    }

    // MARK: - Values and tables of the mode

    /// A small value that was kept under a name.
    package func value(_ name: String) throws(StoreError) -> [UInt8]? {
        let statement = try log.reading.statement("SELECT value FROM value WHERE name = ?")
        defer { statement.reset() }
        statement.bind(1, "mode." + name)
        return try statement.step() ? statement.blob(0) : nil
    }

    /// Keeps a small value under a name; nil removes it.
    package func setValue(_ value: [UInt8]?, for name: String) throws(StoreError) {
        let statement = try log.changing.statement(
            value == nil
                ? "DELETE FROM value WHERE name = ?"
                : "INSERT INTO value (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        statement.bind(1, "mode." + name)
        if let value { statement.bind(2, value) }
        try statement.execute()
    }

    /// Runs a statement on tables of the mode. The text is constant: what varies goes in as a parameter (`?`).
    ///
    /// - Returns: how many rows an INSERT, UPDATE or DELETE changed.
    @discardableResult
    package func run(_ sql: StaticString, _ parameters: SQLValue...) throws(StoreError) -> Int {
        let database = try log.changing
        let statement = try database.statement(sql.description)
        statement.bind(parameters)
        try statement.execute()
        return database.changes
    }

    /// The rows that a SELECT on tables of the mode answers.
    package func rows(_ sql: StaticString, _ parameters: SQLValue...) throws(StoreError) -> [[SQLValue]] {
        let statement = try log.reading.statement(sql.description)
        defer { statement.reset() }
        statement.bind(parameters)
        var rows: [[SQLValue]] = []
        while try statement.step() {
            rows.append((0..<statement.columnCount).map { statement.value($0) })
        }
        return rows
    }
}
