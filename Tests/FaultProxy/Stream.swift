import CLinux
import Glibc
import PlainSockets
import Platform
import Wire

/// One connection through the proxy: a socket towards each end and what is under way in each direction.
final class Stream {
    enum Side: Int, CaseIterable {
        case front, back

        var other: Side { self == .front ? .back : .front }
    }

    /// Bytes that wait for one side; more are left in the kernel.
    private static let waitingLimit = 1 << 20

    private struct Piece {
        let due: MonotonicTime
        var bytes: ArraySlice<UInt8>
    }

    /// What goes to a side.
    private struct Direction {
        var pieces: [Piece] = []
        var count = 0
        /// The sender has ended; the end follows the pieces.
        var hasEnded = false
        var endIsPassedOn = false
    }

    private let descriptors: [Int32]
    private var directions = [Direction(), Direction()]
    private(set) var caller: Int?
    let callee: Int
    private let identify: (([UInt8]) -> Int?)?
    private var beginning: [UInt8] = []
    private(set) var isGone = false

    init(front: Int32, back: Int32, caller: Int?, callee: Int, identify: (([UInt8]) -> Int?)?) {
        descriptors = [front, back]
        self.caller = caller
        self.callee = callee
        self.identify = identify
    }

    func descriptor(_ side: Side) -> Int32 { isGone ? -1 : descriptors[side.rawValue] }

    /// What to wait for at a side.
    func interest(_ side: Side, isApart: Bool, at now: MonotonicTime) -> Int16 {
        guard !isApart else { return 0 }
        var events: Int32 = 0
        let outgoing = directions[side.other.rawValue]
        if !outgoing.hasEnded && outgoing.count < Self.waitingLimit { events |= POLLIN }
        if let piece = directions[side.rawValue].pieces.first, piece.due <= now { events |= POLLOUT }
        return Int16(events)
    }

    /// When the first piece that is not due yet will be.
    var nextDue: MonotonicTime? {
        guard !isGone else { return nil }
        let now = MonotonicTime.now()
        return directions.compactMap { $0.pieces.first?.due }.filter { $0 > now }.min()
    }

    func identifyCaller(in bytes: ArraySlice<UInt8>) {
        guard caller == nil, let identify, beginning.count < 4_096 else { return }
        beginning += bytes
        caller = identify(beginning)
    }

    /// Takes what came from a side. In a stream nothing overtakes.
    func take(_ bytes: [UInt8], from side: Side, due: MonotonicTime) {
        let index = side.other.rawValue
        let last = directions[index].pieces.last?.due ?? due
        directions[index].pieces.append(Piece(due: max(due, last), bytes: bytes[...]))
        directions[index].count += bytes.count
    }

    /// Nothing more will come from a side.
    func end(from side: Side) { directions[side.other.rawValue].hasEnded = true }

    /// Writes what is due.
    ///
    /// - Returns: false when the connection is broken.
    func push(to side: Side, at now: MonotonicTime) -> Bool {
        let index = side.rawValue
        while let piece = directions[index].pieces.first, piece.due <= now {
            let written = piece.bytes.withUnsafeBytes {
                Glibc.send(descriptors[index], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard written >= 0 else { return chat_errno() == EAGAIN || chat_errno() == ENOTCONN }
            directions[index].count -= written
            if written == piece.bytes.count {
                directions[index].pieces.removeFirst()
            } else {
                directions[index].pieces[0].bytes.removeFirst(written)
                return true
            }
        }
        if directions[index].hasEnded && directions[index].pieces.isEmpty && !directions[index].endIsPassedOn {
            directions[index].endIsPassedOn = true
            Glibc.shutdown(descriptors[index], Int32(SHUT_WR))
            if directions.allSatisfy(\.endIsPassedOn) { closeBoth() }
        }
        return true
    }

    func closeBoth() {
        guard !isGone else { return }
        isGone = true
        for descriptor in descriptors { Glibc.close(descriptor) }
    }

    func resetBoth() {
        guard !isGone else { return }
        isGone = true
        for descriptor in descriptors { PlainSocket.reset(descriptor) }
    }
}
