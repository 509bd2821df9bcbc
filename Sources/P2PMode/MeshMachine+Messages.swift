import Delivery
package import Wire

/// One of this node's own messages, while its delivery is followed.
package struct FollowedMessage: Equatable, Sendable {
    package var sequence: UInt64
    package var id: String
    package var text: String
    package var time: Timestamp
    /// Original programs it was sent to; they acknowledge nothing.
    package var originals: Int
    /// Members known to have shown it.
    package var shownBy: Int
}

/// Messages: what is typed here, what original programs say, what other members pass on; each is shown once.
extension MeshMachine {
    // MARK: Typed here

    /// Says something to everybody.
    ///
    /// Throws what the person is told; nothing was sent then.
    package mutating func typed(_ text: String, isAction: Bool = false, at now: Moment) throws(SayError) -> [MeshEffect]
    {
        self.now = now
        let groups = originalGroups()
        try checkLength(text, isAction: isAction, hasOriginals: !groups.json.isEmpty)
        sequence += 1
        // To keep, to send or say, to show and to tell: as many as a line has for most.
        effects.reserveCapacity(effects.count + 4)
        let message = MeshMessage(
            author: me, sequence: sequence, time: now.wall, sender: configuration.name, text: text, isAction: isAction)
        _ = log.insert(message, at: now)
        effects.append(.keep(message))
        let members = neighbours.map(\.link)
        if !members.isEmpty { effects.append(.send(.message(message), to: members)) }
        let content: SpokenLine.Content = isAction ? .action(text, sequence) : .text(text, sequence)
        say(SpokenLine(node: me, sender: configuration.name, time: now.wall, content: content), to: groups)
        let id = "\(myKey)-\(sequence)"
        follow(message, id: id, originals: groups.count)
        tell(.message(shown(message, as: configuration.shownName, key: myKey, id: id, isOwn: true)))
        let isSent = !members.isEmpty || groups.count > 0
        tell(
            isSent
                ? .sent(id: id, members: members.count, originals: groups.count)
                : .unsent(id: id, isKept: !configuration.speaksPlain))
        return finish()
    }

    /// Takes another name; everybody is told, originals as a text.
    package mutating func renamed(to name: String, at now: Moment) -> [MeshEffect] {
        self.now = now
        let old = configuration.name
        configuration.name = name
        labelsAreStale = true
        announceSoon()
        say(SpokenLine(node: me, sender: name, time: now.wall, content: .renamed(from: old)), to: originalGroups())
        return finish()
    }

    /// The program ends: everybody hears a goodbye before the connections close.
    package mutating func quit(at now: Moment) -> [MeshEffect] {
        self.now = now
        guard !isQuitting else { return finish() }
        isQuitting = true
        // What was shown is acknowledged, even if it came a moment ago.
        sendAcks()
        let members = neighbours.map(\.link)
        if !members.isEmpty {
            effects.append(.send(.bye(MeshBye(node: me, reason: .leaving, version: ownVersion + 1)), to: members))
        }
        say(SpokenLine(node: me, sender: configuration.name, time: now.wall, content: .left), to: originalGroups())
        for (number, entry) in book.entries.sorted(by: { $0.key < $1.key }) {
            if case .dialling = entry.state { effects.append(.cancelDial(number)) }
        }
        for id in links.keys.sorted() where links[id]!.role != .closing { close(id) }
        timers = TimerQueue()
        return finish()
    }

    /// Everybody at an original program, by the way they want to be spoken to.
    struct OriginalGroups: Sendable {
        var json: [LinkID] = []
        var plain: [LinkID] = []
        var test: [LinkID] = []
        var count: Int { json.count + plain.count + test.count }
    }

    /// Kept until a connection changes: with a hundred originals, looking through them cost half of every typed line.
    mutating func originalGroups() -> OriginalGroups {
        if let known = knownOriginals { return known }
        var groups = OriginalGroups()
        // Where everybody is a neighbour there is nothing to look through.
        if links.count != neighbours.count {
            for (id, link) in links where link.role == .original || link.role == .unknown {
                switch link.machine.dialect {
                case .json: groups.json.append(id)
                case .plain: groups.plain.append(id)
                case .test: groups.test.append(id)
                }
            }
            groups.json.sort()
            groups.plain.sort()
            groups.test.sort()
        }
        knownOriginals = groups
        return groups
    }

