import Delivery
import Wire

/// Connections: who is at the other end, which of two stays, and what their end means.
extension MeshMachine {
    mutating func open(_ id: LinkID, direction: LinkMachine.Direction, remote: SocketAddress) {
        var link = Link(
            machine: LinkMachine(
                direction: direction, remote: remote, speaksFirst: !configuration.speaksPlain,
                isRateLimited: configuration.isRateLimited, at: now.monotonic))
        if case .dialled(let number) = direction {
            link.address = number
            if case .dialling(isProbe: true) = book[number]?.state { link.role = .probe }
            book.update(number) {
                $0.state = .open(id)
                $0.address = remote
            }
        }
        let greeting = link.machine.opened()
        links[id] = link
        if case .dialled = direction { reviewDialsSoon() }
        if isQuitting { return close(id) }
        for effect in greeting { perform(effect, on: id) }
        scheduleLink(id)
    }

    /// Carries out what one connection's machine decided.
    mutating func perform(_ effect: LinkMachine.Effect, on id: LinkID) {
        switch effect {
        case .greet:
            let isProbe = links[id]!.role == .probe
            let hello = MeshHello(node: me, name: configuration.name, port: configuration.port, isProbe: isProbe)
            effects.append(.send(.hello(hello), to: [id]))
        case .ping(let number): effects.append(.send(.ping(number), to: [id]))
        case .pong(let number): effects.append(.send(.pong(number), to: [id]))
        case .met(let hello): met(hello, on: id)
        case .settled: settledAsOriginal(id)
        case .line(let said): heardLine(said, on: id)
        case .mesh(let frame): heardMesh(frame, on: id)
        case .slowDown:
            effects.append(.slowDown(id))
            tellOfStranger(.slowedDown(linkLabel(id)))
        case .resume: effects.append(.resume(id))
        case .warn:
            tellOfStranger(.refusesLines(linkLabel(id)))
            warn(id, "You are writing too fast. What you write now is not passed on.")
        case .end(let fault):
            switch fault {
            case .flood:
                tellOfStranger(.closedForFlood(linkLabel(id)))
                warn(id, "You are writing too fast. Goodbye.")
                close(id, because: .flood)
            case .silent, .changedIdentity:
                endUse(of: id, fault == .silent ? .silent : .here)
                effects.append(.reset(id))
            }
        }
    }

    /// Says of an original program what it can bring about as often as it likes.
    mutating func tellOfStranger(_ notice: MeshNotice) {
        guard let count = strangerReports.occurred(at: now.monotonic) else { return }
        if count > 1 { tell(.notice(.leftOut(count - 1))) }
        tell(.notice(notice))
    }

    // MARK: Who is there

    private mutating func met(_ hello: MeshHello, on id: LinkID) {
        let link = links[id]!
        if hello.node == me { return metOneself(on: id) }
        if let number = link.address {
            book.reached(number, node: hello.node, at: now.monotonic)
            shareAddress(number)
            if link.role == .probe { return close(id) }
        } else if hello.isProbe {
            links[id]!.role = .probe
            return
        }
        links[id]!.node = hello.node
        // It was taken for an original program as long as it had not greeted.
        if link.role == .original { forgetGuest(of: id) }
        membership.meet(hello.node, name: hello.name, at: now.monotonic)
        labelsAreStale = true
        if link.address == nil, hello.port > 0 { learnAddress(of: hello.node, at: link.machine.remote.ip, hello.port) }
        if let present = neighbour(hello.node) {
            links[id]!.role = .spare
            chooseBetween(present, and: id, of: hello.node)
        } else {
            becomePrimary(id, of: hello.node)
        }
    }

    private mutating func metOneself(on id: LinkID) {
        if let number = links[id]!.address, let entry = book[number] {
            book.update(number) { $0.state = .oneself }
            if entry.source == .typed { tell(.notice(.dialledOneself("\(entry.endpoint)"))) }
            links[id]!.address = nil
        }
        close(id)
    }

