import Delivery
import Wire

// What the server says.
extension UDPClientMachine {
    mutating func serverSent(_ body: UDPMessage.Body, _ chat: UDPExtension?) {
        if let revision = chat?.revision, let known = table.revision, revision > known, body.type != "state_change" {
            // A change of the table was lost.
            askFor(.tableRequest, isInternal: true)
        }
        switch body {
        case .registrationConfirmation: registrationConfirmed(chat)
        case .registrationError(let message): registrationRefused(message, chat)
        case .stateChange(let entries): tableReceived(entries, chat)
        case .groupRelay(let text, let sender): relayReceived(text, sender, chat)
        case .groupMessageAck: groupMessageAcknowledged(chat)
        case .storedMessage(let from, let id, let text, let time): storedReceived(id, text, from, time)
        case .slowDown: slowedDown(chat)
        case .stopping: serverStopped()
        case .pong: pongReceived(chat)
        case .ping: sendToServer(.pong)
        case .storeMessageAck(let id): stored(id)
        case .storeMessageError(let id, let reason): notStored(id, reason)
        case .refused(let message):
            if let sequence = chat?.sequence { groupMessageRefused(sequence, message) } else { answered(body, chat) }
        case .deregistrationConfirmation, .clientOfflineAck, .createGroupAck, .createGroupError, .listGroupsAck,
            .joinGroupAck, .joinGroupError, .membersList, .leaveGroupAck, .introduceAck:
            answered(body, chat)
        // What only clients send.
        case .registration, .deregistration, .clientOffline, .createGroup, .listGroups, .joinGroup, .listMembers,
            .leaveGroup, .groupMessage, .message, .messageAck, .tableRequest, .introduce, .storeMessage,
            .storedMessageAck:
            break
        }
    }

    /// It may be back soon, so one stays; what is asked of it meanwhile finds out.
    private mutating func serverStopped() {
        guard phase == .registered, serverIsOurs, !serverIsStopping else { return }
        serverIsStopping = true
        show(.serverStopping)
    }

    // MARK: - The table

    private mutating func tableReceived(_ entries: [UDPTableEntry], _ chat: UDPExtension?) {
        if phase == .registering, chat == nil, entries.contains(where: { $0.announced?.run == settings.run }) {
            // An original server passes on what one announced: the name is one's own, whatever its confirmation does.
            registrationConfirmed(nil)
        }
        guard phase == .registered else { return }
        let isFirst = table.count == 0
        let change: UDPClientTable.Change
        if serverIsOurs, let chat {
            switch table.received(entries, chat) {
            case .nothing: return
            case .missing:
                askFor(.tableRequest, isInternal: true)
                return
            case .changed(let found): change = found
            }
            if case .tableRequest = request?.body { finishRequest() }
        } else {
            change = table.replace(with: entries)
        }
        peersChanged()
        let isSilent = isFirst || rejoining != nil
        let joined = isSilent ? [] : change.joined.filter { nameKey($0) != nameKey(settings.name) }
        show(.tableUpdated(joined: joined, left: isSilent ? [] : change.left))
        if isFirst { show(.ready) }
        if rejoining?.name.isEmpty == true { rejoining = nil }
        if serverIsOurs, table[settings.name] == nil { registerAgain() }
    }

    private mutating func pongReceived(_ chat: UDPExtension?) {
        if case .ping = request?.body { finishRequest() }
        if chat?.registered == false { return registerAgain() }
        // Removed for not answering, while one was away for a moment: back in.
        guard let group, rejoining == nil, chat?.registered == true, chat?.group.map(nameKey) != group.key,
            request == nil, urgent.isEmpty
        else { return }
        rejoining = (group.name, false)
        urgent.append(UDPRequest(.joinGroup(group.name), id: newID(), isInternal: true))
    }

    // MARK: - Answers to requests

    mutating func finishRequest() {
        request = nil
        timers.cancel(.request)
    }

    /// An answer is one's own request's when it repeats its id, and from an original when it is of the right type.
    private func matches(_ body: UDPMessage.Body, _ chat: UDPExtension?) -> Bool {
        guard let request else { return false }
        if serverIsOurs, chat?.id != request.id { return false }
        switch (request.body, body) {
        case (.createGroup, .createGroupAck), (.createGroup, .createGroupError), (.listGroups, .listGroupsAck),
            (.joinGroup, .joinGroupAck), (.joinGroup, .joinGroupError), (.listMembers, .membersList),
            (.leaveGroup, .leaveGroupAck), (.deregistration, .deregistrationConfirmation),
            (.clientOffline, .clientOfflineAck), (.introduce, .introduceAck), (.groupMessage, .groupMessageAck):
            return true
        // Our own word for no; an original's client knows only this one.
        case (.groupMessage, .joinGroupError): return true
        case (_, .refused): return true
        default: return false
        }
    }

