import CLinux
import Glibc

/// What a process sets up once, before its first thread starts.
package enum ProcessSetup {
    /// Signals that arrive as events of the hub and never interrupt a thread.
    package static let signalsAsEvents: [Int32] = [SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT, SIGTSTP, SIGUSR1]

    /// Blocks the signals that become events, so that every thread started from here on inherits the mask; ignores
    /// SIGPIPE, so that a reader who has gone is an error of the write and not the end of the program.
    package static func begin() {
        // For the main thread; the others get theirs when they start. It is kept to the end.
        _ = chat_use_signal_stack()
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow any more (RLIMIT_FSIZE) is an error of the write too, like a full disk.
        signal(SIGXFSZ, SIG_IGN)
        var set = sigset_t()
        sigemptyset(&set)
        for number in signalsAsEvents { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        raiseDescriptorLimit()
    }

    /// Unmaps the program's own code and constants, for when the start is over: what is still needed comes back from the
    /// file's cache within microseconds. Most of it was run once, and the system maps 64 KiB around each page that was.
    package static func giveBackProgramPages() { chat_give_back_program() }

    /// Ends the process with a status. What is still to be written has been written before.
    package static func end(_ status: Int32) -> Never { exit(status) }

    /// Unblocks every signal and restores SIGPIPE and SIGXFSZ: for a child process between fork and exec, which inherits all.
    package static func restoreSignalsForChild() {
        var set = sigset_t()
        sigemptyset(&set)
        pthread_sigmask(SIG_SETMASK, &set, nil)
        signal(SIGPIPE, SIG_DFL)
        signal(SIGXFSZ, SIG_DFL)
    }

    /// Raises the soft limit of open descriptors to the hard one. Failing to is no error: the soft limit stays.
    package static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        guard limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
