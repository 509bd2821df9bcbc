import CSQLite
package import Delivery
import Platform
package import Wire

/// What can be read and written between the beginning of a transaction and its commit. Handed to the closure of
/// `MessageStore.write` and `read`; of no use outside it.
package struct Transaction: ~Copyable {
    private let log: MessageLog
    private var database: Database { log.database }

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
        let statement = try database.statement(
            "SELECT row, epoch, next_offset FROM conversation WHERE mode = ? AND name = ?")
        defer { statement.reset() }
        statement.bind(1, log.mode)
        statement.bind(2, name)
        guard try statement.step() else { return nil }
        let id = ConversationID(row: statement.integer(0))
        return Conversation(
            id: id, name: name, epoch: Epoch(value: UInt64(bitPattern: statement.integer(1))),
            nextOffset: log.nextOffsets[id] ?? statement.integer(2))
    }

    /// All conversations, oldest first.
    package func conversations() throws(StoreError) -> [Conversation] {
        let statement = try database.statement(
            "SELECT row, name, epoch, next_offset FROM conversation WHERE mode = ? ORDER BY row")
        defer { statement.reset() }
        statement.bind(1, log.mode)
        var found: [Conversation] = []
        while try statement.step() {
            let id = ConversationID(row: statement.integer(0))
            found.append(
                Conversation(
                    id: id, name: statement.text(1), epoch: Epoch(value: UInt64(bitPattern: statement.integer(2))),
                    nextOffset: log.nextOffsets[id] ?? statement.integer(3)))
        }
        return found
    }

    /// Removes a conversation and its messages. One of the same name that is begun later has another epoch.
    package func removeConversation(_ id: ConversationID) throws(StoreError) {
        try removeMessages(in: id, before: ConversationID.offsetLimit)
        let statement = try database.statement("DELETE FROM conversation WHERE row = ?")
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
        let next = try log.nextOffset(of: conversation)
        let place = offset ?? next
        guard place < ConversationID.offsetLimit else {
            throw .failed(path: database.path, reason: "the conversation has used up its offsets")
        }
        let statement = try log.insert
        statement.bind(1, conversation.key(place))
        statement.bind(2, conversation.row)
        statement.bind(3, id)
        statement.bind(4, author)
        statement.bind(5, time.microseconds)
        statement.bind(6, subject)
        statement.bind(7, text)
        try statement.execute()
        if database.changes == 0 {
            guard let known = try self.offset(of: id, in: conversation) else {
                throw .failed(path: database.path, reason: "the place \(place) of a conversation is taken")
            }
            return Appended(offset: known, isRepeat: true)
        }
        if place >= next { log.setNextOffset(of: conversation, to: place + 1) }
        return Appended(offset: place, isRepeat: false)
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
        let statement = try database.statement("SELECT key FROM message WHERE conversation = ? AND id = ?")
        defer { statement.reset() }
        statement.bind(1, conversation.row)
        statement.bind(2, id)
        return try statement.step() ? ConversationID.offset(statement.integer(0)) : nil
    }

    /// True where a place of a conversation holds a message.
    package func hasMessage(at offset: Int64, in conversation: ConversationID) throws(StoreError) -> Bool {
        guard (0..<ConversationID.offsetLimit).contains(offset) else { return false }
        let statement = try database.statement("SELECT 1 FROM message WHERE key = ?")
        defer { statement.reset() }
        statement.bind(1, conversation.key(offset))
        return try statement.step()
    }

    /// Which messages to read, and how much of them.
    package struct Page: Hashable, Sendable {
        package enum Order: Hashable, Sendable { case oldestFirst, newestFirst }

        /// Offsets to look at; places without a message are passed over.
        package var offsets: Range<Int64>
        package var order: Order
        /// Messages at the most.
        package var limit: Int
        /// Bytes at the most, but always one message.
        package var byteLimit: Int
        /// False leaves the texts empty: a list shows who, when and about what.
        package var includesText: Bool

        /// Bytes that count for each message beside what people wrote: what its fields take when it is sent.
        package static let overhead = 160

        package init(
            _ offsets: Range<Int64>, _ order: Order = .oldestFirst, limit: Int, byteLimit: Int = .max,
            includesText: Bool = true
        ) {
            self.offsets = offsets
            self.order = order
            self.limit = limit
            self.byteLimit = byteLimit
            self.includesText = includesText
        }
    }

    /// The messages of a page, in its order.
    package func messages(_ page: Page, in conversation: ConversationID) throws(StoreError) -> [KeptMessage] {
        let order = page.order == .oldestFirst ? "ASC" : "DESC"
        let text = page.includesText ? "text" : "''"
        let statement = try database.statement(
            """
            SELECT key, id, author, time, subject, \(text) FROM message
            WHERE key >= ? AND key < ? ORDER BY key \(order)
            """)
        defer { statement.reset() }
        let limits = 0...ConversationID.offsetLimit
        let lower = limits.clamp(page.offsets.lowerBound)
        let upper = limits.clamp(page.offsets.upperBound)
        statement.bind(1, conversation.key(0) + lower)
        statement.bind(2, conversation.key(0) + upper)
        var found: [KeptMessage] = []
        var size = 0
        while found.count < page.limit, size < page.byteLimit, try statement.step() {
            guard let id = statement.messageID(1) else { throw .corrupt(path: database.path) }
            let message = KeptMessage(
                offset: ConversationID.offset(statement.integer(0)), id: id, author: statement.text(2),
                time: Timestamp(microseconds: statement.integer(3)), subject: statement.optionalText(4),
                text: statement.text(5))
            size += message.size + Page.overhead
            if size > page.byteLimit && !found.isEmpty { break }
            found.append(message)
        }
        return found
    }

    /// Removes the messages below an offset. Their offsets stay used.
    package func removeMessages(in conversation: ConversationID, before offset: Int64) throws(StoreError) {
        let statement = try database.statement("DELETE FROM message WHERE key >= ? AND key < ?")
        statement.bind(1, conversation.key(0))
        statement.bind(2, conversation.key(0) + (0...ConversationID.offsetLimit).clamp(offset))
        try statement.execute()
    }

    // MARK: - Values and tables of the mode

    /// A small value that was kept under a name.
    package func value(_ name: String) throws(StoreError) -> [UInt8]? {
        let statement = try database.statement("SELECT value FROM value WHERE name = ?")
        defer { statement.reset() }
        statement.bind(1, "mode." + name)
        return try statement.step() ? statement.blob(0) : nil
    }

    /// Keeps a small value under a name; nil removes it.
    package func setValue(_ value: [UInt8]?, for name: String) throws(StoreError) {
        let statement = try database.statement(
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
        let statement = try database.statement(sql.description)
        statement.bind(parameters)
        try statement.execute()
        return database.changes
    }

    /// The rows that a SELECT on tables of the mode answers.
    package func rows(_ sql: StaticString, _ parameters: SQLValue...) throws(StoreError) -> [[SQLValue]] {
        let statement = try database.statement(sql.description)
        defer { statement.reset() }
        statement.bind(parameters)
        var rows: [[SQLValue]] = []
        while try statement.step() {
            rows.append((0..<statement.columnCount).map { statement.value($0) })
        }
        return rows
    }
}

extension ClosedRange<Int64> {
    fileprivate func clamp(_ value: Int64) -> Int64 { Swift.min(Swift.max(value, lowerBound), upperBound) }
}