    func checkLength(_ text: String, isAction: Bool, hasOriginals: Bool) throws(SayError) {
        if text.isEmpty { throw .empty }
        let excess = TextRules.charactersOver(Self.textBytes, in: text)
        if excess > 0 { throw .tooLong(byCharacters: excess) }
        guard hasOriginals else { return }
        let line = SpokenLine(
            node: me, sender: configuration.name, time: now.wall,
            content: isAction ? .action(text, sequence) : .text(text, sequence))
        let over = line.charactersOverForOriginals
        if over > 0 { throw .tooLongForOriginals(byCharacters: over) }
    }

    private mutating func say(_ line: SpokenLine, to groups: OriginalGroups) {
        if !groups.json.isEmpty { effects.append(.say(line, to: groups.json, in: .json)) }
        if !groups.plain.isEmpty { effects.append(.say(line, to: groups.plain, in: .plain)) }
        if !groups.test.isEmpty { effects.append(.say(line, to: groups.test, in: .test)) }
    }

    // MARK: Said by an original program

    /// Shows it, and passes it on into the mesh as a message of this node. It is not echoed to other originals.
    mutating func heardLine(_ said: GuestSaid, on id: LinkID) {
        // A copy of one's own, come back from somebody who relays.
        if said.senderID == me.uuid { return }
        name(said, on: id)
        let line = GuestLine(person: said.person, digest: said.digest, isTimed: said.isTimed)
        guard isNews(line, at: me, on: id, saidAt: now.wall) else { return }
        var message = MeshMessage(
            author: me, sequence: sequence + 1, time: now.wall, sender: said.sender, text: said.text, guest: line)
        guard TextRules.fitsMesh(message) else {
            // It gets no number: others would ask for it in vain.
            message.sequence = 0
            let sender = guestName(line.person, said.sender)
            tell(.message(shown(message, as: sender, key: line.person.hex, id: line.digest.hex)))
            return tellOfStranger(.notPassedOn(sender))
        }
        sequence += 1
        _ = log.insert(message, at: now)
        effects.append(.keep(message))
        if !neighbours.isEmpty { effects.append(.send(.message(message), to: neighbours.map(\.link))) }
        let sender = guestName(line.person, said.sender)
        tell(.message(shown(message, as: sender, key: line.person.hex)))
    }

    /// Whether a line of an original program has not been shown yet. It may come by several ways.
    private mutating func isNews(_ line: GuestLine, at node: NodeID, on id: LinkID?, saidAt time: Timestamp) -> Bool {
        if line.isTimed { return guestLines.insert(line.digest) }
        if let earlier = untimedLines[line.digest] {
            // Without a time, the same words are a copy only if they came elsewhere at the same moment.
            let distance = abs(time.microseconds - earlier.time.microseconds)
            let isElsewhere =
                earlier.at != node || (id != earlier.link && earlier.link.map { links[$0] != nil } ?? false)
            if isElsewhere, distance <= Self.copyTime.microseconds { return false }
        }
        if untimedLines.count >= Self.guestLines { untimedLines = [:] }
        untimedLines[line.digest] = (time, node, id)
        return true
    }

    // MARK: Said by a member

    mutating func receivedMessage(_ message: MeshMessage, from node: NodeID, on id: LinkID) {
        guard message.author != me else { return }
        switch log.insert(message, at: now) {
        case .duplicate, .refused:
            return
        case .delivered(let messages):
            if !message.isCaughtUp { passOn(message, from: node) }
            for message in messages {
                effects.append(.keep(message))
                show(message)
            }
            if gaps[message.author] != nil { gapFilled(of: message.author) }
            acknowledgeSoon(message.author)
        case .held:
            if !message.isCaughtUp { passOn(message, from: node) }
            foundGap(of: message.author, on: id)
        }
    }

    /// Passes a message on to every neighbour that does not get it from whom it came from.
    ///
    /// Everybody who has a message sees to it that all neighbours get it, oneself or through whom it came from: so every
    /// member in one piece of the graph gets it, and in a full mesh nobody gets it twice.
    private mutating func passOn(_ message: MeshMessage, from node: NodeID) {
        var receivers: [LinkID] = []
        for neighbour in neighbours where neighbour.node != node && neighbour.node != message.author {
            if membership.areLinked(node, neighbour.node) { continue }
            receivers.append(neighbour.link)
        }
        if !receivers.isEmpty { effects.append(.send(.message(message), to: receivers)) }
    }

