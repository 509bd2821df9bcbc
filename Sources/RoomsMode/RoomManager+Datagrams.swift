import Delivery
import Net
import Store
import Wire

/// The data plane: one encode a message and dialect, and no memory a recipient.
extension RoomManager {
    func received(_ datagram: Datagram, through socket: Int) {
        var effects: [RoomRules.Effect] = []
        let path = RoomRules.Path(datagram.source, socket: socket)
        let verdict = rules.received(
            datagram.bytes, from: path, at: outbound.now, freshID: { MessageID.random(using: &ids) },
            effects: &effects)
        if !effects.isEmpty { carryOut(effects) }
        switch verdict {
        case .relay(let message): relay(message)
        case .drop(let reason): count(reason)
        case .done: break
        case .pong(let member, let id): sendHeartbeat(to: member, answering: id)
        case .wait(let room, let count): reserve(count, room)
        case .repeated(let member, let id, let offset): acknowledgeAgain(member, id, offset)
        case .refuse(let member, let id, let sentence, let pause):
            count(.tooFast)
            refuse(member, id, sentence, retryAfter: pause)
        case .expel(let member):
            carryOut(rules.expel(member, reason: "You were sending too fast for too long.", at: outbound.now))
        }
    }

    /// Sends a message to everybody else in its room, and hands it to the store. Neither waits for the other.
    func relay(_ message: RoomRules.Relay) {
        relayed += 1
        let room = message.room
        let author = rules.members[message.member]!.nameBytes
        let path = rules.members[message.member]!.path!
        let wantsAck = rules.members[message.member]!.isExtended
        var text = message.text
        text.withUTF8 { text in
            var plain: Payload?
            var extended: Payload?
            for index in rules.rooms[room]!.audiences.indices {
                let socket = rules.rooms[room]!.audiences[index].socket
                let isExtended = rules.rooms[room]!.audiences[index].isExtended
                let addresses = rules.rooms[room]!.audiences[index].addresses
                let isAuthors = socket == path.socket && isExtended == wantsAck
                guard addresses.count > (isAuthors ? 1 : 0) else { continue }
                let payload: Payload
                if isExtended {
                    payload =
                        extended
                        ?? outbound.encode { writer in
                            Self.write(message, author: author, text: text, to: &writer)
                        }
                    extended = payload
                } else {
                    payload =
                        plain
                        ?? outbound.encode { writer in
                            writer.append(UInt8(author.count))
                            writer.append(contentsOf: author)
                            writer.append(contentsOf: text)
                        }
                    plain = payload
                }
                outbound.send(
                    payload, to: addresses, except: isAuthors ? path.address : nil, from: sockets[socket].id)
            }
        }
        keep(message, author: author, wantsAck: wantsAck)
        if message.reserve > 0 { reserve(message.reserve, room) }
        if case .idle = states[room].heartbeat {
            states[room].heartbeat = .active(told: message.offset)
            outbound.schedule(RoomsTimer.heartbeat(room).packed, after: Self.firstHeartbeat)
        }
    }

    /// A text that only an original program's datagram could carry is left to the history: its offset says that it is
    /// there.
    private static func write(
        _ message: RoomRules.Relay, author: [UInt8], text: UnsafeBufferPointer<UInt8>, to writer: inout ByteWriter
    ) {
        if UCRPDelivery.headerLength + author.count + text.count > UCRPRequest.mostBytes {
            UCRPDelivery(.heartbeat, offset: UInt64(message.offset) + 1).write(to: &writer)
            return
        }
        writer.append(0)
        writer.append(UCRPDelivery.Kind.message.rawValue)
        writer.appendUInt64(UInt64(message.offset))
        writer.append(message.id)
        writer.append(UInt8(author.count))
        writer.append(contentsOf: author)
        writer.append(contentsOf: text)
    }

    func acknowledge(_ member: Int, _ id: MessageID, _ offset: Int64) {
        send(UCRPDelivery(.ack, offset: UInt64(offset), id: id), to: member)
    }

    /// The author has not heard that its message is kept. While its commit is under way the acknowledgement will come.
    private func acknowledgeAgain(_ member: Int, _ id: MessageID, _ offset: Int64) {
        let room = rules.members[member]!.room
        guard offset < settledEnd(of: room) else { return }
        acknowledge(member, id, offset)
    }

