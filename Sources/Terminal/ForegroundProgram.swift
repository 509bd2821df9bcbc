import CLinux
import Glibc
package import Platform

/// Another program that has the terminal for as long as it runs: an editor, for one. It shares the process group, so
/// that job control stops and continues both.
///
/// Belongs to the actor that started it; only the wait happens on a thread of its own.
package final class ForegroundProgram {
    private let pid: pid_t
    private let waiter: Waiter
    private var isOver = false

    /// Starts a program on the descriptors 0, 1 and 2 of this one, with no signal blocked or ignored.
    package init(_ path: String, _ arguments: [String]) throws(SystemError) {
        let waiter = Waiter(thread: try WorkerThread(name: "foreground"))
        do throws(SystemError) {
            pid = try ChildProgram.start(path, arguments)
        } catch {
            waiter.stop()
            throw error
        }
        self.waiter = waiter
    }

    /// Waits for its end. Once.
    package func end() async -> ChildProgram.End {
        await waiter.wait(for: pid)
        waiter.stop()
        // From here on the number may be another program's.
        isOver = true
        return ChildProgram.end(of: pid)
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
