import Platform
import Wire

/// Messages of conversations and whatever else a mode keeps, on the disk or in memory, behind one thread.
///
/// SQLite blocks while it waits for the disk; the thread keeps that from everybody else. Whoever calls waits once for a
/// batch and never for a single message: see `Committer`. What is kept in memory blocks nobody, and may live where its
/// owner does: the way to another thread and back costs more than the transaction.
package actor MessageStore {
    private let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    /// The store's own thread, where it has one.
    private let thread: WorkerThread?

    /// Nil before it was opened and after it was closed.
    private var log: MessageLog?

    private init(executor: any SerialExecutor, thread: WorkerThread?) {
        self.executor = executor
        self.thread = thread
    }

    /// Opens a store and brings its tables up to date, or creates it.
    ///
    /// - Parameters:
    ///   - path: the file, which is locked for this process; nil keeps everything in memory.
    ///   - owner: where a store in memory lives, so that its owner can call it within a turn (`assumeIsolated`); nil
    ///     gives it a thread, as a file always gets.
    package static func open(
        path: String?, on owner: (any SerialExecutor)? = nil, schema: Schema
    ) async throws(StoreError) -> MessageStore {
        if path == nil, let owner {
            let store = MessageStore(executor: owner, thread: nil)
            try await store.start(path: nil, schema: schema)
            return store
        }
        let thread: WorkerThread
        do {
            thread = try WorkerThread(name: "store")
        } catch {
            throw .failed(path: SafeText(untrusted: path ?? "the store"), reason: error.message)
        }
        let store = MessageStore(executor: thread, thread: thread)
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
        path: String?, on owner: (any SerialExecutor)? = nil, schema: Schema,
        _ body: (MessageStore) async throws -> Result
    ) async throws -> Result {
        let store = try await open(path: path, on: owner, schema: schema)
        do {
            let result = try await body(store)
            await store.close()
            return result
        } catch {
            await store.close()
            throw error
        }
    }

    /// True where the store lives on that executor.
    package nonisolated func lives(on executor: any SerialExecutor) -> Bool { self.executor === executor }

    private func start(path: String?, schema: Schema) throws(StoreError) {
        let database = try Database(path: path)
        try schema.migrate(database)
        log = try MessageLog(database, mode: schema.mode)
    }

    /// Closes the file and ends the thread. What is called later throws `closed`.
    package nonisolated func close() async {
        await release()
        thread?.stop()
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
        _ = try log.reading.pragma("max_page_count = \(count)")
    }

    /// Bounds the bytes of the messages of a store in memory; what comes when they are reached is refused.
    package func limitMemory(to bytes: Int) throws(StoreError) {
        guard let log else { throw .closed }
        log.memoryLimit = bytes
    }
}
