import Glibc
import Platform
import Wire

/// The file in which a longer post is written: mode 0600, kept until its post is answered with success.
actor BoardDraftFile {
    private let thread: WorkerThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    nonisolated let path: String

    /// Told apart by it where no data folder does.
    static var processID: Int32 { getpid() }

    /// What tells one state of the file from another: an editor that writes changes at least one of them.
    struct Stamp: Equatable {
        var node: UInt64 = 0
        var seconds = 0
        var nanoseconds = 0
        var size = 0
    }

    /// The file as the editor got it.
    private var handedOver = Stamp()

    init(path: String) throws(SystemError) {
        self.path = path
        thread = try WorkerThread(name: "board-draft")
    }

    /// Writes what the editor begins with, unless a draft is there already.
    ///
    /// - Returns: true where it goes on with a draft.
    func prepare(_ template: String) throws -> Bool {
        let kept = try PrivateFile.read(path, limit: BoardDraftText.sizeLimit)
        let isDraft = kept.map { !$0.isEmpty } ?? false
        if !isDraft { try PrivateFile.writeAtomically(Array(template.utf8), to: path) }
        handedOver = stamp
        return isDraft
    }

    /// What the editor has left; nil where it has not written.
    func result() throws -> [UInt8]? {
        guard stamp != handedOver else { return nil }
        return try PrivateFile.read(path, limit: BoardDraftText.sizeLimit) ?? []
    }

    func remove() { unlink(path) }

    nonisolated func close() { thread.stop() }

    private var stamp: Stamp {
        var status = stat()
        guard stat(path, &status) == 0 else { return Stamp() }
        return Stamp(
            node: UInt64(status.st_ino), seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec,
            size: Int(status.st_size))
    }
}
