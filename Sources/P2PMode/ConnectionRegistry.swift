import Delivery
package import Net
import Platform
package import Store
package import Wire

/// Owns the connections of a peer and what they add up to; consumes the turns of its hub.
///
/// Lives on the event loop. Everything is decided by `MeshMachine`; here its effects become bytes on sockets, dials and
/// timers, and what happens on the sockets becomes its events.
package actor ConnectionRegistry {
    /// How long goodbyes may take to leave at the end.
    package static let grace: Duration = .seconds(5)
    /// How long one dial may take, its name's look-up included.
    package static let dialTime: Duration = .seconds(10)
    /// The timers of the hub: when the machine wants to be woken, and when the view does.
    private static let wakeTimer: UInt64 = 1
    private static let viewTimer: UInt64 = 2
    /// The end of `pause(for:)`.
    private static let pauseTimer: UInt64 = 3

    /// What is known of one connection beside the machine's side of it.
    private struct Connection {
        let id: SocketID
        let link: LinkID
        let peer: SocketAddress
        let isAccepted: Bool
        var frames = FrameDecoder()
        /// Why it ends, where this side knows better than the socket.
        var end: LinkEnd?
        /// The machine wants it read no further.
        var isSlowed = false
    }

    private let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let outbound: any Outbound
    private var machine: MeshMachine
    package private(set) var view: any MeshView
    private var limiter = ConnectionLimiter()
    private var arrivals: ArrivalRules

    /// Connections by the slot of their socket; links find theirs through `sockets`.
    private var connections: [Connection?] = []
    private var sockets: [LinkID: SocketID] = [:] { didSet { lastReceivers = ([], []) } }
    /// Whom the last frame for several went to: the next one mostly goes to the same, and need not look each up.
    private var lastReceivers: (links: [LinkID], sockets: [SocketID]) = ([], [])
    private var nextLink = 1

    /// Nobody reads what is shown: nothing more is taken from the network until somebody does.
    private var isHeld = false
    private var isQuitting = false
    /// What waits for the disk. Nothing is offered where nothing is kept.
    private let committer = Committer<P2PStorage.Change>()
    private var store: MessageStore?
    private var keptSincePruning = 0
    private var storageFails = false
    private var namesAreStale = false
    /// Connections that were slowed down and are not any more: frames of theirs may wait.
    private var toHear: [SocketID] = []
    /// Who waits in `pause(for:)`.
    private var paused: CheckedContinuation<Void, Never>?

    package init(
        executor: any SerialExecutor, outbound: sending any Outbound, configuration: MeshMachine.Configuration,
        seed: UInt64, view: sending any MeshView
    ) {
        self.executor = executor
        self.outbound = outbound
        self.view = view
        arrivals = ArrivalRules(isLimited: configuration.isRateLimited)
        machine = MeshMachine(configuration: configuration, seed: seed, at: Self.moment(outbound.now))
    }

    private static func moment(_ now: MonotonicTime) -> Moment { Moment(monotonic: now, wall: .now()) }

    private var now: Moment { Self.moment(outbound.now) }

    // MARK: - Turns

    /// What one turn of the loop brought. Never waits.
    package func handle(_ turn: [NetEvent]) {
        for event in turn { handle(event) }
        settle()
    }

    /// What follows from what the view was told.
    private func settle() {
        if view.isDone { quit() }
        if namesAreStale {
            namesAreStale = false
            view.know(machine.names())
        }
        if !isHeld && view.isCongested { hold(true) }
    }

    private func handle(_ event: NetEvent) {
        switch event {
        case .accepted(let id, _, let peer): accepted(id, peer)
        case .connected(let id, let token, let peer): open(id, peer, .dialled(token))
        case .dialFailed(let token, let error):
            carryOut(machine.dialFailed(token, reason: error.message, at: now))
        case .received(let id, let bytes): received(id, bytes)
        case .inputEnded(let id):
            guard let slot = slot(of: id) else { return }
            if connections[slot]!.end == nil { connections[slot]!.end = .closed }
            outbound.close(id)
        case .closed(let id, let reason): closed(id, reason)
        case .timer(Self.viewTimer): view.elapsed()
        case .timer(Self.pauseTimer): endPause()
        case .timer: carryOut(machine.timePassed(at: now))
        case .signal(let signal):
            view.signalled(signal)
            switch signal {
            case .interrupt, .terminate, .hangup: quit()
            case .windowChange, .resumed, .terminalStop, .user1: break
            }
        case .acceptFailed(_, let error): if arrivals.failed(at: outbound.now) { view.cannotAccept(error) }
        case .drained, .resolved, .datagrams, .unreachable: break
        }
    }

    private func accepted(_ id: SocketID, _ peer: SocketAddress) {
        guard !isQuitting else { return outbound.reset(id) }
        if case .refuse(let report) = arrivals.arrived(from: peer.ip, at: outbound.now) {
            // Without a word: who comes too often would be answered too often.
            outbound.reset(id)
            if let report { view.tell(.notice(.tooManyArrivals(report))) }
            return
        }
        switch limiter.accepted(from: peer.ip) {
        case .admit: open(id, peer, .accepted)
        case .tooManyOfAddress: refuse(id, "There are too many connections from your address; close one and try again.")
        case .full: refuse(id, "There are too many connections here; try again later.")
        }
    }

    /// Says why, in a frame that every program shows, and closes.
    private func refuse(_ id: SocketID, _ reason: String) {
        let line = machine.refusal(reason, at: now)
        let payload = outbound.encode { writer in
            // A fixed sentence and a name that was validated: never too long.
            try? writer.append(line, in: .json, utcOffset: localUTCOffset(at: line.time))
        }
        outbound.send(payload, to: id)
        outbound.close(id)
    }

    private func open(_ id: SocketID, _ peer: SocketAddress, _ direction: LinkMachine.Direction) {
        let link = LinkID(nextLink)
        nextLink += 1
        let slot = Int(id.slot)
        while connections.count <= slot { connections.append(nil) }
        connections[slot] = Connection(id: id, link: link, peer: peer, isAccepted: direction == .accepted)
        sockets[link] = id
        if isHeld { outbound.pause(id) }
        carryOut(machine.opened(link, direction: direction, remote: peer, at: now))
    }

    private func received(_ id: SocketID, _ bytes: ArraySlice<UInt8>) {
        guard let slot = slot(of: id) else { return }
        connections[slot]!.frames.append(bytes)
        hear(id, slot)
    }

    /// Takes in the frames that are complete. The connection may end with any of them, and what follows is not heard any
    /// more; while it is slowed down they wait where they are, so that nothing of them is lost.
    private func hear(_ id: SocketID, _ slot: Int) {
        while connections[slot]?.id == id, connections[slot]!.end == nil, !connections[slot]!.isSlowed,
            let payload = connections[slot]!.frames.next()
        {
            let link = connections[slot]!.link
            do throws(P2PFrameError) {
                carryOut(machine.received(try P2PFrame(decoding: payload), on: link, at: now))
            } catch {
                connections[slot]!.end = .broken(error.message)
                outbound.close(id)
            }
        }
    }

    private func closed(_ id: SocketID, _ reason: CloseReason) {
        guard let slot = slot(of: id), let connection = connections[slot] else { return }
        connections[slot] = nil
        sockets[connection.link] = nil
        if connection.isAccepted { limiter.closed(from: connection.peer.ip) }
        let end: LinkEnd =
            switch reason {
            case .local: .here
            case .remote: .closed
            case .slowConsumer, .failed: .broken(reason.message)
            }
        carryOut(machine.closed(connection.link, connection.end ?? end, at: now))
    }

    private func slot(of id: SocketID) -> Int? {
        let slot = Int(id.slot)
        guard slot < connections.count, connections[slot]?.id == id else { return nil }
        return slot
    }

    // MARK: - What the person does

    /// Connects to the peers that were named.
    package func start(_ peers: [Endpoint]) {
        carryOut(machine.started(peers, at: now))
        settle()
    }

    /// Tells the machine how this peer is called and where it listens. Before `start`.
    package func configure(name: Nickname, port: UInt16) { machine.configure(name: name.text, port: port) }

    /// Calls the view's `elapsed` after a time.
    package func wakeView(after delay: Duration) { outbound.schedule(Self.viewTimer, after: delay) }

    /// Waits on the loop, at most until the goodbye. One at a time.
    package func pause(for delay: Duration) async {
        await withCheckedContinuation { waiting in
            // Not before: the goodbye may come on the way here, and would wake nobody.
            if isQuitting { return waiting.resume() }
            paused = waiting
            outbound.schedule(Self.pauseTimer, after: delay)
        }
    }

    private func endPause() {
        paused?.resume()
        paused = nil
    }

    /// The time of this turn.
    package var time: MonotonicTime { outbound.now }

    package func say(_ text: String, isAction: Bool = false) throws(SayError) {
        carryOut(try machine.typed(text, isAction: isAction, at: now))
    }

    package func whisper(_ text: String, to name: String) throws(SayError) {
        carryOut(try machine.whispered(text, to: name, at: now))
    }

    package func rename(to name: Nickname) { carryOut(machine.renamed(to: name.text, at: now)) }

    package func who() -> [MemberSummary] { machine.who() }

    package func peers() -> [PeerSummary] { machine.peers() }

    package func status(last count: Int) -> (messages: [FollowedMessage], members: Int) { machine.status(last: count) }

    package func names() -> [SafeText] { machine.names() }

    /// Says goodbye to everybody; the turns end when it has left. Twice does no harm.
    package func quit() {
        guard !isQuitting else { return }
        isQuitting = true
        endPause()
        carryOut(machine.quit(at: now))
        outbound.cancelTimer(Self.wakeTimer)
        outbound.shutdown(grace: Self.grace)
    }

    /// Reads no more from anybody, or goes on: what is shown is not read fast enough, or is again.
    package func hold(_ held: Bool) {
        guard held != isHeld else { return }
        isHeld = held
        for case let connection? in connections where !connection.isSlowed {
            if held { outbound.pause(connection.id) } else { outbound.resume(connection.id) }
        }
    }

    // MARK: - Effects

    private func carryOut(_ effects: [MeshEffect]) {
        for effect in effects { carryOut(effect) }
        // Only now: what is heard has effects of its own, and a `wake` among them must not come before an older one.
        while let id = toHear.popLast() {
            if let slot = slot(of: id) { hear(id, slot) }
        }
    }

    private func carryOut(_ effect: MeshEffect) {
        switch effect {
        case .dial(let number, let endpoint): outbound.dial(endpoint, token: number, timeout: Self.dialTime)
        case .cancelDial(let number): outbound.cancelDial(token: number)
        case .send(let frame, let links):
            let time = Timestamp.now()
            send(to: links) { (writer) throws(FrameError) in
                try writer.append(frame, at: time, utcOffset: localUTCOffset(at: time))
            }
        case .say(let line, let links, let dialect):
            let offset = localUTCOffset(at: line.time)
            send(to: links) { (writer) throws(FrameError) in try writer.append(line, in: dialect, utcOffset: offset) }
        case .close(let link): if let id = sockets[link] { outbound.close(id) }
        case .reset(let link): if let id = sockets[link] { outbound.reset(id) }
        case .slowDown(let link): slow(link, true)
        case .resume(let link): slow(link, false)
        case .wake(let time):
            if let time {
                outbound.schedule(Self.wakeTimer, after: max(.zero, time - outbound.now))
            } else {
                outbound.cancelTimer(Self.wakeTimer)
            }
        case .tell(let news):
            if news.changesNames { namesAreStale = true }
            view.tell(news)
        case .keep(let message): keep(message)
        }
    }

    // MARK: - The disk

    /// Keeps in a store what is said, and takes in what was kept there. Before `start`.
    package func use(_ store: MessageStore) async throws(StoreError) {
        let kept = try await P2PStorage.begin(as: machine.me, in: store, at: now.wall)
        self.store = store
        machine.restored(kept.messages, selves: kept.selves, at: now)
    }

    /// Hands over to the disk what the machine has said to keep, until `finishKeeping` and nothing waits.
    package func commitKept() async {
        guard let store else { return }
        await committer.run { batch in
            await P2PStorage.commit(batch, in: store, at: .now())
        } committed: { _, error in
            if let error {
                if !storageFails { view.storageFailed(error) }
                storageFails = true
            } else if storageFails {
                storageFails = false
                view.storageFailed(nil)
            }
        }
    }

    package func finishKeeping() { committer.finish() }

    private func keep(_ message: MeshMessage) {
        guard store != nil else { return }
        // Where the disk is far behind, the neighbours' memories have to do.
        let change = P2PStorage.Change.keep(message)
        guard committer.offer(change, size: change.size) else { return }
        keptSincePruning += 1
        guard keptSincePruning >= MessageLog.messagesPerAuthor else { return }
        keptSincePruning = 0
        _ = committer.offer(.prune, size: P2PStorage.Change.prune.size)
    }

    /// One encode, however many hear it.
    private func send(to links: [LinkID], _ body: (inout ByteWriter) throws(FrameError) -> Void) {
        let payload = outbound.encode { writer in
            let start = writer.count
            do throws(FrameError) {
                try body(&writer)
            } catch {
                // The machine has measured everything that people say; nothing else can be that long.
                writer.truncate(to: start)
            }
        }
        guard payload.count > 0 else { return }
        if links.count == 1 {
            if let id = sockets[links[0]] { outbound.send(payload, to: id) }
        } else {
            if lastReceivers.links != links { lastReceivers = (links, links.compactMap { sockets[$0] }) }
            outbound.send(payload, to: lastReceivers.sockets, except: nil)
        }
    }

    private func slow(_ link: LinkID, _ slowed: Bool) {
        guard let id = sockets[link], let slot = slot(of: id) else { return }
        connections[slot]!.isSlowed = slowed
        if slowed { return outbound.pause(id) }
        if !isHeld { outbound.resume(id) }
        toHear.append(id)
    }
}

extension MeshNews {
    /// Somebody came, went, or is called differently.
    fileprivate var changesNames: Bool {
        switch self {
        case .joined, .returned, .left, .lost, .renamed, .guestJoined, .guestLeft: true
        case .connected, .disconnected, .unreachable, .message, .sent, .unsent, .delivered, .failed, .gap, .notice:
            false
        }
    }
}
