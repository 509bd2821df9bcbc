package import Delivery
import Net
import Platform
import Store
import Wire

/// What the board does with each request.
extension GroupStore {
    /// Carries a request out.
    ///
    /// - Returns: its answer; nil where that needs the disk and comes later through `finish`.
    func perform(_ request: BoardRequest, _ reply: BoardReply, _ connection: Connection) -> BoardAnswer? {
        guard let name = connection.machine.name else { preconditionFailure("a request of somebody without a name") }
        switch request {
        case .groups(let after, let all): return listGroups(after: after, all: all, connection)
        case .join(let typed, let resume):
            guard let group = find(typed, connection) else { return .noSuchGroup(typed) }
            return join(group, resume: resume, name, reply, connection)
        case .leave(let typed, let resume):
            guard let group = find(typed, connection) else { return .noSuchGroup(typed) }
            return leave(group, resume: resume, name, reply, connection)
        case .post(let typed, let draft):
            guard let group = find(typed, connection) else { return .noSuchGroup(typed) }
            return post(draft, group, name, reply, connection)
        case .users(let typed):
            guard let group = find(typed, connection) else { return .noSuchGroup(typed) }
            let title = table.groups[group].name.text
            guard table.isMember(connection.id, of: group) else { return .notMember(group: title, .users) }
            let users = table.groups[group].members.compactMap { self.connection($0)?.machine.name?.text }
            return .users(group: title, users)
        case .read(let typed, let post):
            guard let group = find(typed, connection) else { return .noSuchGroup(typed) }
            return read(post, group, reply, connection)
        case .list(let typed, let before):
            // The original says the same of a group that is not there.
            guard let group = find(typed, connection) else {
                return reply == .text ? .notMember(group: typed, .list) : .noSuchGroup(typed)
            }
            return list(group, before: before, reply, connection)
        case .since(let typed, let epoch, let offset, let limit):
            guard let group = find(typed, connection) else { return .noSuchGroup(typed) }
            return catchUp(group, epoch: epoch, offset: offset, limit: limit, reply, connection)
        case .create(let typed, let visibility): return create(typed, visibility, name, reply, connection)
        case .connect, .help, .ping, .exit, .upgrade, .unknown, .invalid:
            preconditionFailure("a request that the machine of the connection answers itself")
        }
    }

    /// The group that a typed name means. Who asks for a group mostly goes on with it, and a group keeps its name and its
    /// place: what was found last is found without looking it up.
    private func find(_ typed: String, _ connection: Connection) -> Int? {
        if let last = connection.lastGroup, last.typed == typed { return last.index }
        guard let index = table.find(typed) else { return nil }
        connection.lastGroup = (typed, index)
        return index
    }

    private func listGroups(after: String?, all: Bool, _ connection: Connection) -> BoardAnswer {
        let total = table.groups.count
        var first = 0
        if let after {
            guard let index = table.find(after) else { return .noSuchGroup(after) }
            first = index + 1
        }
        let count = all ? Self.pageGroups : BoardTextWriter.groupsShown
        let last = min(total, first + count)
        let page = (first..<last).map { index in
            GroupDescription(
                name: table.groups[index].name.text, visibility: table.groups[index].visibility,
                isMember: table.isMember(connection.id, of: index))
        }
        let next = all && last < total ? page.last?.name : nil
        return .groups(page, total: total, next: next)
    }

    // MARK: - Members

    private func join(
        _ group: Int, resume: ResumeSecret?, _ name: Nickname, _ reply: BoardReply, _ connection: Connection
    ) -> BoardAnswer? {
        let title = table.groups[group].name.text
        guard !table.isMember(connection.id, of: group) else { return .alreadyMember(group: title) }
        if connection.machine.dialect == .json {
            let join = PendingJoin(
                conversation: groups[group].conversation, name: name, visibility: table.groups[group].visibility,
                resume: resume, newSecret: ResumeSecret(.random(using: &randomness)), time: .now())
            offer(.join(join), group, reply, connection)
            return nil
        }
        guard case .joined = enter(group, nil, name, connection) else { return .groupFull(group: title) }
        let visible = table.visibleOffsets(for: connection.id, in: group)!
        if let history = recentHistory(group, visible) { return joined(group, nil, false, history, connection) }
        // The older part is on the disk: the first line now, so that nothing that happens meanwhile comes before it.
        carryOut([.answer(joined(group, nil, false, nil, connection), reply)], connection)
        return readHistory(group, visible, before: visible.upperBound, ofJoin: true, reply, connection)
    }

