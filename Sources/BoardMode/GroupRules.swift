package import Delivery
package import Wire

/// The groups of a board, who is in them, and what each member may see: the rules of the board without any I/O.
///
/// `Member` names a connection. Every way to a post asks `visibleOffsets` first, so the rule of a group holds on each of
/// them: list, read by ID, catch-up, in text and in JSON.
package struct GroupTable<Member: Hashable & Sendable>: Sendable {
    /// Groups in all.
    package static var groupLimit: Int { 10_000 }
    /// Members of one group.
    package static var memberLimit: Int { 2_000 }

    /// Names a group; groups are never removed.
    package typealias GroupIndex = Int

    package struct Group: Sendable {
        package let name: GroupName
        package var visibility: VisibilityRule
        /// The life of the group's offsets.
        package let epoch: Epoch
        /// The offset that the next post gets.
        package fileprivate(set) var nextOffset: Int64
        /// Who is in it, in the order of joining.
        package fileprivate(set) var members: [Member] = []
    }

    /// What a member of a group may see.
    package struct Membership: Hashable, Sendable {
        /// The first offset that the member may see; it may see all from there on.
        package let firstVisible: Int64

        package init(firstVisible: Int64) { self.firstVisible = firstVisible }
    }

    package private(set) var groups: [Group] = []
    /// Groups by their folded names, and by their names as they are, which is how nearly everybody writes them.
    private var indices: [String: GroupIndex] = [:]
    private var exactIndices: [String: GroupIndex] = [:]
    private var memberships: [Member: Memberships] = [:]

    /// The groups of one member, in their order. Nearly all are in one or two, so that a search costs less than a hash.
    private struct Memberships: Sendable {
        private(set) var entries: [(group: GroupIndex, membership: Membership)] = []

        /// Where a group stands, or would stand.
        private func place(of group: GroupIndex) -> (index: Int, isThere: Bool) {
            let index = entries.partitioningIndex { $0.group >= group }
            return (index, index < entries.count && entries[index].group == group)
        }

        subscript(group: GroupIndex) -> Membership? {
            get {
                let place = place(of: group)
                return place.isThere ? entries[place.index].membership : nil
            }
            set {
                let place = place(of: group)
                if place.isThere { entries.remove(at: place.index) }
                if let newValue { entries.insert((group, newValue), at: place.index) }
            }
        }
    }

    package init() {}

    // MARK: - Groups

    /// Adds a group that the rules let be: see `mayAdd`.
    @discardableResult
    package mutating func add(
        _ name: GroupName, visibility: VisibilityRule, epoch: Epoch, nextOffset: Int64
    ) -> GroupIndex {
        precondition(indices[name.key] == nil, "a group was added twice")
        let index = groups.count
        groups.append(Group(name: name, visibility: visibility, epoch: epoch, nextOffset: nextOffset))
        indices[name.key] = index
        exactIndices[name.text] = index
        return index
    }

    package mutating func setVisibility(of index: GroupIndex, to rule: VisibilityRule) {
        groups[index].visibility = rule
    }

    /// The group that a typed name means; upper and lower case do not count.
    package func find(_ typed: String) -> GroupIndex? {
        if let index = exactIndices[typed] { return index }
        guard let name = try? GroupName(validating: typed) else { return nil }
        return indices[name.key]
    }

    // MARK: - Members

    package enum JoinOutcome: Hashable, Sendable {
        case joined(Membership)
        case alreadyMember
        case full
    }

    /// Takes a member into a group.
    ///
    /// - Parameter restored: what a valid resume secret gives back; else the rule of the group decides.
    package mutating func join(
        _ member: Member, _ index: GroupIndex, restored: Membership? = nil
    ) -> JoinOutcome {
        guard memberships[member]?[index] == nil else { return .alreadyMember }
        guard groups[index].members.count < Self.memberLimit else { return .full }
        let first = groups[index].visibility.firstVisible(joiningAt: groups[index].nextOffset)
        let membership = restored ?? Membership(firstVisible: first)
        memberships[member, default: Memberships()][index] = membership
        groups[index].members.append(member)
        return .joined(membership)
    }

    /// Takes a member out of a group.
    ///
    /// - Returns: false where it was not in it.
    package mutating func leave(_ member: Member, _ index: GroupIndex) -> Bool {
        guard memberships[member]?[index] != nil else { return false }
        memberships[member]?[index] = nil
        if memberships[member]?.entries.isEmpty == true { memberships[member] = nil }
        groups[index].members.remove(at: groups[index].members.firstIndex(of: member)!)
        return true
    }

    /// Takes a member out of every group, as a disconnect does.
    ///
    /// - Returns: the groups it was in, in their order.
    package mutating func leaveAll(_ member: Member) -> [GroupIndex] {
        let left = groups(of: member)
        for index in left { _ = leave(member, index) }
        return left
    }

    package func isMember(_ member: Member, of index: GroupIndex) -> Bool { memberships[member]?[index] != nil }

    /// The groups that a member is in, in their order.
    package func groups(of member: Member) -> [GroupIndex] { memberships[member]?.entries.map(\.group) ?? [] }

    // MARK: - Posts

    /// The offsets whose posts a member may see now; nil for whoever is not in the group.
    package func visibleOffsets(for member: Member, in index: GroupIndex) -> Range<Int64>? {
        guard let membership = memberships[member]?[index] else { return nil }
        let next = groups[index].nextOffset
        return min(membership.firstVisible, next)..<next
    }

    /// Notes that a post has got an offset. From here on the members see it.
    package mutating func posted(_ offset: Int64, in index: GroupIndex) {
        precondition(offset >= groups[index].nextOffset, "an offset was used twice")
        groups[index].nextOffset = offset + 1
    }
}
