import Delivery
package import Net
import Platform
package import Store
package import Wire

/// Owns the rooms, their members and their tokens, the handshakes over TCP and the chat over UDP; consumes the turns of
/// its hub.
///
/// Lives on the event loop. A turn is handled without waiting: messages are relayed at once, while what has to be kept is
/// offered to `committer` and comes back as `committed`, one call a batch.
package actor RoomManager {
    package struct Options: Sendable {
        package var hostLeave = RoomRules.HostLeavePolicy.close
        /// The room that is never closed; nil for none.
        package var lobby: RoomName?
        /// False lets everybody say as much, and enter as often, as they like.
        package var limitsRate = true
        /// The time of day, for what is kept.
        package var clock: @Sendable () -> Timestamp = { Timestamp.now() }

        package init() {}
    }

    /// Messages, and bytes, of a page of history.
    package static let pageMessages = 1_000
    package static let pageBytes = 65_536
    /// How long after the first message of a silent room its members of ours are told where the room stands, so that
    /// one who missed it finds out.
    package static let firstHeartbeat: Duration = .seconds(1)
    /// How often they are told while messages come.
    package static let activeHeartbeat: Duration = .seconds(5)
    /// How often they are told while none come.
    package static let idleHeartbeat: Duration = .seconds(30)
    /// How long to wait before what could not be stored is tried again.
    package static let storageRetry: Duration = .seconds(1)
    /// Changes that wait for the disk to work again; bytes of them.
    package static let mostRetried = 8_192
    package static let mostRetriedBytes = 8 << 20
    /// How often at most the log says how many datagrams were dropped.
    package static let dropReport: Duration = .seconds(10)
    /// Bytes that may wait for a connection, and answers that it gets in one turn, before its next request is looked at.
    package static let outboxGate = 65_536
    package static let answersPerTurn = 16
    /// How long connections have at the end to take what they were sent.
    package static let grace: Duration = .seconds(5)

    /// What is known of a connection beside its machine.
    final class Connection {
        let id: SocketID
        let peer: SocketAddress
        var machine = ServerHandshakeMachine()
        /// The request that is being answered.
        var request: RoomsRequest?
        /// Answers since it was last waited for what was sent to leave.
        var answersUnderWay = 0
        /// It gets no further answer until what was sent has left.
        var isHeld = false

        init(id: SocketID, peer: SocketAddress) {
            self.id = id
            self.peer = peer
        }
    }

    /// A room beside its rules: where it is kept, and what is under way to there.
    struct RoomState {
        /// Nil until its creation is committed; nobody can have said anything before.
        var conversation: ConversationID?
        /// Messages whose commit is not done.
        var inFlight = 0
        /// While some are in flight: what is below has been committed, but for `failed`.
        var settledEnd: Int64 = 0
        /// Offsets of messages whose commit has failed and is tried again.
        var failed: Set<Int64> = []
        var heartbeat = Heartbeat.off

        enum Heartbeat {
            case off
            case idle
            /// The last one told this offset, or it is that of the first message since.
            case active(told: Int64)
        }
    }

    /// A change and what follows from its commit.
    struct QueuedChange: Sendable {
        let change: RoomsChange
        let purpose: Purpose

        enum Purpose: Sendable {
            /// Nobody waits for it.
            case upkeep
            /// A connection waits for its token.
            case entry(SocketID, RoomToken, isCreation: Bool)
            /// A message; its author hears of it where its program understands.
            case message(room: Int, epoch: Epoch, member: Int, RoomToken, wantsAck: Bool)
            case reservation(room: Int, epoch: Epoch)
        }
    }

    /// A page and who waits for it.
    struct QueuedPage: Sendable {
        let page: RoomsPage
        let origin: SocketID
        let epoch: Epoch
        /// The part of the history that exists, and that the page is cut out of.
        let range: Range<Int64>
        /// What the room's next message gets.
        let offset: Int64
        let order: Transaction.Page.Order
    }

    /// Where the actor lives: the loop.
    private let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let outbound: any Outbound
    let store: MessageStore
    let options: Options
    /// The sockets of the data plane, and where they are bound.
    let sockets: [Listening]
    /// What the operator should know, for the log.
    let report: @Sendable (RoomsReport) -> Void

    package struct Listening: Sendable {
        package let id: SocketID
        package let address: SocketAddress

        package init(id: SocketID, address: SocketAddress) {
            self.id = id
            self.address = address
        }
    }

    var rules: RoomRules
    /// The rooms' other side, by the same index.
    var states: [RoomState] = []
    /// Connections by the slot of their id.
    var connections: [Connection?] = []
    var limiter = ConnectionLimiter()
    var entries = EntryLimiter(.entries)
    var questions = EntryLimiter(.questions)
    /// Where tokens come from.
    var randomness = SystemRandomness()
    /// Ids of original programs' messages: unlike each other, and no secret.
    var ids: SplitMix64

    /// Changes on their way to the disk.
    let committer = Committer<QueuedChange>()
    /// Pages on their way from it.
    let reader: Committer<QueuedPage>
    /// Changes that found the disk full or failing, in order; not empty means that everything waits behind them.
    var retries: [QueuedChange] = []
    var retriedBytes = 0
    var isRetryScheduled = false
    /// Why the last commit failed; nil again after one that did not.
    var failure: StoreError?

    /// Datagrams that were dropped, by `RoomRules.Drop`.
    var drops = [Int](repeating: 0, count: RoomRules.Drop.allCases.count)
    var reportedDrops = 0
    /// Messages that were relayed.
    package var relayed = 0
    /// Set once: nothing new is taken.
    var isEnding = false

    package init(
        executor: any SerialExecutor, outbound: sending any Outbound, store: MessageStore,
        rooms: [RoomsStorage.StoredRoom], sockets: [Listening], options: Options = Options(),
        report: @escaping @Sendable (RoomsReport) -> Void = { _ in }
    ) {
        precondition(!sockets.isEmpty, "rooms without a socket for datagrams")
        self.executor = executor
        self.outbound = outbound
        self.store = store
        self.options = options
        self.sockets = sockets
        self.report = report
        var limits = Committer<QueuedPage>.Limits()
        // A page may hold 64 KiB: this bounds what the answers of one batch take.
        limits.batchItems = 32
        limits.waitingItems = .max / 4
        reader = Committer(limits: limits)
        let wall = options.clock()
        rules = RoomRules(
            policy: options.hostLeave, limitsRate: options.limitsRate,
            firstRoster: UInt64(clamping: wall.microseconds))
        ids = SplitMix64(seed: randomness.next())
        stored = rooms
    }

    /// What the store held at the start; taken over by the first turn, on the loop.
    private var stored: [RoomsStorage.StoredRoom]

    // MARK: - Turns

    /// Consumes the turns of a hub until they end, and carries out what the disk is needed for.
    package func run(_ hub: Hub) async {
        restore()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.storeChanges() }
            await hub.forEachTurn(of: self) { $0.handle($1) }
            committer.finish()
            finishReading()
        }
    }

    /// Nobody asks for pages any more.
    package func finishReading() { reader.finish() }

    /// Writes what has to be kept and reads what is asked for, until the end.
    package func storeChanges() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.commitChanges() }
            group.addTask { await self.readPages() }
        }
    }

    /// Takes over what the store held.
    package func restore() {
        for room in stored { restore(room) }
        stored = []
    }

    private func restore(_ stored: RoomsStorage.StoredRoom) {
        var effects: [RoomRules.Effect] = []
        let members = stored.members.map { member in
            RoomRules.KeptMember(
                name: member.name, token: member.token, isHost: member.isHost, isExtended: member.isExtended,
                path: member.address.map { RoomRules.Path($0, socket: socket(reaching: $0)) })
        }
        let index = rules.restore(
            RoomRules.KeptRoom(
                name: stored.conversation.name, createdAt: stored.createdAt, topic: stored.topic,
                epoch: stored.conversation.epoch, nextOffset: stored.reserved.lowerBound,
                reservedEnd: stored.reserved.upperBound, recent: stored.recent, members: members),
            at: outbound.now, effects: &effects)
        setState(RoomState(conversation: stored.conversation.id), of: index)
        if stored.conversation.name == options.lobby?.text { rules.makeLobby(index) }
        carryOut(effects)
        startHeartbeat(index)
    }

    /// The socket through which an address of a run before is reached.
    private func socket(reaching address: SocketAddress) -> Int {
        sockets.firstIndex { $0.address.ip.isV4 == address.ip.isV4 }
            ?? sockets.firstIndex { !$0.address.ip.isV4 } ?? 0
    }

    func setState(_ state: RoomState, of room: Int) {
        while states.count <= room { states.append(RoomState()) }
        states[room] = state
    }

    /// What one turn of the loop brought. Never waits.
    package func handle(_ turn: [NetEvent]) {
        for event in turn { handle(event) }
    }

    private func handle(_ event: NetEvent) {
        switch event {
        case .datagrams(let socket, let batch):
            guard let index = sockets.firstIndex(where: { $0.id == socket }), !isEnding else { return }
            for datagram in batch { received(datagram, through: index) }
        case .unreachable(let socket, let address):
            guard let index = sockets.firstIndex(where: { $0.id == socket }) else { return }
            carryOut(rules.unreachable(RoomRules.Path(address, socket: index), at: outbound.now))
        case .accepted(let id, _, let peer): accepted(id, peer)
        case .received(let id, let bytes):
            guard let connection = connection(id) else { return }
            carryOut(connection.machine.received(bytes), connection)
        case .inputEnded(let id):
            guard let connection = connection(id) else { return }
            carryOut(connection.machine.inputEnded(), connection)
        case .timer(let token): timerFired(RoomsTimer(packed: token))
        case .closed(let id, _): closed(id)
        case .signal(let signal):
            switch signal {
            case .interrupt, .terminate, .hangup: end()
            case .windowChange, .resumed, .terminalStop, .user1: break
            }
        case .drained(let id):
            guard let connection = connection(id) else { return }
            drained(connection)
        case .acceptFailed(_, let error): report(.acceptFailed(error))
        case .connected, .dialFailed, .resolved: break
        }
    }

    private func timerFired(_ timer: RoomsTimer?) {
        switch timer {
        case .connection(let slot):
            guard slot < connections.count, let connection = connections[slot] else { return }
            carryOut(connection.machine.timedOut(), connection)
        case .member(let index): carryOut(rules.elapsed(member: index, at: outbound.now))
        case .room(let index): carryOut(rules.elapsed(room: index, at: outbound.now))
        case .heartbeat(let index): heartbeat(index)
        case .storage: retryStorage()
        case .drops: reportDrops()
        case nil: break
        }
    }

    // MARK: - The end

    /// Tells everybody, stores what is under way and ends. A second time it does not wait.
    package func end() {
        guard !isEnding else { return outbound.shutdown(grace: .zero) }
        isEnding = true
        report(.ending)
        for room in rules.rooms.indices where rules.rooms[room] != nil {
            announce("The server is shutting down.", event: "stopping", in: room)
        }
        for case let connection? in connections where connection.request == nil { outbound.close(connection.id) }
        committer.finish()
    }

    /// What was under way is committed.
    func finishEnding() async {
        let unused = rules.rooms.compactMap { room in
            room.map { RoomsChange.giveBack(from: $0.nextOffset, room: $0.name) }
        }
        let last = retries.map(\.change) + unused
        if case .failure(let error) = await RoomsStorage.commit(last, in: store), failure == nil {
            report(.storageFailed(error))
        }
        reportDrops()
        outbound.shutdown(grace: Self.grace)
    }
}