    mutating func answered(_ body: UDPMessage.Body, _ chat: UDPExtension?) {
        guard matches(body, chat), let asked = request else { return }
        switch body {
        case .listGroupsAck(let names):
            guard let all = request?.received(page: chat?.page, of: chat?.pages, names) else { return }
            finishRequest()
            show(.groups(all))
            return
        case .membersList(let names):
            guard let all = request?.received(page: chat?.page, of: chat?.pages, names) else { return }
            finishRequest()
            if case .listMembers(let group) = asked.body { show(.members(group, all)) }
            return
        default: finishRequest()
        }
        switch body {
        case .createGroupAck(let name):
            if asked.isInternal, rejoining != nil { rejoinCreated(name) } else { show(.groupCreated(name)) }
        case .createGroupError(let message):
            // Another member was faster.
            if asked.isInternal, let name = rejoining?.name { rejoinCreated(name) } else { show(.refused(message)) }
        case .joinGroupAck(let name): joined(name, chat, asked)
        case .joinGroupError(let message):
            if case .groupMessage = asked.body {
                originalRefused(asked, message)
            } else if asked.isInternal, let wanted = rejoining, !wanted.created {
                // The server was started anew and knows no groups: whoever is back first makes it again.
                rejoining?.created = true
                urgent.insert(UDPRequest(.createGroup(wanted.name), id: newID(), isInternal: true), at: 0)
            } else {
                if asked.isInternal { groupLost() }
                show(.refused(message))
            }
        case .leaveGroupAck: left(asked)
        case .deregistrationConfirmation:
            if leaving != .goodbye {
                if settings.keepsSecret { effects.append(.keepSecret(nil)) }
                show(.offline)
            }
            end(.ended)
        case .clientOfflineAck(let name): offlineAnswered(name, chat)
        case .groupMessageAck: originalAccepted(asked)
        case .refused(let message): show(.refused(message))
        default: break
        }
    }

    private mutating func rejoinCreated(_ name: String) {
        urgent.insert(UDPRequest(.joinGroup(name), id: newID(), isInternal: true), at: 0)
    }

    private mutating func joined(_ name: String, _ chat: UDPExtension?, _ asked: UDPRequest) {
        let wasIn = group
        group = Group(name: name, key: nameKey(name), first: chat?.next ?? 0)
        if asked.isInternal {
            if let wanted = rejoining {
                rejoining = nil
                // Removed, and back: what was said in between cannot be got any more.
                if let next = wasIn?.receiver.next, let first = chat?.next, first > next, !wanted.created {
                    show(.gap(group: name, from: next, to: first - 1))
                }
                show(.groupRestored(name))
                // What the server may have forgotten is said again; who has seen it knows its id.
                groupSender.peerRestarted(at: now)
            }
        } else {
            show(.groupEntered(name))
        }
    }

    private mutating func left(_ asked: UDPRequest) {
        let name = group?.name
        group = nil
        timers.cancel(.group)
        if leaving == .goodbye { return }
        if case .leaveGroup(let asked) = asked.body { show(.groupLeft(name ?? asked)) }
        flushInbox()
    }

    private mutating func groupLost() {
        rejoining = nil
        guard let name = group?.name else { return }
        group = nil
        timers.cancel(.group)
        show(.groupLeft(name))
        flushInbox()
    }

    private mutating func offlineAnswered(_ name: String, _ chat: UDPExtension?) {
        if chat?.online == true { show(.stillOnline(name: name)) } else { show(.autoDeregistered(name: name)) }
    }

    private mutating func slowedDown(_ chat: UDPExtension?) {
        let wait = Duration.milliseconds(chat?.wait ?? 500)
        if let sequence = chat?.sequence {
            groupSender.deferred(sequence, by: wait, at: now)
        } else if let id = chat?.id, var asked = request, case .storeMessage(_, id, _) = asked.body {
            asked.sends = 0
            request = asked
            timers.schedule(.request, at: now + wait)
        }
    }
}
