import Delivery
import Wire

/// The table of messages: sorted by conversation and offset, with an index of their ids.
final class MessageTable {
    private let database: Database
    // Kept here, because to look for a statement by its text takes as long as to bind a message to it.
    private let insert: Statement
    private let findID: Statement
    private let findPlace: Statement
    /// No message has a greater id. Ids have the time in front as a rule, so that hardly a new one has to be looked for.
    private var greatestID: MessageID?

    init(_ database: Database) throws(StoreError) {
        self.database = database
        insert = try database.statement(
            "INSERT INTO message (key, conversation, id, author, time, subject, text) VALUES (?, ?, ?, ?, ?, ?, ?)")
        findID = try database.statement("SELECT key FROM message WHERE conversation = ? AND id = ?")
        findPlace = try database.statement("SELECT 1 FROM message WHERE key = ?")
        let greatest = try database.statement("SELECT max(id) FROM message")
        defer { greatest.reset() }
        if try greatest.step() { greatestID = greatest.messageID(0) }
    }

    /// Adds a message whose place and id are free.
    func add(_ message: KeptMessage, to conversation: ConversationID) throws(StoreError) {
        insert.bind(1, conversation.key(message.offset))
        insert.bind(2, conversation.row)
        insert.bind(3, message.id)
        insert.bind(4, message.author)
        insert.bind(5, message.time.microseconds)
        insert.bind(6, message.subject)
        insert.bind(7, message.text)
        try insert.execute()
        if greatestID.map({ Self.follows(message.id, $0) }) ?? true { greatestID = message.id }
    }

    private static func follows(_ id: MessageID, _ other: MessageID) -> Bool {
        (id.high, id.low) > (other.high, other.low)
    }

    func offset(of id: MessageID, in conversation: ConversationID) throws(StoreError) -> Int64? {
        guard let greatestID, !Self.follows(id, greatestID) else { return nil }
        defer { findID.reset() }
        findID.bind(1, conversation.row)
        findID.bind(2, id)
        return try findID.step() ? ConversationID.offset(findID.integer(0)) : nil
    }

    func hasMessage(at offset: Int64, in conversation: ConversationID) throws(StoreError) -> Bool {
        defer { findPlace.reset() }
        findPlace.bind(1, conversation.key(offset))
        return try findPlace.step()
    }

    /// Hands over the messages at the offsets of a page, in its order, until the body says false.
    func forEach(
        _ page: Transaction.Page, in conversation: ConversationID, _ body: (KeptMessage) -> Bool
    ) throws(StoreError) {
        let order = page.order == .oldestFirst ? "ASC" : "DESC"
        let text = page.includesText ? "text" : "''"
        let statement = try database.statement(
            """
            SELECT key, id, author, time, subject, \(text) FROM message
            WHERE key >= ? AND key < ? ORDER BY key \(order)
            """)
        defer { statement.reset() }
        statement.bind(1, conversation.key(0) + page.offsets.lowerBound)
        statement.bind(2, conversation.key(0) + page.offsets.upperBound)
        while try statement.step() {
            guard let id = statement.messageID(1) else { throw .corrupt(path: database.path) }
            let message = KeptMessage(
                offset: ConversationID.offset(statement.integer(0)), id: id, author: statement.text(2),
                time: Timestamp(microseconds: statement.integer(3)), subject: statement.optionalText(4),
                text: statement.text(5))
            guard body(message) else { break }
        }
    }

    /// Removes the messages of a conversation below an offset.
    func remove(in conversation: ConversationID, before offset: Int64) throws(StoreError) {
        let statement = try database.statement("DELETE FROM message WHERE key >= ? AND key < ?")
        statement.bind(1, conversation.key(0))
        statement.bind(2, conversation.key(0) + offset)
        try statement.execute()
    }
}
