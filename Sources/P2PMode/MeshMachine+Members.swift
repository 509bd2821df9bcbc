import Delivery
package import Wire

/// A member as `/who` and `/peers` show it.
package struct MemberSummary: Equatable, Sendable {
    package var node: NodeID
    package var name: SafeText
    /// Connections in between, plus one; 0 for this node itself.
    package var distance: Int
    package var via: SafeText?
    /// Original programs that talk to this member.
    package var guests: [SafeText]
}

/// One connection as `/peers` shows it.
package struct PeerSummary: Equatable, Sendable {
    package var link: LinkID
    package var node: NodeID?
    package var name: SafeText
    package var remote: SocketAddress
    package var isDialled: Bool
    package var roundTrip: Duration?
    package var dialect: SafeText
}

/// Members: what this node says about itself, what the others say, and how everybody is called.
extension MeshMachine {
    var ownRecord: MemberRecord {
        MemberRecord(
            node: me, version: ownVersion, name: configuration.name, links: neighbours.map(\.node),
            guests: Array(links.sorted { $0.key < $1.key }.compactMap(\.value.guest).prefix(Membership.guestsPerMember))
        )
    }

    mutating func announceSoon() {
        let earliest = announcedAt.map { $0 + Self.announceInterval } ?? now.monotonic
        timers.scheduleIfAbsent(.announce, at: max(after(Self.announceDelay), earliest))
    }

    /// Says what has changed about this node to all.
    mutating func announce() {
        ownVersion += 1
        announcedAt = now.monotonic
        guard !neighbours.isEmpty else { return }
        effects.append(.send(.member(ownRecord), to: neighbours.map(\.link)))
    }

    mutating func receivedRecord(_ record: MemberRecord, on id: LinkID) {
        if record.node == me {
            // Somebody speaks in this node's name, or of a version it has forgotten: say what is true.
            if record.version >= ownVersion, record.version < UInt64(Int64.max) {
                ownVersion = record.version
                announceSoon()
            }
            return
        }
        refreshLabels()
        let before = labels
        guard let changes = membership.update(record, at: now.monotonic) else { return }
        passOn(record, from: id)
        labelsAreStale = true
        for change in changes { tellChange(change, before) }
        timers.scheduleIfAbsent(.ways, at: after(.milliseconds(20)))
    }

    /// A neighbour says goodbye. Everybody else is told.
    mutating func memberLeft(_ node: NodeID, version: UInt64) {
        let known = membership.version(of: node)
        let name = membership.members[node]?.record.name ?? ""
        let record = MemberRecord(node: node, version: max(version, known + 1), name: name, hasLeft: true)
        receivedRecord(record, on: neighbour(node) ?? LinkID(-1))
        // Its address was its own, and is of no use to others unless it was typed.
        for number in book.sortedNumbers where book[number]!.node == node && book[number]!.source == .heard {
            if book[number]!.state == .idle { book.remove(number) }
        }
    }

    /// To those only who do not get it from whom it came from, as with messages. While connections come and go, the view of
    /// who is connected to whom is behind: a comparison follows.
    private mutating func passOn(_ record: MemberRecord, from id: LinkID) {
        let node = links[id]?.node
        let receivers = neighbours.filter { neighbour in
            neighbour.link != id && neighbour.node != record.node
                && !(node.map { membership.areLinked($0, neighbour.node) } ?? false)
        }
        if !receivers.isEmpty { effects.append(.send(.member(record), to: receivers.map(\.link))) }
        timers.scheduleIfAbsent(.spread, at: after(Self.calm))
    }

    /// Looks anew at who is in reach, and tells what has changed.
    mutating func findWays() {
        timers.cancel(.ways)
        refreshLabels()
        let before = labels
        let changes = membership.findWays(from: neighbours.map(\.node), at: now.monotonic)
        if !changes.isEmpty { labelsAreStale = true }
        for change in changes { tellChange(change, before) }
        if let loss = membership.nextLoss { timers.schedule(.fading, at: loss) } else { timers.cancel(.fading) }
        reviewDialsSoon()
    }

    /// `before` is how everybody was called until now: who goes is called as last seen.
    private mutating func tellChange(_ change: Membership.Change, _ before: [NodeID: SafeText]) {
        guard !isQuitting else { return }
        switch change {
        case .joined(let node):
            tell(.joined(label(of: node)))
            greetAgain(node)
            for guest in membership.members[node]!.record.guests {
                tell(.guestJoined(guestName(guest.person, guest.name), at: label(of: node)))
            }
        case .returned(let node):
            tell(.returned(label(of: node)))
            greetAgain(node)
        case .left(let node): tell(.left(before[node] ?? label(of: node)))
        case .lost(let node): tell(.lost(before[node] ?? label(of: node)))
        case .renamed(let node, let from): tell(.renamed(from: before[node] ?? displayName(from), to: label(of: node)))
        case .guestJoined(let guest, let node):
            tell(.guestJoined(guestName(guest.person, guest.name), at: label(of: node)))
        case .guestLeft(let guest, let node):
            tell(.guestLeft(guestName(guest.person, guest.name), at: label(of: node)))
        }
    }

    /// Somebody is (again) in reach: say up to where their messages came, and try the addresses at once.
    private mutating func greetAgain(_ node: NodeID) {
        let last = log.last(of: node)
        if last > 0 {
            pendingAcks[node, default: [:]][me] = last
            timers.scheduleIfAbsent(.acks, at: after(Self.ackDelay))
        }
        for number in book.sortedNumbers where book[number]!.node == node && book[number]!.state == .idle {
            let time = after(.milliseconds(Int.random(in: 0...1_000, using: &random)))
            book.update(number) { $0.retryAt = min($0.retryAt, time) }
        }
    }