    func refuse(_ member: Int, _ id: MessageID?, _ sentence: SafeText, retryAfter pause: Duration?) {
        if let id {
            let milliseconds = UInt64(max(0, (pause ?? .zero) / .milliseconds(1)))
            send(
                UCRPDelivery(.refused, offset: milliseconds, id: id, text: Array(sentence.string.utf8)[...]),
                to: member)
        } else {
            tellOriginal(member, sentence)
        }
    }

    private func tellOriginal(_ member: Int, _ sentence: SafeText) {
        guard let path = rules.members[member]?.path else { return }
        outbound.send(
            outbound.encode { Self.writeSystem(sentence, to: &$0) }, to: path.address, from: sockets[path.socket].id)
    }

    private func send(_ delivery: UCRPDelivery, to member: Int) {
        guard let path = rules.members[member]?.path else { return }
        outbound.send(
            outbound.encode { delivery.write(to: &$0) }, to: path.address, from: sockets[path.socket].id)
    }

    private static func writeSystem(_ sentence: SafeText, to writer: inout ByteWriter) {
        UCRPPlainDelivery.message(
            sender: Array(RoomRules.systemName.utf8)[...], text: Array(sentence.string.utf8)[...]
        ).write(to: &writer)
    }

    // MARK: - Heartbeats

    private func hasExtendedMembers(_ room: Int) -> Bool {
        rules.rooms[room]!.audiences.contains { $0.isExtended && !$0.addresses.isEmpty }
    }

    /// Has the room's members of ours told in time where it stands; does nothing where it has none.
    func startHeartbeat(_ room: Int) {
        guard case .off = states[room].heartbeat, hasExtendedMembers(room) else { return }
        states[room].heartbeat = .idle
        outbound.schedule(RoomsTimer.heartbeat(room).packed, after: Self.idleHeartbeat)
    }

    func heartbeat(_ room: Int) {
        guard room < rules.rooms.count, rules.rooms[room] != nil else { return }
        guard hasExtendedMembers(room) else {
            states[room].heartbeat = .off
            return
        }
        let next = rules.rooms[room]!.nextOffset
        if case .active(let told) = states[room].heartbeat, told < next {
            states[room].heartbeat = .active(told: next)
            outbound.schedule(RoomsTimer.heartbeat(room).packed, after: Self.activeHeartbeat)
        } else {
            states[room].heartbeat = .idle
            outbound.schedule(RoomsTimer.heartbeat(room).packed, after: Self.idleHeartbeat)
        }
        let payload = outbound.encode { heartbeat(of: room, answering: nil).write(to: &$0) }
        for audience in rules.rooms[room]!.audiences where audience.isExtended {
            outbound.send(payload, to: audience.addresses, from: sockets[audience.socket].id)
        }
    }

    private func sendHeartbeat(to member: Int, answering id: MessageID) {
        let room = rules.members[member]!.room
        send(heartbeat(of: room, answering: id), to: member)
        startHeartbeat(room)
    }

    private func heartbeat(of room: Int, answering id: MessageID?) -> UCRPDelivery {
        UCRPDelivery(
            .heartbeat, offset: UInt64(rules.rooms[room]!.nextOffset),
            id: MessageID(high: rules.rooms[room]!.roster, low: id?.low ?? 0))
    }

    // MARK: - Effects

    /// Carries out what the rules ask for.
    func carryOut(_ effects: [RoomRules.Effect]) {
        for effect in effects {
            switch effect {
            case .announce(let room, let roster, let announcement, let name, let except):
                announce(announcement, about: name, roster: roster, in: room, except: except)
            case .expel(let recipients, let reason): expel(recipients, reason)
            case .watch(let member, let delay):
                outbound.schedule(RoomsTimer.member(member).packed, after: max(delay, .milliseconds(1)))
            case .unwatch(let member): outbound.cancelTimer(RoomsTimer.member(member).packed)
            case .watchRoom(let room, let delay):
                outbound.schedule(RoomsTimer.room(room).packed, after: max(delay, .milliseconds(1)))
            case .keep(let member):
                guard let kept = keptMember(member) else { continue }
                offer(.keep(kept, room: rules.rooms[rules.members[member]!.room]!.name), .upkeep)
            case .forget(let token): offer(.forget(token), .upkeep)
            case .forgetRoom(let room, let name):
                outbound.cancelTimer(RoomsTimer.room(room).packed)
                outbound.cancelTimer(RoomsTimer.heartbeat(room).packed)
                states[room] = RoomState()
                offer(.close(room: name), .upkeep)
                report(.closed(room: name))
            }
        }
    }

