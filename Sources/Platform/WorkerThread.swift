import Glibc

/// A thread of its own that is an executor: an actor that lives on it may block (a disk, a name server, a terminal)
/// without keeping anybody else from working.
///
///     actor Log {
///         let thread: WorkerThread
///         nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
///     }
///
/// `@unchecked Sendable`: everything that changes is read and written under `lock`.
package final class WorkerThread: SerialExecutor, @unchecked Sendable {
    private let lock = Lock()

    /// Jobs that have been enqueued and not begun, in order.
    private var jobs: [UnownedJob] = []

    /// Set once by `stop()`: the thread ends when the inbox is empty.
    private var isStopping = false

    /// The thread, held from the end of `init` until it was joined.
    private var thread: Thread?

    /// Identity of the thread while it runs, for `checkIsolated`.
    private var identity: pthread_t?

    package init(name: String) throws(SystemError) {
        let thread = try Thread(name: name) { [self] in work() }
        lock.withLock { self.thread = thread }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        lock.acquire()
        if thread == nil {
            // After `stop()` nobody would ever run it, and whoever awaits it would hang: run it here. This can only be
            // the last use of an actor by somebody who outlived its owner.
            lock.release()
            job.runSynchronously(on: asUnownedSerialExecutor())
            return
        }
        jobs.append(job)
        lock.release()
        // Outside: whoever is woken finds the lock free, instead of going back to sleep for it.
        lock.signal()
    }

    /// Lets the thread finish what is in its inbox and joins it. Not from the thread itself.
    package func stop() {
        let ending: Thread? = lock.withLock {
            isStopping = true
            lock.signal()
            return thread
        }
        ending?.join()
        lock.withLock { thread = nil }
    }

    /// Lets the thread end by itself when its inbox is empty, for an owner whose last reference may go on the thread.
    package func retire() {
        lock.withLock {
            isStopping = true
            lock.signal()
        }
    }

    package func checkIsolated() {
        precondition(isIsolatingCurrentContext() == true, "this belongs to a worker thread and runs elsewhere")
    }

    package func isIsolatingCurrentContext() -> Bool? {
        lock.withLock { identity.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    private func work() {
        let executor = asUnownedSerialExecutor()
        lock.withLock { identity = pthread_self() }
        var batch: [UnownedJob] = []
        while true {
            lock.acquire()
            while jobs.isEmpty && !isStopping { lock.wait() }
            if jobs.isEmpty {
                identity = nil
                lock.release()
                return
            }
            swap(&batch, &jobs)
            lock.release()
            for job in batch { job.runSynchronously(on: executor) }
            batch.removeAll(keepingCapacity: true)
        }
    }
}
