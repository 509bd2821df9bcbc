import Wire

/// The tables of a store: those of the message log, which every store has, and those that a mode adds.
///
/// A step is never changed once it was released; what should be different becomes a further step.
package struct Schema: Sendable {
    /// The name of the mode; a file of another mode is not opened.
    package let mode: String

    /// SQL scripts that add what the mode needs, oldest first. A file that knows the first n of them gets the others.
    package let migrations: [String]

    package init(mode: String, migrations: [String] = []) {
        self.mode = mode
        self.migrations = migrations
    }

    /// "chat": says that a file is a store of this program (`PRAGMA application_id`).
    static let applicationID: Int64 = 0x6368_6174

    /// The steps of the message log.
    ///
    /// The key of a message is its conversation's row and its offset in one integer, so that messages stand in the order
    /// of their offsets and a new one goes to the end. `AUTOINCREMENT`: the row of a conversation that was removed is
    /// never given to another.
    static let log: [String] = [
        """
        CREATE TABLE conversation (
            row INTEGER PRIMARY KEY AUTOINCREMENT,
            mode TEXT NOT NULL,
            name TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            next_offset INTEGER NOT NULL,
            UNIQUE (mode, name)
        );
        CREATE TABLE message (
            key INTEGER PRIMARY KEY,
            conversation INTEGER NOT NULL,
            id BLOB NOT NULL,
            author TEXT NOT NULL,
            time INTEGER NOT NULL,
            subject TEXT,
            text TEXT NOT NULL
        );
        CREATE UNIQUE INDEX message_id ON message (conversation, id);
        CREATE TABLE value (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
        """,
        // Ids with the time in front go to the end of the index, whichever conversation they belong to: one page for the
        // posts of a hundred groups, where each group had an end of its own.
        """
        DROP INDEX message_id;
        CREATE UNIQUE INDEX message_id ON message (id, conversation);
        """,
        // The messages of each commit, until they are moved into the table together: see `Journal`.
        "CREATE TABLE journal (entry INTEGER PRIMARY KEY, messages BLOB NOT NULL)",
    ]

    /// Brings the tables of a database up to date, in one transaction.
    ///
    /// `user_version` holds the steps of the log that were taken in its upper 16 bits and those of the mode in its lower.
    func migrate(_ database: Database) throws(StoreError) {
        let version = try database.pragma("user_version")
        let isEmpty = try database.pragma("page_count") <= 1 && version == 0
        if !isEmpty, try database.pragma("application_id") != Self.applicationID {
            throw .foreign(path: database.path)
        }
        let taken = (log: Int(version >> 16), mode: Int(version & 0xffff))
        guard taken.log <= Self.log.count, taken.mode <= migrations.count else { throw .tooNew(path: database.path) }
        if !isEmpty, try storedMode(database) != mode { throw .foreign(path: database.path) }
        guard taken.log < Self.log.count || taken.mode < migrations.count else { return }
        try database.begin()
        do throws(StoreError) {
            for step in Self.log[taken.log...] { try database.run(step) }
            for step in migrations[taken.mode...] { try database.run(step) }
            if isEmpty {
                try database.run("PRAGMA application_id = \(Self.applicationID)")
                let statement = try database.statement("INSERT INTO value (name, value) VALUES ('mode', ?)")
                statement.bind(1, Array(mode.utf8))
                try statement.execute()
            }
            try database.run("PRAGMA user_version = \(Self.log.count << 16 | migrations.count)")
            try database.commit()
        } catch {
            database.rollback()
            throw error
        }
    }

    private func storedMode(_ database: Database) throws(StoreError) -> String {
        let statement = try database.statement("SELECT value FROM value WHERE name = 'mode'")
        defer { statement.reset() }
        return try statement.step() ? String(decoding: statement.blob(0), as: UTF8.self) : ""
    }
}
