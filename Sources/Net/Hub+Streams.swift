import CLinux
import Glibc
package import Platform
package import Wire

extension Hub {
    // MARK: - Accepting

    package func listen(on address: SocketAddress) throws(SystemError) -> (id: SocketID, address: SocketAddress) {
        checkThread()
        let (descriptor, bound) = try Sockets.listener(on: address)
        let id = addSlot(descriptor: descriptor, kind: .listener)
        updateInterest(id.slot)
        return (id, bound)
    }

    func acceptConnections(_ listener: SocketID) {
        let descriptor = slots[Int(listener.slot)].descriptor
        for _ in 0..<Limits.acceptsPerTurn {
            var system = SystemAddress()
            system.length = SystemAddress.capacity
            let result = nonblockingCall("accept4") {
                Int(system.withPointer { accept4(descriptor, $0, &$1, System.acceptFlags) })
            }
            switch result {
            case .wouldBlock: return
            case .done(let accepted):
                guard let peer = system.socketAddress else {
                    System.close(Int32(accepted))
                    continue
                }
                Sockets.configureStream(Int32(accepted))
                let id = addSlot(descriptor: Int32(accepted), kind: .stream)
                openStreams += 1
                updateInterest(id.slot)
                append(.accepted(id, listener: listener, peer: peer))
            case .failed(let error):
                switch error.code {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                    // The connection stays in the kernel's queue; without a pause its readiness would spin the loop.
                    slots[Int(listener.slot)].isPaused = true
                    updateInterest(listener.slot)
                    schedule(.resumeAccepting(listener), at: now + Limits.acceptPause)
                    append(.acceptFailed(listener: listener, error))
                    return
                default:
                    // Anything else is the fault of the connection that was to be accepted (accept(2), "Error handling").
                    continue
                }
            }
        }
    }

    func resumeAccepting(_ listener: SocketID) {
        guard let slot = slot(of: listener) else { return }
        slots[slot].isPaused = false
        updateInterest(listener.slot)
    }

    // MARK: - Reading

    func receiveStream(_ id: SocketID) {
        let slot = Int(id.slot)
        guard slots[slot].kind == .stream else { return }
        guard !slots[slot].isPaused, !slots[slot].inputHasEnded else {
            // A hang-up that comes although only writing is wanted.
            if let error = Sockets.pendingError(of: slots[slot].descriptor) { closed(id, .failed(error)) }
            return
        }
        let descriptor = slots[slot].descriptor
        let result = nonblockingCall("recv") { recv(descriptor, scratch, Limits.readPerSocket, System.receiveFlags) }
        switch result {
        case .wouldBlock: return
        case .done(0):
            slots[slot].inputHasEnded = true
            updateInterest(id.slot)
            append(.inputEnded(id))
        case .done(let count):
            let start = bytes.count
            bytes.append(contentsOf: UnsafeRawBufferPointer(start: scratch, count: count))
            pending.append(.received(id, start..<bytes.count))
        case .failed(let error): closed(id, error.code == ECONNRESET || error.code == EPIPE ? .remote : .failed(error))
        }
    }

    package func pause(_ id: SocketID) { setPaused(id, true) }

    package func resume(_ id: SocketID) { setPaused(id, false) }

    private func setPaused(_ id: SocketID, _ paused: Bool) {
        checkThread()
        guard let slot = slot(of: id), slots[slot].kind == .stream else { return }
        slots[slot].isPaused = paused
        updateInterest(id.slot)
    }

    // MARK: - Sending

    package func encode(_ body: (inout ByteWriter) -> Void) -> Payload {
        checkThread()
        let start = arena.count
        body(&arena)
        return Payload(start: start, end: arena.count, turn: turn)
    }

    package func send(_ payload: Payload, to id: SocketID) {
        checkThread()
        check(payload)
        add(Slot.Piece(start: payload.start, end: payload.end), to: id)
    }

    package func send(_ payload: Payload, to ids: [SocketID], except: SocketID?) {
        checkThread()
        check(payload)
        let piece = Slot.Piece(start: payload.start, end: payload.end)
        guard piece.count > 0 else { return }
        // One check of the table for all recipients, none for each.
        slots.withUnsafeMutableBufferPointer { slots in
            for id in ids where id != except {
                let index = Int(id.slot)
                guard index < slots.count, slots[index].generation == id.generation, slots[index].kind == .stream
                else { continue }
                slots[index].append(piece)
                if !slots[index].isDirty {
                    slots[index].isDirty = true
                    dirty.append(id.slot)
                }
            }
        }
    }

    func check(_ payload: Payload) {
        precondition(payload.turn == turn, "a payload was kept for longer than its turn")
    }

    private func add(_ piece: Slot.Piece, to id: SocketID) {
        guard piece.count > 0, let slot = slot(of: id), slots[slot].kind == .stream else { return }
        slots[slot].append(piece)
        markDirty(id.slot)
    }

    package func outboxCount(_ id: SocketID) -> Int {
        checkThread()
        guard let slot = slot(of: id) else { return 0 }
        return slots[slot].backlogCount + slots[slot].pieceCount
    }

    package func notifyWhenDrained(_ id: SocketID, below: Int) {
        checkThread()
        guard let slot = slot(of: id), slots[slot].kind == .stream else { return }
        slots[slot].drainMark = max(0, below)
        markDirty(id.slot)
    }

