import Delivery
import Net
import Store
import Wire

/// The way to the disk and back.
extension RoomManager {
    /// Hands a change to the next commit.
    ///
    /// - Returns: false where too much waits already; what is only upkeep is kept for later and never refused.
    @discardableResult
    func offer(_ change: RoomsChange, _ purpose: QueuedChange.Purpose) -> Bool {
        let queued = QueuedChange(change: change, purpose: purpose)
        // Behind what has to be tried again, so that the order stays.
        if retries.isEmpty, committer.offer(queued, size: change.size) { return true }
        if case .entry = purpose { return false }
        return retry(queued)
    }

    /// Hands a message to the next commit. Where the disk is behind, it waits for its turn there.
    func keep(_ message: RoomRules.Relay, author: [UInt8], wantsAck: Bool) {
        let room = message.room
        guard let conversation = states[room].conversation else { return }
        let change = RoomsChange.message(
            .init(
                conversation: conversation, offset: message.offset, id: message.id,
                author: String(decoding: author, as: UTF8.self), time: options.clock(), text: message.text))
        let purpose = QueuedChange.Purpose.message(
            room: room, epoch: rules.rooms[room]!.epoch, member: message.member,
            rules.members[message.member]!.token, wantsAck: wantsAck)
        if states[room].inFlight == 0 { states[room].settledEnd = message.offset }
        states[room].inFlight += 1
        if !offer(change, purpose) { giveUp(QueuedChange(change: change, purpose: purpose)) }
    }

    /// Takes offsets out of the store, for a room whose block is half used up; 0 for none.
    func reserve(_ count: Int64, _ room: Int) {
        guard count > 0 else { return }
        let isTaken = offer(
            .reserve(count, room: rules.rooms[room]!.name),
            .reservation(room: room, epoch: rules.rooms[room]!.epoch))
        if !isTaken { rules.reservationFailed(in: room) }
    }

    func commitChanges() async {
        let store = store
        await committer.run { batch in
            // What was in the queue when a commit failed waits behind it, so that the order stays.
            if let failure, !retries.isEmpty { return .failure(failure) }
            return await RoomsStorage.commit(batch.map(\.change), in: store)
        } committed: { batch, result in
            committed(batch, result)
        }
        if isEnding { await finishEnding() }
    }

    private func committed(_ batch: [QueuedChange], _ result: Result<[RoomsOutcome], StoreError>) {
        switch result {
        case .success(let outcomes):
            if failure != nil {
                failure = nil
                report(.storageWorks)
            }
            for (queued, outcome) in zip(batch, outcomes) { committed(queued, outcome) }
        case .failure(let error):
            if failure == nil { report(.storageFailed(error)) }
            failure = error
            for queued in batch { failed(queued) }
        }
    }

    private func committed(_ queued: QueuedChange, _ outcome: RoomsOutcome) {
        switch queued.purpose {
        case .upkeep: break
        case .entry(let id, let token, let isCreation):
            if case .created(let conversation) = outcome, let member = rules.member(of: token) {
                states[rules.members[member]!.room].conversation = conversation
            }
            entryCommitted(id, token, isCreation: isCreation)
        case .message(let room, let epoch, let member, let token, let wantsAck):
            guard case .appended(let appended) = outcome, case .message(let message) = queued.change else { return }
            settled(room, epoch, message.offset)
            if wantsAck, rules.members[member]?.token == token {
                acknowledge(member, message.id, appended.offset)
            }
        case .reservation(let room, let epoch):
            guard rules.rooms[room]?.epoch == epoch else { return }
            guard case .reserved(let first) = outcome, case .reserve(let count, _) = queued.change else {
                return rules.reservationFailed(in: room)
            }
            for message in rules.reserved(upTo: first + count, in: room) { relay(message) }
        }
    }

    private func settled(_ room: Int, _ epoch: Epoch, _ offset: Int64) {
        guard rules.rooms[room]?.epoch == epoch else { return }
        states[room].inFlight -= 1
        states[room].failed.remove(offset)
        states[room].settledEnd = max(states[room].settledEnd, offset + 1)
    }

    private func entryCommitted(_ id: SocketID, _ token: RoomToken, isCreation: Bool) {
        let connection = connection(id)
        guard let member = rules.member(of: token) else {
            // The room was closed meanwhile.
            if let connection { answer(connection, .failure(.noSuchRoom)) }
            return
        }
        guard let connection else { return }
        let room = rules.rooms[rules.members[member]!.room]!.name
        let name = rules.members[member]!.name
        report(
            isCreation
                ? .created(room: room, by: name, peer: connection.peer)
                : .entered(room: room, name: name, peer: connection.peer))
        answer(connection, .success(.entered(entered(member))))
    }

