import Wire

/// The groups and people that a client has heard of, for completion. Names that this program would not register are left
/// out: what a completion inserts is typed by nobody.
struct BoardNames: Equatable {
    /// Groups, and people of a group, that are kept.
    static let groupLimit = 10_000
    static let memberLimit = 2_000

    private var groupNames: [String] = []
    private var groupKeys: Set<String> = []
    /// By the key of the group: names by their keys.
    private var members: [String: [String: String]] = [:]

    /// The groups, in the order in which they were heard of.
    var groups: [String] { groupNames }

    /// Everybody in one of the groups, in the order of the alphabet.
    var people: [String] {
        var all: [String: String] = [:]
        for names in members.values { all.merge(names) { first, _ in first } }
        return all.values.sorted()
    }

    mutating func exists(_ group: String) {
        guard groupNames.count < Self.groupLimit, let name = try? GroupName(validating: group),
            groupKeys.insert(name.key).inserted
        else { return }
        groupNames.append(name.text)
    }

    mutating func joined(_ name: String, _ group: String) {
        exists(group)
        guard let name = try? Nickname(validating: name), members[nameKey(group), default: [:]].count < Self.memberLimit
        else { return }
        members[nameKey(group), default: [:]][name.key] = name.text
    }

    mutating func left(_ name: String, _ group: String) { members[nameKey(group)]?[nameKey(name)] = nil }

    /// Everybody who is in a group.
    mutating func set(_ names: [String], of group: String) {
        members[nameKey(group)] = [:]
        for name in names { joined(name, group) }
    }

    /// One has left a group oneself: who is in it is not told any more.
    mutating func forget(_ group: String) { members[nameKey(group)] = nil }

    /// What an answer or an event tells of names.
    mutating func note(_ answer: BoardAnswer) {
        switch answer {
        case .groups(let groups, _, _): for group in groups { exists(group.name) }
        case .joined(let joined): exists(joined.group)
        case .created(let group): exists(group)
        case .users(let group, let names): set(names, of: group)
        case .left(let group): forget(group)
        default: break
        }
    }

    mutating func note(_ event: BoardEvent) {
        switch event {
        case .joined(let group, let name): joined(name, group)
        case .left(let group, let name): left(name, group)
        case .posted, .closing: break
        }
    }

    /// What a line of a server that speaks text tells: the groups, and who comes and goes.
    mutating func note(line: String) {
        let mark = " total): "
        if line.hasPrefix("[INFO] Available Groups ("), let place = line.firstRange(of: mark) {
            for word in line[place.upperBound...].split(separator: ", ") where !word.contains("(+") {
                exists(String(word))
            }
        }
    }
}
