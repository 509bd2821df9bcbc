/// What a person can ask of the client: the original's verbs, and what our own commands add.
package enum UDPVerb: Sendable, Equatable {
    /// To whom and what, not yet told apart: names may hold spaces, and only the table knows them.
    case send(String)
    /// The same with the name known to be one.
    case sendTo(name: String, text: String)
    case sendGroup(String)
    case deregister(name: String)
    case createGroup(String)
    case listGroups
    case joinGroup(String)
    case listMembers
    case leaveGroup
    case who
    case quit
    /// A line that begins with no verb.
    case unknown(word: String)

    /// The word by which it is called.
    package var word: String {
        switch self {
        case .send, .sendTo: "send"
        case .sendGroup: "send_group"
        case .deregister: "dereg"
        case .createGroup: "create_group"
        case .listGroups: "list_groups"
        case .joinGroup: "join_group"
        case .listMembers: "list_members"
        case .leaveGroup: "leave_group"
        case .who: "who"
        case .quit: "quit"
        case .unknown(let word): word
        }
    }

    /// Whether it means something where one is: the original's verbs belong outside a group, into one, or both.
    func isAllowed(inGroup: Bool) -> Bool {
        switch self {
        case .send, .sendTo, .deregister, .who, .quit: true
        case .createGroup, .listGroups, .joinGroup: !inGroup
        case .sendGroup, .listMembers, .leaveGroup: inGroup
        case .unknown: false
        }
    }
}
