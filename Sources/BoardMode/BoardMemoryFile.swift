import Platform
import Wire

/// The file of a client's places, on a thread of its own: flushing it to the disk blocks.
actor BoardMemoryFile {
    private let thread: WorkerThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private let path: String

    /// - Throws: where the data folder cannot be had.
    init(for memory: BoardMemory, common: String?) throws {
        path = try DataDirectory(option: common).state(memory.fileName)
        thread = try WorkerThread(name: "board-state")
    }

    /// What the file holds; empty where there is none.
    func read() throws(PrivateFile.Failure) -> [UInt8] {
        try PrivateFile.read(path, limit: BoardMemory.sizeLimit) ?? []
    }

    func write(_ bytes: [UInt8]) throws(SystemError) { try PrivateFile.writeAtomically(bytes, to: path) }

    nonisolated func close() { thread.stop() }
}
