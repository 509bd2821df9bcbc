import Delivery
import Wire

// Groups: created, listed, joined, left, written to.
extension UDPServerMachine {
    private static func noSuchGroup(_ name: String) -> String { "Group `\(name)` does not exist." }

    mutating func groupRequested(_ name: String, by key: String, _ request: UDPMessage.Body, _ id: MessageID?) {
        guard let requester = requester(key, id), let client = table[key]?.name else { return }
        func refuse(_ reason: String) {
            answer([message(.createGroupError(message: reason), to: requester)], to: request, id, from: key)
        }
        let group: GroupName
        do {
            group = try GroupName(validating: name)
        } catch {
            refuse(error.message.string)
            return
        }
        guard table[key]?.groupsCreated ?? 0 < UDPGroups.createdLimit else {
            refuse("You have created \(UDPGroups.createdLimit) groups; that is as many as one client may.")
            return
        }
        do throws(UDPGroups.Refusal) {
            try groups.created(group, at: now)
            table[key]?.groupsCreated += 1
            log(.groupCreated(name, by: client))
            answer([message(.createGroupAck(name), to: requester)], to: request, id, from: key)
        } catch {
            switch error {
            case .exists:
                log(.groupExists(name, by: client))
                refuse("Group `\(name)` already exists.")
            case .tooMany: refuse("The server has as many groups as it may.")
            }
        }
    }

    mutating func groupsRequested(by key: String, _ request: UDPMessage.Body, _ id: MessageID?) {
        guard let requester = requester(key, id), let client = table[key]?.name else { return }
        let names = groups.names
        log(.groupsListed(names, for: client))
        answer(
            list(names, for: requester) { .listGroupsAck($0) }, to: request, id, from: key)
    }

    mutating func membersRequested(_ name: String, by key: String, _ request: UDPMessage.Body, _ id: MessageID?) {
        guard let requester = requester(key, id), let client = table[key]?.name else { return }
        let group = nameKey(name)
        guard groups.isMember(key, of: group) else {
            let refusal: UDPMessage.Body =
                requester.isOurs ? .refused(message: "You are not in group `\(name)`.") : .membersList([])
            answer([message(refusal, to: requester)], to: request, id, from: key)
            return
        }
        let names = groups.members(of: group).compactMap { table[$0]?.name }
        log(.membersListed(names, group: name, for: client))
        answer(list(names, for: requester) { .membersList($0) }, to: request, id, from: key)
    }

    /// A list in one datagram: as much as fits for an original, pages for an end of ours.
    private func list(
        _ names: [String], for requester: Requester, _ body: ([String]) -> UDPMessage.Body
    ) -> [UDPMessage] {
        var pages: [[String]] = [[]]
        var size = 0
        for name in names {
            let added = JSON.string(name).encoded(style: .python).count + 2
            if size + added > UDPMessage.datagramLimit - 256 {
                guard requester.isOurs else { break }
                pages.append([])
                size = 0
            }
            pages[pages.count - 1].append(name)
            size += added
        }
        return pages.enumerated().map { index, page in
            message(body(page), to: requester) {
                $0.page = index
                $0.pages = pages.count
            }
        }
    }

    mutating func joinRequested(_ name: String, by key: String, _ request: UDPMessage.Body, _ id: MessageID?) {
        guard let requester = requester(key, id), let registration = table[key] else { return }
        let group = nameKey(name)
        guard let groupName = groups.name(group) else {
            log(.joinFailed(registration.name, group: name))
            answer(
                [message(.joinGroupError(message: Self.noSuchGroup(name)), to: requester)], to: request, id, from: key)
            return
        }
        if let other = registration.group, other != group { leave(key, other) }
        guard let next = groups.joined(key, group, isOurs: registration.isOurs) else {
            answer(
                [message(.joinGroupError(message: "Group `\(groupName)` is full."), to: requester)],
                to: request, id, from: key)
            return
        }
        table[key]?.group = group
        table[key]?.removedFrom = nil
        log(.joined(registration.name, group: groupName))
        let ack = message(.joinGroupAck(groupName), to: requester) { $0.next = next }
        answer([ack], to: request, id, from: key)
    }

    mutating func leaveRequested(_ name: String, by key: String, _ request: UDPMessage.Body, _ id: MessageID?) {
        guard let requester = requester(key, id) else { return }
        let group = nameKey(name)
        if table[key]?.group == group { leave(key, group) }
        table[key]?.removedFrom = nil
        answer([message(.leaveGroupAck, to: requester)], to: request, id, from: key)
    }

    private mutating func leave(_ key: String, _ group: String) {
        perform(groups.left(key, group, at: now))
        table[key]?.group = nil
        if let name = table[key]?.name, let groupName = groups.name(group) { log(.left(name, group: groupName)) }
    }

    // MARK: - Messages

