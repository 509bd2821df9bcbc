import Delivery
import Wire

/// The message log of one database: prepared statements and the next offset of each conversation.
final class MessageLog {
    let database: Database
    let mode: String

    /// The offsets that the next messages get, as of the transaction under way.
    private(set) var nextOffsets: [ConversationID: Int64] = [:]

    /// Conversations whose next offset differs from the one in the database.
    private var changed: Set<ConversationID> = []

    init(_ database: Database, mode: String) {
        self.database = database
        self.mode = mode
    }

    /// A message whose place or id is taken is left out, and `changes` says so.
    var insert: Statement {
        get throws(StoreError) {
            if let knownInsert { return knownInsert }
            let statement = try database.statement(
                """
                INSERT INTO message (key, conversation, id, author, time, subject, text) VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """)
            knownInsert = statement
            return statement
        }
    }

    /// Kept here, because to look for it by its text took as long as to bind a message to it.
    private var knownInsert: Statement?

    func nextOffset(of id: ConversationID) throws(StoreError) -> Int64 {
        if let known = nextOffsets[id] { return known }
        let statement = try database.statement("SELECT next_offset FROM conversation WHERE row = ?")
        defer { statement.reset() }
        statement.bind(1, id.row)
        guard try statement.step() else {
            throw .failed(path: database.path, reason: "a conversation was removed while it was written to")
        }
        let next = statement.integer(0)
        nextOffsets[id] = next
        return next
    }

    func setNextOffset(of id: ConversationID, to offset: Int64) {
        nextOffsets[id] = offset
        changed.insert(id)
    }

    func forget(_ id: ConversationID) {
        nextOffsets[id] = nil
        changed.remove(id)
    }

    /// Runs the body in a transaction that is on the disk when this returns, or leaves no trace when it throws.
    func write<Result>(
        _ body: (borrowing Transaction) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try database.begin()
        do throws(StoreError) {
            let result = try body(Transaction(self))
            // Once a transaction and conversation, however many messages it got.
            let statement = try database.statement("UPDATE conversation SET next_offset = ? WHERE row = ?")
            for id in changed {
                statement.bind(1, nextOffsets[id]!)
                statement.bind(2, id.row)
                try statement.execute()
            }
            try database.commit()
            changed.removeAll(keepingCapacity: true)
            return result
        } catch {
            database.rollback()
            nextOffsets.removeAll(keepingCapacity: true)
            changed.removeAll(keepingCapacity: true)
            throw error
        }
    }
}
