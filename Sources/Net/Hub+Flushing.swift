import CLinux
import Glibc
import Platform
import Wire

/// The end of a turn: what it has sent leaves, and what the kernel does not take is kept.
extension Hub {
    /// Vectors of one call; the kernel takes no more (IOV_MAX). What does not fit is kept and leaves with the next turn.
    private static let vectors = 1_024

    /// Writes everything that this turn has sent, one call a socket.
    func flush() {
        spreadFanOut()
        if !dirty.isEmpty {
            turnTime = .now()
            var next = 0
            // Closing a socket here may mark others; they are appended and flushed in the same pass.
            while let (index, outcome) = writeStreams(from: &next) {
                switch slots[Int(index)].kind {
                case .stream, .closing: flushStream(index, outcome)
                case .datagram: flushDatagrams(index)
                default: slots[Int(index)].clearPieces()
                }
            }
            dirty.removeAll(keepingCapacity: dirty.count <= 65_536)
        }
        if arena.count > 0 {
            // A turn that answered much gives its memory back.
            if arena.count > 1 << 20 { arena = ByteWriter() } else { arena.removeAll() }
        }
        turn &+= 1
    }

    /// Writes to the streams whose peers read, which are nearly all in nearly every turn: nothing else is looked at, and
    /// the tables are checked once for all of them.
    ///
    /// - Parameter next: where in the list to go on; left behind the socket that is returned.
    /// - Returns: a socket that asks for more, and what became of the call where there was one already; nil at the end.
    private func writeStreams(from next: inout Int) -> (index: UInt32, outcome: Nonblocking<Int>?)? {
        arena.bytes.withUnsafeBytes { memory in
            dirty.withUnsafeBufferPointer { dirty in
                slots.withUnsafeMutableBufferPointer { slots in
                    while next < dirty.count {
                        let index = dirty[next]
                        next += 1
                        let slot = slots.baseAddress! + Int(index)
                        slot.pointee.isDirty = false
                        guard slot.hasPiecesOnly else { return (index, nil) }
                        let outcome = writePieces(of: slot, memory)
                        guard case .done(let count) = outcome, count == slot.pointee.pieceCount else {
                            return (index, outcome)
                        }
                        slot.pointee.clearPieces()
                    }
                    return nil
                }
            }
        }
    }

    /// One call for all that a stream was sent in this turn.
    @inline(__always)
    private func writePieces(
        of slot: UnsafePointer<Slot>, _ memory: UnsafeRawBufferPointer
    ) -> Nonblocking<Int> {
        let descriptor = slot.pointee.descriptor
        let first = slot.pointee.first
        if slot.pointee.more.isEmpty {
            let start = memory.baseAddress! + first.start
            let count = first.count
            return nonblockingCall("send") { System.send(descriptor, start, count) }
        }
        // What sockets are read into; nothing of it is left when a turn is flushed.
        let vectors = scratch.bindMemory(to: iovec.self, capacity: Self.vectors)
        func vector(_ piece: Slot.Piece) -> iovec {
            iovec(
                iov_base: UnsafeMutableRawPointer(mutating: memory.baseAddress! + piece.start), iov_len: piece.count)
        }
        vectors[0] = vector(first)
        let count = min(Self.vectors, 1 + slot.pointee.more.count)
        for index in 1..<count { vectors[index] = vector(slot.pointee.more[index - 1]) }
        var header = msghdr()
        header.msg_iov = vectors
        header.msg_iovlen = count
        return nonblockingCall("sendmsg") { sendmsg(descriptor, &header, System.sendFlags) }
    }

