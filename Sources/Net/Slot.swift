import Platform
import Wire

/// What the hub knows of one descriptor. Slots stand side by side in one table; an idle connection owns no other memory.
struct Slot {
    enum Kind: UInt8 {
        case free
        case wake
        case signals
        /// Input that somebody else opened and reads.
        case input
        case listener
        case datagram
        /// A stream that has begun to connect and belongs to a dial.
        case connecting
        /// A stream that the consumer knows by its id.
        case stream
        /// A stream whose outbox leaves before it is closed; nothing is read any more.
        case closing
        /// A stream that has sent everything and waits for the peer's end, so that no reset overtakes the last bytes.
        case lingering
    }

    var descriptor: Int32 = -1
    var generation: UInt32 = 0
    var kind: Kind = .free

    /// The consumer does not want to read.
    var isPaused = false

    /// The peer has ended its side.
    var inputHasEnded = false

    /// It stands in the list of those that have something to flush.
    var isDirty = false

    /// What epoll was last told; 0 is "not in the set".
    var interest: UInt32 = 0

    /// AF_INET or AF_INET6, for a datagram socket.
    var family: Int32 = 0

    /// `drained` is owed when at most this many bytes wait; -1 is "not asked for".
    var drainMark = -1

    /// What was sent in this turn: the first piece of the arena, and the others where they do not follow it.
    var first = Piece(start: 0, end: 0)
    var more: [Piece] = []

    /// What the kernel did not take, from `sent` on.
    var backlog: [UInt8] = []
    var sent = 0

    /// When the backlog last became shorter.
    var progress = MonotonicTime(nanoseconds: 0)

    /// The dial to which a connecting stream belongs.
    var dial: UInt64 = 0

    /// A part of the turn's arena.
    struct Piece {
        var start: Int
        var end: Int
        var count: Int { end - start }
    }

    var backlogCount: Int { backlog.count - sent }

    @inline(__always)
    var pieceCount: Int { more.isEmpty ? first.count : more.reduce(first.count) { $0 + $1.count } }

    /// Adds a part of the arena; one that follows the last makes it longer.
    @inline(__always)
    mutating func append(_ piece: Piece) {
        if more.isEmpty {
            if first.end == piece.start || first.start == first.end {
                if first.start == first.end { first.start = piece.start }
                first.end = piece.end
                return
            }
        } else if more[more.count - 1].end == piece.start {
            more[more.count - 1].end = piece.end
            return
        }
        more.append(piece)
    }

    mutating func clearPieces() {
        first = Piece(start: 0, end: 0)
        if !more.isEmpty { more.removeAll(keepingCapacity: more.count <= 16) }
    }
}

extension UnsafeMutablePointer<Slot> {
    /// A stream that was sent something in this turn and is asked for nothing else.
    ///
    /// Asked of the place, field by field: a slot that is asked as a value is copied for it, with a reference to each
    /// array that it owns.
    @inline(__always)
    var hasPiecesOnly: Bool {
        pointee.kind == .stream && pointee.first.end > pointee.first.start
            && pointee.backlog.count == pointee.sent && pointee.drainMark < 0
    }
}
