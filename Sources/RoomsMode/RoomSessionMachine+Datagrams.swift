import Delivery
package import Wire

/// What comes from the server by datagrams, what goes there, and what time does.
extension RoomSessionMachine {
    // MARK: - Saying something

    /// Why a text cannot be sent.
    package enum TextError: Error, Equatable, Sendable {
        case tooLong(by: Int, limit: Int)
        /// An original server would take it for a command.
        case reserved
        case queueFull
        case away

        package var message: SafeText {
            switch self {
            case .tooLong(let excess, let limit):
                "The message is \(excess) bytes too long; it may have \(limit) bytes of UTF-8."
            case .reserved: "This server takes such a text for a command; write it differently."
            case .queueFull: "Too many messages wait for the server; wait a moment."
            case .away: "The server does not answer; the message was not sent."
            }
        }
    }

    /// The user says something.
    package mutating func said(
        _ text: String, id: MessageID, at now: MonotonicTime
    ) throws(TextError) -> [Effect] {
        clock = now
        let excess = text.utf8.count - textLimit
        guard excess <= 0 else { throw .tooLong(by: excess, limit: textLimit) }
        switch phase {
        case .entering, .leaving, .ended: throw .away
        case .away(let since): if now - since >= Self.surrender - Self.silence { throw .away }
        case .present: break
        }
        guard isExtended else {
            guard UCRPRequest(([0, 0] + Array(text.utf8))[...])?.control == nil else { throw .reserved }
            return [datagram { $0.append(utf8: text) }, .news(.sent(id))]
        }
        guard sender.hasRoom else { throw .queueFull }
        receiver?.sent(id)
        do { return carryOut(try sender.submitted(Draft(id: id, text: text), at: now), at: now) } catch {
            throw .queueFull
        }
    }

    private mutating func carryOut(
        _ sent: [ReliableSender<Draft>.Effect], at now: MonotonicTime
    ) -> [Effect] {
        var effects: [Effect] = []
        for effect in sent {
            switch effect {
            case .send(let segment):
                if sequences.updateValue(segment.sequence, forKey: segment.message.id) == nil {
                    if let gone = sequenceOrder.append(segment.message.id) { sequences[gone] = nil }
                    effects.append(.news(.sent(segment.message.id)))
                }
                // Perhaps the address has changed on the way, and nobody would say so.
                if segment.attempt > 2 { effects.append(pingDatagram()) }
                effects.append(
                    datagram {
                        UCRPSubmission(.message, id: segment.message.id, text: Array(segment.message.text.utf8)[...])
                            .write(to: &$0)
                    })
                if segment.attempt == 3, owedSince == nil { owedSince = now }
            case .acknowledged: break
            case .gaveUp(_, let draft):
                if sequences[draft.id] != nil {
                    effects.append(.news(.unanswered(draft.id)))
                } else {
                    effects.append(.news(.failed(draft.id, TextError.away.message)))
                }
            }
        }
        return effects
    }

    /// A message of one's own is kept at an offset.
    mutating func confirmed(_ id: MessageID, offset: Int64) -> [Effect] {
        guard let sequence = sequences.removeValue(forKey: id) else { return [] }
        var isLate = false
        var effects: [Effect] = []
        for effect in sender.acknowledged(sequence, at: clock) {
            if case .acknowledged(_, _, let late) = effect {
                isLate = late
            } else {
                effects += carryOut([effect], at: clock)
            }
        }
        return [.news(.accepted(id, offset: offset, late: isLate))] + effects
    }

    /// Gives up everything that was not acknowledged.
    mutating func abandon() -> [Effect] { carryOut(sender.becameUnreachable(), at: clock) }

    // MARK: - Hearing something