    mutating func show(_ message: MeshMessage) {
        if let guest = message.guest {
            guard isNews(guest, at: message.author, on: nil, saidAt: message.time) else { return }
            let sender = guestName(guest.person, message.sender)
            return tell(.message(shown(message, as: sender, key: guest.person.hex)))
        }
        let isOwn = selves.contains(message.author)
        let sender = isOwn ? displayName(message.sender) : name(of: message.author, saying: message.sender)
        tell(.message(shown(message, as: sender, key: message.author.hex, isOwn: isOwn)))
    }

    private func shown(
        _ message: MeshMessage, as sender: SafeText, key: String, id: String? = nil, isOwn: Bool = false
    ) -> ShownMessage {
        ShownMessage(
            id: id ?? message.id, sender: sender, senderKey: key, text: message.text, time: message.time, isOwn: isOwn,
            isAction: message.isAction, isCaughtUp: message.isCaughtUp)
    }

    // MARK: How far it has come

    private mutating func follow(_ message: MeshMessage, id: String, originals: Int) {
        if followed.count >= Self.followed { followed.removeFirst(Self.followed / 8) }
        followed.append(
            FollowedMessage(
                sequence: message.sequence, id: id, text: message.text, time: message.time,
                originals: originals, shownBy: 0))
    }

    /// A member has shown this node's messages up to `sequence`.
    mutating func shown(by node: NodeID, upTo sequence: UInt64) {
        let before = shownBy[node] ?? 0
        guard sequence > before, sequence <= self.sequence, membership.members[node] != nil else { return }
        shownBy[node] = sequence
        let start = followed.partitioningIndex { $0.sequence > before }
        for index in start..<followed.count where followed[index].sequence <= sequence {
            followed[index].shownBy += 1
            tell(.delivered(id: followed[index].id, to: label(of: node)))
        }
    }

    /// Acknowledges to the author, together with what else comes in a moment.
    private mutating func acknowledgeSoon(_ author: NodeID) {
        pendingAcks[author, default: [:]][me] = log.last(of: author)
        timers.scheduleIfAbsent(.acks, at: after(Self.ackDelay))
    }

    mutating func receivedAcks(_ acks: [MeshAck]) {
        for ack in acks.prefix(Self.authorsPerHave) {
            if ack.author == me {
                shown(by: ack.by, upTo: ack.sequence)
            } else if relayedAcks[ack.author]?[ack.by] ?? 0 < ack.sequence, membership.members[ack.author] != nil {
                relayedAcks[ack.author, default: [:]][ack.by] = ack.sequence
                pendingAcks[ack.author, default: [:]][ack.by] = ack.sequence
                timers.scheduleIfAbsent(.acks, at: after(Self.announceDelay))
            }
        }
    }

    /// Sends every acknowledgement one step towards its author. For who is out of reach a later comparison does it.
    mutating func sendAcks() {
        var bundles: [LinkID: [MeshAck]] = [:]
        for (author, entries) in pendingAcks.sorted(by: { $0.key < $1.key }) {
            guard let hop = membership.members[author]?.nextHop, let link = neighbour(hop) else { continue }
            for (by, sequence) in entries.sorted(by: { $0.key < $1.key }) {
                bundles[link, default: []].append(MeshAck(author: author, by: by, sequence: sequence))
            }
        }
        pendingAcks = [:]
        for (link, acks) in bundles.sorted(by: { $0.key < $1.key }) {
            var rest = acks[...]
            while !rest.isEmpty {
                effects.append(.send(.ack(Array(rest.prefix(Self.acksPerFrame))), to: [link]))
                rest = rest.dropFirst(Self.acksPerFrame)
            }
        }
    }

    private static let acksPerFrame = 256
}

/// How long a text may be.
package enum TextRules {
    /// How many characters at the end of `text` are too many for `limit` bytes.
    package static func charactersOver(_ limit: Int, in text: String) -> Int {
        guard text.utf8.count > limit else { return 0 }
        var room = limit
        var fitting = 0
        for character in text {
            room -= character.utf8.count
            if room < 0 { break }
            fitting += 1
        }
        return text.count - fitting
    }

    /// Whether the message fits into a frame of the extension, however it is escaped. Escapes are at most six times as long.
    package static func fitsMesh(_ message: MeshMessage) -> Bool {
        let length = message.text.utf8.count + message.sender.utf8.count
        if length * 6 + 512 <= 65_535 { return true }
        let escaped = (message.text.utf8.count { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C || $0 == 0x7F }) * 5
        return length + escaped + 6 * message.sender.utf8.count + 512 <= 65_535
    }
}
