import CLinux
import Glibc
package import Platform

/// Another program that has the terminal for as long as it runs: an editor, for one. It shares the process group, so
/// that job control stops and continues both.
///
/// Belongs to the actor that started it; only the wait happens on a thread of its own.
package final class ForegroundProgram {
    /// How a program ended.
    package enum End: Sendable, Equatable {
        case status(Int32)
        case signal(Int32)
    }

    private let pid: pid_t
    private let waiter: Waiter
    private var isOver = false

    /// Starts a program on the descriptors 0, 1 and 2 of this one, with no signal blocked or ignored.
    package init(_ path: String, _ arguments: [String]) throws(SystemError) {
        let waiter = Waiter(thread: try WorkerThread(name: "foreground"))
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
        var vector: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for case let pointer? in vector { free(pointer) } }
        var started: pid_t = 0
        let code = posix_spawn(&started, path, nil, &attributes, &vector, environ)
        guard code == 0 else {
            waiter.stop()
            throw SystemError(call: "posix_spawn", code: code)
        }
        pid = started
        self.waiter = waiter
    }

    /// Waits for its end. Once.
    package func end() async -> End {
        await waiter.wait(for: pid)
        waiter.stop()
        // From here on the number may be another program's.
        isOver = true
        var raw: Int32 = 0
        _ = try? systemCall("waitpid") { waitpid(pid, &raw, 0) }
        return raw & 0x7f == 0 ? .status(raw >> 8 & 0xff) : .signal(raw & 0x7f)
    }

    /// Asks it to end; `end` still waits for it.
    package func terminate() { send(SIGTERM) }

    /// Ends one that was asked and went on.
    package func destroy() { send(SIGKILL) }

    private func send(_ signal: Int32) {
        guard !isOver else { return }
        kill(pid, signal)
        // One that was stopped would not hear it.
        kill(pid, SIGCONT)
    }
}

/// Blocks until a child has ended, and leaves it to its owner to collect, so that its number stays its own until then.
private actor Waiter {
    private let thread: WorkerThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(thread: WorkerThread) { self.thread = thread }

    func wait(for pid: pid_t) {
        var information = siginfo_t()
        _ = try? systemCall("waitid") { waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) }
    }

    nonisolated func stop() { thread.stop() }
}