    // MARK: - Flushing

    /// Writes everything that this turn has sent, one call a socket.
    func flush() {
        if !dirty.isEmpty {
            now = .now()
            // Closing a socket here may mark others; they are appended and flushed in the same pass.
            var next = 0
            while next < dirty.count {
                let index = dirty[next]
                next += 1
                let slot = Int(index)
                slots[slot].isDirty = false
                switch slots[slot].kind {
                case .stream, .closing: flushStream(index)
                case .datagram: flushDatagrams(index)
                default: slots[slot].clearPieces()
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

    private func flushStream(_ index: UInt32) {
        let slot = Int(index)
        let id = SocketID(slot: index, generation: slots[slot].generation)
        if slots[slot].first.count > 0 {
            if slots[slot].backlogCount > 0 {
                keep(from: 0, index)
            } else {
                let total = slots[slot].pieceCount
                switch writePieces(slot) {
                case .done(let count) where count == total: slots[slot].clearPieces()
                case .done(let count): keep(from: count, index)
                case .wouldBlock: keep(from: 0, index)
                case .failed(let error):
                    closed(id, error.code == ECONNRESET || error.code == EPIPE ? .remote : .failed(error))
                    return
                }
            }
            if slots[slot].backlogCount > limits.outbox {
                closed(id, .slowConsumer)
                return
            }
        }
        afterWriting(id)
    }

    private func writePieces(_ slot: Int) -> Nonblocking<Int> {
        let descriptor = slots[slot].descriptor
        let first = slots[slot].first
        return arena.bytes.withUnsafeBytes { memory in
            if slots[slot].more.isEmpty {
                return nonblockingCall("send") {
                    System.send(descriptor, memory.baseAddress! + first.start, first.count)
                }
            }
            // IOV_MAX is 1,024; what does not fit is kept and leaves with the next turn.
            let pieces = [first] + slots[slot].more.prefix(1_023)
            return withUnsafeTemporaryAllocation(of: iovec.self, capacity: pieces.count) { vectors in
                for (index, piece) in pieces.enumerated() {
                    vectors.initializeElement(
                        at: index,
                        to: iovec(
                            iov_base: UnsafeMutableRawPointer(mutating: memory.baseAddress! + piece.start),
                            iov_len: piece.count))
                }
                var header = msghdr()
                header.msg_iov = vectors.baseAddress
                header.msg_iovlen = pieces.count
                return nonblockingCall("sendmsg") { sendmsg(descriptor, &header, System.sendFlags) }
            }
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

    // MARK: - Closing

    package func close(_ id: SocketID) {
        checkThread()
        guard let slot = slot(of: id) else { return }
        switch slots[slot].kind {
        case .stream:
            slots[slot].kind = .closing
            markDirty(id.slot)
        case .listener:
            cancel(.resumeAccepting(id))
            release(id.slot)
        case .datagram:
            flushDatagrams(id.slot)
            release(id.slot)
        case .closing, .lingering, .connecting, .free, .signals, .wake: return
        }
    }

    package func reset(_ id: SocketID) {
        checkThread()
        guard let slot = slot(of: id) else { return }
        switch slots[slot].kind {
        case .stream, .closing, .lingering:
            Sockets.discardOnClose(slots[slot].descriptor)
            closed(id, .local)
        case .listener, .datagram: close(id)
        case .connecting, .free, .signals, .wake: return
        }
    }

    /// Everything has left: ends our side, and waits a moment for the peer's. Closing with bytes unread would send a reset,
    /// which can overtake the last words (RFC 1122, 4.2.2.13).
    private func linger(_ id: SocketID) {
        let slot = Int(id.slot)
        System.endOutput(slots[slot].descriptor)
        if slots[slot].inputHasEnded {
            closed(id, .local)
            return
        }
        slots[slot].kind = .lingering
        updateInterest(id.slot)
        schedule(.lingered(id), at: now + Limits.linger)
    }

    func drainLingering(_ id: SocketID) {
        let descriptor = slots[Int(id.slot)].descriptor
        let result = nonblockingCall("recv") { recv(descriptor, scratch, Limits.readPerSocket, System.receiveFlags) }
        switch result {
        case .wouldBlock, .done(1...): return
        default: closed(id, .local)
        }
    }

    /// The stream is gone: its id dies here, its event says why.
    func closed(_ id: SocketID, _ reason: CloseReason) {
        let slot = Int(id.slot)
        if slots[slot].kind == .lingering { cancel(.lingered(id)) }
        if reason == .slowConsumer { Sockets.discardOnClose(slots[slot].descriptor) }
        release(id.slot)
        openStreams -= 1
        append(.closed(id, reason))
    }

    package func shutdown(grace: Duration) {
        checkThread()
        guard !isShuttingDown else { return }
        isShuttingDown = true
        for token in dialsByToken.keys { cancelDial(token: token) }
        for index in slots.indices {
            switch slots[index].kind {
            case .listener, .stream:
                close(SocketID(slot: UInt32(index), generation: slots[index].generation))
            default: break
            }
        }
        schedule(.shutdown, at: now + grace)
    }

    /// The grace is over.
    func resetAllStreams() {
        for index in slots.indices {
            switch slots[index].kind {
            case .stream, .closing, .lingering:
                reset(SocketID(slot: UInt32(index), generation: slots[index].generation))
            default: break
            }
        }
    }
}
