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
        if isLocal { return localChanges.append(queued) }
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
        if isLocal {
            localChanges.append(queued)
            underWay += 1
        } else if committer.offer(queued, size: change.size) {
            underWay += 1
        }
    }

    /// Commits what a turn has brought within the turn: its answers and notifications leave with the turn's flush, and
    /// what a connection has asked behind an answer is a batch of its own.
    func commitLocally() {
        while !localChanges.isEmpty {
            var batch: [QueuedChange] = []
            swap(&batch, &localChanges)
            let changes = batch.map(\.change)
            committed(batch, store.assumeIsolated { BoardStorage.commit(changes, in: $0) })
        }
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
            committed(batch, outcomes)
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

    private func committed(_ batch: [QueuedChange], _ outcomes: [BoardOutcome]) {
        var posts: [CommittedPost] = []
        for (queued, outcome) in zip(batch, outcomes) {
            guard case .posted(let message, let isRepeat) = outcome else {
                posted(&posts)
                committed(queued, outcome)
                continue
            }
            posts.append(
                CommittedPost(
                    group: queued.group, origin: queued.origin, reply: queued.reply, message: message,
                    isRepeat: isRepeat))
        }
        posted(&posts)
    }

    private func committed(_ queued: QueuedChange, _ outcome: BoardOutcome) {
        switch outcome {
        case .posted: preconditionFailure("posts are answered together")
        case .idTaken:
            answer(queued, .refused(BoardRefusal(.idTaken, "Another post has this id; make a new one.")))
        case .granted(let secret, let firstVisible, let isResumed):
            guard let id = queued.origin else { return }
            joinCommitted(queued.group, (secret, firstVisible, isResumed), queued.reply, id)
        case .forgotten: answer(queued, .left(group: table.groups[queued.group].name.text))
        case .noPlace: answer(queued, .notMember(group: table.groups[queued.group].name.text, .leave))
        case .created(let conversation): created(conversation, queued)
        case .exists:
            guard case .create(let name, _) = queued.change else { return }
            answer(queued, .groupExists(group: name.text))
        case .touched: break
        }
    }

    /// A post that is on the disk, and who waits for the answer.
    struct CommittedPost {
        let group: Int
        let origin: SocketID?
        let reply: BoardReply
        let message: KeptMessage
        let isRepeat: Bool
    }

    /// Tells the members of posts that follow one another, and then their authors: what the members get of one commit
    /// lies in one piece, and costs them one send, however many posts it holds.
    private func posted(_ posts: inout [CommittedPost]) {
        guard !posts.isEmpty else { return }
        var byGroup: [(group: Int, posts: [CommittedPost])] = []
        for post in posts where !post.isRepeat {
            let group = post.group
            table.posted(post.message.offset, in: group)
            groups[group].recent.append(post.message.withoutText)
            // A store on the loop is at hand; what somebody reads comes in here by that.
            if !isLocal { cache.keep(post.message, of: group) }
            if let last = byGroup.indices.last, byGroup[last].group == group {
                byGroup[last].posts.append(post)
            } else if let place = byGroup.firstIndex(where: { $0.group == group }) {
                byGroup[place].posts.append(post)
            } else {
                byGroup.append((group, [post]))
            }
        }
        for entry in byGroup { notify(entry.posts, entry.group) }
        for post in posts {
            guard let origin = post.origin else { continue }
            let group = table.groups[post.group]
            finish(
                .posted(
                    group: group.name.text, epoch: group.epoch, offset: post.message.offset, id: post.message.id,
                    time: post.message.time), post.reply, origin)
        }
        posts.removeAll(keepingCapacity: true)
    }

    private func notify(_ posts: [CommittedPost], _ group: Int) {
        tell(posts, groups[group].textAudience, .text, group)
        tell(posts, groups[group].jsonAudience, .json, group)
    }

    private func tell(
        _ posts: [CommittedPost], _ audience: [SocketID], _ dialect: BoardConnectionMachine.Dialect, _ group: Int
    ) {
        if audience.isEmpty || (audience.count == 1 && posts.allSatisfy { $0.origin == audience[0] }) { return }
        let title = table.groups[group].name.text
        let epoch = table.groups[group].epoch
        // Where each event ends, from the begin of the payload.
        var ends: [Int] = []
        ends.reserveCapacity(posts.count)
        let payload = outbound.encode { writer in
            let start = writer.count
            for post in posts {
                write(.posted(group: title, epoch: epoch, post.message), dialect, to: &writer)
                ends.append(writer.count - start)
            }
        }
        // Apart from the posts, which cost too much to be copied for each author.
        let origins = posts.map(\.origin)
        guard let author = origins[0], origins.contains(where: { $0 != author }) else {
            return outbound.send(payload, to: audience, except: origins[0])
        }
        let authors = AuthorIndex(origins, slots: connections.count)
        outbound.send(payload, to: audience.filter { authors.first(of: $0) == nil }, except: nil)
        for id in audience {
            // An author gets what the others wrote: the pieces between their own.
            guard var own = authors.first(of: id) else { continue }
            var begin = 0
            while true {
                let end = own == 0 ? 0 : ends[own - 1]
                if begin < end { outbound.send(payload.part(begin..<end), to: id) }
                begin = ends[own]
                guard let next = authors.next(after: own) else { break }
                own = next
            }
            if begin < payload.count { outbound.send(payload.part(begin..<payload.count), to: id) }
        }
    }

    /// Which of several posts are whose: one pass to make it, and no search for each member.
    private struct AuthorIndex {
        private let origins: [SocketID?]
        /// The first post of each author, by slot; -1 where there is none.
        private var heads: [Int32]
        /// The next post of the same author; -1 after the last.
        private var followers: [Int32]

        init(_ origins: [SocketID?], slots: Int) {
            self.origins = origins
            heads = Array(repeating: -1, count: slots)
            followers = Array(repeating: -1, count: origins.count)
            for index in origins.indices.reversed() {
                // An author may have gone, and the slot may be another's: the later post decides, and `first` compares.
                guard let origin = origins[index], Int(origin.slot) < slots else { continue }
                let head = heads[Int(origin.slot)]
                if head >= 0, origins[Int(head)] != origin { continue }
                followers[index] = head
                heads[Int(origin.slot)] = Int32(index)
            }
        }

        func first(of id: SocketID) -> Int? {
            let head = heads[Int(id.slot)]
            return head >= 0 && origins[Int(head)] == id ? Int(head) : nil
        }

        func next(after index: Int) -> Int? { followers[index] >= 0 ? Int(followers[index]) : nil }
    }

    private func created(_ conversation: Conversation, _ queued: QueuedChange) {
        guard case .create(let name, let visibility) = queued.change else { return }
        table.add(name, visibility: visibility, epoch: conversation.epoch, nextOffset: conversation.nextOffset)
        groups.append(GroupState(conversation: conversation.id))
        report(.groupCreated(name, by: queued.origin.flatMap { connection($0)?.machine.name }))
        answer(queued, .created(group: name.text))
    }

    private func failed(_ queued: QueuedChange, _ error: StoreError) {
        switch queued.change {
        case .join:
            // Who cannot be kept can still read and be told.
            guard let id = queued.origin else { return }
            joinCommitted(queued.group, nil, queued.reply, id)
        case .post, .create, .forget, .giveUp:
            // The log of the server says which file and why; that is nobody else's business.
            let reason: SafeText =
                switch error {
                case .full: "its disk is full"
                case .memoryFull: "its memory is full"
                default: "its disk has failed"
                }
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

    /// Reads a page, or has it read where not all of it is in memory.
    ///
    /// - Returns: the answer; nil where it comes later, through `pagesRead`.
    func request(
        _ page: Transaction.Page, _ purpose: QueuedPage.Purpose, _ group: Int, _ reply: BoardReply,
        _ connection: Connection
    ) -> BoardAnswer? {
        if let messages = cache.messages(page, of: group) { return answer(purpose, of: group, messages) }
        return readFromStore(page, purpose, group, reply, connection)
    }

    /// Reads a page of what is not in memory, or has it read; returns what `request` does.
    func readFromStore(
        _ page: Transaction.Page, _ purpose: QueuedPage.Purpose, _ group: Int, _ reply: BoardReply,
        _ connection: Connection
    ) -> BoardAnswer? {
        let wanted = BoardPage(conversation: groups[group].conversation, page: page)
        if isLocal {
            let result = store.assumeIsolated { BoardStorage.read([wanted], in: $0) }
            return answer(purpose, of: group, result.map { $0[0] })
        }
        let queued = QueuedPage(page: wanted, origin: connection.id, reply: reply, group: group, purpose: purpose)
        // A connection asks for one page at a time, so their number bounds the queue.
        let isTaken = reader.offer(queued, size: 0)
        precondition(isTaken, "more pages are wanted than there can be connections")
        underWay += 1
        return nil
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
            let answer = answer(queued.purpose, of: queued.group, result.map { $0[index] })
            finish(answer, queued.reply, queued.origin)
        }
        underWay -= batch.count
        endIfDone()
    }

    private func answer(
        _ purpose: QueuedPage.Purpose, of group: Int, _ result: Result<[KeptMessage], StoreError>
    ) -> BoardAnswer {
        switch result {
        case .success(let messages):
            // Who reads a post is seldom the only one: a new one is read by all.
            if case .message = purpose, let message = messages.first { cache.keep(message, of: group) }
            return answer(purpose, of: group, messages)
        case .failure: return .refused(BoardRefusal(.notStored, "The server could not read this; try again later."))
        }
    }

    private func answer(
        _ purpose: QueuedPage.Purpose, of group: Int, _ messages: [KeptMessage]
    ) -> BoardAnswer {
        let title = table.groups[group].name.text
        let epoch = table.groups[group].epoch
        switch purpose {
        case .message(let offset):
            guard let message = messages.first else { return .noSuchMessage(group: title, id: String(offset)) }
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

extension Payload {
    /// A part of the bytes, counted from their begin.
    fileprivate func part(_ range: Range<Int>) -> Payload {
        Payload(start: start + range.lowerBound, end: start + range.upperBound, turn: turn)
    }
}
