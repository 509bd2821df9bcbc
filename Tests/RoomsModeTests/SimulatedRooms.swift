import Delivery
import Testing
import Wire

@testable import RoomsMode

/// A server, its disk, a network that fails, and people: all of it in one thread, with a clock of its own, from a seed.
struct SimulatedRooms {
    struct Faults {
        var loss = 0.0
        var duplication = 0.0
        var longestDelay: Duration = .milliseconds(40)
        /// Part of the exchanges over TCP that break.
        var breaks = 0.0
        /// Part of the client's datagrams and of the server's that are mangled.
        var corruption = 0.0
    }

    /// What somebody saw and was told.
    struct Person {
        var machine: RoomSessionMachine
        let port: UInt16
        var membership: RoomSessionMachine.Membership?
        var isRunning = true
        /// Counts up with each restart, so that what was meant for a run before is dropped.
        var run = 0
        /// Ids in the order in which they were shown, over all runs.
        var shown: [MessageID] = []
        var caughtUp: Set<MessageID> = []
        var said: [MessageID] = []
        /// Of these, what was said by a program that was killed later: it may be shown when it comes back.
        var saidBefore = 0
        var accepted: [MessageID: Int64] = [:]
        var unanswered: Set<MessageID> = []
        var failed: Set<MessageID> = []
        var gaps: [ClosedRange<Int64>] = []
        var isReady = false
        var ending: RoomsNews.Ending??
        var news: [RoomsNews] = []
        var present: Set<String> = []
    }

    enum Event {
        case toServer([UInt8], port: UInt16)
        case toClient(Int, run: Int, [UInt8])
        case exchange(Int, run: Int, RoomSessionMachine.Purpose, RoomsRequest)
        case answer(Int, run: Int, RoomSessionMachine.Purpose, ClientExchangeMachine.Outcome?)
        case commit(life: Int, offset: Int64, id: MessageID, member: RoomToken, text: String, author: String)
        case heartbeat(life: Int)
        case say(Int, String)
        case crash(Duration)
        case restart
        case kill(Int, Duration)
        case revive(Int)
    }

    static let room = "den"

    var now = MonotonicTime(nanoseconds: 0)
    var random: SplitMix64
    var ids: SplitMix64
    var faults: Faults
    private var queue = TimerQueue<Int>()
    private var events: [Int: Event] = [:]
    private var count = 0
    private var steps = 0
    private(set) var people: [Person] = []

    // The server.
    private var rules: RoomRules
    private var isUp = true
    /// Counts up with each crash: what was under way in a life before is lost.
    private var life = 0
    /// What is on the disk.
    private(set) var log: [Int64: KeptMessage] = [:]
    private var offsets: [MessageID: Int64] = [:]
    private var reservedEnd: Int64 = 0
    private var inFlight: Set<Int64> = []
    private var lastBeat: Int64 = 0

    init(seed: UInt64, faults: Faults) {
        random = SplitMix64(seed: seed)
        ids = SplitMix64(seed: seed ^ 0xabcd)
        self.faults = faults
        rules = RoomRules(policy: .keep, limitsRate: false, firstRoster: 1_000)
        let room = rules.addLobby(
            try! RoomName(validating: Self.room), epoch: Epoch(value: 7), wall: Timestamp(microseconds: 0))
        reservedEnd = rules.rooms[room]!.reservedEnd
    }

    mutating func schedule(_ event: Event, after delay: Duration) {
        count += 1
        queue.schedule(count, at: now + delay)
        events[count] = event
    }

    mutating func addPerson(_ name: String) -> Int {
        let index = people.count
        let machine = RoomSessionMachine(
            room: try! RoomName(validating: Self.room), name: try! Nickname(validating: name), creates: false,
            membership: nil, context: 0, seed: random.next())
        people.append(Person(machine: machine, port: UInt16(1_000 + index)))
        carryOut(people[index].machine.started(at: now), of: index)
        return index
    }