    /// Writes to a stream that is closing, that has a backlog or is asked for, or goes on where `writeStreams` came to
    /// an end with it.
    private func flushStream(_ index: UInt32, _ outcome: Nonblocking<Int>?) {
        let slot = Int(index)
        let id = SocketID(slot: index, generation: slots[slot].generation)
        if slots[slot].first.count > 0 {
            switch outcome ?? writeNow(slot) {
            case .done(let count) where count == slots[slot].pieceCount: slots[slot].clearPieces()
            case .done(let count): keep(from: count, index)
            case .wouldBlock: keep(from: 0, index)
            case .failed(let error):
                closed(id, error.code == ECONNRESET || error.code == EPIPE ? .remote : .failed(error))
                return
            }
            if slots[slot].backlogCount > limits.outbox {
                closed(id, .slowConsumer)
                return
            }
        }
        afterWriting(id)
    }

    private func writeNow(_ slot: Int) -> Nonblocking<Int> {
        // Behind what waits already.
        if slots[slot].backlogCount > 0 { return .wouldBlock }
        return arena.bytes.withUnsafeBytes { memory in
            slots.withUnsafeBufferPointer { writePieces(of: $0.baseAddress! + slot, memory) }
        }
    }

    /// Copies what the kernel has not taken of this turn's pieces into the stream's own memory.
    private func keep(from written: Int, _ index: UInt32) {
        let slot = Int(index)
        let pieces = [slots[slot].first] + slots[slot].more
        slots[slot].clearPieces()
        if slots[slot].backlogCount == 0 {
            slots[slot].progress = now
            slots[slot].backlog.removeAll(keepingCapacity: true)
            slots[slot].sent = 0
        }
        var skip = written
        arena.bytes.withUnsafeBytes { memory in
            for piece in pieces {
                let start = piece.start + min(skip, piece.count)
                skip -= start - piece.start
                slots[slot].backlog.append(contentsOf: memory[start..<piece.end])
            }
        }
        if stalled.isEmpty { schedule(.stalledSweep, at: now + sweepInterval) }
        stalled.insert(index)
    }

    /// The kernel has room again.
    func writeBacklog(_ id: SocketID) {
        let slot = Int(id.slot)
        let count = slots[slot].backlogCount
        guard count > 0 else {
            // A hang-up while nothing waits.
            if slots[slot].kind == .closing { closed(id, .remote) }
            return
        }
        let descriptor = slots[slot].descriptor
        let sent = slots[slot].sent
        let result = slots[slot].backlog.withUnsafeBytes { memory in
            nonblockingCall("send") { System.send(descriptor, memory.baseAddress! + sent, count) }
        }
        switch result {
        case .wouldBlock: return
        case .failed(let error):
            closed(id, error.code == ECONNRESET || error.code == EPIPE ? .remote : .failed(error))
        case .done(let written):
            slots[slot].progress = now
            if written == count {
                slots[slot].backlog = []
                slots[slot].sent = 0
                stalled.remove(id.slot)
            } else {
                slots[slot].sent += written
                if slots[slot].sent > slots[slot].backlog.count / 2 {
                    slots[slot].backlog.removeFirst(slots[slot].sent)
                    slots[slot].sent = 0
                }
            }
            afterWriting(id)
        }
    }

    private func afterWriting(_ id: SocketID) {
        let slot = Int(id.slot)
        let waiting = slots[slot].backlogCount
        if slots[slot].drainMark >= waiting {
            slots[slot].drainMark = -1
            append(.drained(id))
        }
        if waiting == 0 && slots[slot].kind == .closing {
            linger(id)
        } else {
            updateInterest(id.slot)
        }
    }

    // MARK: - Slow consumers

    private var sweepInterval: Duration { min(.seconds(1), limits.noProgress / 2) }

    /// Disconnects whoever has taken nothing for too long.
    func sweepStalled() {
        for index in stalled {
            let slot = Int(index)
            guard slots[slot].backlogCount > 0, now - slots[slot].progress >= limits.noProgress else { continue }
            closed(SocketID(slot: index, generation: slots[slot].generation), .slowConsumer)
        }
        if !stalled.isEmpty { schedule(.stalledSweep, at: now + sweepInterval) }
    }
}
