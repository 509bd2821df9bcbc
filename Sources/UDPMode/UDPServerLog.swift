package import Store
package import Wire

/// What the server tells its operator, in the words of the original's server.
package enum UDPServerLogLine: Sendable, Equatable {
    case started(port: UInt16)
    case tableUpdated
    case tableUpdatedRemoved(name: String)
    case groupCreated(String, by: String)
    case groupExists(String, by: String)
    case groupsListed([String], for: String)
    case joined(String, group: String)
    case joinFailed(String, group: String)
    case membersListed([String], group: String, for: String)
    case left(String, group: String)
    case groupMessage(String, from: String)
    case groupMessageAcked(by: String)
    case removedSilent(String, group: String)
    case stored(from: String, to: String)
    case handedOver(to: String)
    /// Nothing can be stored for those who are away.
    case storageFailed(StoreError)
    case storageWorks
    /// Datagrams that were not taken since this was said last.
    case dropped(malformed: Int, overRate: Int)
    case quitting

    /// One line or more.
    package var lines: [SafeText] {
        switch self {
        case .started(let port): ["Server started on \(port)"]
        case .tableUpdated: ["Server table updated."]
        case .tableUpdatedRemoved(let name): ["Server table updated. (removed \(name))"]
        case .groupCreated(let group, let name): ["Client \(name) created group `\(group)` successfully!"]
        case .groupExists(let group, let name):
            ["Client \(name) creating group `\(group)` failed, group already exists"]
        case .groupsListed(let groups, let name):
            ["Client \(name) requested listing groups, current groups:"] + groups.map { "\($0)" }
        case .joined(let name, let group): ["Client \(name) joined group `\(group)`"]
        case .joinFailed(let name, let group): ["Client \(name) joining group `\(group)` failed, group does not exist"]
        case .membersListed(let members, let group, let name):
            ["Client \(name) requested listing members of group \(group)"] + members.map { "\($0)" }
        case .left(let name, let group): ["Client \(name) left group \(group)"]
        case .groupMessage(let text, let name): ["Client \(name) sent group message: \(text)"]
        case .groupMessageAcked(let name): ["Client \(name) acked group message"]
        case .removedSilent(let name, let group): ["Client \(name) not responsive, removed from group \(group)"]
        case .stored(let from, let to): ["Message from \(from) stored for \(to)"]
        case .handedOver(let to): ["Stored message handed over to \(to)"]
        case .storageFailed(let error): ["Messages cannot be stored: \(error.message)"]
        case .storageWorks: ["Messages are stored again."]
        case .dropped(let malformed, let overRate):
            ["Dropped \(malformed) malformed datagrams, and \(overRate) over the rate of their source."]
        case .quitting: ["Quitting."]
        }
    }
}
