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

    let name: Nickname
    package internal(set) var memory: BoardMemory
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

    static let lost = BoardRefusal(.unknown, "The connection was lost before the answer came; try again.")
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

    mutating func transmit(_ request: BoardRequest, _ tag: Int, _ effects: inout [Effect]) {
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

    mutating func transmitPost(_ id: MessageID, _ effects: inout [Effect]) {
        guard var post = posts[id] else { return }
        post.wasSent = true
        posts[id] = post
        transmit(.post(group: post.group, post.draft), post.tag, &effects)
    }

    mutating func forget(_ id: MessageID) {
        posts[id] = nil
        postOrder.removeAll { $0 == id }
    }
}