    /// Makes a connection a member and tells the others.
    private func enter(
        _ group: Int, _ restored: GroupTable<SocketID>.Membership?, _ name: Nickname, _ connection: Connection
    ) -> GroupTable<SocketID>.JoinOutcome {
        let outcome = table.join(connection.id, group, restored: restored)
        guard case .joined = outcome else { return outcome }
        switch connection.machine.dialect {
        case .text: groups[group].textAudience.append(connection.id)
        case .json: groups[group].jsonAudience.append(connection.id)
        }
        notify(.joined(group: table.groups[group].name.text, name: name.text), group, except: connection.id)
        return outcome
    }

    private func joined(
        _ group: Int, _ secret: ResumeSecret?, _ isResumed: Bool, _ history: GroupHistory?, _ connection: Connection
    ) -> BoardAnswer {
        let visible = table.visibleOffsets(for: connection.id, in: group)!
        return .joined(
            JoinedGroup(
                group: table.groups[group].name.text, epoch: table.groups[group].epoch, nextOffset: visible.upperBound,
                firstVisible: visible.lowerBound, resume: secret, isResumed: isResumed, history: history))
    }

    /// A join by JSON has come back from the disk, or could not be kept: then it holds for this connection alone.
    func joinCommitted(
        _ group: Int, _ grant: (secret: ResumeSecret, firstVisible: Int64, isResumed: Bool)?, _ reply: BoardReply,
        _ id: SocketID
    ) {
        guard let connection = connection(id), let name = connection.machine.name, !connection.machine.isClosed else {
            return
        }
        let title = table.groups[group].name.text
        let restored = grant.map { GroupTable<SocketID>.Membership(firstVisible: $0.firstVisible) }
        switch enter(group, restored, name, connection) {
        case .joined:
            connection.secrets[group] = grant?.secret
            finish(joined(group, grant?.secret, grant?.isResumed ?? false, nil, connection), reply, id)
        case .alreadyMember: finish(.alreadyMember(group: title), reply, id)
        case .full: finish(.groupFull(group: title), reply, id)
        }
    }

    private func leave(
        _ group: Int, resume: ResumeSecret?, _ name: Nickname, _ reply: BoardReply, _ connection: Connection
    ) -> BoardAnswer? {
        let title = table.groups[group].name.text
        guard table.leave(connection.id, group) else {
            guard let resume else { return .notMember(group: title, .leave) }
            offer(.giveUp(resume, of: name, groups[group].conversation), group, reply, connection)
            return nil
        }
        announceLeave(connection, name, group)
        guard let secret = connection.secrets.removeValue(forKey: group) else { return .left(group: title) }
        // Answered when the secret is void, so that nobody comes back by it after a crash.
        offer(.forget(secret, groups[group].conversation), group, reply, connection)
        return nil
    }

    private func create(
        _ typed: String, _ visibility: VisibilityRule?, _ name: Nickname, _ reply: BoardReply, _ connection: Connection
    ) -> BoardAnswer? {
        guard options.allowsCreation else {
            return .refused(BoardRefusal(.notAllowed, "Creating groups is turned off on this server."))
        }
        let group: GroupName
        do {
            group = try GroupName(validating: typed)
        } catch {
            return .refused(BoardRefusal(.badName, error.message))
        }
        if let index = table.find(typed) { return .groupExists(group: table.groups[index].name.text) }
        guard table.groups.count < GroupTable<SocketID>.groupLimit else {
            return .refused(BoardRefusal(.tooMany, "There are \(table.groups.count) groups, and no room for more."))
        }
        guard !options.limitsRate || creations.admits(connection.peer.ip, at: outbound.now) else {
            return .refused(
                BoardRefusal(.tooMany, "Too many groups were created from your address; wait a few minutes."))
        }
        offer(.create(name: group, visibility: visibility ?? options.visibility), -1, reply, connection)
        return nil
    }

    // MARK: - Posts

    private func post(
        _ draft: BoardDraft, _ group: Int, _ name: Nickname, _ reply: BoardReply, _ connection: Connection
    ) -> BoardAnswer? {
        guard table.isMember(connection.id, of: group) else {
            return .notMember(group: table.groups[group].name.text, .post)
        }
        let time = Timestamp.now()
        let post = PendingPost(
            conversation: groups[group].conversation, id: draft.id ?? .timeOrdered(at: time, using: &randomness),
            author: name,
            draft: draft, time: time)
        offer(.post(post), group, reply, connection)
        return nil
    }

