import Delivery
import Glibc
import Net
import Platform
import Wire

/// The members of a load and what they hear: consumes the turns of its hub, sends when the workload says so, and holds
/// what arrives against what was sent.
actor LoadGenerator {
    /// Members that connect or sign in at the same time.
    private static let atOnce = 128
    /// How long nobody may be let in before the rest is given up.
    private static let patience: Duration = .seconds(10)
    /// After which a datagram of a member that signs in is sent again.
    private static let repeatTime: Duration = .milliseconds(500)
    private static let warmUp: Duration = .milliseconds(500)
    /// How often the workload is looked at where nothing arrives.
    private static let tick: Duration = .milliseconds(5)
    private static let tickTimer: UInt64 = 1

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

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private let hub: Hub
    private let options: BenchOptions
    private let target: Endpoint
    /// Of rooms: where datagrams go.
    private let datagramPort: UInt16?
    /// Of a server of our own.
    private let pid: Int32?
    /// What is typed at a p2p node is written here.
    private let input: Int32?
    private let progress: @Sendable (SafeText) -> Void

    private var members: [Member]
    /// Members by the slot of their socket.
    private var memberOfSlot: [Int] = []
    private var begun = 0
    private var ready = 0
    /// Members that have their token; rooms.
    private var opened = 0
    private var lastReady = MonotonicTime(nanoseconds: 0)
    private var address: SocketAddress?
    private let groups: [String]

    private let text: MessageText
    private var workload: WorkloadMachine
    private var check: DeliveryRules
    private var answers = 0
    private var bytes = 0
    /// Deliveries that the messages so far are to bring.
    private var expected = 0
    /// What was typed and the node has not taken.
    private var typed: [UInt8] = []
    /// The posts that requests ask for are under way, and how many are there.
    private var isPreparing = false
    private var prepared = 0

    private var result: BenchResult
    private var failure: BenchError?
    private var isEnding = false
    private var measuredFrom: Mark?
    private var latencyFrom = MonotonicTime(nanoseconds: .max)
    private var latencyUntil = MonotonicTime(nanoseconds: .max)
    private var nextReport = MonotonicTime(nanoseconds: 0)
    private var reported = 0
    private var spinner: CheckedContinuation<Void, Never>?

    /// Where everything stood at a moment.
    private struct Mark {
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

    private func handle(_ turn: [NetEvent]) {
        for event in turn { handle(event) }
        advance()
    }

    private func handle(_ event: NetEvent) {
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

    private func connected(_ id: SocketID, _ member: Int) {
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

    private func assign(_ id: SocketID, to member: Int) {
        note(member, of: id)
        members[member].socket = id
    }

    private func note(_ member: Int, of id: SocketID) {
        let slot = Int(id.slot)
        while memberOfSlot.count <= slot { memberOfSlot.append(-1) }
        memberOfSlot[slot] = member
    }

    private func fail(_ error: BenchError) {
        guard !isEnding else { return }
        failure = error
        end()
    }

    private func end() {
        guard !isEnding else { return }
        isEnding = true
        hub.cancelTimer(Self.tickTimer)
        for member in members { if let socket = member.socket, options.mode.usesDatagrams { hub.close(socket) } }
        hub.shutdown(grace: .zero)
    }

    // MARK: - Signing in

    /// Lets the next members begin, not all at once.
    private func beginMore() {
        // The first members of rooms open them; the others find them there.
        let limit = options.mode == .rooms && opened < options.groups ? options.groups : members.count
        while begun < limit, begun - max(ready, opened) < Self.atOnce, !isEnding {
            let member = begun
            begun += 1
            members[member].stage = .connecting
            if options.mode == .udp {
                openDatagrams(member)
            } else {
                hub.dial(target, token: member, timeout: Self.patience)
            }
        }
    }

    private func openDatagrams(_ member: Int) {
        guard let address else { return }
        do throws(SystemError) {
            let ip = try Hub.localAddress(towards: address)
            let (id, bound) = try hub.bindDatagram(on: SocketAddress(ip: ip, port: 0))
            assign(id, to: member)
            members[member].stage = .signingIn
            let metadata = Traffic.udpMetadata(name: name(member), server: address, client: bound)
            members[member].metadata = metadata
            var writer = ByteWriter()
            let group = groups[options.group(of: member)]
            Traffic.udpRequest("group_message_ack", metadata, to: &writer) { json in
                json.object { $0.member("group", group) }
            }
            members[member].acknowledgement = writer.bytes
            ask(member)
        } catch {
            fail(.system(error))
        }
    }

    private var datagramTarget: Endpoint {
        datagramPort.map { target.replacing(port: $0) } ?? target
    }

    /// A member of rooms has its token: from here on it talks by datagrams.
    private func entered(_ member: Int, _ token: String) {
        guard !token.isEmpty else { return fail(.refused("a member may not enter the room")) }
        guard let address, members[member].stage == .signingIn else { return }
        do throws(SystemError) {
            let ip = try Hub.localAddress(towards: address)
            let (id, _) = try hub.bindDatagram(on: SocketAddress(ip: ip, port: 0))
            assign(id, to: member)
        } catch {
            return fail(.system(error))
        }
        members[member].metadata = Traffic.ucrpHeader(room: groups[options.group(of: member)], token: token)
        members[member].stage = .joining
        opened += 1
        lastReady = hub.now
        ask(member)
        if opened < members.count { return beginMore() }
        // The first of each room is never told of itself.
        for first in 0..<options.groups { joined(first) }
    }

    /// Says in a room that one is there, so that the others know that they are.
    private func probe() {
        for first in 0..<options.groups {
            let header = members[first].metadata
            send(to: first) {
                $0.append(contentsOf: header)
                $0.append(Traffic.probe)
            }
        }
    }

    /// The names of one run do not meet those of another at the same server.
    private func name(_ member: Int) -> String { options.server == nil ? "m\(member)" : "m\(getpid())-\(member)" }

    /// Asks, or asks again, for what a member of udp needs next.
    private func ask(_ member: Int) {
        if options.mode == .rooms { return register(member) }
        members[member].asked = hub.now
        let group = groups[options.group(of: member)]
        switch members[member].stage {
        case .signingIn: request(member, "registration") { $0.null() }
        case .joining:
            request(member, "create_group") { $0.string(group) }
            request(member, "join_group") { $0.string(group) }
        case .waiting, .connecting, .ready: break
        }
    }

    /// Registers a member of rooms again until it hears something; no answer comes to that.
    private func register(_ member: Int) {
        members[member].asked = hub.now
        let header = members[member].metadata
        send(to: member) {
            $0.append(contentsOf: header)
            $0.append("__REGISTER__")
        }
    }

    private func request(_ member: Int, _ type: StaticString, _ payload: (inout JSONWriter) -> Void) {
        let metadata = members[member].metadata
        send(to: member) { Traffic.udpRequest(type, metadata, to: &$0, payload: payload) }
    }

    private func signedIn(_ member: Int) {
        guard members[member].stage == .signingIn else { return }
        members[member].stage = .joining
        // Whoever only waits has no need of a group, where everybody would be told of everybody.
        guard options.senders > 0 else { return joined(member) }
        switch options.mode {
        case .p2p: joined(member)
        case .board:
            let group = groups[options.group(of: member)]
            send(to: member) { Traffic.boardJoin(group, to: &$0) }
        case .udp: ask(member)
        case .rooms: break
        }
    }

    private func joined(_ member: Int) {
        guard members[member].stage == .joining else { return }
        members[member].stage = .ready
        ready += 1
        lastReady = hub.now
        if ready < members.count { return beginMore() }
        if let account = account(), let atStart = result.residentAtStart {
            result.residentPerConnection = Double(account.resident - atStart) / Double(members.count)
        }
        progress("\(members.count) members have joined")
        if options.work == .requests {
            isPreparing = true
            // What they will ask for: the first post of each group.
            let first = MessageText.Mark(sender: 0, sequence: 0, due: MonotonicTime(nanoseconds: 0))
            for (member, group) in groups.enumerated() {
                send(to: member) { Traffic.boardPost(group, { self.text.append(first, to: &$0) }, to: &$0) }
            }
            return
        }
        start()
    }

    private func start() {
        isPreparing = false
        if options.senders == 0 { measureFrom() }
        carryOut(workload.started(at: .now()))
        spinner?.resume()
        spinner = nil
    }

    // MARK: - What arrives

    private func received(_ chunk: ArraySlice<UInt8>, by member: Int) {
        bytes += chunk.count
        let now = MonotonicTime.now()
        if members[member].rest.isEmpty {
            let used = chunk.withUnsafeBytes { heard($0, by: member, at: now) }
            if used < chunk.count { members[member].rest = Array(chunk[(chunk.startIndex + used)...]) }
        } else {
            var whole: [UInt8] = []
            swap(&whole, &members[member].rest)
            whole += chunk
            let used = whole.withUnsafeBytes { heard($0, by: member, at: now) }
            whole.removeFirst(used)
            members[member].rest = whole
        }
    }

    /// Takes in the frames that are whole.
    ///
    /// - Returns: how many bytes they were.
    private func heard(_ bytes: UnsafeRawBufferPointer, by member: Int, at now: MonotonicTime) -> Int {
        var offset = 0
        while true {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let found =
                switch options.mode {
                case .p2p: Traffic.p2pFrame(rest)
                case .board: Traffic.boardFrame(rest)
                case .rooms, .udp: Traffic.tcrpFrame(rest)
                }
            guard let length = found else { return offset }
            let frame = UnsafeRawBufferPointer(rebasing: rest[..<length])
            offset += length
            switch options.mode {
            case .p2p:
                if members[member].stage == .ready { message(frame, by: member, at: now) } else { signedIn(member) }
            case .board: heardLine(frame, by: member, at: now)
            case .rooms, .udp: if let token = Traffic.tcrpToken(frame) { entered(member, token) }
            }
        }
    }

    private func heardLine(_ line: UnsafeRawBufferPointer, by member: Int, at now: MonotonicTime) {
        switch Traffic.boardHeard(line) {
        // The post that is asked for is told to the others of its group.
        case .message: if options.work == .messages { message(line, by: member, at: now) }
        case .signedIn: signedIn(member)
        case .joined: joined(member)
        case .answer: answer(line, to: member, at: now)
        case .refused: fail(.refused(SafeText(untrusted: String(decoding: line.dropLast(), as: UTF8.self))))
        case .greeting, .other: break
        }
    }

    private func heardDatagram(_ datagram: UnsafeRawBufferPointer, by member: Int, at now: MonotonicTime) {
        if options.mode == .rooms {
            // Whatever it hears, the server knows where it is.
            if members[member].stage == .ready { message(datagram, by: member, at: now) } else { joined(member) }
            return
        }
        switch Traffic.udpHeard(datagram) {
        case .message:
            message(datagram, by: member, at: now)
            let acknowledgement = members[member].acknowledgement
            send(to: member) { $0.append(contentsOf: acknowledgement) }
        case .signedIn: signedIn(member)
        case .joined: joined(member)
        case .refused: fail(.refused(SafeText(untrusted: String(decoding: datagram, as: UTF8.self))))
        case .answer, .greeting, .other: break
        }
    }

    private func message(_ frame: UnsafeRawBufferPointer, by member: Int, at now: MonotonicTime) {
        switch text.read(frame) {
        case .none: break
        case .damaged: check.receivedDamaged()
        case .whole(let mark):
            let sent = mark.sender < workload.sent.count ? workload.sent[mark.sender] : 0
            let verdict = check.received(mark.sequence, from: mark.sender, by: member, sent: sent)
            if verdict == .asExpected || verdict == .outOfOrder { record(mark.due, at: now) }
        }
    }

    private func answer(_ line: UnsafeRawBufferPointer, to member: Int, at now: MonotonicTime) {
        if isPreparing {
            prepared += 1
            if prepared == options.groups { start() }
            return
        }
        guard !members[member].due.isEmpty else { return check.receivedDamaged() }
        let due = members[member].due.removeFirst()
        answers += 1
        if options.work == .requests {
            guard case .whole = text.read(line) else { return check.receivedDamaged() }
            record(due, at: now)
        } else if options.receivers(of: member) == 0 {
            record(due, at: now)
        }
        workload.answered(member)
    }

    /// Counts a latency from the time at which the message was due, where that lies in the time that is measured.
    private func record(_ due: MonotonicTime, at now: MonotonicTime) {
        guard due >= latencyFrom, due < latencyUntil else { return }
        result.latency.record(now.nanoseconds - due.nanoseconds)
    }

    // MARK: - What is sent

    private func advance() {
        if !typed.isEmpty { flushTyped() }
        let arrived = check.delivered + answers
        carryOut(workload.progressed(outstanding: outstanding, arrived: arrived, at: .now()))
    }

    /// Messages that have not arrived everywhere, or were not answered.
    private var outstanding: Int {
        var count = options.isAnswered ? workload.sentInAll - answers : 0
        let receivers = options.senders > 0 ? options.receivers(of: 0) : 0
        if receivers > 0 { count = max(count, (expected - check.delivered + receivers - 1) / receivers) }
        return count
    }

    private func carryOut(_ effects: [WorkloadMachine.Effect]) {
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

    private func send(_ mark: MessageText.Mark) {
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

    private func send(to member: Int, _ body: (inout ByteWriter) -> Void) {
        guard let socket = members[member].socket else { return }
        let payload = hub.encode(body)
        if options.mode.usesDatagrams {
            if let address { hub.send(payload, to: address, from: socket) }
        } else {
            hub.send(payload, to: socket)
        }
    }

    private func flushTyped() {
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
    private func look() {
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
    private func spin() async {
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

    private func endSpinning() {
        isEnding = true
        spinner?.resume()
        spinner = nil
    }

    // MARK: - Measuring

    private func account() -> ProcessAccount? { pid.flatMap { ProcessAccount.read(of: $0) } }

    private func mark() -> Mark {
        Mark(
            time: .now(), messages: workload.sentInAll, deliveries: check.delivered, answers: answers, bytes: bytes,
            serverCPU: account()?.cpu, loadCPU: ProcessAccount.ownCPUTime())
    }

    private func measureFrom() {
        measuredFrom = mark()
        latencyFrom = measuredFrom!.time
        reported = check.delivered
        nextReport = latencyFrom + .seconds(1)
    }

    private func measured() {
        let until = mark()
        guard let from = measuredFrom else { return }
        latencyUntil = until.time
        result.elapsed = until.time - from.time
        result.messages = until.messages - from.messages
        result.deliveries = until.deliveries - from.deliveries
        result.answers = until.answers - from.answers
        result.bytes = until.bytes - from.bytes
        if let first = from.serverCPU, let last = until.serverCPU {
            result.serverCPU = .nanoseconds(last - first)
            if options.senders == 0 { result.idleShare = Double(last - first) / (result.elapsed.inSeconds * 1e9) }
        }
        result.loadCPU = until.loadCPU - from.loadCPU
    }

    private func finish() {
        result.lost = check.lost(expected: expected)
        if options.isAnswered { result.lost += max(0, workload.sentInAll - answers) }
        result.duplicated = check.duplicated
        result.outOfOrder = check.outOfOrder
        result.damaged = check.damaged
        result.residentPeak = account()?.peakResident
        end()
    }
}