    mutating func groupMessageReceived(
        _ text: String, _ name: String, from key: String, _ request: UDPMessage.Body, _ chat: UDPExtension?
    ) {
        guard let registration = table[key] else { return }
        guard registration.isOurs else {
            originalPosted(text, name, from: key, request)
            return
        }
        guard let requester = requester(key, chat?.id), let id = chat?.id, let sequence = chat?.sequence,
            let base = chat?.base
        else {
            malformed += 1
            return
        }
        if registration.receiver.isNew(sequence), limitsRates, table[key]?.posts.take(at: now) != true {
            let wait = table[key]?.posts.delay(at: now) ?? .zero
            answer(.slowDown, to: requester) {
                $0.sequence = sequence
                $0.wait = wait.millisecondsRoundedUp
            }
            return
        }
        let post = UDPGroupPost(id: id, group: name, text: text)
        let outcome = table[key]?.receiver.received(sequence: sequence, base: base, post, at: now) ?? []
        perform(outcome, from: key)
    }

    mutating func receiverTimedOut(_ key: String) {
        perform(table[key]?.receiver.timedOut(at: now) ?? [], from: key)
    }

    private mutating func perform(_ outcome: [ReliableReceiver<UDPGroupPost>.Effect], from key: String) {
        for effect in outcome {
            guard let requester = requester(key, nil) else { return }
            switch effect {
            case .deliver(let sequence, let post):
                if admit(post, from: key) != nil { table[key]?.refused.insert(sequence) }
            case .acknowledge(let sequence):
                let isRefused = table[key]?.refused.contains(sequence) == true
                answer(
                    isRefused ? .refused(message: "You are not in that group.") : .groupMessageAck(group: nil),
                    to: requester
                ) { $0.sequence = sequence }
            }
        }
        if let due = table[key]?.receiver.deadline {
            timers.schedule(.receiver(key), at: due)
        } else {
            timers.cancel(.receiver(key))
        }
    }

    private mutating func originalPosted(_ text: String, _ name: String, from key: String, _ request: UDPMessage.Body) {
        // One that is over the rate repeats it half a second later.
        guard !limitsRates || table[key]?.posts.take(at: now) == true, let requester = requester(key, nil) else {
            overRate += 1
            return
        }
        let group = nameKey(name)
        if table[key]?.removedFrom == group, table[key]?.group == nil, groups.joined(key, group, isOurs: false) != nil {
            // It was removed because it did not answer; but here it is.
            table[key]?.group = group
            table[key]?.removedFrom = nil
            if let client = table[key]?.name { log(.joined(client, group: name)) }
        }
        // The acknowledgement first: the original's server does it in this order.
        let place = effects.count
        let refusal = admit(UDPGroupPost(id: nil, group: name, text: text), from: key)
        let ack = message(
            refusal.map { .joinGroupError(message: $0) } ?? .groupMessageAck(group: nil), to: requester)
        table[key]?.answers.remember([ack], to: request, id: nil, at: now)
        effects.insert(.send(ack, to: [requester.path]), at: place)
    }

    /// Puts a message into its group; the reason when it cannot be.
    private mutating func admit(_ post: UDPGroupPost, from key: String) -> String? {
        let group = nameKey(post.group)
        guard let groupName = groups.name(group) else { return Self.noSuchGroup(post.group) }
        guard let sender = table[key], sender.group == group else { return "You are not in group `\(post.group)`." }
        let kept = UDPGroups.Post(text: post.text, sender: sender.name, senderKey: key, id: post.id)
        do {
            _ = try relay(kept, groupName, offset: .max).encoded()
        } catch {
            return "The message is too long for a datagram."
        }
        log(.groupMessage(post.text, from: sender.name))
        if let (_, effects) = groups.posted(kept, in: group, at: now) { perform(effects) }
        return nil
    }

    private func relay(_ post: UDPGroups.Post, _ groupName: String, offset: UInt64) -> UDPMessage {
        let chat = UDPExtension {
            $0.id = post.id
            $0.group = groupName
            $0.offset = offset
        }
        return UDPMessage(.groupRelay(text: post.text, sender: post.sender), .server(port: port, chat: chat))
    }

    mutating func groupMessageAcknowledged(by key: String, next: UInt64?) {
        guard let registration = table[key], let group = registration.group else { return }
        perform(groups.acknowledged(key, group, next: registration.isOurs ? next : nil))
    }

    mutating func perform(_ outcome: [UDPGroups.Effect]) {
        for effect in outcome {
            switch effect {
            case .relay(let groupName, let offset, let post, let members):
                let paths = members.compactMap { table[$0]?.path }
                effects.append(.send(relay(post, groupName, offset: offset), to: paths))
            case .setTimer(let member, let delay): timers.schedule(.member(member), at: now + delay)
            case .cancelTimer(let member): timers.cancel(.member(member))
            case .shown(let member):
                if let name = table[member.member]?.name { log(.groupMessageAcked(by: name)) }
            case .removed(let member, let groupName):
                table[member.member]?.group = nil
                table[member.member]?.removedFrom = member.group
                if let name = table[member.member]?.name { log(.removedSilent(name, group: groupName)) }
                // Should it be there all the same, it joins again and says what is missing.
                if let requester = requester(member.member, nil), requester.isOurs {
                    answer(.pong, to: requester) { $0.registered = true }
                }
            }
        }
    }
}
