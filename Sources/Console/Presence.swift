import Wire

/// Joins and leaves that come close together, told in one line: `Alice, Bob and Carol joined; Dave left`.
///
/// The line stays among the live rows while it may grow, and is printed for good as soon as something else is.
struct Presence {
    /// What happened to people.
    enum Kind: Equatable {
        case joined
        case left
        case lost
    }

    /// Microseconds after the last of them within which another one belongs to the same line.
    static let window: Int64 = 5_000_000

    /// Names that a line spells out for each kind; the others are counted.
    static let namesLimit = 6

    private struct Group {
        let kind: Kind
        var names: [SafeText]
        var count: Int
    }

    let conversation: SafeText?
    let start: Timestamp
    private var last: Timestamp
    private var groups: [Group] = []

    init(_ kind: Kind, _ name: SafeText, conversation: SafeText?, at moment: Timestamp) {
        self.conversation = conversation
        start = moment
        last = moment
        add(kind, name)
    }

    /// Takes another one; false where it does not belong to this line.
    mutating func take(_ kind: Kind, _ name: SafeText, conversation: SafeText?, at moment: Timestamp) -> Bool {
        guard conversation == self.conversation, moment.microseconds - last.microseconds <= Self.window else {
            return false
        }
        last = moment
        add(kind, name)
        return true
    }

    private mutating func add(_ kind: Kind, _ name: SafeText) {
        let shown = QuotedName.inSentence(name)
        if let index = groups.firstIndex(where: { $0.kind == kind }) {
            groups[index].count += 1
            if groups[index].names.count < Self.namesLimit { groups[index].names.append(shown) }
        } else {
            groups.append(Group(kind: kind, names: [shown], count: 1))
        }
    }

    /// What is told.
    var sentence: SafeText {
        groups.map { group in
            let verb: SafeText =
                switch group.kind {
                case .joined: "joined"
                case .left: "left"
                case .lost: group.count == 1 ? "was lost" : "were lost"
                }
            let place: SafeText = conversation.map { " \(QuotedName.inSentence($0))" } ?? ""
            return "\(Self.list(group.names, count: group.count)) \(verb)\(place)"
        }.joined(separator: "; ")
    }

    private static func list(_ names: [SafeText], count: Int) -> SafeText {
        if count > names.count {
            let others = count - names.count
            return "\(names.joined(separator: ", ")) and \(others) \(others == 1 ? "other" : "others" as SafeText)"
        }
        guard names.count > 1 else { return names[0] }
        return "\(names.dropLast().joined(separator: ", ")) and \(names[names.count - 1])"
    }
}

extension ConsoleEvent {
    /// Kind, name and place of a join, a leave or a loss; nil for everything else.
    var presence: (kind: Presence.Kind, name: SafeText, conversation: SafeText?)? {
        switch self {
        case .joined(let name, let conversation): (.joined, name, conversation)
        case .left(let name, let conversation): (.left, name, conversation)
        case .lost(let name, let conversation): (.lost, name, conversation)
        default: nil
        }
    }
}
