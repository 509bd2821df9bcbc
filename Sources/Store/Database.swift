import CSQLite
import Glibc
import Platform
import Wire

/// One SQLite connection with its prepared statements. Belongs to the thread of the actor that opened it.
///
/// Durable: WAL with `synchronous=FULL`, so that a transaction is on the disk when its COMMIT returns. Locked for this
/// process alone for as long as it is open (https://www.sqlite.org/wal.html#noshm), so there is no shared-memory file.
final class Database {
    /// Pages of the write-ahead log after which it is moved into the database, 4 KiB each.
    static let checkpointPages = 4_096
    /// Bytes to which the write-ahead log is cut after that.
    static let walSizeLimit = 32 << 20
    /// KiB of pages that are kept in memory.
    static let cacheKibibytes = 16_384

    /// What errors call the database.
    let path: SafeText
    let isInMemory: Bool

    private let handle: OpaquePointer
    private var statements: [String: Statement] = [:]

    /// Opens the file and locks it, or creates it with mode 0600. No path: a database in memory.
    init(path: String?) throws(StoreError) {
        let name = SafeText(untrusted: path ?? "the store in memory")
        self.path = name
        isInMemory = path == nil
        if let path { try Self.prepareFile(path, name: name) }
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path ?? ":memory:", &opened, flags | (path == nil ? SQLITE_OPEN_CREATE : 0), nil)
        guard let opened else { throw .failed(path: name, reason: "out of memory") }
        handle = opened
        if code != SQLITE_OK { throw error(code) }
        // SQLite opens for reading what it may not write to, and would fail at the first lock without saying why.
        if sqlite3_db_readonly(handle, "main") == 1 { throw .readOnly(path: name) }

        try run("PRAGMA locking_mode = EXCLUSIVE")
        if path == nil {
            try run("PRAGMA journal_mode = MEMORY")
            try run("PRAGMA synchronous = OFF")
        } else {
            // The first access takes the lock and finds out whether this is a database at all.
            try run("PRAGMA journal_mode = WAL")
            try run("PRAGMA synchronous = FULL")
        }
        try run("PRAGMA wal_autocheckpoint = \(Self.checkpointPages)")
        try run("PRAGMA journal_size_limit = \(Self.walSizeLimit)")
        try run("PRAGMA cache_size = -\(Self.cacheKibibytes)")
        try run("PRAGMA temp_store = MEMORY")
        try run("PRAGMA foreign_keys = ON")
        try run("PRAGMA trusted_schema = OFF")
        // A file that cannot be written to is found out now and not at the first message.
        try run("BEGIN IMMEDIATE")
        try run("ROLLBACK")
    }

    deinit {
        statements.removeAll()
        sqlite3_close_v2(handle)
    }

    /// Creates a missing file with mode 0600 and takes away what others may do with one that is there. SQLite gives the
    /// write-ahead log the same mode.
    private static func prepareFile(_ path: String, name: SafeText) throws(StoreError) {
        do throws(SystemError) {
            let descriptor = try systemCall("open") { open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
            close(descriptor)
            let slash = path.lastIndex(of: "/")
            let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
            // The name itself must survive a crash too. Some file systems do not flush folders, which is no error.
            let handle = try systemCall("open") { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
            _ = fsync(handle)
            close(handle)
        } catch {
            switch error.code {
            // No descriptor of ours may be opened on a file that is there: closing it would drop SQLite's locks.
            case EEXIST: chmod(path, 0o600)
            case EACCES, EROFS, EPERM: throw .readOnly(path: name)
            case ENOSPC, EDQUOT: throw .full(path: name)
            default: throw .failed(path: name, reason: error.reason)
            }
        }
    }

    // MARK: - Statements

    /// The prepared statement of an SQL text; prepared once.
    func statement(_ sql: String) throws(StoreError) -> Statement {
        if let known = statements[sql] { return known }
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw error(code) }
        let statement = Statement(prepared, of: self)
        statements[sql] = statement
        return statement
    }

    /// Runs one statement that answers nothing of interest and will not come again.
    func run(_ sql: String) throws(StoreError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        if code != SQLITE_OK { throw error(code) }
    }

    /// The integer that a pragma answers.
    func pragma(_ name: String) throws(StoreError) -> Int64 {
        let statement = try statement("PRAGMA \(name)")
        defer { statement.reset() }
        return try statement.step() ? statement.integer(0) : 0
    }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    var changes: Int { Int(sqlite3_changes(handle)) }

    var lastInsertedRow: Int64 { sqlite3_last_insert_rowid(handle) }

    // MARK: - Transactions

    func begin() throws(StoreError) { try finish(statement("BEGIN IMMEDIATE")) }

    /// On the disk when it returns.
    func commit() throws(StoreError) { try finish(statement("COMMIT")) }

    /// Undoes what the transaction under way has done; some errors have done so already.
    func rollback() {
        for statement in statements.values { statement.reset() }
        guard sqlite3_get_autocommit(handle) == 0 else { return }
        _ = sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
    }

    private func finish(_ statement: Statement) throws(StoreError) {
        defer { statement.reset() }
        while try statement.step() {}
    }

    // MARK: - Errors

    /// What a result code means for whoever asked.
    func error(_ code: Int32) -> StoreError {
        switch code & 0xff {
        case SQLITE_BUSY, SQLITE_LOCKED: return .inUse(path: path)
        case SQLITE_FULL: return .full(path: path)
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .corrupt(path: path)
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: return .readOnly(path: path)
        case SQLITE_IOERR, SQLITE_CANTOPEN:
            for errno in systemErrors {
                switch errno {
                case ENOSPC, EDQUOT, EFBIG: return .full(path: path)
                case EACCES, EROFS, EPERM: return .readOnly(path: path)
                default: break
                }
            }
        default: break
        }
        let text = sqlite3_errmsg(handle).map { String(cString: $0) } ?? "error \(code)"
        return .failed(path: path, reason: SafeText(untrusted: text))
    }

    /// The errors that the system last reported of the database file and of its write-ahead log.
    ///
    /// The one of the connection (`sqlite3_system_errno`) may be that of a later call, made while SQLite cleaned up.
    private var systemErrors: [Int32] {
        var errors = [sqlite3_system_errno(handle)]
        for code in [SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER] {
            var file: UnsafeMutablePointer<sqlite3_file>?
            guard sqlite3_file_control(handle, "main", code, &file) == SQLITE_OK, let file,
                let control = file.pointee.pMethods?.pointee.xFileControl
            else { continue }
            var last: Int32 = 0
            if control(file, SQLITE_FCNTL_LAST_ERRNO, &last) == SQLITE_OK { errors.append(last) }
        }
        return errors
    }
}
