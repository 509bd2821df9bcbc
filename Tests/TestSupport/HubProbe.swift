package import Net
import Platform
import Wire

/// An actor on an event loop that keeps every event of its hub, and lets a test wait for the one it needs.
package actor HubProbe {
    package nonisolated let loop: EventLoop
    private var events: [NetEvent] = []
    private var turnCount = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var hasEnded = false
    /// Called with every turn, on the loop, before anybody who waits.
    private var onTurn: ((Hub, [NetEvent]) -> Void)?

    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    package init(_ name: String = "probe") throws { loop = try EventLoop.start(name: name) }

    /// Runs a test against a hub whose turns are consumed, and ends the hub and its loop when the body is done.
    package static func with(_ body: @Sendable (HubProbe) async throws -> Void) async throws {
        let probe = try HubProbe()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask(executorPreference: probe.loop.tasks) { await probe.consume() }
            do {
                try await body(probe)
            } catch {
                await probe.shutdown()
                throw error
            }
            await probe.shutdown()
            try await group.waitForAll()
        }
        probe.loop.stop()
    }

    package func consume() async {
        for await turn in loop.hub.turns {
            onTurn?(loop.hub, turn)
            events += turn
            turnCount += 1
            for continuation in waiting { continuation.resume() }
            waiting = []
        }
        hasEnded = true
        turnCount += 1
        for continuation in waiting { continuation.resume() }
        waiting = []
    }

    package func shutdown() { loop.hub.shutdown(grace: .seconds(1)) }

    /// Calls the hub from its loop.
    package func perform<Result: Sendable>(_ body: @Sendable (Hub) throws -> Result) rethrows -> Result {
        try body(loop.hub)
    }

    package func setOnTurn(_ body: (@Sendable (Hub, [NetEvent]) -> Void)?) { onTurn = body }

    /// Waits for the first event, of those that were not asked for before, of which `pick` makes something.
    package func next<Found: Sendable>(_ pick: @Sendable (NetEvent) -> Found?) async -> Found? {
        while true {
            for index in events.indices {
                if let found = pick(events[index]) {
                    events.remove(at: index)
                    return found
                }
            }
            if hasEnded { return nil }
            let seen = turnCount
            // Between the look above and this closure a turn may have come: a call may give the thread away first.
            await withCheckedContinuation { continuation in
                if turnCount == seen { waiting.append(continuation) } else { continuation.resume() }
            }
        }
    }

    /// The events that have come and were not asked for.
    package var unseen: [NetEvent] { events }

    package func listen() throws -> UInt16 {
        try loop.hub.listen(on: SocketAddress(ip: .v4(0x7f00_0001), port: 0)).address.port
    }

    package func accepted() async -> SocketID? {
        await next { if case .accepted(let id, _, _) = $0 { id } else { nil } }
    }

    /// Waits until a stream has brought a number of bytes.
    package func bytes(of wanted: SocketID, count: Int) async -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard
                let chunk = await next({ event -> [UInt8]? in
                    if case .received(wanted, let slice) = event { Array(slice) } else { nil }
                })
            else { break }
            bytes += chunk
        }
        return bytes
    }

    package func closed(_ wanted: SocketID) async -> CloseReason? {
        await next { if case .closed(wanted, let reason) = $0 { reason } else { nil } }
    }
}
