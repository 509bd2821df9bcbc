import Delivery
import Platform
import Wire

/// A timer of the hub itself, as the number that the queue keeps: a tag in the first byte, what it is about in the others.
enum HubTimer: Equatable {
    case resumeAccepting(SocketID)
    case lingered(SocketID)
    case nextAttempt(dial: UInt64)
    case dialTimeout(dial: UInt64)
    case lookUpTimeout(token: Int)
    case stalledSweep
    case shutdown

    var packed: UInt64 {
        switch self {
        case .resumeAccepting(let id): 1 << 56 | Self.pack(id)
        case .lingered(let id): 2 << 56 | Self.pack(id)
        case .nextAttempt(let dial): 3 << 56 | dial
        case .dialTimeout(let dial): 4 << 56 | dial
        case .lookUpTimeout(let token): 5 << 56 | UInt64(token) & Self.mask
        case .stalledSweep: 6 << 56
        case .shutdown: 7 << 56
        }
    }

    init(packed: UInt64) {
        let content = packed & Self.mask
        switch packed >> 56 {
        case 1: self = .resumeAccepting(Self.unpack(content))
        case 2: self = .lingered(Self.unpack(content))
        case 3: self = .nextAttempt(dial: content)
        case 4: self = .dialTimeout(dial: content)
        // The token is a signed number of the caller's: its sign is in the first of the 56 bits.
        case 5: self = .lookUpTimeout(token: Int(truncatingIfNeeded: Int64(bitPattern: content << 8) >> 8))
        case 6: self = .stalledSweep
        case 7: self = .shutdown
        default: preconditionFailure("a timer of the hub with a tag that it never gave")
        }
    }

    private static let mask: UInt64 = 1 << 56 - 1

    /// 24 bits of slot: the kernel does not give a process as many descriptors.
    private static func pack(_ id: SocketID) -> UInt64 { UInt64(id.slot & 0xff_ffff) << 32 | UInt64(id.generation) }

    private static func unpack(_ content: UInt64) -> SocketID {
        SocketID(slot: UInt32(content >> 32), generation: UInt32(truncatingIfNeeded: content))
    }
}

extension Hub {
    package func schedule(_ token: UInt64, after delay: Duration) {
        checkThread()
        consumerTimers.schedule(token, at: now + delay)
    }

    package func cancelTimer(_ token: UInt64) {
        checkThread()
        consumerTimers.cancel(token)
    }

    func schedule(_ timer: HubTimer, at time: MonotonicTime) { timers.schedule(timer.packed, at: time) }

    func cancel(_ timer: HubTimer) { timers.cancel(timer.packed) }

    /// Milliseconds for epoll until a timer may be due, rounded up so that it is due when the wait ends; -1 without one.
    func timeUntilTimer() -> Int32 {
        let next = min(consumerTimers.notBefore, timers.notBefore)
        if next.nanoseconds == .max { return -1 }
        let left = next - .now()
        return left <= .zero ? 0 : Int32(clamping: left.millisecondsRoundedUp)
    }

    func fireTimers() {
        while let token = consumerTimers.popDue(at: now) { append(.timer(token)) }
        while let packed = timers.popDue(at: now) {
            switch HubTimer(packed: packed) {
            case .resumeAccepting(let id): resumeAccepting(id)
            case .lingered(let id): if slot(of: id) != nil { closed(id, .local) }
            case .nextAttempt(let dial): startNextAttempt(of: dial)
            case .dialTimeout(let dial): dialTimedOut(dial)
            case .lookUpTimeout(let token): lookedUp(token, .failure(.timedOut))
            case .stalledSweep: sweepStalled()
            case .shutdown: resetAllStreams()
            }
        }
    }
}
