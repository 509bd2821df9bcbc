import Platform
import Wire

/// Why a measurement could not be made.
enum BenchError: UserFacingError, Equatable {
    case cannotStart(SystemError)
    /// The server ended, or did not listen in time; its last words.
    case serverFailed(SafeText)
    case unresolved(SafeText)
    /// A member could not connect.
    case cannotConnect(SafeText)
    /// The server closed a member's connection.
    case disconnected(SafeText)
    /// The server refused a member or a message; its words.
    case refused(SafeText)
    /// Members that had not joined when nothing more came.
    case notReady(missing: Int)
    case interrupted
    case system(SystemError)

    var message: SafeText {
        switch self {
        case .cannotStart(let error): "cannot start the server: \(error.message)"
        case .serverFailed(let words): "the server did not start; it said: \(words)"
        case .unresolved(let reason): "the server's name has no address: \(reason)"
        case .cannotConnect(let reason): "a member could not connect: \(reason)"
        case .disconnected(let reason): "the server closed the connection of a member: \(reason)"
        case .refused(let words): "the server refused: \(words)"
        case .notReady(let missing):
            "\(missing) members were not let in within 10 seconds; try fewer, or look at the server's log"
        case .interrupted: "interrupted"
        case .system(let error): error.message
        }
    }
}
