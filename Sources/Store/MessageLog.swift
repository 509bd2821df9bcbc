import Delivery
import Wire

/// The message log of one database, in the manner of a log-structured merge tree: new messages are held in memory and
/// journaled with the commit that answers for them, and go into the table together when there are enough. In a database
/// in memory they stay where they are, and SQLite has no part in them.
final class MessageLog {
    /// Messages that are held, and bytes that they take, above which they are moved into the table.
    static let heldMessages = 1_024
    static let heldBytes = 1 << 20

    /// Bytes that the messages of a store in memory take at the most, about.
    var memoryLimit = 1 << 30

    let mode: String
    private let database: Database
    /// Nil in memory.
    private let disk: (table: MessageTable, journal: Journal)?

    /// The messages that are not in the table; in memory all.
    private var held = Memtable()
    /// Those of the transaction under way, for the journal.
    private var entry = Journal.Entry()

    /// The offsets that the next messages get, as of the transaction under way, where they were asked for.
    private var nextOffsets: [ConversationID: Int64] = [:]
    /// Conversations whose next offset the transaction under way has changed otherwise than by a message that is held:
    /// theirs is written with it.
    private var moved: Set<ConversationID> = []

    private var isWriting = false
    /// True where the transaction under way has changed something in the database.
    private var hasBegun = false

    init(_ database: Database, mode: String) throws(StoreError) {
        self.database = database
        self.mode = mode
        disk = database.isInMemory ? nil : (try MessageTable(database), try Journal(database))
        try disk?.journal.forEach { _ = held.add($1, to: $0) }
        held.commit()
    }

    // MARK: - Transactions

    /// Runs the body in a transaction that is on the disk when this returns, or leaves no trace when it throws.
    func write<Result>(
        _ body: (borrowing Transaction) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        isWriting = true
        defer { finish() }
        do throws(StoreError) {
            let result = try body(Transaction(self))
            try keep()
            if hasBegun { try database.commit() }
            held.commit()
            return result
        } catch {
            database.rollback()
            held.rollback()
            nextOffsets.removeAll(keepingCapacity: true)
            throw error
        }
    }

    private func finish() {
        isWriting = false
        hasBegun = false
        moved.removeAll(keepingCapacity: true)
        entry.removeAll()
    }

    /// The database, for a statement that only reads.
    var reading: Database { database }

    /// The database, for a statement that changes it.
    var changing: Database {
        get throws(StoreError) {
            try begin()
            return database
        }
    }

    /// Begins the transaction of SQLite's with the first change: what adds messages to memory alone needs none.
    private func begin() throws(StoreError) {
        guard isWriting, !hasBegun else { return }
        try database.begin()
        hasBegun = true
    }

    /// Puts what the transaction has added into the database.
    private func keep() throws(StoreError) {
        if held.count > Self.heldMessages || held.size > Self.heldBytes { try moveIntoTable() }
        if let disk, !entry.isEmpty {
            try begin()
            try disk.journal.append(entry)
        }
        guard !moved.isEmpty else { return }
        let statement = try changing.statement("UPDATE conversation SET next_offset = ? WHERE row = ?")
        for id in moved {
            statement.bind(1, try nextOffset(of: id))
            statement.bind(2, id.row)
            try statement.execute()
        }
    }

    /// Moves what is held into the table; in memory it stays.
    private func moveIntoTable() throws(StoreError) {
        guard let disk, held.count > 0 else { return }
        try begin()
        try held.forEach { (conversation, messages) throws(StoreError) in
            for message in messages { try disk.table.add(message, to: conversation) }
            _ = try nextOffset(of: conversation)
            moved.insert(conversation)
        }
        try disk.journal.removeAll()
        held.removeAll()
        entry.removeAll()
    }

    // MARK: - Offsets

    func nextOffset(of id: ConversationID) throws(StoreError) -> Int64 {
        if let known = nextOffsets[id] { return known }
        let statement = try database.statement("SELECT next_offset FROM conversation WHERE row = ?")
        defer { statement.reset() }
        statement.bind(1, id.row)
        guard try statement.step() else {
            throw .failed(path: database.path, reason: "a conversation was removed while it was written to")
        }
        let next = nextOffset(of: id, stored: statement.integer(0))
        nextOffsets[id] = next
        return next
    }

