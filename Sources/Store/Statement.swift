import CSQLite
import Wire

/// A value that goes into a statement or comes out of one.
package enum SQLValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])
}

/// A prepared statement. Belongs to its database and dies with it.
final class Statement {
    private let handle: OpaquePointer
    private unowned let database: Database

    /// Has SQLite copy what is bound: the memory of a Swift value is its own only for the length of a call.
    private static let copy = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    init(_ handle: OpaquePointer, of database: Database) {
        self.handle = handle
        self.database = database
    }

    deinit { sqlite3_finalize(handle) }

    // Parameters count from 1, as SQLite counts them. Binding to a statement that was reset fails only where the program
    // itself is wrong (range) or out of memory.

    func bind(_ position: Int32, _ value: Int64) { sqlite3_bind_int64(handle, position, value) }

    func bind(_ position: Int32, _ value: String) {
        var value = value
        value.withUTF8 { utf8 in
            // Not by a null pointer, which would bind NULL for an empty text.
            let base = UnsafeRawPointer(utf8.baseAddress) ?? UnsafeRawPointer(bitPattern: 1)!
            _ = sqlite3_bind_text64(
                handle, position, base.assumingMemoryBound(to: CChar.self), UInt64(utf8.count), Self.copy,
                UInt8(SQLITE_UTF8))
        }
    }

    func bind(_ position: Int32, _ value: String?) {
        if let value { bind(position, value) } else { sqlite3_bind_null(handle, position) }
    }

    func bind(_ position: Int32, _ value: some Collection<UInt8>) {
        let bytes = Array(value)
        if bytes.isEmpty {
            sqlite3_bind_zeroblob(handle, position, 0)
        } else {
            bytes.withUnsafeBytes { buffer in
                _ = sqlite3_bind_blob64(handle, position, buffer.baseAddress, UInt64(buffer.count), Self.copy)
            }
        }
    }

    func bind(_ position: Int32, _ id: MessageID) {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { buffer in
            buffer.storeBytes(of: id.high.bigEndian, toByteOffset: 0, as: UInt64.self)
            buffer.storeBytes(of: id.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            _ = sqlite3_bind_blob64(handle, position, buffer.baseAddress, 16, Self.copy)
        }
    }

    func bind(_ position: Int32, _ value: SQLValue) {
        switch value {
        case .null: sqlite3_bind_null(handle, position)
        case .integer(let integer): bind(position, integer)
        case .text(let text): bind(position, text)
        case .blob(let bytes): bind(position, bytes)
        }
    }

    func bind(_ values: [SQLValue]) {
        precondition(values.count == Int(sqlite3_bind_parameter_count(handle)), "a value for each parameter")
        for (index, value) in values.enumerated() { bind(Int32(index + 1), value) }
    }

    /// Goes on to the next row.
    ///
    /// - Returns: false where there is none; the statement must be reset before it is used again.
    func step() throws(StoreError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code:
            // The message of the error is gone after the reset.
            let error = database.error(code)
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Makes the statement ready to run again. What is bound stays until it is bound anew.
    func reset() { sqlite3_reset(handle) }

    /// Runs a statement that answers no rows, and makes it ready to run again.
    func execute() throws(StoreError) {
        while try step() {}
        reset()
    }

    // Columns count from 0.

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func text(_ column: Int32) -> String {
        guard let bytes = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    func optionalText(_ column: Int32) -> String? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : text(column)
    }

    func blob(_ column: Int32) -> [UInt8] {
        guard let bytes = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
    }

    func messageID(_ column: Int32) -> MessageID? {
        guard let bytes = sqlite3_column_blob(handle, column), sqlite3_column_bytes(handle, column) == 16 else {
            return nil
        }
        return MessageID(
            high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }

    func value(_ column: Int32) -> SQLValue {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_NULL: .null
        case SQLITE_INTEGER: .integer(integer(column))
        case SQLITE_BLOB: .blob(blob(column))
        // A real number can only come from an expression of the mode's own; its text says what it is.
        default: .text(text(column))
        }
    }

    var columnCount: Int32 { sqlite3_column_count(handle) }
}
