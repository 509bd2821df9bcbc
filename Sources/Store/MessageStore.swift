import Platform
import Wire

/// Messages of conversations and whatever else a mode keeps, on the disk or in memory, behind one thread.
///
/// SQLite blocks while it waits for the disk; the thread keeps that from everybody else. Whoever calls waits once for a
/// batch and never for a single message: see `Committer`.
package actor MessageStore {
    private let thread: WorkerThread
    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Nil before it was opened and after it was closed.
    private var log: MessageLog?

    private init(thread: WorkerThread) { self.thread = thread }

    /// Opens a store and brings its tables up to date, or creates it.
    ///
    /// - Parameter path: the file, which is locked for this process; nil keeps everything in memory.
    package static func open(path: String?, schema: Schema) async throws(StoreError) -> MessageStore {
        let thread: WorkerThread
        do {
            thread = try WorkerThread(name: "store")
        } catch {
            throw .failed(path: SafeText(untrusted: path ?? "the store"), reason: error.message)
        }
        let store = MessageStore(thread: thread)
        do throws(StoreError) {
            try await store.start(path: path, schema: schema)
        } catch {
            thread.stop()
            throw error
        }
        return store
    }

    /// Opens a store for the length of a body, and closes it whatever happens.
    package static func with<Result>(
        path: String?, schema: Schema, _ body: (MessageStore) async throws -> Result
    ) async throws -> Result {
        let store = try await open(path: path, schema: schema)
        do {
            let result = try await body(store)
            await store.close()
            return result
        } catch {
            await store.close()
            throw error
        }
    }

    private func start(path: String?, schema: Schema) throws(StoreError) {
        let database = try Database(path: path)
        try schema.migrate(database)
        log = MessageLog(database, mode: schema.mode)
    }

    /// Closes the file and ends the thread. What is called later throws `closed`.
    package nonisolated func close() async {
        await release()
        thread.stop()
    }

    private func release() { log = nil }

    /// Runs the body in one transaction.
    ///
    /// - Returns: what the body returned, when it is on the disk. Where this throws, nothing was changed.
    package func write<Result: Sendable>(
        _ body: @Sendable (borrowing Transaction) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        guard let log else { throw .closed }
        return try log.write(body)
    }

    /// Runs a body that only reads.
    package func read<Result: Sendable>(
        _ body: @Sendable (borrowing Transaction) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        guard let log else { throw .closed }
        return try body(Transaction(log))
    }

    /// Bounds the size of the file in pages of 4 KiB; what does not fit is refused as on a full disk.
    package func limitPages(to count: Int) throws(StoreError) {
        guard let log else { throw .closed }
        _ = try log.database.pragma("max_page_count = \(count)")
    }
}