    private mutating func becomePrimary(_ id: LinkID, of node: NodeID) {
        links[id]!.role = .primary
        setNeighbour(node, id)
        findWays()
        if toldNeighbours.insert(node).inserted { tell(.connected(peer: linkLabel(id), isOriginal: false)) }
        announceSoon()
        effects.append(.send(.have(ownHave(wantsAnswer: false)), to: [id]))
        sendAddresses(to: id)
        let ping = links[id]!.machine.ping(at: now.monotonic)
        perform(ping, on: id)
        scheduleLink(id)
        timers.scheduleIfAbsent(.round, at: after(Self.compareInterval))
        askForMissing(on: id)
    }

    /// Nobody of ours, as it seems: an original program.
    private mutating func settledAsOriginal(_ id: LinkID) {
        guard links[id]!.role == .unknown else {
            // What answers a probe like this is nobody of ours.
            if links[id]!.role == .probe { close(id) }
            return
        }
        links[id]!.role = .original
        if let number = links[id]!.address { book.reached(number, node: nil, at: now.monotonic) }
        tell(.connected(peer: linkLabel(id), isOriginal: true))
    }

    private mutating func heardMesh(_ frame: MeshFrame, on id: LinkID) {
        guard let link = links[id], let node = link.node, link.role != .closing else { return }
        switch frame {
        case .message(let message): receivedMessage(message, from: node, on: id)
        case .member(let record): receivedRecord(record, on: id)
        case .bye(let bye): saidBye(bye, from: node, on: id)
        case .peers(let peers): heardAddresses(peers, on: id)
        case .sum(let sum): receivedSum(sum, on: id)
        case .have(let have): receivedHave(have, from: node, on: id)
        case .want(let ranges): answerWant(ranges, on: id)
        case .page(let page): receivedPage(page, on: id)
        case .ack(let acks): receivedAcks(acks)
        case .whisper(let whisper): receivedWhisper(whisper)
        case .heard(let receipt): receivedReceipt(receipt)
        case .pong: if timers.contains(.verdict(node)) { verdictDue(node) }
        case .hello, .ping, .unknown: break
        }
    }

    // MARK: Two connections between one pair

    /// The smaller node decides, and tells the other by saying goodbye on the one that goes: so both ends keep the same.
    private mutating func chooseBetween(_ present: LinkID, and new: LinkID, of node: NodeID) {
        guard me < node else { return timers.scheduleIfAbsent(.verdict(node), at: after(Self.verdictTimeOut)) }
        let older = links[present]!.machine
        let newer = links[new]!.machine
        if now.monotonic - older.openedAt < Self.youth {
            // Made at the same time from both ends: the one dialled by the smaller node. Else the one that is in use.
            return keep(older.isDialled || !newer.isDialled ? present : new, of: node)
        }
        perform(links[present]!.machine.ping(at: now.monotonic), on: present)
        timers.scheduleIfAbsent(.verdict(node), at: after(Self.verdictTime))
    }

    /// The older connection has answered, or has had the time to.
    mutating func verdictDue(_ node: NodeID) {
        timers.cancel(.verdict(node))
        guard let present = neighbour(node), let spare = spares(of: node).first else { return }
        let isAlive = links[present]!.machine.lastHeard > links[spare]!.machine.openedAt
        keep(isAlive ? present : spare, of: node)
    }

    private mutating func keep(_ kept: LinkID, of node: NodeID) {
        timers.cancel(.verdict(node))
        let others = (spares(of: node) + [neighbour(node)].compactMap { $0 }).filter { $0 != kept }
        if links[kept]!.role != .primary { becomePrimary(kept, of: node) }
        for other in others {
            links[other]!.role = .draining
            effects.append(.send(.bye(MeshBye(node: me, reason: .duplicate)), to: [other]))
            timers.schedule(.drained(other), at: after(Self.drainTime))
        }
    }

