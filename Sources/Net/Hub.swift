import CLinux
import Delivery
import Glibc
package import Platform
package import Wire

/// The sockets of one event loop: it reads what is ready, hands it over as turns, and flushes what was sent.
///
/// `@unchecked Sendable`: a hub belongs to the thread of its loop. Every door checks that it is that thread which enters;
/// the reference alone may be held by others.
package final class Hub: Outbound, @unchecked Sendable {
    /// What a hub reads, keeps and waits for at most.
    package struct Limits: Sendable {
        /// Readiness events that one wait takes.
        package static let eventsPerWait = 256
        /// Bytes read of one socket in a turn.
        package static let readPerSocket = 65_536
        /// Bytes read in a turn, all sockets together; what is left goes first in the next turn.
        package static let readPerTurn = 1 << 20
        /// Connections accepted of one listener in a turn.
        package static let acceptsPerTurn = 64
        /// Time without accepting after the process ran out of descriptors or memory.
        package static let acceptPause: Duration = .milliseconds(100)
        /// Bytes of a datagram; a longer one arrives cut to one byte more.
        package static let datagram = 4_096
        /// Datagrams that one call receives or sends.
        package static let datagramsPerCall = 64
        /// Calls for datagrams of one socket in a turn.
        package static let datagramCallsPerTurn = 16
        /// Datagrams that wait for a socket's kernel buffer; further ones are dropped and counted.
        package static let datagramsWaiting = 65_536
        /// How long a closed stream waits for the peer's end after the last byte has left.
        package static let linger: Duration = .seconds(1)
        /// Time after which a look-up of a name has failed.
        package static let lookUp: Duration = .seconds(10)
        /// Time after which the next address of a name is tried beside the one before (RFC 8305, section 5).
        package static let connectionAttemptDelay: Duration = .milliseconds(250)

        /// Bytes that wait for a stream because its kernel buffer is full; above, it is disconnected.
        package var outbox = 256 * 1_024
        /// Time in which something must leave such a stream.
        package var noProgress: Duration = .seconds(10)
    }

    package var limits = Limits()

    /// Waits that ended because something was ready or due: none of them while everything is idle.
    package private(set) var wakeups = 0

    /// Datagrams that were dropped because too many waited for the kernel.
    package var droppedDatagrams = 0

    unowned let loop: EventLoop
    /// The loop by its identity, which is compared without holding on to it.
    private let loopIdentity: ObjectIdentifier
    let epoll: Int32
    let resolver = Resolver()

    // The consumer's side.
    let stream: AsyncStream<[NetEvent]>
    private let continuation: AsyncStream<[NetEvent]>.Continuation
    private var consumerWaits = false
    private var hasFinished = false

    // What every socket of every turn goes through is not checked against overlapping access at run time, which took a
    // tenth of the hub's instructions. None can overlap: all are the hub's own and of one thread, nothing outside of the
    // hub runs while one is being read or written, and what is called with a pointer into one makes a call of the kernel
    // or is static.

    // Sockets.
    @exclusivity(unchecked)
    var slots: ContiguousArray<Slot> = []
    private var freeSlots: [UInt32] = []
    /// Streams that the consumer knows, closing ones included.
    var openStreams = 0

    // What this turn has brought.
    @exclusivity(unchecked)
    var pending: [Pending] = []
    @exclusivity(unchecked)
    var bytes: [UInt8] = []
    /// Sockets that were ready when the budget of the turn was spent.
    private var leftOver: [epoll_event] = []
    private let ready: UnsafeMutablePointer<epoll_event>
    let scratch: UnsafeMutableRawPointer

    // What this turn sends.
    var arena = ByteWriter()
    var turn: UInt64 = 1
    @exclusivity(unchecked)
    var dirty: [UInt32] = []
    var stalled: Set<UInt32> = []
    /// What the streams of a fan-out are not told of yet.
    var fanOut = FanOut()
    var outgoing: [UInt32: DatagramQueue] = [:]
    var receiveBatch: DatagramBatch?

    // Timers and dials.
    var consumerTimers = TokenTimers()
    var timers = TokenTimers()
    var dials: [UInt64: Dial] = [:]
    /// Input of somebody else's whose readiness is told to whoever waits for it.
    var input: SocketID?
    var inputWaits: CheckedContinuation<Bool, Never>?
    var dialsByToken: [Int: UInt64] = [:]
    var nextDial: UInt64 = 1
    /// Look-ups of names that have not been answered.
    var lookUps: Set<Int> = []
    var isShuttingDown = false

    package var now: MonotonicTime { turnTime }
    /// Apart from `now`, because what other modules may see is checked against overlapping writes at each look.
    var turnTime = MonotonicTime.now()

    /// An event whose bytes still stand in the turn's buffer: the slices are made when the buffer is complete, because
    /// a buffer that is shared is copied when it grows.
    enum Pending {
        case event(NetEvent)
        case received(SocketID, Range<Int>)
        case datagrams(SocketID, [(source: SocketAddress, range: Range<Int>)])
    }

    init(loop: EventLoop) throws(SystemError) {
        self.loop = loop
        loopIdentity = ObjectIdentifier(loop)
        epoll = try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
        // One element at the most: the next turn is read when this one has been taken.
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1))
        ready = .allocate(capacity: Limits.eventsPerWait)
        scratch = .allocate(byteCount: Limits.readPerSocket, alignment: 16)
        let wake = addSlot(descriptor: loop.wakeDescriptor, kind: .wake)
        setInterest(wake.slot, EPOLLIN.rawValue)
    }

    deinit {
        System.close(epoll)
        ready.deallocate()
        scratch.deallocate()
    }

    @inline(__always)
    func checkThread() {
        precondition(EventLoop.isCurrent(loopIdentity), "a hub was used outside of its loop's thread")
    }

    // MARK: - Turns

    /// The events of this hub, an array a turn. One consumer.
    package var turns: Turns { Turns(self) }

    /// The consumer has finished the turn before and waits for the next.
    func consumerIsReady() {
        checkThread()
        consumerWaits = true
    }

    /// Waits for sockets, timers and other threads, and reads what is ready.
    ///
    /// - Returns: true where another thread has left something in the loop's inbox.
    func wait(hasJobs: Bool) -> Bool {
        let isDue = consumerWaits && !(pending.isEmpty && leftOver.isEmpty && !isDone)
        let timeout = hasJobs || isDue ? 0 : timeUntilTimer()
        guard consumerWaits || hasFinished else { return waitForJobs(timeout: hasJobs ? 0 : -1) }
        var woken = false
        let count = epoll_wait(epoll, ready, Int32(Limits.eventsPerWait), timeout)
        turnTime = .now()
        if count != 0 { wakeups += 1 }
        bytes.removeAll(keepingCapacity: bytes.capacity <= 2 * Limits.readPerTurn)
        let first = leftOver
        leftOver.removeAll(keepingCapacity: true)
        for event in first { process(event, &woken) }
        // An error of epoll_wait can only be EINTR: the next turn looks again.
        for index in 0..<max(0, Int(count)) { process(ready[index], &woken) }
        fireTimers()
        return woken
    }

    /// Waits without reading while the consumer is busy with the turn before.
    private func waitForJobs(timeout: Int32) -> Bool {
        var descriptor = pollfd(fd: loop.wakeDescriptor, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, timeout) > 0
    }

    private func process(_ event: epoll_event, _ woken: inout Bool) {
        let id = SocketID(packed: event.data.u64)
        let index = Int(id.slot)
        // A late event of a socket that has gone.
        guard slots[index].generation == id.generation else { return }
        let isReadable = event.events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
        switch slots[index].kind {
        case .free: return
        case .wake: woken = true
        case .signals: readSignals(index)
        case .input: inputBecameReady(id)
        case .listener, .datagram, .stream:
            if bytes.count >= Limits.readPerTurn {
                leftOver.append(event)
                return
            }
            switch slots[index].kind {
            case .listener: acceptConnections(id)
            case .datagram:
                if event.events & EPOLLERR.rawValue != 0 { readErrorQueue(id) }
                if event.events & EPOLLOUT.rawValue != 0 { markDirty(id.slot) }
                if event.events & EPOLLIN.rawValue != 0 { receiveDatagrams(id) }
            default:
                if event.events & EPOLLOUT.rawValue != 0 { writeBacklog(id) }
                if isReadable && slots[index].generation == id.generation { receiveStream(id) }
            }
        case .connecting: connectionAttemptEnded(id)
        case .closing:
            if event.events & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { writeBacklog(id) }
        case .lingering: drainLingering(id)
        }
    }

    /// Hands what has come to the consumer, where it waits for it.
    func deliver() {
        guard consumerWaits, !pending.isEmpty else {
            finishIfDone()
            return
        }
        let bytes = bytes
        let events = pending.map { item -> NetEvent in
            switch item {
            case .event(let event): event
            case .received(let id, let range): .received(id, bytes[range])
            case .datagrams(let id, let batch):
                .datagrams(id, batch.map { Datagram(source: $0.source, bytes: bytes[$0.range]) })
            }
        }
        pending.removeAll(keepingCapacity: pending.count <= 4_096)
        consumerWaits = false
        switch continuation.yield(events) {
        case .enqueued, .terminated: break
        case .dropped: preconditionFailure("a turn was handed over before the one before was taken")
        @unknown default: break
        }
    }

    /// Shut down, with nothing left open, and the turns have not ended yet.
    private var isDone: Bool { isShuttingDown && openStreams == 0 && !hasFinished }

    private func finishIfDone() {
        guard isDone, pending.isEmpty, consumerWaits else { return }
        hasFinished = true
        closeEverything()
        continuation.finish()
    }

    /// Closes what is still open when the loop ends.
    func end() {
        hasFinished = true
        closeEverything()
        continuation.finish()
        resolver.stop()
    }

    private func closeEverything() {
        unwatchInput()
        for index in slots.indices where slots[index].kind != .wake && slots[index].kind != .free {
            release(UInt32(index))
        }
    }

    // MARK: - Slots

    func addSlot(descriptor: Int32, kind: Slot.Kind) -> SocketID {
        let index: UInt32
        if let free = freeSlots.popLast() {
            index = free
        } else {
            index = UInt32(slots.count)
            slots.append(Slot())
        }
        let slot = Int(index)
        slots[slot].descriptor = descriptor
        slots[slot].kind = kind
        return SocketID(slot: index, generation: slots[slot].generation)
    }

    /// Closes the descriptor of a slot and gives the slot its next generation.
    func release(_ index: UInt32) {
        let slot = Int(index)
        if slots[slot].kind == .input {
            // Not ours to close.
            setInterest(index, 0)
        } else {
            // Closing the only descriptor of a socket takes it out of the epoll set.
            System.close(slots[slot].descriptor)
        }
        let generation = slots[slot].generation &+ 1
        let isDirty = slots[slot].isDirty
        slots[slot] = Slot()
        slots[slot].generation = generation
        // It still stands in `dirty`; flushing a free slot does nothing.
        slots[slot].isDirty = isDirty
        stalled.remove(index)
        outgoing[index] = nil
        freeSlots.append(index)
    }

    /// The slot of a socket that is still there; nil for one that has gone.
    @inline(__always)
    func slot(of id: SocketID) -> Int? {
        let index = Int(id.slot)
        guard index < slots.count, slots[index].generation == id.generation else { return nil }
        return index
    }

    /// Tells epoll what is wanted of a socket, where that has changed. Nothing wanted: out of the set, because a hang-up
    /// cannot be masked and would wake the loop for ever.
    func setInterest(_ index: UInt32, _ wanted: UInt32) {
        let slot = Int(index)
        let before = slots[slot].interest
        guard wanted != before else { return }
        slots[slot].interest = wanted
        var event = epoll_event()
        event.events = wanted
        event.data.u64 = SocketID(slot: index, generation: slots[slot].generation).packed
        let operation = wanted == 0 ? EPOLL_CTL_DEL : before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
        let result = epoll_ctl(epoll, operation, slots[slot].descriptor, &event)
        precondition(result == 0, "epoll refused a descriptor of ours")
    }

    /// Interest follows demand: IN while wanted, OUT while something waits.
    func updateInterest(_ index: UInt32) {
        let slot = Int(index)
        var wanted: UInt32 = 0
        switch slots[slot].kind {
        case .stream:
            if !slots[slot].isPaused && !slots[slot].inputHasEnded { wanted |= EPOLLIN.rawValue }
            if slots[slot].backlogCount > 0 { wanted |= EPOLLOUT.rawValue }
        case .closing: wanted = slots[slot].backlogCount > 0 ? EPOLLOUT.rawValue : 0
        case .lingering: wanted = EPOLLIN.rawValue
        case .connecting: wanted = EPOLLOUT.rawValue
        case .listener: wanted = slots[slot].isPaused ? 0 : EPOLLIN.rawValue
        case .datagram:
            wanted = EPOLLIN.rawValue
            if outgoing[index]?.isWaiting == true { wanted |= EPOLLOUT.rawValue }
        case .signals, .wake: wanted = EPOLLIN.rawValue
        case .input: wanted = inputWaits == nil ? 0 : EPOLLIN.rawValue
        case .free: return
        }
        setInterest(index, wanted)
    }

    func markDirty(_ index: UInt32) {
        let slot = Int(index)
        if slots[slot].isDirty { return }
        slots[slot].isDirty = true
        dirty.append(index)
    }

    func append(_ event: NetEvent) { pending.append(.event(event)) }

    // MARK: - Signals

    /// Turns signals, which `ProcessSetup.begin` has blocked, into events. Once a hub.
    package func watchSignals(_ signals: [Signal]) throws(SystemError) {
        checkThread()
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal.rawValue) }
        let flags = Int32(SFD_CLOEXEC | SFD_NONBLOCK)
        let descriptor = try systemCall("signalfd") { signalfd(-1, &set, flags) }
        let id = addSlot(descriptor: descriptor, kind: .signals)
        updateInterest(id.slot)
    }

    private func readSignals(_ slot: Int) {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        while read(slots[slot].descriptor, &info, size) == size {
            if let signal = Signal(rawValue: Int32(info.ssi_signo)) { append(.signal(signal)) }
        }
    }

}
