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
        let (start, end) = Self.append(body, to: &arena)
        return Payload(start: start, end: end, turn: turn)
    }

    /// Where what `body` has written begins and ends.
    private static func append(_ body: (inout ByteWriter) -> Void, to arena: inout ByteWriter) -> (Int, Int) {
        let start = arena.count
        body(&arena)
        return (start, arena.count)
    }

    package func send(_ payload: Payload, to id: SocketID) {
        checkThread()
        check(payload)
        let piece = Slot.Piece(start: payload.start, end: payload.end)
        guard piece.count > 0 else { return }
        spreadFanOut()
        if slots.withUnsafeMutableBufferPointer({ Self.add(piece, to: id, in: $0) }) { dirty.append(id.slot) }
    }

    package func send(_ payload: Payload, to ids: [SocketID], except: SocketID?) {
        checkThread()
        check(payload)
        let piece = Slot.Piece(start: payload.start, end: payload.end)
        guard piece.count > 0, !ids.isEmpty, !fanOut.takes(piece, to: ids, except: except) else { return }
        spreadFanOut()
        fanOut = FanOut(piece, to: ids, except: except)
    }

    /// Gives the streams of the fan-out that is being collected what it has for them: before anything else is sent to
    /// one of them, asked of one or closed, and at the end of the turn.
    func spreadFanOut() {
        guard !fanOut.isEmpty else { return }
        // Out of here and back: one check of each table for all recipients, none for each.
        var fanOut = FanOut()
        swap(&fanOut, &self.fanOut)
        var marked: [UInt32] = []
        swap(&marked, &dirty)
        slots.withUnsafeMutableBufferPointer { slots in
            for id in fanOut.ids where id != fanOut.except && Self.add(fanOut.piece, to: id, in: slots) {
                marked.append(id.slot)
            }
        }
        swap(&marked, &dirty)
    }

    func check(_ payload: Payload) {
        precondition(payload.turn == turn, "a payload was kept for longer than its turn")
    }

    /// Adds a piece to a stream that is still there.
    ///
    /// - Returns: whether the slot is to be put into the list of those that have something to flush.
    @inline(__always)
    private static func add(_ piece: Slot.Piece, to id: SocketID, in slots: UnsafeMutableBufferPointer<Slot>) -> Bool {
        let index = Int(id.slot)
        guard index < slots.count, slots[index].generation == id.generation, slots[index].kind == .stream else {
            return false
        }
        slots[index].append(piece)
        defer { slots[index].isDirty = true }
        return !slots[index].isDirty
    }

    package func outboxCount(_ id: SocketID) -> Int {
        checkThread()
        spreadFanOut()
        guard let slot = slot(of: id) else { return 0 }
        return slots[slot].backlogCount + slots[slot].pieceCount
    }

    package func notifyWhenDrained(_ id: SocketID, below: Int) {
        checkThread()
        spreadFanOut()
        guard let slot = slot(of: id), slots[slot].kind == .stream else { return }
        slots[slot].drainMark = max(0, below)
        markDirty(id.slot)
    }

    // MARK: - Closing

    package func close(_ id: SocketID) {
        checkThread()
        spreadFanOut()
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
        case .closing, .lingering, .connecting, .free, .signals, .wake, .input: return
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
        case .connecting, .free, .signals, .wake, .input: return
        }
    }

    /// Everything has left: ends our side, and waits a moment for the peer's. Closing with bytes unread would send a reset,
    /// which can overtake the last words (RFC 1122, 4.2.2.13).
    func linger(_ id: SocketID) {
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