    // MARK: Guests

    /// An original program has given a name.
    mutating func name(_ said: GuestSaid, on id: LinkID) {
        let guest = GuestRecord(person: said.person, name: said.sender)
        guard said.hasName, links[id]!.guest != guest else { return }
        let old = links[id]!.guest
        links[id]!.guest = guest
        labelsAreStale = true
        announceSoon()
        if let old, old.person == guest.person {
            tell(.renamed(from: displayName(old.name), to: guestName(guest.person, guest.name)))
        } else if !links.contains(where: { $0.key != id && $0.value.guest?.person == guest.person }) {
            tell(.guestJoined(guestName(guest.person, guest.name), at: nil))
        }
    }

    mutating func forgetGuest(of id: LinkID) {
        guard let guest = links[id]!.guest else { return }
        links[id]!.guest = nil
        labelsAreStale = true
        announceSoon()
        if !isQuitting, !links.contains(where: { $0.value.guest?.person == guest.person }) {
            tell(.guestLeft(guestName(guest.person, guest.name), at: nil))
        }
    }

    // MARK: Names

    /// How a member is called. Two of one name are told apart by the start of their ids.
    mutating func label(of node: NodeID) -> SafeText {
        refreshLabels()
        if let label = labels[node] { return label }
        guard let member = membership.members[node] else { return SafeText(untrusted: node.prefix(8)) }
        return labelled(member.record.name, node)
    }

    /// The name under which something was said, which may not be the present one.
    mutating func name(of node: NodeID, saying name: String) -> SafeText {
        if membership.members[node]?.record.name == name { return label(of: node) }
        refreshLabels()
        return labelled(name, node)
    }

    mutating func guestName(_ person: NodeID, _ name: String) -> SafeText {
        refreshLabels()
        return labelled(name, person)
    }

    /// What a connection is called: the member's name, the guest's, or the address.
    mutating func linkLabel(_ id: LinkID) -> SafeText {
        guard let link = links[id] else { return "" }
        if let node = link.node { return label(of: node) }
        let address = "\(link.machine.remote)" as SafeText
        guard let guest = link.guest else { return address }
        return "\(guestName(guest.person, guest.name)) (\(address))"
    }

    private func labelled(_ name: String, _ person: NodeID) -> SafeText {
        let safe = displayName(name)
        return sharedNames.contains(nameKey(safe.string)) ? "\(safe)#\(person.prefix(Self.suffixLength))" : safe
    }

    /// Hex digits of an id behind a name that several people have.
    private static let suffixLength = 4

    /// Every person in sight: members, this node itself, and guests everywhere.
    private var people: [(person: NodeID, name: SafeText)] {
        var people = [(me, configuration.shownName)]
        for (node, member) in membership.members where member.isPresent {
            people.append((node, displayName(member.record.name)))
            people += member.record.guests.map { ($0.person, displayName($0.name)) }
        }
        people += links.values.compactMap(\.guest).map { ($0.person, displayName($0.name)) }
        return people
    }

    private mutating func refreshLabels() {
        guard labelsAreStale else { return }
        labelsAreStale = false
        var holders: [String: Set<NodeID>] = [:]
        for (person, name) in people { holders[nameKey(name.string), default: []].insert(person) }
        sharedNames = Set(holders.filter { $0.value.count > 1 }.keys)
        labels = [:]
        for (node, member) in membership.members where member.isPresent {
            labels[node] = labelled(member.record.name, node)
        }
    }

    // MARK: Answers

    /// Everybody in reach, nearest first, this node before all.
    package mutating func who() -> [MemberSummary] {
        refreshLabels()
        let guests = links.sorted { $0.key < $1.key }.compactMap(\.value.guest)
        var summaries = [
            MemberSummary(
                node: me, name: configuration.shownName, distance: 0, via: nil,
                guests: guests.map { labelled($0.name, $0.person) })
        ]
        for node in membership.present {
            let member = membership.members[node]!
            summaries.append(
                MemberSummary(
                    node: node, name: label(of: node), distance: member.distance,
                    via: member.distance > 1 ? member.nextHop.map { label(of: $0) } : nil,
                    guests: member.record.guests.map { labelled($0.name, $0.person) }))
        }
        return summaries.sorted { ($0.distance, $0.node) < ($1.distance, $1.node) }
    }

    /// Every connection in use, in the order in which they were made.
    package mutating func peers() -> [PeerSummary] {
        var summaries: [PeerSummary] = []
        for (id, link) in links.sorted(by: { $0.key < $1.key }) {
            let dialect: SafeText
            switch link.role {
            case .primary: dialect = "mesh"
            case .original, .unknown: dialect = link.machine.dialect.name
            case .spare, .draining, .probe, .closing: continue
            }
            summaries.append(
                PeerSummary(
                    link: id, node: link.node, name: linkLabel(id), remote: link.machine.remote,
                    isDialled: link.machine.isDialled, roundTrip: link.machine.roundTrip, dialect: dialect))
        }
        return summaries
    }

    /// The latest messages of one's own, oldest first, and how many members there are to show them.
    package func status(last count: Int) -> (messages: [FollowedMessage], members: Int) {
        (Array(followed.suffix(count)), membership.presentCount)
    }

    /// Names that can be completed: those of members and of guests here.
    package mutating func names() -> [SafeText] {
        refreshLabels()
        return membership.present.map { label(of: $0) }
            + links.sorted { $0.key < $1.key }.compactMap(\.value.guest).map { labelled($0.name, $0.person) }
    }
}
