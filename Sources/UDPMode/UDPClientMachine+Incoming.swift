import Delivery
import Wire

// Messages of others.
extension UDPClientMachine {
    mutating func peerSent(_ body: UDPMessage.Body, _ client: UDPMetadata.Client, from source: SocketAddress) {
        var address = source
        address.port = client.clientPort
        switch body {
        case .message(let text): messageReceived(text, client, from: address)
        case .messageAck(let name):
            guard isFromHost(of: name, address) else { return }
            messageAcknowledged(by: client, name)
        case .slowDown:
            guard isFromHost(of: client.name, address), let sequence = client.chat?.sequence else { return }
            let wait = Duration.milliseconds(client.chat?.wait ?? 500)
            peers[nameKey(client.name)]?.sender.deferred(sequence, by: wait, at: now)
        default: break
        }
    }

    /// The datagram comes from where the table has its sender. (A name alone proves nothing: anybody can write one.)
    private func isFromHost(of name: String, _ address: SocketAddress) -> Bool {
        guard let entry = table[name] else { return false }
        guard entry.clientPort == address.port else { return false }
        if address.ip == entry.clientIP || address.ip == entry.senderIP { return true }
        return address == Self.address(of: entry, seenFrom: settings.server.ip) || address.ip.isLoopback
    }

    private mutating func messageReceived(_ text: String, _ client: UDPMetadata.Client, from address: SocketAddress) {
        guard phase == .registered || serverIsOurs else { return }
        if let chat = client.chat, let run = chat.run, let id = chat.id, let sequence = chat.sequence,
            let base = chat.base
        {
            // A message for who had this port before.
            guard chat.to.map(nameKey) == nameKey(settings.name) else { return }
            guard isFromHost(of: client.name, address), table[client.name]?.announced?.run == run else {
                // The table may be late, and the message will be repeated.
                if serverIsOurs { askFor(.tableRequest, isInternal: true) }
                return
            }
            let message = UDPClientEvent.Message(id: id, sender: client.name, text: text, time: wall)
            numberedReceived(message, ConversationKey(name: nameKey(client.name), run: run), sequence, base, address)
            return
        }
        guard isFromHost(of: client.name, address) || (!serverIsOurs && table[client.name] == nil) else { return }
        if originals.isNew(text, from: nameKey(client.name), within: Self.repetitionWindow, at: now) {
            deliver(.init(id: newID(), sender: client.name, text: text, time: wall))
        }
        effects.append(.send(UDPMessage(.messageAck(name: settings.name), metadata(nil)), to: address))
    }

    private mutating func numberedReceived(
        _ message: UDPClientEvent.Message, _ key: ConversationKey, _ sequence: UInt64, _ base: UInt64,
        _ address: SocketAddress
    ) {
        if conversations[key] == nil {
            makeRoomForConversation()
            conversations[key] = UDPConversation(address: address, lastHeard: now)
        }
        conversations[key]?.address = address
        conversations[key]?.lastHeard = now
        if conversations[key]?.receiver.isNew(sequence) == true, settings.limitsRates,
            conversations[key]?.admission.take(at: now) != true
        {
            let wait = conversations[key]?.admission.delay(at: now) ?? .zero
            let slower = chat {
                $0.sequence = sequence
                $0.wait = wait.millisecondsRoundedUp
            }
            effects.append(.send(UDPMessage(.slowDown, metadata(slower)), to: address))
            return
        }
        let outcome = conversations[key]?.receiver.received(sequence: sequence, base: base, message, at: now)
        perform(outcome ?? [], key)
    }

    private mutating func makeRoomForConversation() {
        guard conversations.count >= Self.conversationLimit,
            let oldest = conversations.min(by: { $0.value.lastHeard < $1.value.lastHeard })?.key
        else { return }
        conversations[oldest] = nil
        timers.cancel(.conversation(oldest))
    }

    mutating func perform(
        _ outcome: [ReliableReceiver<UDPClientEvent.Message>.Effect], _ key: ConversationKey
    ) {
        guard let address = conversations[key]?.address else { return }
        for effect in outcome {
            switch effect {
            case .deliver(_, let message):
                // One that was stored meanwhile has come by that way already.
                if shown.insert(message.id) { deliver(message) }
            case .acknowledge(let sequence):
                let answer = chat { $0.sequence = sequence }
                effects.append(.send(UDPMessage(.messageAck(name: settings.name), metadata(answer)), to: address))
            }
        }
    }

    /// Shows a direct message; in a group it is kept until one leaves.
    private mutating func deliver(_ message: UDPClientEvent.Message) {
        if group != nil, inbox.count < Self.inboxLimit {
            inbox.append(message)
        } else {
            show(.message(message))
        }
    }

    mutating func storedReceived(_ id: MessageID, _ text: String, _ from: String, _ time: Timestamp) {
        sendToServer(.storedMessageAck(id: id))
        guard shown.insert(id) else { return }
        deliver(.init(id: id, sender: from, text: text, time: time, isStored: true))
    }

    // MARK: - Messages of the group

    mutating func relayReceived(_ text: String, _ sender: String, _ chat: UDPExtension?) {
        guard phase == .registered else { return }
        guard let current = group, chat?.group == nil || chat?.group.map(nameKey) == current.key else {
            // Not in that group any more: nobody has to wait for an answer.
            sendToServer(.groupMessageAck(group: nil)) { $0.next = chat?.offset.map { $0 &+ 1 } }
            return
        }
        var message = UDPClientEvent.Message(
            id: chat?.id ?? newID(), sender: sender, text: text, time: wall, group: current.name)
        guard let offset = chat?.offset, serverIsOurs else {
            // Only the network repeats what an original's server sends: it comes at once or not at all.
            let window = Duration.milliseconds(400)
            if originals.isNew(text, from: nameKey(sender), group: current.key, within: window, at: now) {
                show(.message(message))
            }
            sendToServer(.groupMessageAck(group: current.name))
            return
        }
        message.offset = offset
        if offset >= current.first {
            perform(
                group?.receiver.received(sequence: offset, base: current.first, message, at: now) ?? [])
        }
        acknowledgeGroup()
    }

    mutating func groupTimedOut() {
        guard let before = group?.receiver.next, let name = group?.name else { return }
        let outcome = group?.receiver.timedOut(at: now) ?? []
        if case .deliver(let sequence, _)? = outcome.first, sequence > before {
            show(.gap(group: name, from: before, to: sequence - 1))
        }
        perform(outcome)
        if !outcome.isEmpty { acknowledgeGroup() }
    }

    private mutating func acknowledgeGroup() {
        guard let group else { return }
        sendToServer(.groupMessageAck(group: group.name)) { $0.next = group.receiver.next ?? group.first }
    }

    private mutating func perform(_ outcome: [ReliableReceiver<UDPClientEvent.Message>.Effect]) {
        for case .deliver(_, let message) in outcome {
            // One's own comes back with its place among the others'.
            if nameKey(message.sender) == nameKey(settings.name) { continue }
            // A server that was started anew may relay once more what the one before it had relayed.
            guard shown.insert(message.id) else { continue }
            show(.message(message))
        }
    }
}
