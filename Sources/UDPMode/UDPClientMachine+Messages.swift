import Delivery
import Wire

// Verbs, and one's own messages until they are known to have arrived.
extension UDPClientMachine {
    /// Carries out one verb; false when it has to wait for what is under way.
    mutating func perform(_ verb: UDPVerb) -> Bool {
        guard verb.isAllowed(inGroup: group != nil) else {
            show(.invalidCommand(word: verb.word, isInGroup: group != nil))
            return true
        }
        switch verb {
        case .send(let rest):
            let (name, text) = table.split(rest)
            guard !text.isEmpty else {
                show(.incomplete(word: "send", usage: "send NAME TEXT"))
                return true
            }
            return send(text, to: name)
        case .sendTo(let name, let text): return send(text, to: name)
        case .sendGroup(let text): return sendToGroup(text)
        case .deregister(let name):
            guard name == settings.name else {
                show(.onlyYourself)
                return true
            }
            guard unfinished == 0 else { return false }
            if !serverIsOurs, let group {
                verbs.insert(verb, at: 0)
                begin(UDPRequest(.leaveGroup(group.name), id: newID()))
            } else {
                begin(UDPRequest(.deregistration, id: newID()))
            }
        case .createGroup(let name):
            do {
                begin(UDPRequest(.createGroup(try GroupName(validating: name).text), id: newID()))
            } catch {
                show(.badGroupName(error))
            }
        case .listGroups: begin(UDPRequest(.listGroups, id: newID()))
        // One that an original made may be named as it likes.
        case .joinGroup(let name): begin(UDPRequest(.joinGroup(name), id: newID()))
        case .listMembers:
            guard let group else { return true }
            begin(UDPRequest(.listMembers(group: group.name), id: newID()))
        case .leaveGroup:
            guard let group else { return true }
            guard groupSender.isIdle else { return false }
            begin(UDPRequest(.leaveGroup(group.name), id: newID()))
        case .who: show(.who(table.entries.values.sorted { $0.name < $1.name }))
        case .quit:
            if leaving == nil { leaving = .whenDone }
            if unfinished > 0 { show(.finishing(unfinished)) }
        case .unknown: break
        }
        return true
    }

    // MARK: - Direct messages

    private mutating func send(_ text: String, to name: String) -> Bool {
        guard let entry = table[name] else {
            let message = UDPOutgoing(id: newID(), to: name, text: text)
            guard serverIsOurs else {
                failed(message, .unknownName)
                return true
            }
            guard fits(message) else { return true }
            // Away, perhaps: the server keeps it where the name is kept.
            showOwn(message)
            store(message)
            return true
        }
        guard let address = Self.address(of: entry, seenFrom: settings.server.ip) else {
            failed(UDPOutgoing(id: newID(), to: entry.name, text: text), .cannotReach)
            return true
        }
        let key = nameKey(entry.name)
        updatePeer(key, entry, address)
        let isOriginal = entry.announced?.run == nil
        if isOriginal, serverIsOurs, table[settings.name]?.clientIP?.isV4 == false {
            // An original knows IPv4 only: one is not in its table, and its listener would die of the message.
            failed(UDPOutgoing(id: newID(), to: entry.name, text: text), .cannotReach)
            return true
        }
        // Its listener dies of a name that its table lacks, and the table that it was sent may have been lost or cut.
        if isOriginal, serverIsOurs, peers[key]?.isIntroduced == false {
            peers[key]?.isIntroduced = true
            verbs.insert(.sendTo(name: entry.name, text: text), at: 0)
            begin(UDPRequest(.introduce(name: entry.name), id: newID(), isInternal: true))
            return true
        }
        let message = UDPOutgoing(id: newID(), to: entry.name, text: text)
        guard fits(message) else { return true }
        guard peers[key]?.sender.hasRoom == true else { return false }
        showOwn(message)
        perform((try? peers[key]?.sender.submitted(message, at: now)) ?? [], peer: key)
        return true
    }

    private mutating func fits(_ message: UDPOutgoing) -> Bool {
        do {
            _ = try direct(message, .max, base: .max).encoded()
            return true
        } catch {
            guard case .tooLong(let excess) = error else { return true }
            failed(message, .tooLong(by: excess))
            return false
        }
    }

    private mutating func showOwn(_ message: UDPOutgoing, group: String? = nil) {
        show(
            .own(
                .init(id: message.id, sender: settings.name, text: message.text, time: wall, group: group),
                to: group == nil ? message.to : nil))
    }

