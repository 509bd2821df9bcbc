package import Wire

/// Who is in the mesh and by which way they are reached, from what every member says about its own connections.
///
/// A link-state table (as in OSPF, RFC 2328, and with its two-way check): a connection counts when both ends name it, so
/// that a node that died is out of reach as soon as its neighbours have said so, although its own record still stands.
package struct Membership: Sendable {
    // Limits.
    /// Records kept, of those present and those lost.
    package static let members = 1_000
    /// Connections accepted in one record.
    package static let linksPerMember = 1_000
    /// Guests accepted in one record.
    package static let guestsPerMember = 64
    /// How long somebody may be out of reach before the others are told: a connection that is made anew is no loss.
    package static let graceBeforeLost = Duration.seconds(2)
    /// How long the record of somebody who has left or was lost is kept.
    package static let absenteeLifetime = Duration.seconds(3600)
    /// How long it is still passed on.
    package static let absenteeOffered = Duration.seconds(600)
    /// Bytes of a name that are kept; a name is cut again where it is shown.
    package static let nameBytes = 256

    package enum Presence: Equatable, Sendable {
        /// Known by hearsay; no way leads there yet.
        case unseen
        case here
        /// Out of reach since then; not told to anybody yet.
        case fading(since: MonotonicTime)
        case lost
        case left
    }

    package enum Change: Equatable, Sendable {
        case joined(NodeID)
        /// Was lost, is heard again.
        case returned(NodeID)
        case left(NodeID)
        case lost(NodeID)
        case renamed(NodeID, from: String)
        case guestJoined(GuestRecord, at: NodeID)
        case guestLeft(GuestRecord, at: NodeID)
    }

    package struct Member: Sendable {
        package var record: MemberRecord
        package var neighbours: Set<NodeID>
        package var presence: Presence
        /// Connections between here and there; 1 is a neighbour. 0 when out of reach.
        package var distance: Int
        /// The neighbour through which messages go there.
        package var nextHop: NodeID?
        /// When the record or the presence changed last.
        package var changedAt: MonotonicTime
    }

    package let me: NodeID
    package private(set) var members: [NodeID: Member] = [:]

    package init(me: NodeID) {
        self.me = me
    }

    // MARK: Asking

    /// Everybody but this node who is in reach, or was a moment ago.
    package var present: [NodeID] {
        members.filter { $0.value.isPresent }.keys.sorted()
    }

    package var presentCount: Int { members.values.count { $0.isPresent } }

    package func isPresent(_ node: NodeID) -> Bool { members[node]?.isPresent ?? false }

    package func isReachable(_ node: NodeID) -> Bool { (members[node]?.distance ?? 0) > 0 }

    package func version(of node: NodeID) -> UInt64 { members[node]?.record.version ?? 0 }

    /// Both say that they are connected to each other.
    package func areLinked(_ one: NodeID, _ other: NodeID) -> Bool {
        guard let first = members[one], let second = members[other] else { return false }
        return first.neighbours.contains(other) && second.neighbours.contains(one)
    }

    /// The records worth passing on: of everybody in reach, and for a while of those who no longer are.
    ///
    /// The limit in time keeps two nodes from handing a forgotten record back and forth for ever.
    package func offered(at now: MonotonicTime) -> [MemberRecord] {
        members.values.filter { $0.record.version > 0 }
            .filter { $0.distance > 0 || now - $0.changedAt <= Self.absenteeOffered }
            .map(\.record).sorted { $0.node < $1.node }
    }

    /// Sum over (node, version) of what is offered.
    package func digest(at now: MonotonicTime) -> UInt64 {
        members.values.reduce(0) { sum, member in
            guard member.record.version > 0, member.distance > 0 || now - member.changedAt <= Self.absenteeOffered
            else { return sum }
            return sum &+ MessageLog.mix(member.record.node, member.record.version)
        }
    }

    // MARK: Changing

    /// Takes in a record; `nil` when it says nothing new and needs not be passed on.
    package mutating func update(_ offered: MemberRecord, at now: MonotonicTime) -> [Change]? {
        guard offered.node != me, offered.version > version(of: offered.node) else { return nil }
        var record = offered
        record.name = Self.cut(record.name)
        record.links = Array(record.links.prefix(Self.linksPerMember))
        record.guests = record.guests.prefix(Self.guestsPerMember).map {
            GuestRecord(person: $0.person, name: Self.cut($0.name))
        }
        guard let known = members[record.node] else {
            guard makeRoom() else { return nil }
            members[record.node] = Member(
                record: record, neighbours: Set(record.links), presence: record.hasLeft ? .left : .unseen,
                distance: 0, nextHop: nil, changedAt: now)
            return []
        }
        var changes: [Change] = []
        let wasPresent = known.isPresent
        if wasPresent, !record.hasLeft, known.record.name != record.name {
            changes.append(.renamed(record.node, from: known.record.name))
        }
        if wasPresent { changes += Self.guestChanges(from: known.record, to: record) }
        members[record.node]!.record = record
        members[record.node]!.neighbours = Set(record.links)
        members[record.node]!.changedAt = now
        if record.hasLeft {
            members[record.node]!.presence = .left
            members[record.node]!.distance = 0
            members[record.node]!.nextHop = nil
            if wasPresent { changes.append(.left(record.node)) }
        } else if known.presence == .left {
            members[record.node]!.presence = .unseen
        }
        return changes
    }

    /// Somebody has greeted, and has said nothing more yet.
    package mutating func meet(_ node: NodeID, name: String, at now: MonotonicTime) {
        guard node != me, members[node] == nil, makeRoom() else { return }
        members[node] = Member(
            record: MemberRecord(node: node, version: 0, name: Self.cut(name)), neighbours: [], presence: .unseen,
            distance: 0, nextHop: nil, changedAt: now)
    }

    /// Finds the shortest way to everybody, given this node's own connections, and what has changed thereby.
    package mutating func findWays(from neighbours: [NodeID], at now: MonotonicTime) -> [Change] {
        var distance: [NodeID: Int] = [me: 0]
        var nextHop: [NodeID: NodeID] = [:]
        var queue: [NodeID] = []
        // Sorted, so that equal ways are chosen alike in every run.
        for node in neighbours.sorted() where members[node] != nil && !members[node]!.record.hasLeft {
            distance[node] = 1
            nextHop[node] = node
            queue.append(node)
        }
        var head = 0
        while head < queue.count {
            let node = queue[head]
            head += 1
            for other in members[node]!.record.links where distance[other] == nil {
                guard let member = members[other], !member.record.hasLeft, member.neighbours.contains(node) else {
                    continue
                }
                distance[other] = distance[node]! + 1
                nextHop[other] = nextHop[node]
                queue.append(other)
            }
        }
        var changes: [Change] = []
        for node in members.keys.sorted() {
            members[node]!.distance = distance[node] ?? 0
            members[node]!.nextHop = nextHop[node]
            if let change = settle(node, at: now) { changes.append(change) }
        }
        return changes
    }

    /// When the next `.fading` member becomes a lost one.
    package var nextLoss: MonotonicTime? {
        members.values.compactMap { member in
            if case .fading(let since) = member.presence { since.advanced(by: Self.graceBeforeLost) } else { nil }
        }.min()
    }

    /// Forgets those who have been away for long.
    package mutating func expire(at now: MonotonicTime) {
        for (node, member) in members
        where !member.isPresent && member.distance == 0 && now - member.changedAt > Self.absenteeLifetime {
            members[node] = nil
        }
    }

    // MARK: Inside

    /// Moves one member along unseen, here, fading, lost and back.
    private mutating func settle(_ node: NodeID, at now: MonotonicTime) -> Change? {
        let isReachable = members[node]!.distance > 0
        switch members[node]!.presence {
        case .left:
            return nil
        case .unseen:
            guard isReachable else { return nil }
            members[node]!.presence = .here
            members[node]!.changedAt = now
            return .joined(node)
        case .here:
            if !isReachable { members[node]!.presence = .fading(since: now) }
            return nil
        case .fading(let since):
            if isReachable {
                members[node]!.presence = .here
            } else if now - since >= Self.graceBeforeLost {
                members[node]!.presence = .lost
                members[node]!.changedAt = now
                return .lost(node)
            }
            return nil
        case .lost:
            guard isReachable else { return nil }
            members[node]!.presence = .here
            members[node]!.changedAt = now
            return .returned(node)
        }
    }

    private static func guestChanges(from old: MemberRecord, to new: MemberRecord) -> [Change] {
        let before = Set(old.guests)
        let after = Set(new.guests)
        return new.guests.filter { !before.contains($0) }.map { .guestJoined($0, at: new.node) }
            + old.guests.filter { !after.contains($0) }.map { .guestLeft($0, at: new.node) }
    }

    private mutating func makeRoom() -> Bool {
        if members.count < Self.members { return true }
        let absent = members.filter { !$0.value.isPresent && $0.value.distance == 0 }
        guard let oldest = absent.min(by: { ($0.value.changedAt, $0.key) < ($1.value.changedAt, $1.key) }) else {
            return false
        }
        members[oldest.key] = nil
        return true
    }

    private static func cut(_ name: String) -> String {
        name.utf8.count <= nameBytes ? name : String(decoding: name.utf8.prefix(nameBytes), as: UTF8.self)
    }
}

extension Membership.Member {
    /// In reach, or out of it so briefly that nobody was told.
    package var isPresent: Bool {
        switch presence {
        case .here, .fading: true
        case .unseen, .lost, .left: false
        }
    }
}
