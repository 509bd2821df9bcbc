package import Net
import Platform
package import Store
import Wire

/// Owns the server's state: who is registered, the groups, and what is stored for those who are away.
///
/// Lives on the event loop and consumes the turns of its hub. The rules are `UDPServerMachine`; what needs the disk goes
/// to `committer` and comes back as one call a batch.
package actor ClientTable {
    /// The tokens of the hub's timers: the machine's next deadline, and the report of what was dropped.
    private static let deadlineToken: UInt64 = 0
    private static let reportToken: UInt64 = 1
    /// What was dropped is reported at most this often.
    private static let reportInterval: Duration = .seconds(60)
    /// How long the goodbye may take.
    package static let grace: Duration = .seconds(5)

    private let executor: any SerialExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let outbound: any Outbound
    private let store: MessageStore
    private let committer = Committer<UDPRecord>()
    /// What the operator should know, for the log.
    private let report: @Sendable (UDPServerLogLine) -> Void
    private var machine: UDPServerMachine
    private let port: UInt16
    /// In the order in which they were bound; a `UDPPath` counts in it.
    private let sockets: [SocketID]
    /// Records that were offered and not committed.
    private var underWay = 0
    private var storageFails = false
    private var isEnding = false
    private var reported = (malformed: 0, overRate: 0)
    private var isReportDue = false

    package init(
        executor: any SerialExecutor, outbound: sending any Outbound, sockets: [SocketID], port: UInt16,
        store: MessageStore, mailboxes: UDPMailboxes, limitsRates: Bool,
        report: @escaping @Sendable (UDPServerLogLine) -> Void = { _ in }
    ) {
        self.executor = executor
        self.sockets = sockets
        self.port = port
        self.store = store
        self.report = report
        machine = UDPServerMachine(
            port: port, socketCount: sockets.count, mailboxes: mailboxes, limitsRates: limitsRates, at: outbound.now,
            wall: .now(),
            random: { .random(in: .min ... .max) })
        self.outbound = outbound
    }

    /// Consumes the turns of a hub until they end, and writes what has to be kept. Runs under the preference of the hub's
    /// loop.
    package func run(_ hub: Hub) async {
        await run { await hub.forEachTurn(of: self) { $0.handle($1) } }
    }

    /// The same with turns from elsewhere: they have ended when `turns` returns.
    func run(_ turns: @Sendable () async -> Void) async {
        report(.started(port: port))
        scheduleDeadline()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.commitRecords() }
            await turns()
            committer.finish()
        }
    }

    /// What one turn of the loop brought. Never waits.
    package func handle(_ turn: [NetEvent]) {
        let wall = Timestamp.now()
        for event in turn {
            switch event {
            case .datagrams(let id, let datagrams):
                guard !isEnding, let socket = sockets.firstIndex(of: id) else { continue }
                for datagram in datagrams {
                    let path = UDPPath(socket: socket, datagram.source)
                    perform(machine.received(datagram.bytes, from: path, at: outbound.now, wall: wall))
                }
            case .unreachable(_, let address):
                perform(machine.becameUnreachable(address, at: outbound.now))
            case .timer(Self.deadlineToken): perform(machine.timedOut(at: outbound.now, wall: wall))
            case .timer: reportDropped()
            case .signal(let signal):
                switch signal {
                case .interrupt, .terminate, .hangup: end()
                case .windowChange, .resumed, .terminalStop, .user1: break
                }
            case .accepted, .acceptFailed, .connected, .dialFailed, .resolved, .received, .inputEnded, .drained,
                .closed:
                break
            }
        }
        perform(machine.turnEnded())
        scheduleDeadline()
    }

    /// Takes nothing more and ends when what is under way is on the disk. Twice does no harm.
    package func end() {
        guard !isEnding else { return }
        isEnding = true
        report(.quitting)
        perform(machine.stopped())
        endIfDone()
    }

    private func endIfDone() {
        guard isEnding, underWay == 0 else { return }
        outbound.cancelTimer(Self.deadlineToken)
        outbound.cancelTimer(Self.reportToken)
        outbound.shutdown(grace: Self.grace)
    }

    private func scheduleDeadline() {
        guard !isEnding else { return }
        if let deadline = machine.deadline {
            outbound.schedule(Self.deadlineToken, after: max(.zero, deadline - outbound.now))
        }
        guard !isReportDue, machine.malformed > reported.malformed || machine.overRate > reported.overRate else {
            return
        }
        isReportDue = true
        outbound.schedule(Self.reportToken, after: Self.reportInterval)
    }

    private func reportDropped() {
        isReportDue = false
        let malformed = machine.malformed - reported.malformed
        let overRate = machine.overRate - reported.overRate
        report(.dropped(malformed: malformed, overRate: overRate))
        reported = (machine.malformed, machine.overRate)
    }

    // MARK: - Effects

    private func perform(_ effects: [UDPServerMachine.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let message, let paths): send(message, to: paths)
            case .log(let line): report(line)
            case .record(let record):
                if committer.offer(record, size: 512 + record.textSize) {
                    underWay += 1
                } else {
                    perform(machine.failed(record, at: outbound.now))
                }
            }
        }
    }

    private func send(_ message: UDPMessage, to paths: [UDPPath]) {
        guard !paths.isEmpty, let bytes = try? message.encoded() else { return }
        let payload = outbound.encode { $0.append(contentsOf: bytes) }
        guard paths.count > 1 else {
            outbound.send(payload, to: paths[0].address, from: sockets[paths[0].socket])
            return
        }
        for (index, socket) in sockets.enumerated() {
            let addresses = paths.lazy.filter { $0.socket == index }.map(\.address)
            if !addresses.isEmpty { outbound.send(payload, to: Array(addresses), from: socket) }
        }
    }

    // MARK: - Storage

    private func commitRecords() async {
        let store = store
        await committer.run { batch in
            await UDPStorage.commit(batch, in: store)
        } committed: { batch, result in
            committed(batch, result)
        }
    }

    private func committed(_ batch: [UDPRecord], _ result: Result<Void, StoreError>) {
        underWay -= batch.count
        switch result {
        case .success:
            if storageFails {
                storageFails = false
                report(.storageWorks)
            }
            for record in batch { perform(machine.committed(record, at: outbound.now)) }
        case .failure(let error):
            if !storageFails {
                storageFails = true
                report(.storageFailed(error))
            }
            for record in batch { perform(machine.failed(record, at: outbound.now)) }
        }
        perform(machine.turnEnded())
        scheduleDeadline()
        endIfDone()
    }
}

extension UDPRecord {
    /// Bytes of text that it holds.
    var textSize: Int {
        guard case .store(let message) = self else { return 0 }
        return message.text.utf8.count
    }
}
