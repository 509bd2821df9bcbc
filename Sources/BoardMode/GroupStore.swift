import Delivery
package import Net
import Platform
package import Store
package import Wire

/// Owns the groups of a board, who is in them, and the connections; consumes the turns of its hub.
///
/// Lives on the event loop. A turn is handled without waiting; what needs the disk is offered to `committer` and `reader`
/// and comes back as `committed` and `pagesRead`, one call a batch. A store in memory that lives on the loop as well is
/// written to and read in the same turn.
package actor GroupStore {
    package struct Options: Sendable {
        /// The rule of groups that are created without one.
        package var visibility = VisibilityRule.standard
        /// False answers `%groupcreate` with a refusal.
        package var allowsCreation = true
        /// False lets everybody post as fast as they like.
        package var limitsRate = true
        /// Local time ahead of UTC at a moment, in seconds, for the dates in text.
        package var utcOffset: @Sendable (Timestamp) -> Int = { localUTCOffset(at: $0) }

        package init() {}
    }

    /// Bytes that may wait for a connection when a further request of its is carried out.
    package static let outboxGate = 65_536
    /// Messages, and bytes, of a page of history.
    package static let pageMessages = 1_000
    package static let pageBytes = 65_536
    /// Groups of a page of the list of groups.
    package static let pageGroups = 500
    /// Posts of each group whose heads are kept in memory, so that a join is answered at once.
    package static let recentPosts = 16
    /// How often the secrets of those who are connected are marked as used.
    package static let touchInterval: Duration = .seconds(3_600)
    /// How long a connection that is being closed has to take what it was sent.
    package static let grace: Duration = .seconds(5)

    // What every request goes through is not checked against overlapping access at run time, which took a thirteenth of
    // its instructions. None can overlap: it is the actor's own, and a value whose code calls nothing of the actor's.

    /// What is known of a connection beside its machine.
    final class Connection {
        let id: SocketID
        let peer: SocketAddress
        @exclusivity(unchecked)
        var machine: BoardConnectionMachine
        /// True while it is not read.
        var isPaused = false
        /// The group that it asked for last, and how it spelled its name.
        var lastGroup: (typed: String, index: Int)?
        /// The secrets of the groups it has joined by JSON, by group.
        var secrets: [Int: ResumeSecret] = [:]

        init(id: SocketID, peer: SocketAddress, machine: BoardConnectionMachine) {
            self.id = id
            self.peer = peer
            self.machine = machine
        }
    }

    /// A group beside its rules: where it is kept and who hears of it.
    struct GroupState {
        let conversation: ConversationID
        /// Its newest posts without their texts, oldest first.
        var recent = RingBuffer<KeptMessage>(capacity: recentPosts)
        /// The members by dialect: an event is encoded once for each list.
        var textAudience: [SocketID] = []
        var jsonAudience: [SocketID] = []
    }

    /// A change and who waits for it.
    struct QueuedChange: Sendable {
        let change: BoardChange
        /// Nil for the board's own.
        let origin: SocketID?
        let reply: BoardReply
        let group: Int
    }

    /// A page and who waits for it.
    struct QueuedPage: Sendable {
        let page: BoardPage
        let origin: SocketID
        let reply: BoardReply
        let group: Int
        let purpose: Purpose

        enum Purpose: Sendable {
            case message(Int64)
            case history(visible: Range<Int64>, ofJoin: Bool)
            case catchUp(visible: Range<Int64>, gap: ClosedRange<Int64>?, isReset: Bool)
        }
    }

    /// Where the actor lives: the loop.
    private let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let outbound: any Outbound
    let store: MessageStore
    let options: Options
    let text: BoardTextWriter
    /// Posts, joins, leaves and new groups on their way to the disk.
    let committer = Committer<QueuedChange>()
    /// Pages on their way from it.
    let reader: Committer<QueuedPage>
    /// Changes that found the committer full; at most one a connection, which is held until then.
    var stalled: [QueuedChange] = []
    /// The store lives on the loop: nothing has to wait for it.
    let isLocal: Bool
    /// Changes of this turn for a store on the loop.
    var localChanges: [QueuedChange] = []
    /// What was written and read lately.
    @exclusivity(unchecked)
    var cache = PostCache()

    /// The rules: groups, members, what each may see.
    @exclusivity(unchecked)
    var table = GroupTable<SocketID>()
    /// The groups' other side, by the same index.
    var groups: [GroupState] = []
    /// Connections by the slot of their id.
    @exclusivity(unchecked)
    var connections: [Connection?] = []
    /// Who has a name, by the folded name.
    var names: [String: SocketID] = [:]
    var limiter = ConnectionLimiter()

    /// True after a commit has failed, until one succeeds.
    var storageFails = false
    /// Where secrets come from, and ids for posts whose authors make none.
    var randomness = SystemRandomness()
    /// Groups stay, and there is room for so many only: nobody may take it all.
    var creations = EntryLimiter(.creations)

    /// Set once: nothing new is taken.
    var isEnding = false
    /// The signal that came while the board was ending: nobody waits for goodbyes any more.
    package private(set) var abandonedBy: Signal?
    /// Changes and pages that were taken and not answered.
    var underWay = 0

    /// What the operator should know, for the log.
    let report: @Sendable (BoardReport) -> Void

    package init(
        executor: any SerialExecutor, outbound: sending any Outbound, store: MessageStore,
        groups: [BoardStorage.StoredGroup], options: Options = Options(),
        report: @escaping @Sendable (BoardReport) -> Void = { _ in }
    ) {
        self.executor = executor
        self.outbound = outbound
        self.store = store
        isLocal = store.lives(on: executor)
        self.options = options
        self.report = report
        text = BoardTextWriter(utcOffset: options.utcOffset)
        var limits = Committer<QueuedPage>.Limits()
        // A page may hold 64 KiB: this bounds what the answers of one batch take.
        limits.batchItems = 32
        limits.waitingItems = .max / 4
        reader = Committer(limits: limits)
        for group in groups {
            table.add(
                group.name, visibility: group.visibility, epoch: group.conversation.epoch,
                nextOffset: group.conversation.nextOffset)
            var state = GroupState(conversation: group.conversation.id)
            for post in group.recent { state.recent.append(post) }
            self.groups.append(state)
        }
    }

    // MARK: - Turns

    /// Consumes the turns of a hub until they end, and carries out what the disk is needed for. Runs under the preference
    /// of the hub's loop.
    package func run(_ hub: Hub) async {
        outbound.schedule(TimerToken.touch.packed, after: Self.touchInterval)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.workWithDisk() }
            await hub.forEachTurn(of: self) { $0.handle($1) }
            finishWithDisk()
        }
    }

    /// Commits and reads what the turns ask for, until `finishWithDisk`.
    package func workWithDisk() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.commitChanges() }
            group.addTask { await self.readPages() }
        }
    }

    /// Lets `workWithDisk` return when everything was answered.
    package func finishWithDisk() {
        committer.finish()
        reader.finish()
    }

    /// What one turn of the loop brought. Never waits.
    package func handle(_ turn: [NetEvent]) {
        for event in turn { handle(event) }
        if isLocal { commitLocally() }
    }

    private func handle(_ event: NetEvent) {
        switch event {
        case .accepted(let id, _, let peer): accepted(id, peer)
        case .received(let id, let bytes):
            guard let connection = connection(id) else { return }
            carryOut(connection.machine.received(bytes, at: outbound.now), connection)
        case .inputEnded(let id):
            guard let connection = connection(id) else { return }
            carryOut(connection.machine.inputEnded(at: outbound.now), connection)
        case .timer(let token): timerFired(TimerToken(packed: token))
        case .drained(let id):
            guard let connection = connection(id) else { return }
            carryOut(connection.machine.release(.outbox, at: outbound.now), connection)
        case .closed(let id, let reason): closed(id, reason)
        case .signal(let signal):
            switch signal {
            case .interrupt, .terminate, .hangup: if isEnding { abandon(signal) } else { end() }
            case .windowChange, .resumed, .terminalStop, .user1: break
            }
        case .acceptFailed(_, let error): report(.acceptFailed(error))
        case .connected, .dialFailed, .resolved, .datagrams, .unreachable: break
        }
    }

    private func accepted(_ id: SocketID, _ peer: SocketAddress) {
        guard !isEnding else { return outbound.reset(id) }
        switch limiter.accepted(from: peer.ip) {
        case .admit: break
        case .tooManyOfAddress: return turnAway(id, peer, "Too many connections from your address; close one first.")
        case .full: return turnAway(id, peer, "The server is full; try again later.")
        }
        let machine = BoardConnectionMachine(at: outbound.now, limitsRate: options.limitsRate)
        let connection = Connection(id: id, peer: peer, machine: machine)
        let slot = Int(id.slot)
        while connections.count <= slot { connections.append(nil) }
        connections[slot] = connection
        carryOut(connection.machine.connected(), connection)
    }

    private func turnAway(_ id: SocketID, _ peer: SocketAddress, _ sentence: SafeText) {
        outbound.send("[ERROR] \(sentence.string)\n".utf8, to: id)
        outbound.close(id)
        report(.turnedAway(peer: peer))
    }

    private func closed(_ id: SocketID, _ reason: CloseReason) {
        guard let connection = connection(id) else { return }
        connections[Int(id.slot)] = nil
        limiter.closed(from: connection.peer.ip)
        for timer in BoardConnectionMachine.Timer.allCases {
            outbound.cancelTimer(TimerToken.connection(slot: id.slot, timer).packed)
        }
        signOff(connection)
        report(.disconnected(peer: connection.peer, name: connection.machine.name, reason: reason))
    }

    /// Takes a connection out of its groups and gives its name back. Twice does no harm.
    func signOff(_ connection: Connection) {
        guard let name = connection.machine.name, names[name.key] == connection.id else { return }
        names[name.key] = nil
        for group in table.leaveAll(connection.id) { announceLeave(connection, name, group) }
        // Seven days count from here.
        touch(Array(connection.secrets.values))
        connection.secrets = [:]
    }

    private func timerFired(_ token: TimerToken) {
        switch token {
        case .touch:
            for connection in connections {
                if let connection { touch(Array(connection.secrets.values)) }
            }
            outbound.schedule(TimerToken.touch.packed, after: Self.touchInterval)
        case .connection(let slot, let timer):
            guard Int(slot) < connections.count, let connection = connections[Int(slot)] else { return }
            carryOut(connection.machine.elapsed(timer, at: outbound.now), connection)
        }
    }

    func connection(_ id: SocketID) -> Connection? {
        let slot = Int(id.slot)
        guard slot < connections.count, let connection = connections[slot], connection.id == id else { return nil }
        return connection
    }

    /// Says goodbye to everybody and ends when what is under way was answered. Twice does no harm.
    package func end() {
        guard !isEnding else { return }
        isEnding = true
        for case let connection? in connections where !connection.machine.isClosed { outbound.pause(connection.id) }
        endIfDone()
    }

    func endIfDone() {
        guard isEnding, abandonedBy == nil, underWay == 0, stalled.isEmpty else { return }
        for case let connection? in connections {
            carryOut(connection.machine.close(.closing("The server is shutting down.")), connection)
        }
        outbound.cancelTimer(TimerToken.touch.packed)
        outbound.shutdown(grace: Self.grace)
    }

    /// Who asks a second time does not wait for what others have to take or to say.
    private func abandon(_ signal: Signal) {
        guard abandonedBy == nil else { return }
        abandonedBy = signal
        for case let connection? in connections { outbound.reset(connection.id) }
        outbound.cancelTimer(TimerToken.touch.packed)
        outbound.shutdown(grace: .zero)
    }
}
