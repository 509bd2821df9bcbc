import CSQLite
import Delivery
import Glibc
import Platform
import Store
import TestSupport
import Testing
import Wire

@Suite("Store errors")
struct StoreErrorTests {
    let folder = TemporaryFolder()
    let schema = Schema(mode: "test")
    var path: String { folder.path(of: "test.db") }
    var shown: SafeText { SafeText(untrusted: path) }

    /// Runs SQL on the file behind the store's back.
    func tamper(_ sql: String) throws {
        var handle: OpaquePointer?
        try #require(sqlite3_open(path, &handle) == SQLITE_OK)
        defer { sqlite3_close(handle) }
        try #require(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK)
    }

    func createStore(migrations: [String] = []) async throws {
        try await MessageStore.open(path: path, schema: Schema(mode: "test", migrations: migrations)).close()
    }

    @Test("A file that is open already is refused, in this process and for another, until it is closed")
    func inUse() async throws {
        let store = try await MessageStore.open(path: path, schema: schema)
        await #expect(throws: StoreError.inUse(path: shown)) {
            try await MessageStore.open(path: path, schema: schema)
        }
        await store.close()
        try await MessageStore.open(path: path, schema: schema).close()
    }

    @Test("The files are their owner's alone, also when they were not")
    func permissions() async throws {
        let before = umask(0)
        defer { umask(before) }
        let store = try await MessageStore.open(path: path, schema: schema)
        try await store.write { (transaction) throws(StoreError) in _ = try transaction.conversation("a") }
        #expect(folder.names == ["test.db", "test.db-wal"])
        for name in folder.names {
            var status = stat()
            #expect(stat(folder.path(of: name), &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600, "\(name)")
        }
        await store.close()
        chmod(path, 0o644)
        try await MessageStore.open(path: path, schema: schema).close()
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test("A file of a later version is refused and left alone")
    func tooNew() async throws {
        try await createStore(migrations: ["CREATE TABLE one (a)"])
        // This program knows no step of the mode's.
        await #expect(throws: StoreError.tooNew(path: shown)) {
            try await MessageStore.open(path: path, schema: schema)
        }
        try tamper("PRAGMA user_version = \(200 << 16)")
        await #expect(throws: StoreError.tooNew(path: shown)) {
            try await MessageStore.open(path: path, schema: Schema(mode: "test", migrations: ["CREATE TABLE one (a)"]))
        }
    }

    @Test("Steps that are missing are taken, the others are not taken twice")
    func migrations() async throws {
        let steps = ["CREATE TABLE one (a)", "CREATE TABLE two (a); INSERT INTO two VALUES (1)"]
        try await createStore()
        try await createStore(migrations: Array(steps.prefix(1)))
        try await createStore(migrations: steps)
        let store = try await MessageStore.open(path: path, schema: Schema(mode: "test", migrations: steps))
        let rows = try await store.read { (transaction) throws(StoreError) in
            try transaction.rows("SELECT a FROM one UNION ALL SELECT a FROM two")
        }
        #expect(rows == [[.integer(1)]])
        await store.close()
    }

    @Test(
        "A file of before ids stood first in their index, and of before the journal, keeps its messages and gets both")
    func olderFile() async throws {
        func append(_ id: UInt64) async throws -> Appended {
            let store = try await MessageStore.open(path: path, schema: schema)
            let appended = try await store.write { (transaction) throws(StoreError) in
                try transaction.append(
                    id: MessageID(high: 7, low: id), author: "ann", time: Timestamp(microseconds: 0), subject: nil,
                    text: "text", to: transaction.conversation("one").id)
            }
            await store.close()
            return appended
        }
        try await createStore()
        try tamper(
            """
            DROP INDEX message_id; CREATE UNIQUE INDEX message_id ON message (conversation, id);
            DROP TABLE journal;
            INSERT INTO conversation VALUES (1, 'test', 'one', 5, 1);
            INSERT INTO message VALUES (1 << 40, 1, x'00000000000000070000000000000001', 'ann', 0, NULL, 'text');
            PRAGMA user_version = \(1 << 16)
            """)
        #expect(try await append(1) == Appended(offset: 0, isRepeat: true))
        #expect(try await append(2) == Appended(offset: 1, isRepeat: false))
        #expect(try await append(2) == Appended(offset: 1, isRepeat: true))
        let store = try await MessageStore.open(path: path, schema: schema)
        let columns = try await store.read { (transaction) throws(StoreError) in
            try transaction.rows("SELECT name FROM pragma_index_info('message_id') ORDER BY seqno")
        }
        await store.close()
        #expect(columns == [[.text("id")], [.text("conversation")]])
    }

    @Test("A step that fails leaves the file as it was")
    func failedMigration() async throws {
        try await createStore()
        await #expect(throws: StoreError.self) { try await createStore(migrations: ["CREATE TABLE one (a); nonsense"]) }
        try await createStore(migrations: ["CREATE TABLE one (a)"])
    }

    @Test("Another program's database, and another mode's, is refused and left alone")
    func foreign() async throws {
        try tamper("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
        await #expect(throws: StoreError.foreign(path: shown)) {
            try await MessageStore.open(path: path, schema: schema)
        }
        try tamper("SELECT a FROM theirs")
        unlink(path)
        try await createStore()
        await #expect(throws: StoreError.foreign(path: shown)) {
            try await MessageStore.open(path: path, schema: Schema(mode: "other"))
        }
    }

    @Test("A file that is no database, and a damaged one, is called damaged")
    func corrupt() async throws {
        try PrivateFile.append(Array(repeating: 0x41, count: 8_192), to: path)
        await #expect(throws: StoreError.corrupt(path: shown)) {
            try await MessageStore.open(path: path, schema: schema)
        }
        unlink(path)
        let store = try await MessageStore.open(path: path, schema: schema)
        try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("a").id
            for number in 0..<500 { _ = try transaction.append(.sample(number, bytes: 500), to: id) }
        }
        await store.close()
        // Every page but the first, where the header is.
        let descriptor = Glibc.open(path, O_WRONLY)
        let noise = [UInt8](repeating: 0xA5, count: 4_096)
        for page in 1..<20 { _ = pwrite(descriptor, noise, noise.count, page * 4_096) }
        Glibc.close(descriptor)
        await #expect(throws: StoreError.corrupt(path: shown)) {
            let damaged = try await MessageStore.open(path: path, schema: schema)
            _ = try await damaged.read { (transaction) throws(StoreError) in try transaction.conversations().count }
        }
    }

    @Test("A folder that is not there or cannot be written to is said so")
    func unwritable() async throws {
        let missing = folder.path(of: "nowhere/test.db")
        await #expect {
            try await MessageStore.open(path: missing, schema: schema)
        } throws: { error in
            if case .failed(_, let reason)? = error as? StoreError {
                reason.string == "No such file or directory"
            } else {
                false
            }
        }
        // The system's own files cannot be written to by anybody.
        await #expect(throws: StoreError.readOnly(path: "/sys/chat.db")) {
            try await MessageStore.open(path: "/sys/chat.db", schema: schema)
        }
    }

    @Test("A full disk refuses the batch as a whole, and takes up again when there is room")
    func full() async throws {
        let store = try await MessageStore.open(path: path, schema: schema)
        let id = try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("a").id
            _ = try transaction.append(.sample(0), to: id)
            return id
        }
        try await store.limitPages(to: 40)
        await #expect(throws: StoreError.full(path: shown)) {
            try await store.write { (transaction) throws(StoreError) in
                for number in 1..<200 { _ = try transaction.append(.sample(number, bytes: 4_000), to: id) }
            }
        }
        // A small one still fits, and gets the next offset: the batch that failed has used none.
        let small = try await store.write { (transaction) throws(StoreError) in
            try transaction.append(.sample(1_000), to: id)
        }
        #expect(small.offset == 1)
        try await store.limitPages(to: 1_000_000)
        let last = try await store.write { (transaction) throws(StoreError) in
            var last: Appended?
            for number in 1..<200 { last = try transaction.append(.sample(number, bytes: 4_000), to: id) }
            return last
        }
        #expect(last?.offset == 200)
        await store.close()
    }

    @Test(
        "Each error says what was wrong and what to do",
        arguments: [
            (
                StoreError.inUse(path: "/x/board.db"),
                "another process is using /x/board.db; end that one, or choose another folder with --data DIR"
            ),
            (
                .tooNew(path: "/x/board.db"),
                "/x/board.db was written by a newer version of this program; use that one, or another folder with --data DIR"
            ),
            (
                .corrupt(path: "/x/board.db"),
                "/x/board.db is damaged; restore a copy, or move it away to begin with an empty one"
            ),
            (
                .foreign(path: "/x/board.db"),
                "/x/board.db belongs to another program; choose another folder with --data DIR"
            ),
            (
                .readOnly(path: "/x/board.db"),
                "/x/board.db cannot be written to; change its permissions, or choose another folder with --data DIR"
            ),
            (
                .memoryFull(bytes: 1 << 30),
                "the messages that are kept in memory have reached 1024 MiB, the most there may be; start it again, without --memory to keep more"
            ),
            (
                .full(path: "/x/board.db"),
                "there is no room left on the disk for /x/board.db; make room, then try again"
            ),
        ])
    func sentences(error: StoreError, sentence: String) {
        #expect(error.message.string == sentence)
    }
}