    /// Runs until nobody has anything under way, or the time is up.
    mutating func run(for duration: Duration) {
        let end = now + duration
        while let at = queue.earliest(), at <= end, let next = queue.popDue(at: at) {
            now = max(now, at)
            steps += 1
            guard steps < 300_000 else {
                Issue.record("no end: \(people.map { ($0.machine.phase, $0.machine.deadline, now) })")
                return
            }
            if next < 0 {
                tick(-1 - next)
            } else {
                handle(events.removeValue(forKey: next)!)
            }
        }
        now = end
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .toServer(let bytes, let port): if isUp { serverReceived(bytes, port) }
        case .toClient(let index, let run, let bytes):
            guard isAlive(index, run) else { return }
            carryOut(people[index].machine.received(bytes[...], at: now), of: index)
        case .exchange(let index, let run, let purpose, let request):
            guard isUp, Double.random(in: 0..<1, using: &random) >= faults.breaks else {
                return schedule(.answer(index, run: run, purpose, nil), after: delay())
            }
            let outcome = perform(request)
            let breaks = Double.random(in: 0..<1, using: &random) < faults.breaks
            schedule(
                .answer(index, run: run, purpose, breaks ? .failure(.closedEarly) : outcome), after: delay())
        case .answer(let index, let run, let purpose, let outcome):
            guard isAlive(index, run) else { return }
            carryOut(people[index].machine.exchanged(purpose, outcome, at: now), of: index)
        case .commit(let life, let offset, let id, let token, let text, let author):
            guard life == self.life, isUp else { return }
            committed(offset, id, token, text, author)
        case .heartbeat(let life): if life == self.life, isUp { beat() }
        case .say(let index, let text): say(text, index)
        case .crash(let duration):
            isUp = false
            life += 1
            schedule(.restart, after: duration)
        case .restart: restart()
        case .kill(let index, let duration):
            guard people[index].isRunning else { return }
            people[index].isRunning = false
            people[index].run += 1
            people[index].saidBefore = people[index].said.count
            // What was under way in that run will not be told any more.
            let person = people[index]
            for id in person.said where person.accepted[id] == nil && !person.failed.contains(id) {
                people[index].unanswered.insert(id)
            }
            schedule(.revive(index), after: duration)
        case .revive(let index):
            people[index].isRunning = true
            people[index].isReady = false
            people[index].machine = RoomSessionMachine(
                room: try! RoomName(validating: Self.room),
                name: try! Nickname(validating: people[index].machine.name), creates: false,
                membership: people[index].membership, context: 0, seed: random.next())
            carryOut(people[index].machine.started(at: now), of: index)
        }
    }

    private mutating func tick(_ index: Int) {
        guard people[index].isRunning else { return }
        carryOut(people[index].machine.timedOut(at: now), of: index)
    }

    private func isAlive(_ index: Int, _ run: Int) -> Bool { people[index].isRunning && people[index].run == run }

    private mutating func delay() -> Duration {
        .microseconds(Int64.random(in: 100...max(101, faults.longestDelay.nanoseconds / 1_000), using: &random))
    }

    // MARK: - The network

    private mutating func transmit(_ bytes: [UInt8], _ event: ([UInt8]) -> Event) {
        var copies = Double.random(in: 0..<1, using: &random) < faults.loss ? 0 : 1
        if Double.random(in: 0..<1, using: &random) < faults.duplication { copies += 1 }
        for _ in 0..<copies {
            var bytes = bytes
            if Double.random(in: 0..<1, using: &random) < faults.corruption, !bytes.isEmpty {
                // A datagram that is cut short; a flipped bit would have been caught by UDP's checksum.
                bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
            }
            schedule(event(bytes), after: delay())
        }
    }

    private mutating func send(_ bytes: [UInt8], to addresses: [SocketAddress], except: UInt16? = nil) {
        for address in addresses where address.port != except {
            let index = Int(address.port) - 1_000
            let run = people[index].run
            transmit(bytes) { .toClient(index, run: run, $0) }
        }
    }

    // MARK: - The server

    private mutating func serverReceived(_ bytes: [UInt8], _ port: UInt16) {
        var effects: [RoomRules.Effect] = []
        let path = RoomRules.Path(SocketAddress(ip: .v4(0x7f00_0001), port: port), socket: 0)
        let verdict = rules.received(
            bytes[...], from: path, at: now, freshID: { MessageID(high: 0, low: 0) }, effects: &effects)
        announce(effects)
        switch verdict {
        case .relay(let relay): self.relay(relay)
        case .pong(let member, let id):
            guard let path = rules.members[member]?.path else { return }
            send(encoded(heartbeat(answering: id.low)), to: [path.address])
        case .repeated(let member, let id, let offset):
            guard !inFlight.contains(offset), let path = rules.members[member]?.path else { return }
            send(encoded(UCRPDelivery(.ack, offset: UInt64(offset), id: id)), to: [path.address])
        case .wait(_, let count) where count > 0: reserve(count)
        case .drop, .done, .wait, .refuse, .expel: break
        }
    }

    private mutating func reserve(_ count: Int64) {
        reservedEnd += count
        for relay in rules.reserved(upTo: reservedEnd, in: 0) { self.relay(relay) }
    }

    private mutating func relay(_ relay: RoomRules.Relay) {
        let author = rules.members[relay.member]!
        let delivery = UCRPDelivery(
            .message, offset: UInt64(relay.offset), id: relay.id, sender: author.nameBytes[...],
            text: Array(relay.text.utf8)[...])
        for audience in rules.rooms[0]!.audiences {
            send(encoded(delivery), to: audience.addresses, except: author.path!.address.port)
        }
        inFlight.insert(relay.offset)
        schedule(
            .commit(
                life: life, offset: relay.offset, id: relay.id, member: author.token, text: relay.text,
                author: author.name), after: .milliseconds(8))
        if relay.reserve > 0 { reserve(relay.reserve) }
        schedule(.heartbeat(life: life), after: .seconds(1))
        schedule(.heartbeat(life: life), after: .seconds(5))
    }

    private mutating func committed(
        _ offset: Int64, _ id: MessageID, _ token: RoomToken, _ text: String, _ author: String
    ) {
        inFlight.remove(offset)
        let place = offsets[id] ?? offset
        if offsets[id] == nil {
            offsets[id] = offset
            log[offset] = KeptMessage(
                offset: offset, id: id, author: author, time: Timestamp(microseconds: 0), subject: nil, text: text)
        }
        guard let member = rules.member(of: token), let path = rules.members[member]!.path else { return }
        send(encoded(UCRPDelivery(.ack, offset: UInt64(place), id: id)), to: [path.address])
    }

    private mutating func beat() {
        for audience in rules.rooms[0]!.audiences { send(encoded(heartbeat(answering: 0)), to: audience.addresses) }
    }

    private func heartbeat(answering number: UInt64) -> UCRPDelivery {
        UCRPDelivery(
            .heartbeat, offset: UInt64(rules.rooms[0]!.nextOffset),
            id: MessageID(high: rules.rooms[0]!.roster, low: number))
    }

    private mutating func announce(_ effects: [RoomRules.Effect]) {
        for case .announce(_, let roster, let announcement, let name, _) in effects {
            let event = UCRPDelivery(
                .event, offset: UInt64(rules.rooms[0]!.nextOffset), id: MessageID(high: roster, low: 0),
                sender: Array(name.utf8)[...], text: Array(announcement.word.utf8)[...])
            for audience in rules.rooms[0]!.audiences { send(encoded(event), to: audience.addresses) }
        }
    }

    private func encoded(_ delivery: UCRPDelivery) -> [UInt8] {
        var writer = ByteWriter()
        delivery.write(to: &writer)
        return writer.bytes
    }

    private mutating func perform(_ request: RoomsRequest) -> ClientExchangeMachine.Outcome {
        func granted(_ answer: RoomsAnswer) -> ClientExchangeMachine.Outcome {
            .success(.init(answer, isExtended: true))
        }
        var effects: [RoomRules.Effect] = []
        defer { announce(effects) }
        switch request.body {
        case .join(let name, let token):
            let fresh = RoomRules.Fresh(
                token: .random(using: &random), epoch: Epoch(value: 7), now: now, wall: Timestamp(microseconds: 0))
            let result =
                token.map {
                    rules.comeBack(to: request.room, with: $0, isExtended: true, at: now, effects: &effects)
                } ?? rules.join(request.room, as: name, isExtended: true, fresh: fresh, effects: &effects)
            switch result {
            case .failure(let refusal): return .failure(.refused(refusal))
            case .success(let member):
                let room = rules.rooms[0]!
                return granted(
                    .entered(
                        .init(
                            token: rules.members[member]!.token,
                            extended: .init(
                                udpPort: 9, epoch: room.epoch, offset: room.nextOffset, roster: room.roster,
                                isHost: false, topic: ""))))
            }
        case .history(_, .from(let start), let limit):
            let settled = inFlight.min() ?? rules.rooms[0]!.nextOffset
            let found = log.values.filter { $0.offset >= start && $0.offset < settled }.sorted { $0.offset < $1.offset }
            let page = found.prefix(min(limit, 7))
            let end = page.count < found.count ? page.last!.offset + 1 : max(settled, start)
            return granted(
                .history(
                    .init(
                        epoch: Epoch(value: 7), start: start, end: end, offset: max(end, rules.rooms[0]!.nextOffset),
                        messages: Array(page), hasMore: end < settled)))
        case .who(_, let after): return granted(.members(rules.listMembers(of: 0, after: after, limit: 3)))
        case .leave(let token):
            if let member = rules.member(of: token) { effects += rules.left(member, at: now) }
            return granted(.left)
        case .create, .list, .topic, .history(_, .before, _): return .failure(.malformed)
        }
    }

    /// What was on the disk is there again: the members, the log, and the end of the offsets that were taken.
    private mutating func restart() {
        isUp = true
        inFlight = []
        let kept = rules.rooms[0]!.members.map { index in
            let member = rules.members[index]!
            return RoomRules.KeptMember(
                name: member.name, token: member.token, isHost: false, isExtended: member.isExtended,
                path: member.path)
        }
        var room = RoomRules.KeptRoom(
            name: Self.room, createdAt: Timestamp(microseconds: 0), topic: "", epoch: Epoch(value: 7),
            nextOffset: reservedEnd, reservedEnd: reservedEnd + RoomRules.firstBlock, recent: [], members: kept)
        room.recent = log.values.sorted { $0.offset < $1.offset }.suffix(256).map { ($0.id, $0.offset) }
        reservedEnd = room.reservedEnd
        rules = RoomRules(policy: .keep, limitsRate: false, firstRoster: UInt64(1_000_000 * (life + 1)))
        var effects: [RoomRules.Effect] = []
        let index = rules.restore(room, at: now, effects: &effects)
        rules.makeLobby(index)
    }

    // MARK: - People

    private mutating func say(_ text: String, _ index: Int) {
        guard people[index].isRunning else { return }
        let id = MessageID.random(using: &ids)
        do {
            let effects = try people[index].machine.said(text, id: id, at: now)
            people[index].said.append(id)
            carryOut(effects, of: index)
        } catch {
            // Refused at once: the person knows.
        }
    }

    private mutating func carryOut(_ effects: [RoomSessionMachine.Effect], of index: Int) {
        let run = people[index].run
        for effect in effects {
            switch effect {
            case .exchange(let purpose, let request):
                schedule(.exchange(index, run: run, purpose, request), after: delay())
            case .send(let bytes):
                let port = people[index].port
                transmit(bytes) { .toServer($0, port: port) }
            case .remember(let membership): people[index].membership = membership
            case .forget: people[index].membership = nil
            case .news(let news): note(news, of: index)
            }
        }
        if let deadline = people[index].machine.deadline {
            queue.schedule(-1 - index, at: max(deadline, now + .microseconds(1)))
        } else {
            queue.cancel(-1 - index)
        }
    }

    private mutating func note(_ news: RoomsNews, of index: Int) {
        people[index].news.append(news)
        switch news {
        case .message(let message, let isCaughtUp):
            people[index].shown.append(message.id)
            if isCaughtUp { people[index].caughtUp.insert(message.id) }
        case .accepted(let id, let offset, _):
            people[index].accepted[id] = offset
            people[index].unanswered.remove(id)
        case .unanswered(let id): people[index].unanswered.insert(id)
        case .failed(let id, _): people[index].failed.insert(id)
        case .gap(let from, let to):
            people[index].gaps.append(from...to)
        case .ready: people[index].isReady = true
        case .ended(let ending): people[index].ending = .some(ending)
        case .members(let names): people[index].present = Set(names)
        case .joined(let name), .returned(let name): people[index].present.insert(name)
        case .left(let name), .lost(let name): people[index].present.remove(name)
        default: break
        }
    }

    // MARK: - Promises

    /// Holds what everybody saw against what everybody was told.
    func check(everybodySeesAll: Bool, sameOrder: Bool, _ seed: UInt64) {
        let said = people.flatMap(\.said)
        for (index, person) in people.enumerated() {
            #expect(Set(person.shown).count == person.shown.count, "shown twice to \(index), seed \(seed)")
            #expect(
                Set(person.shown).isDisjoint(with: person.said[person.saidBefore...]), "own message shown, seed \(seed)"
            )
            for id in person.said {
                let states = [
                    person.accepted[id] != nil, person.unanswered.contains(id), person.failed.contains(id),
                ]
                #expect(states.count(where: \.self) == 1, "neither or both, seed \(seed): \(states)")
                if person.accepted[id] != nil { #expect(offsets[id] != nil, "accepted and not kept, seed \(seed)") }
                if person.failed.contains(id) {
                    #expect(!people.contains { $0.shown.contains(id) }, "failed and shown, seed \(seed)")
                }
            }
            if everybodySeesAll {
                #expect(person.gaps.isEmpty, "a gap, seed \(seed)")
                let others = Set(people.indices.filter { $0 != index }.flatMap { people[$0].accepted.keys })
                #expect(others.isSubset(of: person.shown), "\(index) missed something, seed \(seed)")
            }
            // Each author's order.
            for other in people where other.port != person.port {
                let order = person.shown.filter { other.said.contains($0) }
                #expect(order == other.said.filter { order.contains($0) }, "an author's order, seed \(seed)")
            }
            if sameOrder {
                let order = person.shown.compactMap { offsets[$0] }
                #expect(order == order.sorted(), "order, seed \(seed)")
            }
        }
        #expect(said.count == Set(said).count)
    }
}
