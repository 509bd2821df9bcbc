package import Console
package import Net
package import Platform
package import Store
package import Wire

/// What the operator of a board should know.
package enum BoardReport: Sendable {
    case joined(peer: SocketAddress, name: Nickname)
    case disconnected(peer: SocketAddress, name: Nickname?, reason: CloseReason)
    case acceptFailed(SystemError)
    /// A connection over the limits.
    case turnedAway(peer: SocketAddress)
    /// Nothing can be stored: posts are refused from here on.
    case storageFailed(StoreError)
    /// Posts are taken again.
    case storageWorks
    case groupCreated(GroupName, by: Nickname?)
}

extension BoardReport: LogReport {
    package var level: LogLevel {
        switch self {
        case .storageFailed, .acceptFailed: .error
        case .storageWorks, .turnedAway: .warning
        case .joined, .disconnected, .groupCreated: .info
        }
    }

    package var lines: [SafeText] { [sentence] }

    package var repeated: SafeText? {
        switch self {
        case .turnedAway: "connections were turned away"
        case .acceptFailed: "times connections could not be accepted"
        case .joined, .disconnected, .storageFailed, .storageWorks, .groupCreated: nil
        }
    }

    private var sentence: SafeText {
        switch self {
        case .joined(let peer, let name): "\(QuotedName.inSentence(name.safeText)) is here, from \(peer.description)"
        case .disconnected(let peer, let name?, let reason):
            "\(QuotedName.inSentence(name.safeText)) has gone (\(peer.description), \(reason.message))"
        case .disconnected(let peer, nil, let reason): "\(peer.description) has gone without a name (\(reason.message))"
        case .acceptFailed(let error): "cannot accept connections: \(error.reason); trying again"
        case .turnedAway(let peer): "\(peer.description) was turned away: too many connections"
        case .storageFailed(let error): "nothing can be stored, posts are refused: \(error.message)"
        case .storageWorks: "posts are stored again"
        case .groupCreated(let group, let name):
            "group \(QuotedName.inSentence(group.safeText)) was created by \(name.map { QuotedName.inSentence($0.safeText) } ?? "somebody who has gone")"
        }
    }
}
