import Delivery
import Wire

/// A whisper of one's own that nobody has acknowledged yet.
struct PendingWhisper: Sendable {
    var whisper: MeshWhisper
    var tries: Int
    var name: SafeText
}

/// Messages to one member, through others if need be. Whoever passes one on could read it.
extension MeshMachine {
    /// How often a whisper is sent before it counts as failed, and the wait after each time.
    static let whisperTries = 5
    static let whisperWait = Duration.seconds(3)
    static let whisperHops = 16
    /// Whispers of one's own that wait for an answer.
    static let pendingWhispers = 64

    /// Says something to one person only.
    package mutating func whispered(_ text: String, to name: String, at now: Moment) throws(SayError) -> [MeshEffect] {
        self.now = now
        switch try find(name) {
        case .member(let node):
            try checkLength(text, isAction: false, hasOriginals: false)
            let whisper = MeshWhisper(
                id: MessageID.random(using: &random), from: me, to: node, hops: Self.whisperHops, time: now.wall,
                sender: configuration.name, text: text)
            let label = label(of: node)
            whispers[whisper.id] = PendingWhisper(whisper: whisper, tries: 0, name: label)
            showWhisper(whisper.id.hex, text, to: label)
            whisperDue(whisper.id)
        case .guest(let link, let label):
            try checkLength(text, isAction: false, hasOriginals: links[link]!.machine.dialect == .json)
            let id = MessageID.random(using: &random).hex
            let line = SpokenLine(
                node: me, sender: configuration.name, time: now.wall, content: .text("(to you only) " + text, nil))
            effects.append(.say(line, to: [link], in: links[link]!.machine.dialect))
            showWhisper(id, text, to: label)
            tell(.sent(id: id, members: 0, originals: 1))
        }
        return finish()
    }

    private mutating func showWhisper(_ id: String, _ text: String, to label: SafeText) {
        tell(
            .message(
                ShownMessage(
                    id: id, sender: configuration.shownName, senderKey: me.hex, text: text, time: now.wall,
                    isOwn: true,
                    whisperedTo: label)))
    }

    enum Addressee {
        case member(NodeID)
        case guest(LinkID, SafeText)
    }

    /// Finds a person by name, or by name and the start of the id where several have that name.
    mutating func find(_ name: String) throws(SayError) -> Addressee {
        let wanted = nameKey(name)
        let safe = displayName(name)
        func matches(_ label: SafeText, _ plain: SafeText) -> Bool {
            nameKey(label.string) == wanted || nameKey(plain.string) == wanted
        }
        var found: [(addressee: Addressee, label: SafeText)] = []
        for node in membership.present {
            let label = label(of: node)
            if matches(label, displayName(membership.members[node]!.record.name)) {
                found.append((.member(node), label))
            }
        }
        for (id, link) in links.sorted(by: { $0.key < $1.key }) where link.role == .original {
            guard let guest = link.guest else { continue }
            let label = guestName(guest.person, guest.name)
            if matches(label, displayName(guest.name)) { found.append((.guest(id, label), label)) }
        }
        let exact = found.filter { nameKey($0.label.string) == wanted }
        if exact.count == 1 { return exact[0].addressee }
        if found.count == 1 { return found[0].addressee }
        if found.count > 1 { throw .ambiguousName(safe, candidates: found.map(\.label)) }
        if nameKey(configuration.name) == wanted { throw .oneself }
        for node in membership.present {
            for guest in membership.members[node]!.record.guests
            where matches(guestName(guest.person, guest.name), displayName(guest.name)) {
                throw .outOfReach(guestName(guest.person, guest.name), at: label(of: node))
            }
        }
        throw .unknownName(safe)
    }

    /// Sends a whisper, again if need be, by whichever way leads there now.
    mutating func whisperDue(_ id: MessageID) {
        guard let pending = whispers[id] else { return }
        guard pending.tries < Self.whisperTries else {
            whispers[id] = nil
            return tell(.failed(id: id.hex, to: pending.name))
        }
        whispers[id]!.tries += 1
        timers.schedule(.whisper(id), at: after(Self.whisperWait))
        if pass(.whisper(pending.whisper), to: pending.whisper.to), pending.tries == 0 {
            tell(.sent(id: id.hex, members: 1, originals: 0))
        }
    }

    mutating func receivedWhisper(_ whisper: MeshWhisper) {
        guard whisper.to == me else {
            guard whisper.hops > 0 else { return }
            var whisper = whisper
            whisper.hops = min(whisper.hops, Self.whisperHops) - 1
            _ = pass(.whisper(whisper), to: whisper.to)
            return
        }
        // Answered every time: the answer before may have been lost.
        let receipt = WhisperReceipt(id: whisper.id, from: me, to: whisper.from, hops: Self.whisperHops)
        _ = pass(.heard(receipt), to: whisper.from)
        guard seenWhispers.insert(whisper.id) else { return }
        tell(
            .message(
                ShownMessage(
                    id: whisper.id.hex, sender: name(of: whisper.from, saying: whisper.sender),
                    senderKey: whisper.from.hex, text: whisper.text, time: whisper.time,
                    whisperedTo: configuration.shownName)))
    }

    mutating func receivedReceipt(_ receipt: WhisperReceipt) {
        guard receipt.to == me else {
            guard receipt.hops > 0 else { return }
            var receipt = receipt
            receipt.hops = min(receipt.hops, Self.whisperHops) - 1
            _ = pass(.heard(receipt), to: receipt.to)
            return
        }
        guard let pending = whispers[receipt.id], pending.whisper.to == receipt.from else { return }
        whispers[receipt.id] = nil
        timers.cancel(.whisper(receipt.id))
        tell(.delivered(id: receipt.id.hex, to: pending.name))
    }

    /// Sends a frame one step towards a member; false when no way leads there.
    private mutating func pass(_ frame: MeshFrame, to node: NodeID) -> Bool {
        guard let hop = membership.members[node]?.nextHop, let link = neighbour(hop) else { return false }
        effects.append(.send(frame, to: [link]))
        return true
    }
}