    private func read(
        _ post: PostName, _ group: Int, _ reply: BoardReply, _ connection: Connection
    ) -> BoardAnswer? {
        let title = table.groups[group].name.text
        guard let visible = table.visibleOffsets(for: connection.id, in: group) else {
            return .notMember(group: title, .read)
        }
        // What the member may not see is answered like what is not there.
        guard case .offset(let offset) = post, visible.contains(offset) else {
            return .noSuchMessage(group: title, id: post.text)
        }
        let epoch = table.groups[group].epoch
        switch reply {
        case .text:
            if let message = cache.message(offset, of: group) {
                return .message(group: title, epoch: epoch, message)
            }
        case .json:
            let members = cache.members(offset, of: group) { BoardJSONWriter.members(of: $0, in: title, epoch) }
            if let members { return .encodedMessage(members) }
        }
        return readFromStore(
            Transaction.Page(offset..<offset + 1, limit: 1), .message(offset), group, reply, connection)
    }

    private func list(
        _ group: Int, before: Int64?, _ reply: BoardReply, _ connection: Connection
    ) -> BoardAnswer? {
        guard let visible = table.visibleOffsets(for: connection.id, in: group) else {
            return .notMember(group: table.groups[group].name.text, .list)
        }
        if before == nil, let history = recentHistory(group, visible) { return .history(history) }
        return readHistory(group, visible, before: before ?? visible.upperBound, ofJoin: false, reply, connection)
    }

    /// The whole visible history, where the posts in memory hold it.
    private func recentHistory(_ group: Int, _ visible: Range<Int64>) -> GroupHistory? {
        let recent = groups[group].recent
        guard visible.isEmpty || (recent.first.map { $0.offset <= visible.lowerBound } ?? false) else { return nil }
        return GroupHistory(
            group: table.groups[group].name.text, epoch: table.groups[group].epoch,
            messages: recent.filter { visible.contains($0.offset) }, earlier: nil)
    }

    private func readHistory(
        _ group: Int, _ visible: Range<Int64>, before: Int64, ofJoin: Bool, _ reply: BoardReply,
        _ connection: Connection
    ) -> BoardAnswer? {
        let upper = min(max(before, visible.lowerBound), visible.upperBound)
        let page = Transaction.Page(
            visible.lowerBound..<upper, .newestFirst, limit: Self.pageMessages, byteLimit: Self.pageBytes,
            includesText: false)
        return request(page, .history(visible: visible, ofJoin: ofJoin), group, reply, connection)
    }

    private func catchUp(
        _ group: Int, epoch: Epoch?, offset: Int64, limit: Int?, _ reply: BoardReply, _ connection: Connection
    ) -> BoardAnswer? {
        guard let visible = table.visibleOffsets(for: connection.id, in: group) else {
            return .notMember(group: table.groups[group].name.text, .since)
        }
        // An offset that was never given in this life is of another one, restored from an older copy for example.
        let isReset = (epoch != nil && epoch != table.groups[group].epoch) || offset >= visible.upperBound
        let wanted = isReset || offset < 0 ? visible.lowerBound : offset + 1
        let gap = wanted < visible.lowerBound ? wanted...(visible.lowerBound - 1) : nil
        let page = Transaction.Page(
            max(wanted, visible.lowerBound)..<visible.upperBound, .oldestFirst,
            limit: min(limit ?? Self.pageMessages, Self.pageMessages), byteLimit: Self.pageBytes)
        return request(page, .catchUp(visible: visible, gap: gap, isReset: isReset), group, reply, connection)
    }
}

extension MessageID {
    /// An id for a post whose author could not make one: the time in front, so that ids of one hour lie together in the
    /// index of the log, and 80 random bits.
    static func timeOrdered(at time: Timestamp) -> MessageID {
        var generator = SystemRandomness()
        return timeOrdered(at: time, using: &generator)
    }

    static func timeOrdered(at time: Timestamp, using generator: inout some RandomNumberGenerator) -> MessageID {
        let milliseconds = UInt64(clamping: time.microseconds / 1_000)
        return MessageID(high: milliseconds << 16 | generator.next() & 0xffff, low: generator.next())
    }
}

extension EntryLimiter.Rate {
    /// Groups of one address: a hundred at once, and six a minute from then on.
    package static let creations = EntryLimiter.Rate(burst: 100, perSecond: 0.1, exemptsLoopback: false)
}
