package import Wire

/// What a store cannot do, with a sentence that says what was wrong and what to do.
package enum StoreError: UserFacingError, Hashable, Sendable {
    /// Another process has the file open; a store belongs to one process at a time.
    case inUse(path: SafeText)

    /// A later version of the program has written the file.
    case tooNew(path: SafeText)

    /// The file is damaged, or no database at all.
    case corrupt(path: SafeText)

    /// The file is a database, but another program's or another mode's.
    case foreign(path: SafeText)

    /// The file, or the folder it is in, cannot be written to.
    case readOnly(path: SafeText)

    /// No room on the disk, or a quota or a limit of file size is reached. What was asked for was not done, and can be
    /// tried again when there is room.
    case full(path: SafeText)

    /// A store in memory has as many bytes of messages as it may have. What was asked for was not done.
    case memoryFull(bytes: Int)

    /// Anything else that the disk or the database reported; what was asked for was not done.
    case failed(path: SafeText, reason: SafeText)

    /// The store was closed.
    case closed

    package var isTemporary: Bool {
        if case .inUse = self { true } else { false }
    }

    /// What was wrong and what to do, for the user.
    package var message: SafeText {
        switch self {
        case .inUse(let path):
            "another process is using \(path); end that one, or choose another folder with --data DIR"
        case .tooNew(let path):
            "\(path) was written by a newer version of this program; use that one, or another folder with --data DIR"
        case .corrupt(let path):
            "\(path) is damaged; restore a copy, or move it away to begin with an empty one"
        case .foreign(let path):
            "\(path) belongs to another program; choose another folder with --data DIR"
        case .readOnly(let path):
            "\(path) cannot be written to; change its permissions, or choose another folder with --data DIR"
        case .full(let path):
            "there is no room left on the disk for \(path); make room, then try again"
        case .memoryFull(let bytes):
            "the messages that are kept in memory have reached \(bytes >> 20) MiB, the most there may be; start it again, without --memory to keep more"
        case .failed(let path, let reason):
            "\(path) cannot be used: \(reason)"
        case .closed:
            "the store was closed"
        }
    }
}
