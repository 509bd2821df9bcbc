import Delivery
import Net
import Platform
import Store
import Wire

/// The way to the disk and back.
extension GroupStore {
    /// Hands a change to the next commit; `finish` answers it.
    func offer(_ change: BoardChange, _ group: Int, _ reply: BoardReply, _ connection: Connection) {
        let queued = QueuedChange(change: change, origin: connection.id, reply: reply, group: group)
        underWay += 1
        guard !committer.offer(queued, size: change.size) else { return }
        // Full: this one waits beside the queue, and its connection with it.
        stalled.append(queued)
        connection.machine.hold(.storage)
    }

    /// Marks secrets as in use. Nobody waits for it, and where too much waits for the disk it is left out.
    func touch(_ secrets: [ResumeSecret]) {
        guard !secrets.isEmpty, !isEnding else { return }
        let change = BoardChange.touch(secrets)
        let queued = QueuedChange(change: change, origin: nil, reply: .text, group: -1)
        if committer.offer(queued, size: change.size) { underWay += 1 }
    }

    func commitChanges() async {
        let store = store
        await committer.run { batch in
            await BoardStorage.commit(batch.map(\.change), in: store)
        } committed: { batch, result in
            committed(batch, result)
        }
    }

    private func committed(_ batch: [QueuedChange], _ result: Result<[BoardOutcome], StoreError>) {
        switch result {
        case .success(let outcomes):
            if storageFails {
                storageFails = false
                report(.storageWorks)
            }
            for (queued, outcome) in zip(batch, outcomes) { committed(queued, outcome) }
        case .failure(let error):
            if !storageFails {
                storageFails = true
                report(.storageFailed(error))
            }
            for queued in batch { failed(queued, error) }
        }
        underWay -= batch.count
        takeStalled()
        endIfDone()
    }

    private func committed(_ queued: QueuedChange, _ outcome: BoardOutcome) {
        switch outcome {
        case .posted(let message, let isRepeat): posted(message, isRepeat, queued)
        case .idTaken:
            answer(queued, .refused(BoardRefusal(.idTaken, "Another post has this id; make a new one.")))
        case .granted(let secret, let firstVisible, let isResumed):
            guard let id = queued.origin else { return }
            joinCommitted(queued.group, (secret, firstVisible, isResumed), queued.reply, id)
        case .forgotten: answer(queued, .left(group: table.groups[queued.group].name.text))
        case .created(let conversation): created(conversation, queued)
        case .exists:
            guard case .create(let name, _) = queued.change else { return }
            answer(queued, .groupExists(group: name.text))
        case .touched: break
        }
    }

    private func posted(_ message: KeptMessage, _ isRepeat: Bool, _ queued: QueuedChange) {
        let title = table.groups[queued.group].name.text
        let epoch = table.groups[queued.group].epoch
        if !isRepeat {
            table.posted(message.offset, in: queued.group)
            if groups[queued.group].recent.count == Self.recentPosts { groups[queued.group].recent.removeFirst() }
            groups[queued.group].recent.append(message.withoutText)
            notify(.posted(group: title, epoch: epoch, message), queued.group, except: queued.origin)
        }
        answer(queued, .posted(group: title, epoch: epoch, offset: message.offset, id: message.id, time: message.time))
    }

    private func created(_ conversation: Conversation, _ queued: QueuedChange) {
        guard case .create(let name, let visibility) = queued.change else { return }
        table.add(name, visibility: visibility, epoch: conversation.epoch, nextOffset: conversation.nextOffset)
        groups.append(GroupState(conversation: conversation.id, recent: []))
        report(.groupCreated(name, by: queued.origin.flatMap { connection($0)?.machine.name }))
        answer(queued, .created(group: name.text))
    }

    private func failed(_ queued: QueuedChange, _ error: StoreError) {
        switch queued.change {
        case .join:
            // Who cannot be kept can still read and be told.
            guard let id = queued.origin else { return }
            joinCommitted(queued.group, nil, queued.reply, id)
        case .post, .create, .forget:
            // The log of the server says which file and why; that is nobody else's business.
            let reason: SafeText = if case .full = error { "its disk is full" } else { "its disk has failed" }
            answer(
                queued,
                .refused(BoardRefusal(.notStored, "The server could not store this (\(reason)); try again later.")))
        case .touch: break
        }
    }

    private func answer(_ queued: QueuedChange, _ answer: BoardAnswer) {
        if let id = queued.origin { finish(answer, queued.reply, id) }
    }

    /// Offers again what found the queue full.
    private func takeStalled() {
        guard committer.hasRoom, !stalled.isEmpty else { return }
        let waiting = stalled
        stalled = []
        for (place, queued) in waiting.enumerated() {
            guard committer.offer(queued, size: queued.change.size) else {
                stalled += waiting[place...]
                return
            }
            guard let id = queued.origin, let connection = connection(id) else { continue }
            carryOut(connection.machine.release(.storage, at: outbound.now), connection)
        }
    }

    // MARK: - Pages

    /// Has a page read; `pagesRead` answers it.
    func request(
        _ page: Transaction.Page, _ purpose: QueuedPage.Purpose, _ group: Int, _ reply: BoardReply,
        _ connection: Connection
    ) {
        let wanted = BoardPage(conversation: groups[group].conversation, page: page)
        let queued = QueuedPage(page: wanted, origin: connection.id, reply: reply, group: group, purpose: purpose)
        // A connection asks for one page at a time, so their number bounds the queue.
        let isTaken = reader.offer(queued, size: 0)
        precondition(isTaken, "more pages are wanted than there can be connections")
        underWay += 1
    }

    func readPages() async {
        let store = store
        await reader.run { batch in
            await BoardStorage.read(batch.map(\.page), in: store)
        } committed: { batch, result in
            pagesRead(batch, result)
        }
    }

    private func pagesRead(_ batch: [QueuedPage], _ result: Result<[[KeptMessage]], StoreError>) {
        for (index, queued) in batch.enumerated() {
            let answer: BoardAnswer =
                switch result {
                case .success(let pages): self.answer(to: queued, pages[index])
                case .failure:
                    .refused(BoardRefusal(.notStored, "The server could not read this; try again later."))
                }
            finish(answer, queued.reply, queued.origin)
        }
        underWay -= batch.count
        endIfDone()
    }

    private func answer(to queued: QueuedPage, _ messages: [KeptMessage]) -> BoardAnswer {
        let title = table.groups[queued.group].name.text
        let epoch = table.groups[queued.group].epoch
        switch queued.purpose {
        case .message(let id):
            guard let message = messages.first else { return .noSuchMessage(group: title, id: id) }
            return .message(group: title, epoch: epoch, message)
        case .history(let visible, let ofJoin):
            let oldest = messages.last?.offset
            let history = GroupHistory(
                group: title, epoch: epoch, messages: messages.reversed(),
                earlier: oldest.flatMap { $0 > visible.lowerBound ? $0 : nil })
            return ofJoin ? .joinedHistory(history) : .history(history)
        case .catchUp(let visible, let gap, let isReset):
            let last = messages.last?.offset
            return .caughtUp(
                CatchUp(
                    group: title, epoch: epoch, messages: messages, gap: gap,
                    next: last.flatMap { $0 + 1 < visible.upperBound ? $0 : nil }, isReset: isReset))
        }
    }
}

extension KeptMessage {
    var withoutText: KeptMessage {
        KeptMessage(offset: offset, id: id, author: author, time: time, subject: subject, text: "")
    }
}
