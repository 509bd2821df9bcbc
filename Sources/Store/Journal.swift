import Delivery
import Wire

/// The messages of each commit in one row of bytes, in the order in which they came, until they are in the table of
/// messages.
///
/// What a hundred conversations get in one commit goes to one end of the database that way, where each has an end of its
/// own in the table.
final class Journal {
    private let database: Database
    private let insert: Statement
    private let delete: Statement

    init(_ database: Database) throws(StoreError) {
        self.database = database
        insert = try database.statement("INSERT INTO journal (messages) VALUES (?)")
        delete = try database.statement("DELETE FROM journal")
    }

    func append(_ entry: Entry) throws(StoreError) {
        insert.bind(1, entry.bytes)
        try insert.execute()
    }

    func removeAll() throws(StoreError) { try delete.execute() }

    /// Hands over what was journaled, oldest first.
    func forEach(_ body: (ConversationID, KeptMessage) -> Void) throws(StoreError) {
        let statement = try database.statement("SELECT messages FROM journal ORDER BY entry")
        defer { statement.reset() }
        while try statement.step() {
            guard Entry.read(statement.blob(0), body) else { throw .corrupt(path: database.path) }
        }
    }

    /// The messages of one commit as bytes: of each its key, its id, its time, and its author, its subject and its text
    /// behind their lengths. Integers are big-endian.
    struct Entry {
        private var writer = ByteWriter()

        /// The length of a subject that is not there.
        private static let none = UInt32.max

        var bytes: [UInt8] { writer.bytes }
        var isEmpty: Bool { writer.bytes.isEmpty }

        mutating func append(_ message: KeptMessage, of conversation: ConversationID) {
            writer.appendUInt64(UInt64(bitPattern: conversation.key(message.offset)))
            writer.append(message.id)
            writer.appendUInt64(UInt64(bitPattern: message.time.microseconds))
            append(message.author)
            if let subject = message.subject { append(subject) } else { writer.appendUInt32(Self.none) }
            append(message.text)
        }

        mutating func removeAll() { writer.removeAll() }

        private mutating func append(_ text: String) {
            writer.appendUInt32(UInt32(text.utf8.count))
            writer.append(utf8: text)
        }

        /// Reads what `append` has written.
        ///
        /// - Returns: false where the bytes are damaged.
        static func read(_ bytes: [UInt8], _ body: (ConversationID, KeptMessage) -> Void) -> Bool {
            var reader = ByteReader(bytes[...])
            while reader.remaining > 0 {
                guard let key = reader.readUInt64().map(Int64.init(bitPattern:)), let id = reader.readMessageID(),
                    let time = reader.readUInt64(), case .some(let author?) = text(&reader),
                    let subject = text(&reader), case .some(let text?) = text(&reader)
                else { return false }
                body(
                    ConversationID(key: key),
                    KeptMessage(
                        offset: ConversationID.offset(key), id: id, author: author,
                        time: Timestamp(microseconds: Int64(bitPattern: time)), subject: subject, text: text))
            }
            return true
        }

        /// A text; the inner nil is one that is not there, the outer one damage.
        private static func text(_ reader: inout ByteReader) -> String?? {
            guard let count = reader.readUInt32() else { return nil }
            if count == none { return .some(nil) }
            return reader.read(count: Int(count)).map { String(decoding: $0, as: UTF8.self) }
        }
    }
}
