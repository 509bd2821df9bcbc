import Glibc

/// A mutex and its condition, for the inboxes of the event loop and of the worker threads and for nothing else.
///
/// A pthread mutex rather than `Synchronization.Mutex`: ThreadSanitizer knows the former and reports races that are
/// none on the latter.
///
/// `@unchecked Sendable`: the two pointers never change after `init`, and what they point to is made to be used by
/// several threads at once.
package final class Lock: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    package init() {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
        condition.deallocate()
    }

    @inline(__always)
    package func acquire() { pthread_mutex_lock(mutex) }

    @inline(__always)
    package func release() { pthread_mutex_unlock(mutex) }

    @inline(__always)
    package func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        acquire()
        defer { release() }
        return try body()
    }

    /// Waits until `signal()`; the lock is held before and after. May return without a signal: look at the state again.
    package func wait() { pthread_cond_wait(condition, mutex) }

    /// Wakes one thread that waits.
    package func signal() { pthread_cond_signal(condition) }

    /// Wakes all threads that wait.
    package func broadcast() { pthread_cond_broadcast(condition) }
}