    // MARK: - A disk that fails

    private func failed(_ queued: QueuedChange) {
        switch queued.purpose {
        case .entry(let id, let token, let isCreation):
            undoEntry(token, isCreation: isCreation)
            if let connection = connection(id) { answer(connection, .failure(.storage)) }
        case .upkeep, .message, .reservation:
            if case .message(let room, let epoch, _, _, _) = queued.purpose, rules.rooms[room]?.epoch == epoch,
                case .message(let message) = queued.change
            {
                states[room].failed.insert(message.offset)
            }
            if !retry(queued) { giveUp(queued) }
        }
    }

    /// Takes a place away that could not be kept; nobody has been told of it.
    func undoEntry(_ token: RoomToken, isCreation: Bool) {
        guard let member = rules.member(of: token) else { return }
        let room = rules.members[member]!.room
        carryOut(
            isCreation
                ? rules.close(room, reason: "The room could not be stored.") : rules.left(member, at: outbound.now))
    }

    /// Keeps a change until the disk works again.
    private func retry(_ queued: QueuedChange) -> Bool {
        guard retries.count < Self.mostRetried, retriedBytes + queued.change.size <= Self.mostRetriedBytes else {
            return false
        }
        retries.append(queued)
        retriedBytes += queued.change.size
        scheduleRetry()
        return true
    }

    private func scheduleRetry() {
        guard !isRetryScheduled else { return }
        isRetryScheduled = true
        outbound.schedule(RoomsTimer.storage.packed, after: Self.storageRetry)
    }

    func retryStorage() {
        isRetryScheduled = false
        outbound.cancelTimer(RoomsTimer.storage.packed)
        let waiting = retries
        retries = []
        retriedBytes = 0
        for (place, queued) in waiting.enumerated() {
            guard committer.offer(queued, size: queued.change.size) else {
                retries = Array(waiting[place...])
                retriedBytes = retries.reduce(0) { $0 + $1.change.size }
                return scheduleRetry()
            }
        }
    }

    /// More is waiting than may: this one will not be kept.
    private func giveUp(_ queued: QueuedChange) {
        switch queued.purpose {
        case .message(let room, let epoch, let member, let token, let wantsAck):
            guard case .message(let message) = queued.change else { return }
            settled(room, epoch, message.offset)
            // A repetition by its author is taken for a new message, so that it is not lost after all.
            if rules.rooms[room]?.epoch == epoch { rules.forget(message.id, in: room) }
            if wantsAck, rules.members[member]?.token == token {
                refuse(member, message.id, RoomsRefusal.storage.message, retryAfter: Self.storageRetry)
            }
        case .reservation(let room, let epoch):
            if rules.rooms[room]?.epoch == epoch { rules.reservationFailed(in: room) }
        case .entry, .upkeep: break
        }
    }

    // MARK: - Pages

    func readPages() async {
        let store = store
        await reader.run { batch in
            await RoomsStorage.read(batch.map(\.page), in: store)
        } committed: { batch, result in
            for (index, queued) in batch.enumerated() {
                guard let connection = connection(queued.origin) else { continue }
                switch result {
                case .success(let pages): answer(connection, .success(.history(Self.page(pages[index], queued))))
                case .failure: answer(connection, .failure(.storage))
                }
            }
        }
    }

    /// Says what part of the history the messages of a page are all of.
    static func page(_ messages: [KeptMessage], _ queued: QueuedPage) -> RoomsAnswer.HistoryPage {
        let page = queued.page.page
        let size = messages.reduce(0) { $0 + $1.size + Transaction.Page.overhead }
        // Only where one more message would have had room is it certain that there was none.
        let isWhole =
            messages.count < page.limit
            && size + UCRPRequest.mostBytes + Transaction.Page.overhead + Nickname.mostBytes <= page.byteLimit
        switch queued.order {
        case .oldestFirst:
            let end = isWhole ? queued.range.upperBound : messages.last.map { $0.offset + 1 } ?? queued.range.upperBound
            return RoomsAnswer.HistoryPage(
                epoch: queued.epoch, start: queued.range.lowerBound, end: end, offset: queued.offset,
                messages: messages, hasMore: end < queued.range.upperBound)
        case .newestFirst:
            let start = isWhole ? queued.range.lowerBound : messages.last?.offset ?? queued.range.lowerBound
            return RoomsAnswer.HistoryPage(
                epoch: queued.epoch, start: start, end: queued.range.upperBound, offset: queued.offset,
                messages: messages.reversed(), hasMore: start > queued.range.lowerBound)
        }
    }
}