    private mutating func failed(_ message: UDPOutgoing, _ reason: UDPClientEvent.FailureReason) {
        undelivered.insert(message.id)
        show(.delivery(message.id, .failed, to: message.to, reason: reason))
    }

    private func direct(_ message: UDPOutgoing, _ sequence: UInt64, base: UInt64) -> UDPMessage {
        UDPMessage(
            .message(text: message.text),
            metadata(
                chat {
                    $0.id = message.id
                    $0.sequence = sequence
                    $0.base = base
                    $0.to = message.to
                }))
    }

    /// Where a client of the table listens. What it says of itself is right for its own host; where that cannot be, the
    /// address that the server saw, and for who registered on the server's own host, the server's.
    static func address(of entry: UDPTableEntry, seenFrom server: IPAddress) -> SocketAddress? {
        let own = [entry.clientIP, entry.senderIP].compactMap { $0 }.filter {
            !$0.isUnspecified && (server.isLoopback || !$0.isLoopback)
        }
        let isOnServersHost = [entry.clientIP, entry.senderIP].contains { $0?.isLoopback == true }
        let usable = own.first { $0.isV4 == server.isV4 } ?? own.first ?? (isOnServersHost ? server : nil)
        return usable.map { SocketAddress(ip: $0, port: entry.clientPort) }
    }

    /// What is known of a peer follows the table; another program under the same name is another conversation.
    private mutating func updatePeer(_ key: String, _ entry: UDPTableEntry, _ address: SocketAddress) {
        let run = entry.announced?.run
        if let peer = peers[key], (peer.run == nil) == (run == nil) {
            if peer.address != address || peer.run != run {
                peers[key]?.address = address
                peers[key]?.run = run
                peers[key]?.isIntroduced = false
            }
            peers[key]?.name = entry.name
            return
        }
        if peers[key] != nil { perform(peers[key]?.sender.becameUnreachable() ?? [], peer: key) }
        forget(key)
        peers[key] = UDPPeer(
            name: entry.name, address: address, run: run,
            sender: ReliableSender(
                policy: run == nil ? .stopAndWait : .numbered, seed: random(), firstSequence: firstSequence))
    }

    /// The table has changed: messages under way go to where their receivers are now.
    mutating func peersChanged() {
        for key in peers.keys {
            if let entry = table.entries[key], let address = Self.address(of: entry, seenFrom: settings.server.ip) {
                updatePeer(key, entry, address)
            } else if peers[key]?.sender.isIdle == true {
                forget(key)
            }
        }
    }

    /// Whoever comes back may be the same program, to which a number that it has seen would be a repetition.
    private mutating func forget(_ key: String) {
        guard let peer = peers.removeValue(forKey: key) else { return }
        firstSequence = max(firstSequence, peer.sender.nextSequence)
    }

    mutating func perform(_ outcome: [ReliableSender<UDPOutgoing>.Effect], peer key: String) {
        for effect in outcome {
            guard let peer = peers[key] else { return }
            switch effect {
            case .send(let segment):
                if segment.attempt == 1 { show(.delivery(segment.message.id, .sent, to: peer.name)) }
                // Perhaps the receiver's server does not know one any more, and so nobody listens to one.
                if segment.attempt == 2 || segment.attempt == 4, serverIsOurs, phase == .registered {
                    sendToServer(.ping)
                }
                effects.append(
                    .send(direct(segment.message, segment.sequence, base: segment.base), to: peer.address))
            case .acknowledged(_, let message, let late):
                undelivered.remove(message.id)
                storing[message.id] = nil
                show(.delivery(message.id, .delivered, to: message.to, late: late))
            case .gaveUp(_, let message):
                undelivered.insert(message.id)
                show(.delivery(message.id, .noanswer, to: message.to))
                reportOffline(peer.name)
                if serverIsOurs { store(message) }
            }
        }
    }

    /// Tells the server, where it still has the name: an original dies of one that it does not have.
    private mutating func reportOffline(_ name: String) {
        guard table[name] != nil, leaving != .goodbye else { return }
        askFor(.clientOffline(name: name), isInternal: true)
    }

    mutating func messageAcknowledged(by client: UDPMetadata.Client, _ name: String) {
        let key = nameKey(name)
        guard let peer = peers[key] else { return }
        let sequence: UInt64?
        if peer.run != nil { sequence = client.chat?.sequence } else { sequence = peer.sender.oldestSequence }
        guard let sequence else { return }
        perform(peers[key]?.sender.acknowledged(sequence, at: now) ?? [], peer: key)
    }

    // MARK: - Stored messages

    private mutating func store(_ message: UDPOutgoing) {
        storing[message.id] = message
        askFor(.storeMessage(to: message.to, id: message.id, text: message.text), isInternal: true)
    }