    /// A datagram has come from the server's address.
    package mutating func received(_ datagram: ArraySlice<UInt8>, at now: MonotonicTime) -> [Effect] {
        clock = now
        switch phase {
        case .present, .away: break
        case .entering, .leaving, .ended: return []
        }
        guard isExtended else { return receivedPlain(datagram) }
        guard let delivery = UCRPDelivery(datagram), let offset = Int64(exactly: delivery.offset) else { return [] }
        var effects = heard(at: now)
        switch delivery.kind {
        case .message:
            guard let sender = String(validating: delivery.sender, as: UTF8.self),
                let text = String(validating: delivery.text, as: UTF8.self)
            else { return effects }
            effects += receive {
                $0.received(.init(offset: offset, id: delivery.id, sender: sender, text: text), at: now)
            }
        case .ack: effects += receive { $0.acknowledged(delivery.id, offset: offset, at: now) }
        case .heartbeat:
            effects += receive { $0.heard(next: offset, at: now) }
            heardRoster(delivery.id.high, at: now)
        case .closed: effects += ended(.closed(SafeText(untrustedBytes: delivery.text)))
        case .event:
            effects += receive { $0.heard(next: offset, at: now) }
            effects += happened(delivery, at: now)
        case .refused: effects += refused(delivery, at: now)
        }
        return effects
    }

    private mutating func receivedPlain(_ datagram: ArraySlice<UInt8>) -> [Effect] {
        switch UCRPPlainDelivery(datagram) {
        case .roomClosed?: return ended(.closed("The host has closed the room."))
        case .message(let sender, let text)?:
            guard let text = String(validating: text, as: UTF8.self),
                let sender = String(validating: sender, as: UTF8.self)
            else { return [] }
            // The original relays the name as the JSON string that it came as.
            let name = (try? JSON(parsing: Array(sender.utf8)[...]))?.string ?? sender
            return [.news(.plainMessage(sender: name, text: text))]
        case nil: return []
        }
    }

    /// The server is there.
    private mutating func heard(at now: MonotonicTime) -> [Effect] {
        lastHeard = now
        owedSince = nil
        pingsOwed = 0
        pingAt = now + jittered(Self.pingInterval)
        reenterAt = nil
        reentry.succeeded()
        let wasReady = isReady
        isReady = true
        switch phase {
        case .present(answers: false):
            phase = .present(answers: true)
            return [.news(.ready)]
        case .away:
            phase = .present(answers: true)
            roster.isStale = true
            rosterAt = rosterAt ?? now
            return [.news(wasReady ? .serverFound : .ready)] + receive { $0.resumed(at: now) }
        case .present, .entering, .leaving, .ended: return []
        }
    }

    /// The server's host says that nobody listens there.
    package mutating func unreachable(at now: MonotonicTime) -> [Effect] {
        clock = now
        switch phase {
        case .present:
            // An original server gives no other sign; one of ours is asked until its time is up.
            if isExtended {
                if owedSince == nil { owedSince = now }
                pingAt = min(pingAt ?? now, now + Self.pingRepeat)
                return []
            }
            return wentAway(at: now)
        case .away, .entering, .leaving, .ended: return []
        }
    }

    private mutating func refused(_ delivery: UCRPDelivery, at now: MonotonicTime) -> [Effect] {
        guard let sequence = sequences[delivery.id], sender.oldestSequence == sequence else { return [] }
        let reason = SafeText(untrustedBytes: delivery.text)
        guard delivery.offset == 0 else {
            let pause = Duration.milliseconds(Int64(min(delivery.offset, 60_000)))
            sender.deferred(sequence, by: pause, at: now)
            return [.news(.slowedDown(reason, pause))]
        }
        sequences[delivery.id] = nil
        var effects: [Effect] = [.news(.failed(delivery.id, "server: \(reason)"))]
        for effect in sender.acknowledged(sequence, at: now) {
            if case .acknowledged = effect { continue }
            effects += carryOut([effect], at: now)
        }
        return effects
    }

    // MARK: - Members

    private mutating func happened(_ delivery: UCRPDelivery, at now: MonotonicTime) -> [Effect] {
        guard let who = String(validating: delivery.sender, as: UTF8.self),
            let text = String(validating: delivery.text, as: UTF8.self)
        else { return [] }
        let words = text.split(separator: " ", maxSplits: 1)
        let number = delivery.id.high
        func news(_ news: RoomsNews, isPresent: Bool?) -> [Effect] {
            guard roster.take(who, isPresent: isPresent, number: number) else {
                heardRoster(number, at: now)
                return []
            }
            return who == name ? [] : [.news(news)]
        }
        switch words.first {
        case "joined": return news(.joined(who), isPresent: true)
        case "returned": return news(.returned(who), isPresent: true)
        case "left": return news(.left(who), isPresent: nil)
        case "lost": return news(.lost(who), isPresent: false)
        case "host":
            if who == name { isHost = true }
            guard roster.take(who, isPresent: roster.members[who] ?? true, number: number) else {
                heardRoster(number, at: now)
                return [.news(.host(who))]
            }
            return [.news(.host(who))]
        case "topic": return [.news(.topic(words.count > 1 ? String(words[1]) : "", by: who))]
        case "stopping": return [.news(.stopping)]
        default: return []
        }
    }

