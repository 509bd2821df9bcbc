import Glibc
import Platform
import Wire

/// The file of a client's place in a room, on a thread of its own: flushing it to the disk blocks.
actor RoomsMemoryFile {
    private let thread: WorkerThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private let memory: RoomsMemory
    private let path: String
    /// Of the file beside it that says that somebody is there.
    private var lock: Int32 = -1

    /// - Throws: where the data folder cannot be had.
    init(_ memory: RoomsMemory, data: String?) throws {
        self.memory = memory
        path = try DataDirectory(option: data).state(memory.fileName)
        thread = try WorkerThread(name: "rooms-state")
    }

    /// Two programs with one token would take the place from each other again and again.
    ///
    /// - Returns: false where another program has the place.
    func takePlace() throws(SystemError) -> Bool {
        let name = path + ".lock"
        lock = try systemCall("open") { open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
        let descriptor = lock
        do throws(SystemError) {
            try systemCall("flock") { flock(descriptor, LOCK_EX | LOCK_NB) }
            return true
        } catch {
            if error.code == EWOULDBLOCK { return false }
            throw error
        }
    }

    func read() -> RoomSessionMachine.Membership? {
        // One that cannot be read is one that is not there: a new place is asked for.
        guard let bytes = try? PrivateFile.read(path, limit: RoomsMemory.sizeLimit) else { return nil }
        return memory.membership(bytes)
    }

    /// Keeps the place, or forgets it.
    func write(_ membership: RoomSessionMachine.Membership?) throws(SystemError) {
        guard let membership else {
            unlink(path)
            return
        }
        try PrivateFile.writeAtomically(memory.bytes(membership), to: path)
    }

    private func letGo() {
        guard lock >= 0 else { return }
        Glibc.close(lock)
        lock = -1
    }

    nonisolated func close() async {
        await letGo()
        thread.stop()
    }
}
