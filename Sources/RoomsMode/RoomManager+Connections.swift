package import Delivery
import Net
import Store
import Wire

extension EntryLimiter.Rate {
    /// Rooms that are entered or created.
    package static let entries = EntryLimiter.Rate(burst: 30, perSecond: 1)
    /// Lists, pages of history and the like.
    package static let questions = EntryLimiter.Rate(burst: 200, perSecond: 50)
}

/// The handshakes over TCP, and what else is asked there.
extension RoomManager {
    func connection(_ id: SocketID) -> Connection? {
        let slot = Int(id.slot)
        guard slot < connections.count, let connection = connections[slot], connection.id == id else { return nil }
        return connection
    }

    func accepted(_ id: SocketID, _ peer: SocketAddress) {
        guard !isEnding else { return outbound.reset(id) }
        guard limiter.accepted(from: peer.ip) == .admit else {
            // An original client takes a closed connection for a refusal; there is nothing else it would understand.
            outbound.close(id)
            return report(.turnedAway(peer: peer))
        }
        let connection = Connection(id: id, peer: peer)
        let slot = Int(id.slot)
        while connections.count <= slot { connections.append(nil) }
        connections[slot] = connection
        carryOut(connection.machine.connected(), connection)
    }

    func closed(_ id: SocketID) {
        guard let connection = connection(id) else { return }
        connections[Int(id.slot)] = nil
        limiter.closed(from: connection.peer.ip)
        outbound.cancelTimer(RoomsTimer.connection(Int(id.slot)).packed)
    }

    func carryOut(_ effects: [ServerHandshakeMachine.Effect], _ connection: Connection) {
        for effect in effects {
            switch effect {
            case .perform(let request):
                connection.request = request
                perform(request, connection)
            case .startTimer(let delay):
                outbound.schedule(RoomsTimer.connection(Int(connection.id.slot)).packed, after: delay)
            case .cancelTimer: outbound.cancelTimer(RoomsTimer.connection(Int(connection.id.slot)).packed)
            case .pauseReading: outbound.pause(connection.id)
            case .resumeReading: outbound.resume(connection.id)
            case .close: outbound.close(connection.id)
            }
        }
    }

    /// Sends the answer to the request of a connection, and lets it go on.
    func answer(_ connection: Connection, _ answer: Result<RoomsAnswer, RoomsRefusal>) {
        guard let request = connection.request else { return }
        connection.request = nil
        if case .failure(let refusal) = answer { report(.refused(refusal, peer: connection.peer)) }
        outbound.send(
            outbound.encode { RoomsAnswerWriter.write(answer, to: request, &$0) }, to: connection.id)
        if isEnding { return outbound.close(connection.id) }
        connection.answersUnderWay += 1
        // A few bytes can ask for many: who sends a thousand questions at once, or reads no answers, waits for itself.
        let waiting = outbound.outboxCount(connection.id)
        if waiting > Self.outboxGate || connection.answersUnderWay >= Self.answersPerTurn {
            connection.isHeld = true
            return outbound.notifyWhenDrained(connection.id, below: Self.outboxGate)
        }
        carryOut(connection.machine.answered(), connection)
    }

    /// What waited for a connection has left, or nearly so.
    func drained(_ connection: Connection) {
        connection.answersUnderWay = 0
        guard connection.isHeld else { return }
        connection.isHeld = false
        if isEnding { return outbound.close(connection.id) }
        carryOut(connection.machine.answered(), connection)
    }

    // MARK: - Requests

    private func perform(_ request: RoomsRequest, _ connection: Connection) {
        guard !isEnding else { return answer(connection, .failure(.shuttingDown)) }
        guard admits(request, of: connection) else { return answer(connection, .failure(.tooFast)) }
        switch request.body {
        case .create(let name): enter(request, named: name, returningWith: nil, connection)
        case .join(let name, let token): enter(request, named: name, returningWith: token, connection)
        case .list(let after): answer(connection, .success(.rooms(rules.listRooms(after: after))))
        case .history(let token, let range, let limit): history(request.room, token, range, limit, connection)
        case .who(let token, let after):
            guard let room = rules.room(named: request.room) else {
                return answer(connection, .failure(.noSuchRoom))
            }
            guard rules.mayRead(room, with: token) else { return answer(connection, .failure(.notAMember)) }
            answer(connection, .success(.members(rules.listMembers(of: room, after: after))))
        case .leave(let token):
            guard let member = rules.member(of: token), rules.rooms[rules.members[member]!.room]!.name == request.room
            else { return answer(connection, .failure(.notAMember)) }
            carryOut(rules.left(member, at: outbound.now))
            answer(connection, .success(.left))
        case .topic(let token, let topic):
            var effects: [RoomRules.Effect] = []
            switch rules.setTopic(topic, of: request.room, by: token, effects: &effects) {
            case .success:
                carryOut(effects)
                offer(.topic(topic, room: request.room), .upkeep)
                answer(connection, .success(.topicSet))
            case .failure(let refusal): answer(connection, .failure(refusal))
            }
        }
    }

