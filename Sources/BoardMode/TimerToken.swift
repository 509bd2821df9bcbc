/// The timers of a board in the one number space of the hub's.
enum TimerToken: Hashable {
    case connection(slot: UInt32, BoardConnectionMachine.Timer)
    case touch

    var packed: UInt64 {
        switch self {
        case .connection(let slot, let timer): UInt64(slot) << 8 | UInt64(timer.rawValue)
        case .touch: 1 << 63
        }
    }

    init(packed: UInt64) {
        if let timer = BoardConnectionMachine.Timer(rawValue: UInt8(truncatingIfNeeded: packed)), packed >> 63 == 0 {
            self = .connection(slot: UInt32(truncatingIfNeeded: packed >> 8), timer)
        } else {
            self = .touch
        }
    }
}