    mutating func stored(_ id: MessageID) {
        if case .storeMessage(_, id, _) = request?.body { finishRequest() }
        guard let message = storing.removeValue(forKey: id) else { return }
        undelivered.remove(id)
        show(.delivery(id, .stored, to: message.to))
    }

    mutating func notStored(_ id: MessageID, _ reason: String) {
        if case .storeMessage(_, id, _) = request?.body { finishRequest() }
        guard let message = storing.removeValue(forKey: id) else { return }
        if undelivered.contains(id) {
            // It was said already that nobody answered; that it is not kept either is worth a word only where it might
            // have been.
            if table[message.to] == nil, !reason.contains("keeps no messages") { show(.refused(reason)) }
        } else {
            failed(message, .unknownName)
        }
    }

    // MARK: - Messages to a group

    private mutating func sendToGroup(_ text: String) -> Bool {
        guard let group else { return true }
        let message = UDPOutgoing(id: newID(), to: group.name, text: text)
        do {
            _ = try groupMessage(message, .max, base: .max).encoded()
        } catch {
            guard case .tooLong(let excess) = error else { return true }
            failed(message, .tooLong(by: excess))
            return true
        }
        guard serverIsOurs else {
            showOwn(message, group: group.name)
            show(.delivery(message.id, .sent, to: group.name))
            begin(UDPRequest(.groupMessage(text: text, group: group.name), id: message.id))
            return true
        }
        guard groupSender.hasRoom else { return false }
        showOwn(message, group: group.name)
        performGroup((try? groupSender.submitted(message, at: now)) ?? [])
        return true
    }

    private func groupMessage(_ message: UDPOutgoing, _ sequence: UInt64, base: UInt64) -> UDPMessage {
        UDPMessage(
            .groupMessage(text: message.text, group: message.to),
            metadata(
                serverIsOurs
                    ? chat {
                        $0.session = session
                        $0.id = message.id
                        $0.sequence = sequence
                        $0.base = base
                    } : nil))
    }

    mutating func performGroup(_ outcome: [ReliableSender<UDPOutgoing>.Effect]) {
        for effect in outcome {
            switch effect {
            case .send(let segment):
                if segment.attempt == 1 {
                    show(.delivery(segment.message.id, .sent, to: segment.message.to))
                }
                effects.append(
                    .send(groupMessage(segment.message, segment.sequence, base: segment.base), to: settings.server))
            case .acknowledged(_, let message, let late):
                undelivered.remove(message.id)
                show(.delivery(message.id, .accepted, to: message.to, late: late))
            case .gaveUp(_, let message):
                undelivered.insert(message.id)
                show(.delivery(message.id, .noanswer, to: message.to, reason: .serverSilent))
                guard phase == .registered, !serverIsAlive else { continue }
                // Is it there at all?
                if serverIsClosed { serverGone() } else { askFor(.ping, isInternal: true) }
            }
        }
    }

    mutating func groupMessageAcknowledged(_ chat: UDPExtension?) {
        if let sequence = chat?.sequence {
            performGroup(groupSender.acknowledged(sequence, at: now))
        } else if !serverIsOurs {
            answered(.groupMessageAck(group: nil), chat)
        }
    }

    mutating func groupMessageRefused(_ sequence: UInt64, _ reason: String) {
        for case .acknowledged(_, let message, _) in groupSender.acknowledged(sequence, at: now) {
            failed(message, .refused(reason))
        }
    }

    mutating func originalAccepted(_ asked: UDPRequest) {
        guard case .groupMessage(_, let group) = asked.body else { return }
        show(.delivery(asked.id, .accepted, to: group))
    }

    mutating func originalRefused(_ asked: UDPRequest, _ reason: String) {
        guard case .groupMessage(let text, let group) = asked.body else { return }
        failed(UDPOutgoing(id: asked.id, to: group, text: text), .refused(reason))
    }

    /// Sets the timers of everything that repeats itself.
    mutating func scheduleSenders() {
        guard phase != .ended else { return }
        func set(_ timer: Timer, _ time: MonotonicTime?) {
            if let time { timers.schedule(timer, at: time) } else { timers.cancel(timer) }
        }
        for (key, peer) in peers { set(.peer(key), peer.sender.deadline) }
        // Nothing is taken from one who is not back in the group yet.
        set(.groupSender, phase == .registered && rejoining == nil ? groupSender.deadline : nil)
        for (key, conversation) in conversations { set(.conversation(key), conversation.receiver.deadline) }
        set(.group, group?.receiver.deadline)
    }
}
