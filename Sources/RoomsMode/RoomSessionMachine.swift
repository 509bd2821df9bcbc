package import Delivery
package import Wire

/// A client's life in a room: entering, being there, losing the server and finding it again, leaving.
///
/// Pure: datagrams, answers and time come in, datagrams, requests and news go out. Speaks UCRP 2 to a server of ours and
/// plain UCRP to an original one.
package struct RoomSessionMachine: Sendable {
    /// How often a server of ours is pinged, which also keeps address translators open.
    package static let pingInterval: Duration = .seconds(15)
    /// How long until a ping is repeated that was not answered, at first and at most.
    package static let pingRepeat: Duration = .milliseconds(500)
    package static let longestPingRepeat: Duration = .seconds(4)
    /// How long a server may owe an answer before it counts as gone.
    package static let silence: Duration = .seconds(10)
    /// How long it may be gone before nobody waits for what was not acknowledged.
    package static let surrender: Duration = .seconds(30)
    /// How often an original server is told again where we are; it never answers.
    package static let originalRegistration: Duration = .seconds(60)
    /// Repetitions of the first REGISTER to an original server, whose loss nobody would notice.
    package static let originalRepetitions: [Duration] = [.milliseconds(500), .milliseconds(1_500)]
    /// Attempts to enter again while the server is gone.
    package static let firstReentry: Duration = .seconds(1)
    package static let longestReentry: Duration = .seconds(30)
    /// How long to wait at most before the list of members is asked for, so that all do not ask at once.
    package static let rosterDelay: Duration = .seconds(1)
    /// Messages under way one after the other: the next is sent when the one before is settled, which keeps an author's
    /// order. Tried for about 40 s, long enough for a server to be restarted.
    package static let policy = ReliableSender<Draft>.Policy(
        window: 1, queue: 1_000, sends: 40, minimumTimeout: .milliseconds(200), maximumTimeout: .seconds(1))

    /// A message of one's own.
    package struct Draft: Sendable, Equatable {
        package var id: MessageID
        package var text: String

        package init(id: MessageID, text: String) {
            self.id = id
            self.text = text
        }
    }

    /// What is asked over TCP, and why.
    package enum Purpose: Sendable, Hashable {
        case enter
        /// What is missing.
        case gap
        /// What was said before.
        case context
        case roster
        case leave
    }

    package enum Effect: Sendable, Equatable {
        /// Answered with `exchanged`. At most one of each purpose is under way.
        case exchange(Purpose, RoomsRequest)
        /// A datagram to the server.
        case send([UInt8])
        /// What a later run needs to come back has changed.
        case remember(Membership)
        case forget
        case news(RoomsNews)
    }

    /// What a later run needs to come back.
    package struct Membership: Sendable, Equatable {
        package var token: RoomToken
        package var epoch: Epoch
        /// The offset that is shown next.
        package var next: Int64
        package var udpPort: UInt16

        package init(token: RoomToken, epoch: Epoch, next: Int64, udpPort: UInt16) {
            self.token = token
            self.epoch = epoch
            self.next = next
            self.udpPort = udpPort
        }
    }

    package enum Phase: Sendable, Equatable {
        case entering
        /// In the room; `answers` is false until the server was first heard.
        case present(answers: Bool)
        /// In the room, and the server does not answer.
        case away(since: MonotonicTime)
        case leaving
        case ended
    }

    package let room: String
    package let name: String
    let roomBytes: [UInt8]
    let creates: Bool
    let contextCount: Int
    package internal(set) var phase = Phase.entering
    /// The place in the room; nil before it was entered.
    package internal(set) var token: RoomToken?
    /// True for a server of ours.
    package internal(set) var isExtended = false
    /// The UDP port that the server named.
    package internal(set) var udpPort: UInt16?
    package internal(set) var isHost = false

    /// What is known from an earlier run or from before the server was lost.
    var membership: Membership?
    var receiver: RoomReceiverMachine?
    var sender: ReliableSender<Draft>
    /// Sequence numbers of messages that were sent, by id.
    var sequences: [MessageID: UInt64] = [:]
    var sequenceOrder = RingBuffer<MessageID>(capacity: 256)
    var roster = Roster()
    var random: SplitMix64
    var reentry = Backoff(initial: firstReentry, maximum: longestReentry)

    // When something is due; nil for not.
    var pingAt: MonotonicTime?
    var reenterAt: MonotonicTime?
    var rosterAt: MonotonicTime?
    /// Since when a ping has been owed an answer.
    var owedSince: MonotonicTime?
    var pingsOwed = 0
    var underWay: Set<Purpose> = []
    var registrationsLeft: [Duration] = []
    var lastHeard = MonotonicTime(nanoseconds: .min / 2)
    /// When the last attempt to fetch what is missing failed.
    var lastFailure: MonotonicTime?
    /// True once a server of ours was heard by a datagram.
    var isReady = false
    /// The time of the event that is being handled.
    var clock = MonotonicTime(nanoseconds: 0)

    /// - Parameters:
    ///   - membership: from an earlier run that did not leave.
    ///   - context: how many messages from before are shown on entering.
    ///   - seed: of jitter and ping numbers.
    package init(
        room: RoomName, name: Nickname, creates: Bool, membership: Membership?, context: Int, seed: UInt64
    ) {
        self.room = room.text
        self.name = name.text
        roomBytes = Array(room.text.utf8)
        self.creates = creates
        self.membership = membership
        contextCount = context
        sender = ReliableSender(policy: Self.policy, seed: seed)
        random = SplitMix64(seed: seed ^ 0x5eed)
    }

    /// Messages that wait for an acknowledgement or for their turn.
    package var pendingCount: Int { sender.count }

    /// The most bytes of a text that can be sent.
    package var textLimit: Int {
        guard isExtended else { return UCRPRequest.textLimit(room: roomBytes) }
        return min(
            UCRPRequest.textLimit(room: roomBytes) - UCRPSubmission.headerLength,
            UCRPRequest.mostBytes - UCRPDelivery.headerLength - name.utf8.count)
    }

    /// When `timedOut` has to be called next.
    package var deadline: MonotonicTime? {
        [pingAt, reenterAt, rosterAt, receiver?.deadline, phase == .ended ? nil : sender.deadline]
            .compactMap { $0 }.min()
    }

    // MARK: - Entering

    package mutating func started(at now: MonotonicTime) -> [Effect] {
        clock = now
        return enter()
    }

    /// Asks for a place, or for the place one had.
    mutating func enter() -> [Effect] {
        guard underWay.insert(.enter).inserted else { return [] }
        let body: RoomsRequest.Body
        if let membership {
            body = .join(name: name, token: membership.token)
        } else {
            body = creates && token == nil ? .create(name: name) : .join(name: name, token: nil)
        }
        return [.exchange(.enter, RoomsRequest(room: room, body, isExtended: true))]
    }

    /// An exchange has ended.
    package mutating func exchanged(
        _ purpose: Purpose, _ outcome: ClientExchangeMachine.Outcome?, at now: MonotonicTime
    ) -> [Effect] {
        clock = now
        underWay.remove(purpose)
        switch purpose {
        case .leave: return ended(nil)
        case .enter, .gap, .context, .roster: guard phase != .leaving, phase != .ended else { return [] }
        }
        switch (purpose, outcome) {
        case (.enter, .success(let answer)?):
            guard case .entered(let entered) = answer.body else { return enteringFailed(.malformed, at: now) }
            return self.entered(entered, at: now)
        case (.enter, .failure(let failure)?): return enteringFailed(failure, at: now)
        case (.enter, nil): return enteringFailed(nil, at: now)
        case (.gap, .success(let answer)?):
            guard case .history(let page) = answer.body else { return fetchFailed(at: now) }
            return receive { $0.fetched(page, at: now) }
        case (.gap, _): return fetchFailed(at: now)
        case (.context, .success(let answer)?):
            guard case .history(let page) = answer.body else { return [] }
            return page.messages.map { .news(.context($0)) }
        case (.context, _): return []
        case (.roster, .success(let answer)?):
            guard case .members(let page) = answer.body else { return [] }
            return rosterArrived(page, at: now)
        case (.roster, _):
            roster.discardPages()
            rosterAt = now + Self.longestPingRepeat
            return []
        case (.leave, _): return []
        }
    }

    private mutating func fetchFailed(at now: MonotonicTime) -> [Effect] {
        // Only where the server was heard since the failure before is it there, and is it of no use to go on.
        let answers = lastFailure.map { lastHeard > $0 } ?? false
        lastFailure = now
        return receive { $0.fetchFailed(serverAnswers: answers, at: now) } + ping(at: now)
    }

    private mutating func entered(_ answer: RoomsAnswer.Entered, at now: MonotonicTime) -> [Effect] {
        let isReturn = token != nil || receiver != nil || membership != nil
        let isResumed = membership?.token == answer.token
        token = answer.token
        reenterAt = nil
        var effects: [Effect] = []
        if let extended = answer.extended {
            isExtended = true
            udpPort = extended.udpPort
            isHost = extended.isHost
            effects.append(
                .news(.entered(isHost: isHost, topic: extended.topic, isResumed: isResumed, isExtended: true)))
            if var known = receiver {
                let returned = known.returned(epoch: extended.epoch, next: extended.offset, at: now)
                receiver = known
                effects += carryOut(returned)
            } else if let membership {
                var known = RoomReceiverMachine(epoch: membership.epoch, next: membership.next)
                let returned = known.returned(epoch: extended.epoch, next: extended.offset, at: now)
                receiver = known
                effects += carryOut(returned)
            } else {
                receiver = RoomReceiverMachine(epoch: extended.epoch, next: extended.offset)
            }
            roster.isStale = true
            rosterAt = now
            if !isReturn, contextCount > 0, extended.offset > 0 {
                underWay.insert(.context)
                effects.append(
                    .exchange(
                        .context,
                        RoomsRequest(
                            room: room,
                            .history(token: token, .before(extended.offset), limit: contextCount), isExtended: true)))
            }
            effects += remember()
            if phase == .entering {
                phase = .present(answers: false)
            } else {
                // It is back when it was heard by a datagram; until then it is asked for further, less and less often.
                reenterAt = now + reentry.next(using: &random)
            }
            return effects + ping(at: now)
        }
        isExtended = false
        membership = nil
        effects.append(.news(.entered(isHost: creates, topic: "", isResumed: false, isExtended: false)))
        registrationsLeft = Self.originalRepetitions
        reentry.succeeded()
        effects.append(.news(phase == .entering ? .ready : .serverFound))
        phase = .present(answers: true)
        return effects + register(at: now)
    }

    private mutating func enteringFailed(
        _ failure: ClientExchangeMachine.Failure?, at now: MonotonicTime
    ) -> [Effect] {
        let isFirst = token == nil
        switch failure {
        case .refused(.notAMember)? where membership != nil:
            // The place is gone; a new one is asked for, and what was missed is caught up with all the same.
            return placeLost(at: now)
        case .refused(let refusal)?:
            switch refusal {
            case .tooFast, .storage, .shuttingDown, .roomIsFull, .nameInUse:
                // While one was away these may pass: one's own old place is perhaps still held.
                if !isFirst { return tryLater(at: now) }
            case .roomExists, .noSuchRoom, .badName, .tooManyRooms, .notAMember, .notAllowed,
                .unexplained:
                break
            }
            return ended(.refused(refusal))
        case .malformed?, .closedEarly?, .timedOut?, nil:
            return isFirst ? ended(.unreachable(failure)) : tryLater(at: now)
        }
    }

    private mutating func placeLost(at now: MonotonicTime) -> [Effect] {
        if receiver == nil, let membership {
            receiver = RoomReceiverMachine(epoch: membership.epoch, next: membership.next)
        }
        membership = nil
        return [.forget] + enter()
    }

    private mutating func tryLater(at now: MonotonicTime) -> [Effect] {
        reenterAt = now + reentry.next(using: &random)
        return []
    }

    /// What a later run needs, where that is possible at all.
    mutating func remember() -> [Effect] {
        guard let token, let receiver, let udpPort, phase != .ended else { return [] }
        let current = Membership(token: token, epoch: receiver.epoch, next: receiver.next, udpPort: udpPort)
        guard current != membership else { return [] }
        membership = current
        return [.remember(current)]
    }

    // MARK: - Leaving

    /// The user goes.
    package mutating func left(at now: MonotonicTime) -> [Effect] {
        clock = now
        switch phase {
        case .leaving, .ended: return []
        case .entering: return ended(nil)
        case .present, .away: break
        }
        guard let token else { return ended(nil) }
        phase = .leaving
        guard isExtended else { return [datagram { $0.append(UCRPRequest.Control.leave.literal) }] + ended(nil) }
        underWay.insert(.leave)
        return [.exchange(.leave, RoomsRequest(room: room, .leave(token: token), isExtended: true))]
    }

    /// The session is over; nil where the user wanted it.
    mutating func ended(_ ending: RoomsNews.Ending?) -> [Effect] {
        guard phase != .ended else { return [] }
        let now = clock
        var effects = receive { $0.finished(at: now) }
        phase = .ended
        pingAt = nil
        reenterAt = nil
        rosterAt = nil
        receiver = nil
        effects += abandon()
        // Who could not be reached may still have the place.
        switch ending {
        case .unreachable?, .silent?: break
        case .refused?, .closed?, nil: effects.append(.forget)
        }
        return effects + [.news(.ended(ending))]
    }

    // MARK: - Helpers

    func datagram(_ body: (inout ByteWriter) -> Void) -> Effect {
        var writer = ByteWriter(reserving: 128)
        UCRPRequest.writeHeader(room: roomBytes, token: token!, to: &writer)
        body(&writer)
        return .send(writer.bytes)
    }

    /// Lets the receiver take something, and carries out what follows.
    mutating func receive(_ body: (inout RoomReceiverMachine) -> [RoomReceiverMachine.Effect]) -> [Effect] {
        guard receiver != nil else { return [] }
        return carryOut(body(&receiver!))
    }

    mutating func carryOut(_ received: [RoomReceiverMachine.Effect]) -> [Effect] {
        var effects: [Effect] = []
        for effect in received {
            switch effect {
            case .deliver(let message, let isCaughtUp):
                effects.append(.news(.message(message, isCaughtUp: isCaughtUp)))
            case .confirmed(let id, let offset): effects += confirmed(id, offset: offset)
            case .fetch(let offset):
                guard underWay.insert(.gap).inserted else { continue }
                effects.append(
                    .exchange(
                        .gap,
                        RoomsRequest(
                            room: room, .history(token: token, .from(offset), limit: 1_000), isExtended: true)))
            case .gap(let from, let to): effects.append(.news(.gap(from: from, to: to)))
            }
        }
        return effects + remember()
    }
}
