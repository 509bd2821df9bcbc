import CLinux
import Glibc
package import Platform
import Wire

/// One thread that waits for sockets and timers, and is at the same time the executor of the actors that own what the
/// sockets change: between a byte that arrives and the state it changes there is no hop between threads.
///
/// A **turn** is: wait, read what is ready, run the jobs that became ready, flush every outbox once.
///
/// `@unchecked Sendable`: `inbox` is read and written under `lock`; `hub` and the local jobs belong to the loop's own
/// thread, which every door of theirs checks; all else is constant.
package final class EventLoop: SerialExecutor, @unchecked Sendable {
    /// Jobs that a turn runs at most; the others wait for the next turn, in order.
    static let jobsPerTurn = 1_000

    /// The sockets of this loop. Belongs to the loop's thread.
    package var hub: Hub { hubStorage! }
    private var hubStorage: Hub!

    /// Wakes the loop's wait from another thread.
    let wakeDescriptor: Int32

    private let lock = Lock()

    /// What other threads have left for the loop; under `lock`.
    private var inbox = Inbox()

    private struct Inbox {
        var jobs: [Job] = []
        var messages: [LoopMessage] = []
        /// True from when somebody is to write what wakes the loop until the loop has taken the inbox: one write wakes
        /// it for all, and it comes after whoever set this has let go of the lock.
        var wakeIsUnderWay = false
        var stopping = false
        var started = false
        /// The loop has returned: what still comes is run by whoever brings it.
        var ended = false

        /// Whether the caller is the one who wakes the loop.
        mutating func takesWake() -> Bool {
            defer { wakeIsUnderWay = true }
            return !wakeIsUnderWay
        }
    }

    // Of the loop's thread alone:

    /// Jobs that became ready on the loop itself.
    private var jobs: [Job] = []
    /// The jobs of the array above that were run already.
    private var jobsDone = 0
    private var stopping = false

    private var thread: Thread!

    /// Starts a loop on a thread of its own.
    package static func start(name: String) throws(SystemError) -> EventLoop {
        let loop = try EventLoop()
        loop.thread = try Thread(name: name) { loop.run() }
        loop.lock.withLock { while !loop.inbox.started { loop.lock.wait() } }
        return loop
    }

    private init() throws(SystemError) {
        wakeDescriptor = try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }
        hubStorage = try Hub(loop: self)
        tasksStorage = LoopTaskExecutor(loop: self)
    }

    deinit { close(wakeDescriptor) }

    /// Starts a loop, runs the work of a mode on it, and stops it.
    package static func with<Result: Sendable>(
        name: String, _ body: @escaping @Sendable (EventLoop) async -> Result
    ) async throws(SystemError) -> Result {
        let loop = try EventLoop.start(name: name)
        defer { loop.stop() }
        return await loop.run { await body(loop) }
    }

    /// Runs the work of a mode, and all that it awaits, on the loop.
    ///
    /// A child task under the loop's preference, because what `main` awaits by itself runs on the main thread, and each
    /// call of an actor from there is a hop between threads.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) async -> Result {
        await withTaskGroup(of: Result.self) { group in
            group.addTask(executorPreference: self.tasks) { await body() }
            guard let result = await group.next() else { preconditionFailure("a child task ended without a result") }
            return result
        }
    }

    /// Ends the loop when its jobs are done and joins its thread. The hub's turns have ended before. Not from the loop.
    package func stop() {
        precondition(!isCurrent, "a loop cannot wait for its own end")
        lock.withLock {
            inbox.stopping = true
            inbox.wakeIsUnderWay = true
        }
        wake()
        thread.join()
    }

    /// True on the loop's thread.
    @inline(__always)
    package var isCurrent: Bool { Self.isCurrent(ObjectIdentifier(self)) }

    /// True on the thread of the loop with this identity.
    @inline(__always)
    static func isCurrent(_ loop: ObjectIdentifier) -> Bool {
        UInt(bitPattern: pthread_getspecific(currentLoop)) == UInt(bitPattern: loop)
    }

    /// Where each thread notes the loop that it runs; a thread id would not do, as the system hands it out again.
    private static let currentLoop: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    // MARK: - Executor

    package func enqueue(_ job: consuming ExecutorJob) { enqueue(Job(UnownedJob(job), isIsolated: true)) }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// The same thread for tasks that belong to no actor: what a child task prefers.
    ///
    /// An executor of its own, so that a job is run as what it was enqueued as. A job of a task that belongs to no actor,
    /// run as one of an actor's, would have to switch at each call, through the queue.
    package var tasks: LoopTaskExecutor { tasksStorage! }
    private var tasksStorage: LoopTaskExecutor!

    package func checkIsolated() {
        precondition(isCurrent, "this belongs to an event loop and runs on another thread")
    }

    package func isIsolatingCurrentContext() -> Bool? { isCurrent }

    fileprivate func enqueue(_ job: Job) {
        if isCurrent {
            jobs.append(job)
            return
        }
        lock.acquire()
        if inbox.ended {
            lock.release()
            // Only an actor that outlived its loop comes here, to be told of its end; nobody else runs it.
            run(job)
            return
        }
        inbox.jobs.append(job)
        let wakes = inbox.takesWake()
        lock.release()
        if wakes { wake() }
    }

    /// For a task with the loop as its preference, no call of an actor of the loop is a switch; any other task goes
    /// through the queue at each, which is slower and as correct.
    @inline(__always)
    private func run(_ job: Job) {
        if job.isIsolated {
            job.job.runSynchronously(
                isolatedTo: asUnownedSerialExecutor(), taskExecutor: tasksStorage.asUnownedTaskExecutor())
        } else {
            job.job.runSynchronously(on: tasksStorage.asUnownedTaskExecutor())
        }
    }

    /// Leaves a message for the hub, from any thread.
    func post(_ message: LoopMessage) {
        let wakes = lock.withLock {
            inbox.messages.append(message)
            return inbox.takesWake()
        }
        if wakes { wake() }
    }

    /// Wakes the loop's wait. Not under the lock, which the loop would find taken and go back to sleep for.
    private func wake() {
        var one: UInt64 = 1
        // The counter of an eventfd cannot overflow here: the loop reads it before the next write but for the one of
        // `stop()`.
        _ = write(wakeDescriptor, &one, 8)
    }

    // MARK: - The loop

    private func run() {
        pthread_setspecific(Self.currentLoop, Unmanaged.passUnretained(self).toOpaque())
        lock.withLock {
            inbox.started = true
            lock.broadcast()
        }
        let hub = hub
        while true {
            let woken = hub.wait(hasJobs: jobsDone < jobs.count)
            if woken { takeInbox() }
            hub.deliver()
            runJobs()
            hub.flush()
            if stopping && jobs.isEmpty && endIfInboxIsEmpty() { break }
        }
        hub.end()
    }

    private func takeInbox() {
        var count: UInt64 = 0
        _ = read(wakeDescriptor, &count, 8)
        lock.acquire()
        // The flag goes down before the inbox is taken, under the same lock: a wake cannot fall between.
        inbox.wakeIsUnderWay = false
        let messages = inbox.messages
        inbox.messages = []
        jobs.append(contentsOf: inbox.jobs)
        inbox.jobs.removeAll(keepingCapacity: true)
        if inbox.stopping { stopping = true }
        lock.release()
        for message in messages { hub.received(message) }
    }

    private func runJobs() {
        var budget = Self.jobsPerTurn
        while jobsDone < jobs.count && budget > 0 {
            let job = jobs[jobsDone]
            jobsDone += 1
            budget -= 1
            run(job)
        }
        if jobsDone == jobs.count {
            jobs.removeAll(keepingCapacity: true)
            jobsDone = 0
        } else if jobsDone > Self.jobsPerTurn {
            jobs.removeFirst(jobsDone)
            jobsDone = 0
        }
    }

    private func endIfInboxIsEmpty() -> Bool {
        lock.withLock {
            guard inbox.jobs.isEmpty else { return false }
            inbox.ended = true
            return true
        }
    }
}

/// A job and what it was enqueued as.
private struct Job {
    let job: UnownedJob
    /// Of an actor of the loop; else of a task that prefers the loop.
    let isIsolated: Bool

    init(_ job: UnownedJob, isIsolated: Bool) {
        self.job = job
        self.isIsolated = isIsolated
    }
}

/// The event loop for tasks that belong to no actor.
package final class LoopTaskExecutor: TaskExecutor {
    /// It lives as long as its loop.
    private unowned let loop: EventLoop

    fileprivate init(loop: EventLoop) { self.loop = loop }

    package func enqueue(_ job: consuming ExecutorJob) { loop.enqueue(Job(UnownedJob(job), isIsolated: false)) }

    package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }
}

/// What another thread tells the hub.
enum LoopMessage: Sendable {
    case resolved(dial: UInt64, Result<[SocketAddress], DialError>)
    case lookedUp(token: Int, Result<[SocketAddress], DialError>)
}
