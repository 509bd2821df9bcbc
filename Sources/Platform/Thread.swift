import CLinux
import Glibc

/// A POSIX thread that runs one function, and is joined or left to itself.
///
/// `@unchecked Sendable`: the thread id is written in `init`, before anybody else can hold the object; joining is
/// guarded by a lock.
package final class Thread: @unchecked Sendable {
    private var thread = pthread_t()
    private let lock = Lock()
    private var joined = false

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: what `ps -L` and a debugger show; the kernel keeps 15 bytes of it.
    ///   - body: what it runs. It must not be formed in `@main` or top-level code, where a closure belongs to the main
    ///     actor and traps on any other thread.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let box = Unmanaged.passRetained(Body(name: name, run: body))
        let code = pthread_create(
            &thread, nil,
            { argument in
                let body = Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
                body.begin()
                return nil
            }, box.toOpaque())
        if code != 0 {
            box.release()
            throw SystemError(call: "pthread_create", code: code)
        }
    }

    /// Who lets go of a thread without joining it leaves it to end by itself.
    deinit {
        if !joined { pthread_detach(thread) }
    }

    /// Waits until the thread's function has returned. Later calls return at once.
    package func join() {
        lock.withLock {
            guard !joined else { return }
            joined = true
            pthread_join(thread, nil)
        }
    }

    /// True on the thread itself.
    package var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    private final class Body: Sendable {
        private let name: String
        private let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = String(name.prefix(15))
            self.run = run
        }

        func begin() {
            chat_name_thread(name)
            // A stack that overflows ends the program too, and the terminal must be given back then.
            let signalStack = chat_use_signal_stack()
            defer { chat_release_signal_stack(signalStack) }
            run()
        }
    }
}
