import Delivery
import Glibc
import Net
import Platform
import Wire

/// The members of a load and what they hear: consumes the turns of its hub, sends when the workload says so, and holds
/// what arrives against what was sent.
actor LoadGenerator {
    /// Members that connect or sign in at the same time.
    static let atOnce = 128
    /// How long nobody may be let in before the rest is given up.
    static let patience: Duration = .seconds(10)
    /// After which a datagram of a member that signs in is sent again.
    static let repeatTime: Duration = .milliseconds(500)
    static let warmUp: Duration = .milliseconds(500)
    /// How often the workload is looked at where nothing arrives.
    static let tick: Duration = .milliseconds(5)
    static let tickTimer: UInt64 = 1

    enum Stage: Equatable { case waiting, connecting, signingIn, joining, ready }

    struct Member {
        var stage = Stage.waiting
        var socket: SocketID?
        /// The start of a frame that has not come whole.
        var rest: [UInt8] = []
        /// When the messages were due that wait for their answers.
        var due: [MonotonicTime] = []
        /// What ends each of its datagrams.
        var metadata: [UInt8] = []
        /// What it answers every message of its group with; udp.
        var acknowledgement: [UInt8] = []
        /// When it last asked to be let in; udp.
        var asked = MonotonicTime(nanoseconds: 0)
    }

    let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    let hub: Hub
    let options: BenchOptions
    let target: Endpoint
    /// Of rooms: where datagrams go.
    let datagramPort: UInt16?
    /// Of a server of our own.
    let pid: Int32?
    /// What is typed at a p2p node is written here.
    let input: Int32?
    let progress: @Sendable (SafeText) -> Void

    var members: [Member]
    /// Members by the slot of their socket.
    var memberOfSlot: [Int] = []
    var begun = 0
    var ready = 0
    /// Members that have their token; rooms.
    var opened = 0
    var lastReady = MonotonicTime(nanoseconds: 0)
    var address: SocketAddress?
    let groups: [String]

    let text: MessageText
    var workload: WorkloadMachine
    var check: DeliveryRules
    var answers = 0
    var bytes = 0
    /// Deliveries that the messages so far are to bring.
    var expected = 0
    /// What was typed and the node has not taken.
    var typed: [UInt8] = []
    /// The posts that requests ask for are under way, and how many are there.
    var isPreparing = false
    var prepared = 0

    var result: BenchResult
    var failure: BenchError?
    var isEnding = false
    var measuredFrom: Mark?
    var latencyFrom = MonotonicTime(nanoseconds: .max)
    var latencyUntil = MonotonicTime(nanoseconds: .max)
    var nextReport = MonotonicTime(nanoseconds: 0)
    var reported = 0
    var spinner: CheckedContinuation<Void, Never>?

    /// Where everything stood at a moment.
    struct Mark {
        var time: MonotonicTime
        var messages: Int
        var deliveries: Int
        var answers: Int
        var bytes: Int
        var serverCPU: Int64?
        var loadCPU: Duration
    }

    init(
        loop: EventLoop, options: BenchOptions, target: Endpoint, datagramPort: UInt16?, pid: Int32?, input: Int32?,
        progress: @escaping @Sendable (SafeText) -> Void
    ) {
        self.loop = loop
        hub = loop.hub
        self.options = options
        self.target = target
        self.datagramPort = datagramPort
        self.pid = pid
        self.input = input
        self.progress = progress
        members = Array(repeating: Member(), count: options.members)
        groups = (0..<options.groups).map { "bench-\(getpid())-\($0)" }
        text = MessageText(size: options.size)
        let hasReceivers = options.senders > 0 && options.receivers(of: 0) > 0
        workload = WorkloadMachine(
            .init(
                senders: options.senders, load: options.load, window: BenchOptions.window,
                isOneAtATime: options.isAnswered && !hasReceivers, warmUp: Self.warmUp,
                measured: .seconds(options.seconds)))
        check = DeliveryRules(members: options.members, senders: max(1, options.senders))
        result = BenchResult(options: options)
    }

    /// Measures; returns when everything has arrived, or nothing more will.
    func run() async throws(BenchError) -> BenchResult {
        do throws(SystemError) { try hub.watchSignals([.interrupt, .terminate, .hangup]) } catch {
            throw .system(error)
        }
        if let account = account() { result.residentAtStart = account.resident }
        lastReady = hub.now
        hub.schedule(Self.tickTimer, after: Self.tick)
        if options.mode.usesDatagrams {
            hub.resolve(datagramTarget, token: 0)
        } else {
            beginMore()
        }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.spin() }
            await hub.forEachTurn(of: self) { $0.handle($1) }
            endSpinning()
        }
        if let failure { throw failure }
        return result
    }

    // MARK: - Turns

    func handle(_ turn: [NetEvent]) {
        for event in turn { handle(event) }
        advance()
    }

    func handle(_ event: NetEvent) {
        switch event {
        case .connected(let id, let token, _): connected(id, token)
        case .dialFailed(_, let error): fail(.cannotConnect(error.message))
        case .received(let id, let bytes): received(bytes, by: memberOfSlot[Int(id.slot)])
        case .datagrams(let id, let batch):
            let member = memberOfSlot[Int(id.slot)]
            let now = MonotonicTime.now()
            for datagram in batch {
                self.bytes += datagram.bytes.count
                datagram.bytes.withUnsafeBytes { heardDatagram($0, by: member, at: now) }
            }
        case .inputEnded(let id): hub.close(id)
        case .closed(let id, let reason):
            // A handshake of rooms ends with the connection.
            let isOver = options.mode == .rooms && members[memberOfSlot[Int(id.slot)]].stage != .signingIn
            if !isEnding && !isOver { fail(.disconnected(reason.message)) }
        case .resolved(_, let answer):
            switch answer {
            case .success(let addresses):
                address = addresses[0]
                beginMore()
            case .failure(let error): fail(.unresolved(error.message))
            }
        case .timer:
            hub.schedule(Self.tickTimer, after: Self.tick)
            look()
        case .signal: fail(.interrupted)
        case .unreachable: if ready < members.count { fail(.cannotConnect("nobody listens there")) }
        case .accepted, .acceptFailed, .drained: break
        }
    }

    func connected(_ id: SocketID, _ member: Int) {
        members[member].stage = .signingIn
        switch options.mode {
        case .p2p, .udp: assign(id, to: member)
        case .board:
            assign(id, to: member)
            send(to: member) { Traffic.boardHello(name(member), to: &$0) }
        case .rooms:
            note(member, of: id)
            let room = groups[options.group(of: member)]
            // The first of a room opens it.
            let operation: UInt8 = member < options.groups ? 1 : 2
            let name = name(member)
            hub.send(hub.encode { Traffic.tcrpRequest(operation, room: room, name: name, to: &$0) }, to: id)
        }
    }

    func assign(_ id: SocketID, to member: Int) {
        note(member, of: id)
        members[member].socket = id
    }

    func note(_ member: Int, of id: SocketID) {
        let slot = Int(id.slot)
        while memberOfSlot.count <= slot { memberOfSlot.append(-1) }
        memberOfSlot[slot] = member
    }

    func fail(_ error: BenchError) {
        guard !isEnding else { return }
        failure = error
        end()
    }

    func end() {
        guard !isEnding else { return }
        isEnding = true
        hub.cancelTimer(Self.tickTimer)
        for member in members { if let socket = member.socket, options.mode.usesDatagrams { hub.close(socket) } }
        hub.shutdown(grace: .zero)
    }

    // MARK: - What is sent

    func advance() {
        if !typed.isEmpty { flushTyped() }
        let arrived = check.delivered + answers
        carryOut(workload.progressed(outstanding: outstanding, arrived: arrived, at: .now()))
    }

    /// Messages that have not arrived everywhere, or were not answered.
    var outstanding: Int {
        var count = options.isAnswered ? workload.sentInAll - answers : 0
        let receivers = options.senders > 0 ? options.receivers(of: 0) : 0
        if receivers > 0 { count = max(count, (expected - check.delivered + receivers - 1) / receivers) }
        return count
    }

    func carryOut(_ effects: [WorkloadMachine.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let mark): send(mark)
            case .beginMeasuring: measureFrom()
            case .endMeasuring: measured()
            case .finish: finish()
            }
        }
        if !typed.isEmpty { flushTyped() }
    }

    func send(_ mark: MessageText.Mark) {
        expected += options.receivers(of: mark.sender)
        let group = options.mode == .p2p ? "" : groups[options.group(of: mark.sender)]
        switch (options.mode, options.work) {
        case (.p2p, _):
            var writer = ByteWriter()
            text.append(mark, to: &writer)
            writer.append(UInt8(ascii: "\n"))
            typed += writer.bytes
        case (.board, .messages):
            members[mark.sender].due.append(mark.due)
            send(to: mark.sender) { Traffic.boardPost(group, { self.text.append(mark, to: &$0) }, to: &$0) }
        case (.board, .requests):
            members[mark.sender].due.append(mark.due)
            send(to: mark.sender) { Traffic.boardRead(group, to: &$0) }
        case (.rooms, _):
            let header = members[mark.sender].metadata
            send(to: mark.sender) {
                $0.append(contentsOf: header)
                self.text.append(mark, to: &$0)
            }
        case (.udp, _):
            request(mark.sender, "group_message") { json in
                json.object { json in
                    json.key("message")
                    json.plainString { self.text.append(mark, to: &$0) }
                    json.member("group", group)
                }
            }
        }
    }

    func send(to member: Int, _ body: (inout ByteWriter) -> Void) {
        guard let socket = members[member].socket else { return }
        let payload = hub.encode(body)
        if options.mode.usesDatagrams {
            if let address { hub.send(payload, to: address, from: socket) }
        } else {
            hub.send(payload, to: socket)
        }
    }

    func flushTyped() {
        guard let input else { return }
        let result = nonblockingCall("write") { typed.withUnsafeBytes { write(input, $0.baseAddress, $0.count) } }
        switch result {
        case .done(let count): typed.removeFirst(count)
        case .wouldBlock: break
        case .failed(let error): fail(.system(error))
        }
    }

    // MARK: - Time

    /// What a tick looks after.
    func look() {
        if ready < members.count {
            if hub.now - lastReady >= Self.patience { return fail(.notReady(missing: members.count - ready)) }
            guard options.mode.usesDatagrams else { return }
            if options.mode == .rooms, opened == members.count { probe() }
            for member in members.indices
            where members[member].stage == .joining || (options.mode == .udp && members[member].stage == .signingIn) {
                if hub.now - members[member].asked >= Self.repeatTime { ask(member) }
            }
        } else if measuredFrom != nil, hub.now >= nextReport {
            nextReport = hub.now + .seconds(1)
            let count = options.receivers(of: 0) > 0 && options.senders > 0 ? check.delivered : answers
            if reported > 0 || count > 0 {
                progress("\(decimal(Double(count - reported), 0)) deliveries in the last second")
            }
            reported = count
        }
    }

    /// A load at a rate looks at the clock all the time: the timers of the loop count in milliseconds.
    func spin() async {
        await withCheckedContinuation { waiting in
            // Not before: the start or the end may come on the way here, and would wake nobody.
            if !isEnding, workload.phase == .waiting { spinner = waiting } else { waiting.resume() }
        }
        guard case .rate = options.load else { return }
        while !isEnding {
            advance()
            await Task.yield()
        }
    }

    func endSpinning() {
        isEnding = true
        spinner?.resume()
        spinner = nil
    }
}