    /// The list of members is what `number` calls it.
    private mutating func heardRoster(_ number: UInt64, at now: MonotonicTime) {
        roster.heard = max(roster.heard, number)
        guard roster.number != number, rosterAt == nil, !underWay.contains(.roster) else { return }
        roster.isStale = true
        let most = Self.rosterDelay / .milliseconds(1)
        rosterAt = now + .milliseconds(Int64(Double.random(in: 0..<most, using: &random)))
    }

    private mutating func askRoster(after number: Int64) -> [Effect] {
        guard underWay.insert(.roster).inserted else { return [] }
        return [.exchange(.roster, RoomsRequest(room: room, .who(token: token, after: number), isExtended: true))]
    }

    mutating func rosterArrived(_ page: RoomsAnswer.MembersPage, at now: MonotonicTime) -> [Effect] {
        guard let changes = roster.take(page, except: name) else { return askRoster(after: page.next ?? 0) }
        // Something has happened while the list was on its way.
        if let number = roster.number, roster.heard > number { heardRoster(roster.heard, at: now) }
        return changes.map { change in
            switch change {
            case .first(let names): .news(.members(names))
            case .joined(let name): .news(.joined(name))
            case .left(let name): .news(.left(name))
            case .lost(let name): .news(.lost(name))
            case .returned(let name): .news(.returned(name))
            }
        }
    }

    /// The names that are known, for completion.
    package var memberNames: [String] { roster.names }

    // MARK: - Time

    package mutating func timedOut(at now: MonotonicTime) -> [Effect] {
        clock = now
        guard phase != .ended else { return [] }
        var effects: [Effect] = []
        if let due = pingAt, due <= now { effects += isExtended ? ping(at: now) : register(at: now) }
        if let since = owedSince, now - since >= Self.silence, case .present = phase {
            effects += wentAway(at: now)
        }
        if case .away(let since) = phase, now - since >= Self.surrender - Self.silence {
            // Datagrams do not come through at all: there is no use in waiting for better times.
            if isExtended && !isReady { return effects + ended(.silent) }
            effects += abandon()
        }
        if let due = reenterAt, due <= now {
            reenterAt = nil
            effects += enter()
        }
        if let due = rosterAt, due <= now {
            rosterAt = nil
            if roster.isStale { effects += askRoster(after: 0) }
        }
        if let due = receiver?.deadline, due <= now { effects += receive { $0.timedOut(at: now) } }
        if let due = sender.deadline, due <= now { effects += carryOut(sender.timedOut(at: now), at: now) }
        return effects
    }

    /// Asks a server of ours whether it is there, and tells it where we are.
    mutating func ping(at now: MonotonicTime) -> [Effect] {
        owedSince = owedSince ?? now
        let wait = min(Self.pingRepeat * (1 << min(pingsOwed, 8)), Self.longestPingRepeat)
        pingsOwed += 1
        pingAt = now + jittered(wait)
        return [pingDatagram()]
    }

    private mutating func pingDatagram() -> Effect {
        let number = random.next()
        return datagram { UCRPSubmission(.ping, id: MessageID(high: 0, low: number)).write(to: &$0) }
    }

    /// Tells an original server where we are.
    mutating func register(at now: MonotonicTime) -> [Effect] {
        let wait = registrationsLeft.isEmpty ? Self.originalRegistration : registrationsLeft.removeFirst()
        pingAt = now + wait
        return [datagram { $0.append(UCRPRequest.Control.register.literal) }]
    }

    private mutating func wentAway(at now: MonotonicTime) -> [Effect] {
        phase = .away(since: now)
        receiver?.suspended()
        reentry.succeeded()
        reenterAt = now + reentry.next(using: &random)
        return [.news(.serverLost)]
    }

    private mutating func jittered(_ wait: Duration) -> Duration {
        wait * (0.8 + 0.2 * Double.random(in: 0..<1, using: &random))
    }
}