    /// The next offset of a conversation of which the database says `stored`, where the messages that are held do not count.
    func nextOffset(of id: ConversationID, stored: Int64) -> Int64 {
        nextOffsets[id] ?? max(stored, held.end(of: id))
    }

    func setNextOffset(of id: ConversationID, to offset: Int64) {
        nextOffsets[id] = offset
        moved.insert(id)
    }

    /// Forgets a conversation that was removed.
    func forget(_ id: ConversationID) {
        nextOffsets[id] = nil
        moved.remove(id)
    }

    // MARK: - Messages

    /// Adds a message at a place, or at the end, unless its conversation has one with that id.
    func append(
        id: MessageID, author: String, time: Timestamp, subject: String?, text: String, to conversation: ConversationID,
        at offset: Int64?
    ) throws(StoreError) -> Appended {
        let next = try nextOffset(of: conversation)
        let place = offset ?? next
        guard place < ConversationID.offsetLimit else {
            throw .failed(path: database.path, reason: "the conversation has used up its offsets")
        }
        if let table = disk?.table {
            if let known = try table.offset(of: id, in: conversation) { return Appended(offset: known, isRepeat: true) }
            // A repeat may come with a place of its own, and is none the less.
            if place < next, held.offset(of: id, in: conversation) == nil,
                try table.hasMessage(at: place, in: conversation)
            {
                throw placeTaken(place)
            }
        }
        if disk == nil, held.size >= memoryLimit {
            // Whoever repeats what is there already wants no room.
            if let known = held.offset(of: id, in: conversation) { return Appended(offset: known, isRepeat: true) }
            throw .memoryFull(bytes: memoryLimit)
        }
        let message = KeptMessage(offset: place, id: id, author: author, time: time, subject: subject, text: text)
        switch held.add(message, to: conversation) {
        case .isRepeat(let known): return Appended(offset: known, isRepeat: true)
        case .placeTaken: throw placeTaken(place)
        case .added: break
        }
        if disk != nil { entry.append(message, of: conversation) }
        if place >= next { nextOffsets[conversation] = place + 1 }
        return Appended(offset: place, isRepeat: false)
    }

    private func placeTaken(_ place: Int64) -> StoreError {
        .failed(path: database.path, reason: "the place \(place) of a conversation is taken")
    }

    func offset(of id: MessageID, in conversation: ConversationID) throws(StoreError) -> Int64? {
        if let offset = held.offset(of: id, in: conversation) { return offset }
        return try disk?.table.offset(of: id, in: conversation)
    }

    func hasMessage(at offset: Int64, in conversation: ConversationID) throws(StoreError) -> Bool {
        if held.hasMessage(at: offset, in: conversation) { return true }
        return try disk?.table.hasMessage(at: offset, in: conversation) ?? false
    }

    /// The messages of a page, in its order: those of the table and those that are held, as they follow one another.
    func messages(_ page: Transaction.Page, in conversation: ConversationID) throws(StoreError) -> [KeptMessage] {
        var filling = Transaction.Page.Filling(page)
        var held = held.messages(at: page.offsets, in: conversation)
        /// Adds those that are held and come before an offset; all of them where there is none.
        func addHeld(before offset: Int64? = nil) {
            while let next = page.order == .oldestFirst ? held.first : held.last {
                if let offset, !page.precedes(next.offset, offset) { return }
                guard filling.add(next) else { return }
                if page.order == .oldestFirst { held.removeFirst() } else { held.removeLast() }
            }
        }
        try disk?.table.forEach(page, in: conversation) { message in
            addHeld(before: message.offset)
            return filling.add(message)
        }
        addHeld()
        return filling.messages
    }

    /// Removes the messages below an offset. Their offsets stay used.
    func removeMessages(in conversation: ConversationID, before offset: Int64) throws(StoreError) {
        setNextOffset(of: conversation, to: try nextOffset(of: conversation))
        guard let disk else { return held.remove(in: conversation, before: offset) }
        // Journal entries are never changed.
        try moveIntoTable()
        try begin()
        try disk.table.remove(in: conversation, before: offset)
    }
}
