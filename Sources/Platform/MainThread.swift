/// The way from a `main` that is not async into the program's tasks and back.
///
/// An async `main` hands the main thread to the dispatch library, which waits in sigsuspend with no signal blocked: a
/// SIGTERM then ends the process there, whatever every other thread blocks. Here the main thread waits on a condition,
/// with the mask that `ProcessSetup.begin` has set, and signals stay events.
package enum MainThread {
    /// Runs the body as a task and waits for its result on the calling thread.
    package static func run(_ body: @escaping @Sendable () async -> Int32) -> Int32 {
        let outcome = Outcome()
        // The one unstructured task of the program: a C function calls main, and this is where that boundary is.
        Task { outcome.set(await body()) }
        return outcome.wait()
    }

    /// `@unchecked Sendable`: the value is read and written under the lock.
    private final class Outcome: @unchecked Sendable {
        private let lock = Lock()
        private var value: Int32?

        func set(_ value: Int32) {
            lock.withLock {
                self.value = value
                lock.signal()
            }
        }

        func wait() -> Int32 {
            lock.withLock {
                while true {
                    if let value { return value }
                    lock.wait()
                }
            }
        }
    }
}
