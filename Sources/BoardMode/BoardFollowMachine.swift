package import Delivery
package import Wire

/// What a client follows: its groups across lost connections, each message once and in order, and its own posts until they
/// are answered (Protocols.md, "board, JSON": join, since, post).
///
///     left ── join ──> joining ── joined ──> catching up ── last page ──> live
///                        ^──────────────── the link comes back ────────────┘
///
/// What arrives while a group is catching up is held, and follows when the last page has been shown.
package struct BoardFollowMachine: Sendable {
    /// Posts that wait for an answer or for the link.
    package static let pendingLimit = 1_000
    /// Requests that wait for an answer.
    package static let requestLimit = 1_000
    /// Messages of a group that are held while it catches up; what comes on top is caught up too.
    package static let heldLimit = 1_000
    /// Messages that a first join shows of the past; there may be more to see.
    package static let shownOnJoin: Int64 = 50

    package enum Effect: Equatable, Sendable {
        /// Send it; its answer carries the number.
        case send(BoardRequest, number: Int64)
        /// The answer to what was typed.
        case answer(BoardAnswer, tag: Int)
        case show(group: String, KeptMessage, isCaughtUp: Bool, isOwn: Bool)
        case event(BoardEvent)
        /// Messages that exist or existed, and cannot be had.
        case gap(group: String, ClosedRange<Int64>)
        /// The store of the group was lost: what follows is of another life.
        case reset(group: String)
        /// More of the past can be seen than a join shows.
        case earlier(group: String, count: Int64)
        /// One of our posts has come further.
        case posted(MessageID, group: String, PostState, tag: Int)
        /// The memory has changed and should be written.
        case remember
    }

    /// What is known of a post of one's own.
    package enum PostState: Equatable, Sendable {
        /// It waits for the link or for the group.
        case waiting
        case accepted(offset: Int64)
        /// Nobody can know whether the server has it.
        case unknown
        case refused(BoardRefusal)
    }

    struct Followed {
        enum State { case joining, catchingUp, live }

        var place: BoardPlace
        var state = State.joining
        var held: [KeptMessage] = []
        /// True where `held` was full: another page is to be asked for after the last.
        var isIncomplete = false
        /// What the first typed join is answered with.
        var tag: Int?
    }

    struct Post {
        let group: String
        let draft: BoardDraft
        let tag: Int
        /// True once it has left, so that the server may have it.
        var wasSent = false
    }

    private let name: Nickname
    package private(set) var memory: BoardMemory
    private var dialect: BoardLinkMachine.Dialect?

    /// By the key of the group's name.
    var followed: [String: Followed] = [:]
    var order: [String] = []

    var posts: [MessageID: Post] = [:]
    var postOrder: [MessageID] = []

    var requests: [Int64: (request: BoardRequest, tag: Int)] = [:]
    private var nextNumber: Int64 = 1
    /// Lines of text since the command that is awaited was sent.
    var answerLines: [SafeText] = []

    package init(name: Nickname, memory: BoardMemory) {
        self.name = name
        self.memory = memory
    }

    /// The groups that are followed, in the order of joining.
    package var groups: [String] { order.compactMap { followed[$0]?.place.group } }

    /// Posts that have no answer yet.
    package var pendingPosts: Int { posts.count }

    package var pendingPostIDs: [MessageID] { postOrder }

    /// Requests, and posts that wait for the link, that have no answer yet.
    package var requestsUnderWay: Int { max(requests.count, posts.count) }

    /// True where nothing waits for an answer and every group is up to date.
    package var isIdle: Bool { posts.isEmpty && requests.isEmpty && followed.values.allSatisfy { $0.state == .live } }

    // MARK: - The link

    package mutating func linkUp(_ dialect: BoardLinkMachine.Dialect) -> [Effect] {
        self.dialect = dialect
        answerLines = []
        var effects: [Effect] = []
        for key in order {
            followed[key]?.state = .joining
            join(key, &effects)
        }
        return effects
    }

    /// The connection is gone; whoever follows a group goes on when it comes back.
    package mutating func linkDown() -> [Effect] {
        guard let dialect else { return [] }
        self.dialect = nil
        var effects: [Effect] = []
        for (_, entry) in requests.sorted(by: { $0.key < $1.key }) where entry.tag >= 0 {
            switch entry.request {
            // These are done again by themselves.
            case .join, .post, .since: break
            default: effects.append(.answer(.refused(Self.lost), tag: entry.tag))
            }
        }
        requests = [:]
        for key in order { followed[key]?.held = [] }
        guard dialect == .text else { return effects }
        // Without an id a second attempt might be a second post.
        for id in postOrder {
            guard let post = posts[id], post.wasSent else { continue }
            forget(id)
            effects.append(.posted(id, group: post.group, .unknown, tag: post.tag))
        }
        return effects
    }

    private static let lost = BoardRefusal(.unknown, "The connection was lost before the answer came; try again.")
    private static let offline = BoardRefusal(
        .unknown, "There is no connection to the server; try again when it is back.")
    private static let tooMany = BoardRefusal(.tooMany, "Too many requests wait for an answer; try again later.")

    // MARK: - What is typed

    /// Carries out what somebody typed.
    ///
    /// - Parameter tag: what the effects that answer it carry; not negative.
    package mutating func request(_ request: BoardRequest, tag: Int) -> [Effect] {
        var effects: [Effect] = []
        switch request {
        case .post(let group, let draft): post(draft, to: group, tag, &effects)
        case .join(let group, _): startJoin(group, tag, &effects)
        case .leave(let group, _): leave(group, tag, &effects)
        case .groups, .users, .read, .list, .since, .create, .ping, .help, .exit: send(request, tag, &effects)
        case .connect: effects.append(.answer(.alreadyConnected, tag: tag))
        case .unknown, .upgrade: effects.append(.answer(.unknown(""), tag: tag))
        case .invalid(let refusal): effects.append(.answer(.refused(refusal), tag: tag))
        }
        return effects
    }

    private mutating func send(_ request: BoardRequest, _ tag: Int, _ effects: inout [Effect]) {
        guard dialect != nil else {
            effects.append(.answer(.refused(Self.offline), tag: tag))
            return
        }
        guard requests.count < Self.requestLimit else {
            effects.append(.answer(.refused(Self.tooMany), tag: tag))
            return
        }
        transmit(request, tag, &effects)
    }

    private mutating func transmit(_ request: BoardRequest, _ tag: Int, _ effects: inout [Effect]) {
        let number = nextNumber
        nextNumber += 1
        requests[number] = (request, tag)
        effects.append(.send(request, number: number))
    }

    private mutating func startJoin(_ group: String, _ tag: Int, _ effects: inout [Effect]) {
        let key = nameKey(group)
        guard followed[key] == nil else {
            effects.append(.answer(.alreadyMember(group: followed[key]!.place.group), tag: tag))
            return
        }
        guard dialect != nil else {
            effects.append(.answer(.refused(Self.offline), tag: tag))
            return
        }
        let place = memory.places.first { nameKey($0.group) == key } ?? BoardPlace(group: group)
        followed[key] = Followed(place: place, tag: tag)
        order.append(key)
        join(key, &effects)
    }

    private mutating func join(_ key: String, _ effects: inout [Effect]) {
        guard let entry = followed[key] else { return }
        transmit(.join(group: entry.place.group, resume: entry.place.secret), entry.tag ?? -1, &effects)
    }

    private mutating func leave(_ group: String, _ tag: Int, _ effects: inout [Effect]) {
        let key = nameKey(group)
        var secret: ResumeSecret?
        if let entry = followed.removeValue(forKey: key) {
            order.removeAll { $0 == key }
            memory.forget(entry.place.group)
            effects.append(.remember)
        } else if dialect == .json, let place = memory.places.first(where: { nameKey($0.group) == key }) {
            // A place of an earlier run: the server knows it by its secret.
            secret = place.secret
            memory.forget(place.group)
            effects.append(.remember)
        }
        send(.leave(group: group, resume: secret), tag, &effects)
    }

    private mutating func post(_ draft: BoardDraft, to group: String, _ tag: Int, _ effects: inout [Effect]) {
        guard let id = draft.id else { preconditionFailure("a post of a client's has an id before it is sent") }
        guard posts.count < Self.pendingLimit else {
            effects.append(.posted(id, group: group, .refused(Self.tooMany), tag: tag))
            return
        }
        posts[id] = Post(group: group, draft: draft, tag: tag)
        postOrder.append(id)
        // Where the group is on its way back, the post follows it; where it is not followed, the server says so.
        let isOnItsWay = followed[nameKey(group)].map { $0.state != .live } ?? false
        if dialect == nil || (isOnItsWay && dialect == .json) {
            effects.append(.posted(id, group: group, .waiting, tag: tag))
        } else {
            transmitPost(id, &effects)
        }
    }

    private mutating func transmitPost(_ id: MessageID, _ effects: inout [Effect]) {
        guard var post = posts[id] else { return }
        post.wasSent = true
        posts[id] = post
        transmit(.post(group: post.group, post.draft), post.tag, &effects)
    }

    mutating func forget(_ id: MessageID) {
        posts[id] = nil
        postOrder.removeAll { $0 == id }
    }

    // MARK: - What comes, in JSON

    package mutating func incoming(_ incoming: BoardIncoming) -> [Effect] {
        var effects: [Effect] = []
        switch incoming {
        case .event(.posted(let group, let epoch, let message)): arrived(message, epoch, group, &effects)
        case .event(let event): effects.append(.event(event))
        case .answer("post", let id, let answer): postAnswered(id, answer, &effects)
        case .answer(_, .integer(let number), let answer):
            guard let entry = requests.removeValue(forKey: number) else { break }
            answered(entry.request, entry.tag, answer, &effects)
        case .answer, .other: break
        }
        return effects
    }

    private mutating func answered(
        _ request: BoardRequest, _ tag: Int, _ answer: BoardAnswer, _ effects: inout [Effect]
    ) {
        switch (request, answer) {
        case (.join(let group, _), .joined(let joined)): self.joined(joined, asked: group, &effects)
        case (.join(let group, _), .alreadyMember): goLive(nameKey(group), &effects)
        case (.join(let group, _), _):
            let key = nameKey(group)
            let tag = followed[key]?.tag ?? tag
            followed[key] = nil
            order.removeAll { $0 == key }
            effects.append(.answer(answer, tag: tag))
            dropPosts(of: key, answer.refusal ?? Self.lost, &effects)
        case (.since(let group, _, _, _), .caughtUp(let page)) where tag < 0:
            caughtUp(page, nameKey(group), &effects)
        case (.since(let group, _, _, _), _) where tag < 0:
            // It could not be read now: what is live goes on, and the gap is known.
            goLive(nameKey(group), &effects)
        default: effects.append(.answer(answer, tag: tag))
        }
    }

    private mutating func joined(_ joined: JoinedGroup, asked group: String, _ effects: inout [Effect]) {
        let key = nameKey(group)
        guard var entry = followed[key] else { return }
        if let known = entry.place.epoch, known != joined.epoch {
            entry.place.last = -1
            effects.append(.reset(group: joined.group))
        }
        entry.place.group = joined.group
        entry.place.secret = joined.resume
        entry.place.epoch = joined.epoch
        entry.state = .catchingUp
        entry.held = []
        entry.isIncomplete = false
        if let tag = entry.tag {
            effects.append(.answer(.joined(joined), tag: tag))
            entry.tag = nil
        }
        if entry.place.last < 0 {
            // The first time here: the newest of what may be seen.
            let hidden = max(0, joined.nextOffset - joined.firstVisible - Self.shownOnJoin)
            entry.place.last = joined.firstVisible + hidden - 1
            if hidden > 0 { effects.append(.earlier(group: joined.group, count: hidden)) }
        }
        followed[key] = entry
        memory.keep(entry.place)
        effects.append(.remember)
        catchUp(key, &effects)
    }

    private mutating func catchUp(_ key: String, _ effects: inout [Effect]) {
        guard let place = followed[key]?.place else { return }
        transmit(
            .since(group: place.group, epoch: place.epoch, offset: place.last, limit: nil), -1, &effects)
    }

    private mutating func caughtUp(_ page: CatchUp, _ key: String, _ effects: inout [Effect]) {
        guard followed[key] != nil else { return }
        if page.isReset {
            followed[key]!.place.last = -1
            followed[key]!.place.epoch = page.epoch
            effects.append(.reset(group: page.group))
        }
        if let gap = page.gap { effects.append(.gap(group: page.group, gap)) }
        for message in page.messages { show(message, key, isCaughtUp: true, &effects) }
        if page.next != nil || followed[key]!.isIncomplete {
            followed[key]!.isIncomplete = followed[key]!.isIncomplete && page.next != nil
            catchUp(key, &effects)
        } else {
            goLive(key, &effects)
        }
        effects.append(.remember)
    }

    mutating func goLive(_ key: String, _ effects: inout [Effect]) {
        guard followed[key] != nil else { return }
        followed[key]!.state = .live
        let held = followed[key]!.held
        followed[key]!.held = []
        for message in held { show(message, key, isCaughtUp: false, &effects) }
        if let tag = followed[key]!.tag {
            followed[key]!.tag = nil
            effects.append(.answer(.alreadyMember(group: followed[key]!.place.group), tag: tag))
        }
        for id in postOrder where posts[id].map({ nameKey($0.group) == key }) ?? false { transmitPost(id, &effects) }
    }

    private mutating func dropPosts(of key: String, _ refusal: BoardRefusal, _ effects: inout [Effect]) {
        for id in postOrder {
            guard let post = posts[id], nameKey(post.group) == key else { continue }
            forget(id)
            effects.append(.posted(id, group: post.group, .refused(refusal), tag: post.tag))
        }
    }

    private mutating func arrived(
        _ message: KeptMessage, _ epoch: Epoch, _ group: String, _ effects: inout [Effect]
    ) {
        let key = nameKey(group)
        guard let entry = followed[key] else { return }
        guard entry.state == .live else {
            if entry.held.count < Self.heldLimit {
                followed[key]!.held.append(message)
            } else {
                followed[key]!.held = []
                followed[key]!.isIncomplete = true
            }
            return
        }
        guard entry.place.epoch == epoch else { return }
        show(message, key, isCaughtUp: false, &effects)
        effects.append(.remember)
    }

    /// Shows a message that was not shown yet.
    private mutating func show(
        _ message: KeptMessage, _ key: String, isCaughtUp: Bool, _ effects: inout [Effect]
    ) {
        guard message.offset > followed[key]!.place.last else { return }
        followed[key]!.place.last = message.offset
        let place = followed[key]!.place
        memory.keep(place)
        // One of our own that was not answered when the link was lost: it is known now, and was shown when it was typed.
        if let post = posts[message.id] {
            forget(message.id)
            effects.append(
                .posted(message.id, group: place.group, .accepted(offset: message.offset), tag: post.tag))
            return
        }
        let isOwn = (try? Nickname(validating: message.author))?.key == name.key
        effects.append(.show(group: place.group, message, isCaughtUp: isCaughtUp, isOwn: isOwn))
    }

    private mutating func postAnswered(_ id: JSON, _ answer: BoardAnswer, _ effects: inout [Effect]) {
        guard let message = id.string.flatMap({ MessageID(hex: $0) }) else { return }
        for (number, entry) in requests {
            if case .post(_, let draft) = entry.request, draft.id == message { requests[number] = nil }
        }
        guard let post = posts[message] else { return }
        forget(message)
        if case .posted(let group, let epoch, let offset, _, _) = answer {
            let key = nameKey(group)
            if let place = followed[key]?.place, place.epoch == epoch, followed[key]?.state == .live,
                offset > place.last
            {
                followed[key]!.place.last = offset
                memory.keep(followed[key]!.place)
                effects.append(.remember)
            }
            effects.append(.posted(message, group: group, .accepted(offset: offset), tag: post.tag))
        } else {
            effects.append(.posted(message, group: post.group, .refused(answer.refusal ?? Self.lost), tag: post.tag))
        }
    }

    /// The server has no command for a request that was to be sent.
    package mutating func impossible(_ number: Int64) -> [Effect] {
        guard let entry = requests.removeValue(forKey: number) else { return [] }
        let refusal = BoardRefusal(.notAllowed, "This server has no such command.")
        guard case .post(let group, let draft) = entry.request, let id = draft.id else {
            return [.answer(.refused(refusal), tag: entry.tag)]
        }
        forget(id)
        let reason = BoardRefusal(.notAllowed, BoardRequest.limitsOfTextPosts)
        return [.posted(id, group: group, .refused(reason), tag: entry.tag)]
    }
}
