import Console
import Wire

// What the machine tells, in the words that the original's users know.
extension UDPClient {
    func show(_ event: UDPClientEvent) {
        switch event {
        case .registered:
            if let server = machine?.settings.server { console.show(.connected(peer: "\(server)")) }
            console.show(.notice("Welcome, You are registered."))
        case .ready: console.show(.ready)
        case .tableUpdated(let joined, let left):
            console.show(.notice("Client table updated."))
            for name in joined { console.show(.joined(name: displayName(name))) }
            for name in left { console.show(.left(name: displayName(name))) }
            complete()
        case .message(let message): show(message)
        case .own(let message, let receiver): showOwn(message, to: receiver)
        case .delivery(let id, let state, let to, let late, let reason):
            showDelivery(id, state, to, late: late, reason)
        case .autoDeregistered(let name):
            console.show(
                .notice("Auto-deregistered \(QuotedName.inSentence(displayName(name))) since they were offline."))
        case .stillOnline(let name):
            console.show(.notice("\(QuotedName.inSentence(displayName(name))) is there, but did not answer you."))
        case .groupCreated(let group):
            know(group)
            console.show(.answer(["Group \(displayName(group)) created by Server."]))
        case .groups(let groups):
            for group in groups { know(group) }
            console.show(
                .answer(["Available group chats:"] + groups.map { displayName($0) }),
                fields: ["groups": .array(groups.map { .string($0) })])
        case .groupEntered(let group):
            know(group)
            console.show(.answer(["Entered group \(displayName(group)) successfully!"]))
        case .groupRestored(let group):
            console.show(
                .notice("You are in group \(displayName(group)) again; what was said meanwhile may be missing."))
        case .groupLeft(let group): console.show(.answer(["Leave group chat \(displayName(group))"]))
        case .members(let group, let members):
            console.show(
                .answer(["Members in the group \(displayName(group)):"] + members.map { displayName($0) }),
                fields: ["members": .array(members.map { .string($0) })])
        case .who(let entries): showWho(entries)
        case .gap(let group, let from, let to):
            console.show(.gap(from: from, to: to, conversation: displayName(group)))
        case .refused(let reason): mistake(UDPServerWords.attributed(reason))
        case .notRegistered(let reason):
            console.show(.error(UDPServerWords.attributed(reason)))
        case .invalidCommand(let word, _): mistake("Invalid command: \(word)")
        case .badGroupName(let error): mistake(error.message)
        case .incomplete(let word, let usage): mistake("Invalid command: \(word); write \(usage)")
        case .onlyYourself: mistake("You can only deregister yourself.")
        case .offline: console.show(.notice("You are Offline. Bye."))
        case .serverStopping: console.show(.notice("the server is being shut down"))
        case .serverNotResponding: console.show(.error("Server not responding"))
        case .exiting: console.show(.notice("Exiting"))
        case .finishing(let count):
            console.show(
                .notice(
                    count == 1
                        ? "Waiting for 1 message that is under way; Ctrl+C leaves at once."
                        : "Waiting for \(count) messages that are under way; Ctrl+C leaves at once."))
        }
    }

    private func mistake(_ sentence: SafeText) {
        hasMistakes = true
        console.show(.error(sentence))
    }

    private func show(_ message: UDPClientEvent.Message) {
        var shown = ChatMessage(
            id: message.id.hex, sender: displayName(message.sender), senderKey: nameKey(message.sender),
            text: message.text, time: message.time)
        var fields: JSONObject = [:]
        if let group = message.group {
            shown.conversation = displayName(group)
            // One is in one group at a time, and these are the words that its members know.
            shown.label = "Group_Message"
            shown.offset = message.offset
        } else {
            if let name = machine?.settings.name { shown.recipient = displayName(name) }
        }
        shown.isCaughtUp = message.isStored
        if message.isFromInbox { fields["inbox"] = true }
        console.show(.message(shown), fields: fields)
    }

    private func showOwn(_ message: UDPClientEvent.Message, to receiver: String?) {
        var shown = ChatMessage(
            id: message.id.hex, sender: displayName(message.sender), senderKey: nameKey(message.sender),
            text: message.text, time: message.time, isOwn: true, isPending: true)
        shown.conversation = message.group.map { displayName($0) }
        if message.group != nil { shown.label = "Group_Message" }
        shown.recipient = receiver.map { displayName($0) }
        console.show(.message(shown))
    }

    private func showDelivery(
        _ id: MessageID, _ state: UDPClientEvent.DeliveryState, _ to: String, late: Bool,
        _ reason: UDPClientEvent.FailureReason?
    ) {
        let name = QuotedName.inSentence(displayName(to))
        let shown: (DeliveryState, SafeText?) =
            switch state {
            case .sent: (.sent, nil)
            case .accepted: (.accepted, "Message received by Server.")
            case .delivered:
                (.delivered, late ? "Message received by \(name) after all" : "Message received by \(name)")
            case .stored: (.stored, "Message stored for \(name)")
            case .noanswer:
                (.noanswer, reason.map { sentence($0, name) } ?? "No ACK from \(name), message not delivered")
            case .failed: (.failed, reason.map { sentence($0, name) })
            }
        console.show(.delivery(id: id.hex, state: shown.0, to: name, note: shown.1))
    }

    private func sentence(_ reason: UDPClientEvent.FailureReason, _ name: SafeText) -> SafeText {
        switch reason {
        case .unknownName: "Nobody is registered as \(name); 'who' lists everybody"
        case .serverSilent: "No ACK from Server, nobody knows whether the message reached \(name)"
        case .cannotReach: "\(name) cannot be reached from here: the address is of another family"
        case .tooLong(let excess): "The message is \(excess) bytes too long for a datagram; it was not sent"
        case .refused(let reason): "\(UDPServerWords.attributed(reason)) The message was not sent."
        }
    }

    private func showWho(_ entries: [UDPTableEntry]) {
        let own = machine?.settings.name
        let lines = entries.map { entry -> SafeText in
            var line: SafeText = displayName(entry.name)
            if let ip = entry.clientIP {
                line += "  \(SocketAddress(ip: ip, port: entry.clientPort))"
            } else {
                line += "  port \(entry.clientPort)"
            }
            if entry.announced?.run == nil { line += "  (an original program)" }
            if entry.name == own { line += "  (you)" }
            return line
        }
        console.show(
            .answer(lines.isEmpty ? ["Nobody is registered."] : lines),
            fields: ["names": .array(entries.map { .string($0.name) })])
    }

    // MARK: - Completion

    private func know(_ group: String) {
        guard !knownGroups.contains(group), knownGroups.count < 1_000 else { return }
        knownGroups.append(group)
        complete()
    }

    private func complete() {
        console.setCompletions(CompletionNames(members: machine?.names ?? [], groups: knownGroups))
    }
}