    func keptMember(_ index: Int) -> RoomsStorage.Member? {
        guard let member = rules.members[index] else { return nil }
        return RoomsStorage.Member(
            name: member.name, token: member.token, isHost: rules.rooms[member.room]!.host == index,
            isExtended: member.isExtended, address: member.path?.address)
    }

    private func announce(
        _ announcement: RoomRules.Announcement, about name: String, roster: UInt64, in room: Int, except: Int?
    ) {
        guard rules.rooms[room] != nil else { return }
        let title = rules.rooms[room]!.name
        switch announcement {
        case .left: report(.left(room: title, name: name))
        case .lost: report(.lost(room: title, name: name))
        case .joined, .returned, .host, .topic: break
        }
        announce(
            announcement.sentence(about: name), event: announcement.word, about: name, roster: roster, in: room,
            except: except)
    }

    /// Tells members of ours by an event, and original programs by a text of `system`.
    func announce(
        _ sentence: SafeText, event: String, about name: String = "", roster: UInt64? = nil, in room: Int,
        except: Int? = nil
    ) {
        let exception = except.flatMap { rules.members[$0] }
        let roster = roster ?? rules.rooms[room]!.roster
        for audience in rules.rooms[room]!.audiences where !audience.addresses.isEmpty {
            let payload = outbound.encode { writer in
                if audience.isExtended {
                    UCRPDelivery(
                        .event, offset: UInt64(rules.rooms[room]!.nextOffset), id: MessageID(high: roster, low: 0),
                        sender: Array(name.utf8)[...], text: Array(event.utf8)[...]
                    ).write(to: &writer)
                } else {
                    Self.writeSystem(sentence, to: &writer)
                }
            }
            let path = exception?.path
            let isTheirs = path?.socket == audience.socket && exception?.isExtended == audience.isExtended
            outbound.send(
                payload, to: audience.addresses, except: isTheirs ? path?.address : nil,
                from: sockets[audience.socket].id)
        }
    }

    private func expel(_ recipients: [RoomRules.Recipient], _ reason: SafeText) {
        let plain = outbound.encode { UCRPPlainDelivery.roomClosed.write(to: &$0) }
        let extended = outbound.encode {
            UCRPDelivery(.closed, text: Array(reason.string.utf8)[...]).write(to: &$0)
        }
        for recipient in recipients {
            outbound.send(
                recipient.isExtended ? extended : plain, to: recipient.path.address,
                from: sockets[recipient.path.socket].id)
        }
    }

    // MARK: - Drops

    private func count(_ reason: RoomRules.Drop) {
        drops[reason.rawValue] += 1
        // The log hears of it at a bounded rate: the first time soon, then every so often.
        if reportedDrops == 0 {
            reportedDrops = -1
            outbound.schedule(RoomsTimer.drops.packed, after: Self.dropReport)
        }
    }

    func reportDrops() {
        let total = drops.reduce(0, +)
        guard total > 0, total != reportedDrops else {
            reportedDrops = 0
            return
        }
        reportedDrops = total
        report(
            .dropped(
                RoomRules.Drop.allCases.compactMap { drops[$0.rawValue] > 0 ? ($0.words, drops[$0.rawValue]) : nil }))
        outbound.schedule(RoomsTimer.drops.packed, after: Self.dropReport)
    }
}

extension RoomRules.Announcement {
    /// The text of an event.
    var word: String {
        switch self {
        case .joined: "joined"
        case .left: "left"
        case .lost: "lost"
        case .returned: "returned"
        case .host: "host"
        case .topic(let topic): "topic " + topic
        }
    }

    /// What original programs are told.
    func sentence(about name: String) -> SafeText {
        switch self {
        case .joined: "\(name) has joined the room."
        case .left: "\(name) has left the room."
        case .lost: "\(name) has fallen silent."
        case .returned: "\(name) is back."
        case .host: "\(name) is now the host."
        case .topic(let topic): topic.isEmpty ? "\(name) removed the topic." : "\(name) set the topic: \(topic)"
        }
    }
}