    private mutating func saidBye(_ bye: MeshBye, from node: NodeID, on id: LinkID) {
        switch bye.reason {
        case .leaving:
            memberLeft(node, version: bye.version)
            close(id, because: .left)
        case .duplicate:
            // The answer to one's own goodbye: the other end has said its last.
            guard links[id]!.role != .draining else { return close(id) }
            timers.cancel(.verdict(node))
            effects.append(.send(.bye(MeshBye(node: me, reason: .duplicate)), to: [id]))
            // No end to be told of: the connection that stays is there, or is about to greet.
            close(id, because: nil)
        }
    }

    // MARK: The end of a connection

    /// Closes from this side, after what was sent has left. The person is told unless there is no reason to.
    mutating func close(_ id: LinkID, because end: LinkEnd? = .here) {
        endUse(of: id, end)
        effects.append(.close(id))
    }

    mutating func linkClosed(_ id: LinkID, _ end: LinkEnd) {
        guard links[id] != nil else { return }
        let wasUnknown = links[id]!.role == .unknown
        endUse(of: id, end)
        let link = links.removeValue(forKey: id)!
        for timer in [Timer.link(id), .drained(id), .page(id)] { timers.cancel(timer) }
        if let number = link.address {
            addressClosed(number, after: now.monotonic - link.machine.openedAt, wasUnknown: wasUnknown)
        }
    }

    /// From now on nothing is sent there, whatever still comes from there.
    private mutating func endUse(of id: LinkID, _ end: LinkEnd?) {
        let role = links[id]!.role
        links[id]!.role = .closing
        timers.cancel(.drained(id))
        forgetRequests(to: id)
        switch role {
        case .primary:
            let node = links[id]!.node!
            if let spare = spares(of: node).first {
                timers.cancel(.verdict(node))
                becomePrimary(spare, of: node)
            } else {
                lostNeighbour(node)
                if let end, toldNeighbours.remove(node) != nil, !isQuitting {
                    tell(.disconnected(peer: label(of: node), isOriginal: false, end))
                }
            }
        case .original:
            if !isQuitting { tell(.disconnected(peer: linkLabel(id), isOriginal: true, end ?? .here)) }
            forgetGuest(of: id)
        case .unknown, .spare, .draining, .probe, .closing:
            break
        }
    }

    private mutating func lostNeighbour(_ node: NodeID) {
        setNeighbour(node, nil)
        timers.cancel(.verdict(node))
        findWays()
        announceSoon()
        reviewDialsSoon()
        // What was on its way is lost: ask the others now, and again when their view has settled.
        recheckSoon()
    }

    // MARK: Tables

    func neighbour(_ node: NodeID) -> LinkID? {
        let index = neighbours.partitioningIndex { $0.node >= node }
        return index < neighbours.count && neighbours[index].node == node ? neighbours[index].link : nil
    }

    private mutating func setNeighbour(_ node: NodeID, _ id: LinkID?) {
        let index = neighbours.partitioningIndex { $0.node >= node }
        let isPresent = index < neighbours.count && neighbours[index].node == node
        switch (id, isPresent) {
        case (let id?, true): neighbours[index].link = id
        case (let id?, false): neighbours.insert((node, id), at: index)
        case (nil, true): neighbours.remove(at: index)
        case (nil, false): break
        }
    }

    func spares(of node: NodeID) -> [LinkID] {
        links.filter { $0.value.role == .spare && $0.value.node == node }.keys.sorted()
    }

    /// What somebody is told whose connection is not taken.
    package func refusal(_ reason: String, at now: Moment) -> SpokenLine {
        SpokenLine(node: me, sender: configuration.name, time: now.wall, content: .notice(reason))
    }

    private mutating func warn(_ id: LinkID, _ words: String) {
        let line = SpokenLine(node: me, sender: configuration.name, time: now.wall, content: .notice(words))
        effects.append(.say(line, to: [id], in: links[id]!.machine.dialect))
    }
}

extension LinkMachine {
    var isDialled: Bool { if case .dialled = direction { true } else { false } }
}

extension MeshMachine {
    /// Every connection to a member that is in use or may come into use.
    package func edges(to node: NodeID) -> [LinkID] {
        [neighbour(node)].compactMap { $0 } + spares(of: node)
    }
}