    private func admits(_ request: RoomsRequest, of connection: Connection) -> Bool {
        guard options.limitsRate else { return true }
        return request.operation.isOriginal
            ? entries.admits(connection.peer.ip, at: outbound.now)
            : questions.admits(connection.peer.ip, at: outbound.now)
    }

    /// A room is created or entered; the answer, with the token in it, waits for the commit.
    private func enter(
        _ request: RoomsRequest, named name: String, returningWith token: RoomToken?, _ connection: Connection
    ) {
        let fresh = RoomRules.Fresh(
            token: .random(using: &randomness), epoch: .random(using: &randomness), now: outbound.now,
            wall: options.clock())
        var effects: [RoomRules.Effect] = []
        let result: Result<Int, RoomsRefusal>
        if case .create = request.body {
            result = rules.create(
                request.room, by: name, isExtended: request.isExtended, fresh: fresh, effects: &effects)
        } else if let token {
            result = rules.comeBack(
                to: request.room, with: token, isExtended: request.isExtended, at: outbound.now, effects: &effects)
        } else {
            result = rules.join(
                request.room, as: name, isExtended: request.isExtended, fresh: fresh, effects: &effects)
        }
        carryOut(effects)
        let member: Int
        switch result {
        case .failure(let refusal): return answer(connection, .failure(refusal))
        case .success(let index): member = index
        }
        let room = rules.members[member]!.room
        let kept = keptMember(member)!
        if token != nil {
            report(.resumed(room: request.room, name: kept.name, peer: connection.peer))
            return answer(connection, .success(.entered(entered(member))))
        }
        let change: RoomsChange
        if case .create = request.body {
            setState(RoomState(), of: room)
            change = .create(
                room: request.room, createdAt: fresh.wall, epoch: fresh.epoch, reserved: RoomRules.firstBlock,
                host: kept)
        } else {
            change = .keep(kept, room: request.room)
        }
        let isCreation = change.isCreation
        guard offer(change, .entry(connection.id, kept.token, isCreation: isCreation)) else {
            undoEntry(kept.token, isCreation: isCreation)
            return answer(connection, .failure(.storage))
        }
    }

    /// What a member is told whose place is kept.
    func entered(_ member: Int) -> RoomsAnswer.Entered {
        let known = rules.members[member]!
        let room = rules.rooms[known.room]!
        guard known.isExtended else { return RoomsAnswer.Entered(token: known.token, extended: nil) }
        return RoomsAnswer.Entered(
            token: known.token,
            extended: .init(
                udpPort: sockets[0].address.port, epoch: room.epoch, offset: room.nextOffset, roster: room.roster,
                isHost: room.host == member, topic: room.topic))
    }

    // MARK: - History

    /// The end of what a page of history may hold: what is being committed will be there, and is not yet.
    func settledEnd(of room: Int) -> Int64 {
        guard states[room].inFlight > 0 else { return rules.rooms[room]!.nextOffset }
        return min(states[room].settledEnd, states[room].failed.min() ?? .max)
    }

    private func history(
        _ name: String, _ token: RoomToken?, _ range: RoomsRequest.HistoryRange, _ limit: Int,
        _ connection: Connection
    ) {
        guard let room = rules.room(named: name), let conversation = states[room].conversation else {
            return answer(connection, .failure(.noSuchRoom))
        }
        guard rules.mayRead(room, with: token) else { return answer(connection, .failure(.notAMember)) }
        let end = settledEnd(of: room)
        let offsets: Range<Int64>
        let order: Transaction.Page.Order
        switch range {
        case .from(let start):
            offsets = min(start, end)..<end
            order = .oldestFirst
        case .before(let before):
            offsets = 0..<max(0, min(before ?? end, end))
            order = .newestFirst
        }
        let page = Transaction.Page(
            offsets, order, limit: min(limit, Self.pageMessages), byteLimit: Self.pageBytes)
        let queued = QueuedPage(
            page: RoomsPage(conversation: conversation, page: page), origin: connection.id,
            epoch: rules.rooms[room]!.epoch, range: offsets, offset: rules.rooms[room]!.nextOffset, order: order)
        // A connection asks for one page at a time, so their number bounds the queue.
        let isTaken = reader.offer(queued, size: 0)
        if !isTaken { answer(connection, .failure(.shuttingDown)) }
    }
}

extension RoomsChange {
    fileprivate var isCreation: Bool {
        if case .create = self { true } else { false }
    }
}
