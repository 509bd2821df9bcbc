import Wire

/// What a person can ask of the client: the original's verbs and what our own commands add.
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
    /// As it was typed: what it means depends on the mode when its turn comes.
    case line(String)

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
        case .line(let line): line
        }
    }

    package enum ParseError: Error, Sendable, Equatable {
        /// Not a verb, or not one of this mode.
        case invalid(word: String)
        /// A verb without what it needs.
        case incomplete(word: String, usage: String)
    }

    /// Where a verb may be used: outside a group, in one, or both.
    private enum Scope { case normal, group, both }

    private static func scope(of word: String) -> Scope? {
        switch word {
        case "send", "dereg": .both
        case "create_group", "list_groups", "join_group": .normal
        case "send_group", "list_members", "leave_group": .group
        default: nil
        }
    }

    /// The line that says how a verb is used.
    private static func usage(of word: String) -> String {
        switch word {
        case "send": "send NAME TEXT"
        case "dereg": "dereg NAME"
        case "create_group": "create_group GROUP"
        case "join_group": "join_group GROUP"
        case "send_group": "send_group TEXT"
        default: word
        }
    }

    /// Reads a typed line as the original does: a verb of the mode one is in, then its argument, spaces and all.
    package init(line: String, isInGroup: Bool) throws(ParseError) {
        let text = line[...].trimmed
        let word = String(text.prefix { !$0.isWhitespace })
        let argument = String(text.dropFirst(word.count).trimmed)
        let allowed: Bool =
            switch Self.scope(of: word) {
            case .both: true
            case .normal: !isInGroup
            case .group: isInGroup
            case nil: false
            }
        guard allowed else { throw .invalid(word: word) }
        func need() throws(ParseError) -> String {
            guard !argument.isEmpty else { throw .incomplete(word: word, usage: Self.usage(of: word)) }
            return argument
        }
        switch word {
        case "send": self = .send(try need())
        case "dereg": self = .deregister(name: try need())
        case "create_group": self = .createGroup(try need())
        case "list_groups": self = .listGroups
        case "join_group": self = .joinGroup(try need())
        case "send_group": self = .sendGroup(try need())
        case "list_members": self = .listMembers
        default: self = .leaveGroup
        }
    }
}

extension Substring {
    /// Without white space at either end.
    var trimmed: Substring {
        var text = drop { $0.isWhitespace }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
