package import Net
package import Platform
package import Wire

/// An outbound that sends nothing and remembers everything: what an actor does in a turn becomes values to compare.
///
/// `@unchecked Sendable`: everything that changes is read and written under `lock`.
package final class RecordingOutbound: Outbound, @unchecked Sendable {
    package enum Sent: Equatable, Sendable {
        case stream(SocketID, [UInt8])
        case datagram(SocketAddress, [UInt8], from: SocketID)
        case closed(SocketID)
        case reset(SocketID)
        case paused(SocketID)
        case resumed(SocketID)
        case shutdown
    }

    private struct State {
        var now: MonotonicTime
        var sent: [Sent] = []
        var timers: [UInt64: MonotonicTime] = [:]
        var encodes = 0
        var arena: [UInt8] = []
        var nextSlot: UInt32 = 1
        var outboxCounts: [SocketID: Int] = [:]
        /// Who waits for something to be sent.
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let lock = Lock()
    private var state: State

    package init(now: MonotonicTime = MonotonicTime(nanoseconds: 1_000_000_000)) { state = State(now: now) }

    package var now: MonotonicTime {
        get { lock.withLock { state.now } }
        set { lock.withLock { state.now = newValue } }
    }

    /// How often something was encoded.
    package var encodes: Int { lock.withLock { state.encodes } }

    /// When each timer is due.
    package var timers: [UInt64: MonotonicTime] { lock.withLock { state.timers } }

    /// What was sent since it was last taken.
    package func takeSent() -> [Sent] {
        lock.withLock {
            defer { state.sent = [] }
            return state.sent
        }
    }

    /// Waits for the first thing, of those that were not taken, of which `pick` makes something, and takes it.
    package func next<Found>(_ pick: (Sent) -> Found?) async -> Found {
        while true {
            let seen: Int
            do {
                lock.acquire()
                defer { lock.release() }
                for index in state.sent.indices {
                    guard let found = pick(state.sent[index]) else { continue }
                    state.sent.remove(at: index)
                    return found
                }
                seen = state.sent.count
            }
            await withCheckedContinuation { continuation in
                let hasMore = lock.withLock {
                    if state.sent.count == seen { state.waiting.append(continuation) }
                    return state.sent.count != seen
                }
                if hasMore { continuation.resume() }
            }
        }
    }

    /// Takes the timer away that is due first, and moves the time on to it.
    ///
    /// - Returns: nil where none is due before `limit`.
    package func nextTimer(before limit: MonotonicTime) -> UInt64? {
        lock.withLock {
            guard let next = state.timers.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }), next.value <= limit
            else { return nil }
            state.timers[next.key] = nil
            state.now = max(state.now, next.value)
            return next.key
        }
    }

    /// A name for a socket of a test's own.
    package func makeSocket() -> SocketID {
        lock.withLock {
            state.nextSlot += 1
            return SocketID(slot: state.nextSlot, generation: 1)
        }
    }

    private func append(_ sent: Sent) {
        let waiting = lock.withLock {
            state.sent.append(sent)
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    private func bytes(_ payload: Payload) -> [UInt8] {
        lock.withLock { Array(state.arena[payload.start..<payload.end]) }
    }

    // MARK: - Outbound

    package func listen(on address: SocketAddress) throws(SystemError) -> (id: SocketID, address: SocketAddress) {
        (makeSocket(), address)
    }

    package func bindDatagram(
        on address: SocketAddress
    ) throws(SystemError) -> (id: SocketID, address: SocketAddress) {
        (makeSocket(), address)
    }

    package func dial(_ endpoint: Endpoint, token: Int, timeout: Duration) {}
    package func cancelDial(token: Int) {}
    package func resolve(_ endpoint: Endpoint, token: Int) {}

    package func encode(_ body: (inout ByteWriter) -> Void) -> Payload {
        var writer = ByteWriter()
        body(&writer)
        return lock.withLock {
            state.encodes += 1
            let start = state.arena.count
            state.arena += writer.bytes
            return Payload(start: start, end: state.arena.count, turn: 0)
        }
    }

    package func send(_ payload: Payload, to id: SocketID) { append(.stream(id, bytes(payload))) }

    package func send(_ payload: Payload, to ids: [SocketID], except: SocketID?) {
        for id in ids where id != except { send(payload, to: id) }
    }

    package func send(_ payload: Payload, to address: SocketAddress, from socket: SocketID) {
        append(.datagram(address, bytes(payload), from: socket))
    }

    package func send(
        _ payload: Payload, to addresses: [SocketAddress], except: SocketAddress?, from socket: SocketID
    ) {
        for address in addresses where address != except { send(payload, to: address, from: socket) }
    }

    package func pause(_ id: SocketID) { append(.paused(id)) }
    package func resume(_ id: SocketID) { append(.resumed(id)) }
    package func close(_ id: SocketID) { append(.closed(id)) }
    package func reset(_ id: SocketID) { append(.reset(id)) }
    package func notifyWhenDrained(_ id: SocketID, below: Int) {}
    package func outboxCount(_ id: SocketID) -> Int { lock.withLock { state.outboxCounts[id] ?? 0 } }

    /// Says how much a peer has not taken; nothing until then.
    package func setOutboxCount(_ count: Int, of id: SocketID) { lock.withLock { state.outboxCounts[id] = count } }

    package func schedule(_ token: UInt64, after delay: Duration) {
        lock.withLock { state.timers[token] = state.now + delay }
    }

    package func cancelTimer(_ token: UInt64) { lock.withLock { state.timers[token] = nil } }
    package func shutdown(grace: Duration) { append(.shutdown) }
}
