/// The timers of the rooms in the one number space of the hub's.
enum RoomsTimer: Hashable {
    case connection(Int)
    case member(Int)
    case room(Int)
    case heartbeat(Int)
    case storage
    case drops

    var packed: UInt64 {
        switch self {
        case .connection(let slot): 1 << 56 | UInt64(slot)
        case .member(let index): 2 << 56 | UInt64(index)
        case .room(let index): 3 << 56 | UInt64(index)
        case .heartbeat(let index): 4 << 56 | UInt64(index)
        case .storage: 5 << 56
        case .drops: 6 << 56
        }
    }

    init?(packed: UInt64) {
        let index = Int(packed & (1 << 56 - 1))
        switch packed >> 56 {
        case 1: self = .connection(index)
        case 2: self = .member(index)
        case 3: self = .room(index)
        case 4: self = .heartbeat(index)
        case 5: self = .storage
        case 6: self = .drops
        default: return nil
        }
    }
}
