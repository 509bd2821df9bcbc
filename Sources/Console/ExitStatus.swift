import Wire

/// The status a `chat` process ends with. Scripts rely on these numbers; they never change their meaning.
package enum ExitStatus: Int32, Sendable, CaseIterable {
    /// All went well; also Ctrl+C at an empty prompt, and the end of piped input with everything delivered.
    case ok = 0
    /// Something failed that has no status of its own.
    case failure = 1
    /// A message of a piped or one-shot run ended as `noanswer` or `failed`.
    case notDelivered = 2
    /// The other end refused: a name in use, a room that does not exist, no permission.
    case refused = 4
    /// The other end could not be reached or stopped answering.
    case unreachable = 5
    /// The command line is wrong (sysexits.h EX_USAGE).
    case usage = 64
    /// A fault of the program itself (sysexits.h EX_SOFTWARE).
    case internalError = 70
    /// Nothing is wrong for good: the same command may succeed later (sysexits.h EX_TEMPFAIL).
    case tryAgain = 75
    /// SIGINT where no goodbye was possible (128 + 2).
    case interrupted = 130
    /// SIGTERM where no goodbye was possible (128 + 15).
    case terminated = 143

    /// The status of a command that an error has ended.
    package init(of error: any Error) {
        self = (error as? any UserFacingError)?.isTemporary == true ? .tryAgain : .failure
    }

    /// What the help says of it.
    package var summary: String {
        switch self {
        case .ok: "success"
        case .failure: "failure"
        case .notDelivered: "a message was not delivered"
        case .refused: "refused by the other end"
        case .unreachable: "the other end was not reached, or stopped answering"
        case .usage: "wrong command line"
        case .internalError: "internal error"
        case .tryAgain: "temporary failure, try again"
        case .interrupted: "interrupted (SIGINT)"
        case .terminated: "terminated (SIGTERM)"
        }
    }
}
