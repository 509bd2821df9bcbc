package import Console
package import Platform
package import Store
package import Wire

/// What the operator of the rooms should know.
package enum RoomsReport: Sendable {
    case created(room: String, by: String, peer: SocketAddress)
    case entered(room: String, name: String, peer: SocketAddress)
    case resumed(room: String, name: String, peer: SocketAddress)
    case refused(RoomsRefusal, peer: SocketAddress)
    case left(room: String, name: String)
    case lost(room: String, name: String)
    case closed(room: String)
    /// A connection over the limits.
    case turnedAway(peer: SocketAddress)
    case acceptFailed(SystemError)
    /// Nothing can be stored: nobody is let in and no message is acknowledged from here on.
    case storageFailed(StoreError)
    case storageWorks
    /// Datagrams since the start, by reason, where there are any.
    case dropped([(reason: SafeText, count: Int)])
    case ending

    /// One line for the log. No text of a message and no whole token is in it.
    package var message: SafeText {
        switch self {
        case .created(let room, let name, let peer): "room '\(room)' created by '\(name)' at \(peer)"
        case .entered(let room, let name, let peer): "'\(name)' at \(peer) joined '\(room)'"
        case .resumed(let room, let name, let peer): "'\(name)' at \(peer) came back to '\(room)'"
        case .refused(let refusal, let peer): "refused \(peer): \(refusal.message)"
        case .left(let room, let name): "'\(name)' left '\(room)'"
        case .lost(let room, let name): "'\(name)' of '\(room)' fell silent"
        case .closed(let room): "room '\(room)' closed"
        case .turnedAway(let peer): "too many connections: \(peer) turned away"
        case .acceptFailed(let error): "cannot accept connections: \(error.message); trying again"
        case .storageFailed(let error): "cannot store: \(error.message); nothing is acknowledged until it works again"
        case .storageWorks: "storing works again"
        case .dropped(let counts):
            "datagrams dropped since the start: "
                + counts.map { "\($0.count) \($0.reason)" as SafeText }.joined(separator: ", ")
        case .ending: "shutting down"
        }
    }
}

extension RoomsReport: LogReport {
    package var lines: [SafeText] { [message] }

    package var repeated: SafeText? {
        switch self {
        case .turnedAway: "connections were turned away"
        case .acceptFailed: "times connections could not be accepted"
        case .storageFailed, .storageWorks, .dropped, .created, .entered, .resumed, .left, .lost, .closed, .ending,
            .refused:
            nil
        }
    }

    package var level: LogLevel {
        switch self {
        case .storageFailed, .acceptFailed: .error
        case .storageWorks, .turnedAway, .dropped: .warning
        case .created, .entered, .resumed, .left, .lost, .closed, .ending: .info
        case .refused: .debug
        }
    }
}
