import CLinux
import Glibc
import Platform

/// One descriptor that is written to, in a way that never blocks outside poll(2), so that a wait can be ended.
///
/// The descriptor is shared with whoever started the program, so it is never made nonblocking itself.
struct OutputChannel: ~Copyable {
    /// How it is written, by what it is.
    private enum Kind {
        /// At most a page at a time: poll(2) promises room for as much (pipe(7), PIPE_BUF).
        case pipe
        case socket
        /// Through a second, nonblocking open of the same terminal.
        case terminal
        /// A file or a device: it does not wait for anybody.
        case file
    }

    /// Milliseconds without progress after which a program that is ending gives up on its reader.
    static let grace: Int32 = 2_000

    private static let pageLimit = 4_096

    private let descriptor: Int32
    private let kind: Kind
    private let isOwned: Bool

    init(_ descriptor: Int32) {
        var status = stat()
        let type = fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
        if type == S_IFIFO {
            self.init(descriptor, .pipe, isOwned: false)
        } else if type == S_IFSOCK {
            self.init(descriptor, .socket, isOwned: false)
        } else if type == S_IFCHR, isTerminal(descriptor) {
            let own = open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
            // Without it (no /proc, no permission) writes may block where the terminal was stopped; nothing else changes.
            self.init(own >= 0 ? own : descriptor, .terminal, isOwned: own >= 0)
        } else {
            self.init(descriptor, .file, isOwned: false)
        }
    }

    private init(_ descriptor: Int32, _ kind: Kind, isOwned: Bool) {
        self.descriptor = descriptor
        self.kind = kind
        self.isOwned = isOwned
    }

    deinit { if isOwned { close(descriptor) } }

    /// Writes all bytes, waiting for the reader as long as it takes, or until the wakeup and the grace period.
    borrowing func write(_ bytes: [UInt8], until wakeup: Wakeup) -> WriteOutcome {
        var written = 0
        while written < bytes.count {
            let attempt = bytes.withUnsafeBytes { attemptWrite($0[written...]) }
            switch attempt {
            case .done(let count): written += count
            case .failed(let error): return Self.outcome(of: error)
            case .wouldBlock:
                if let outcome = wait(until: wakeup) { return outcome }
            }
        }
        return .written
    }

    /// Writes what the descriptor takes without making anybody wait, on whichever thread this is called.
    ///
    /// - Returns: how many bytes were written; fewer than all where the rest has to wait, and where something is wrong,
    ///   which `write` finds out.
    borrowing func writeNow(_ bytes: [UInt8]) -> Int {
        let written = bytes.withUnsafeBytes { memory in
            switch kind {
            case .pipe, .file: chat_write_without_waiting(descriptor, memory.baseAddress, memory.count)
            case .socket:
                send(descriptor, memory.baseAddress, memory.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            case .terminal: 0
            }
        }
        return max(0, written)
    }

    private borrowing func attemptWrite(_ bytes: Slice<UnsafeRawBufferPointer>) -> Nonblocking<Int> {
        let start = bytes.base.baseAddress! + bytes.startIndex
        switch kind {
        case .file, .terminal:
            return nonblockingCall("write") { Glibc.write(descriptor, start, bytes.count) }
        case .socket:
            return nonblockingCall("send") {
                send(descriptor, start, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
        case .pipe:
            var waited = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&waited, 1, 0) == 1 else { return .wouldBlock }
            return nonblockingCall("write") { Glibc.write(descriptor, start, min(bytes.count, Self.pageLimit)) }
        }
    }

    /// Waits for room; nil where there may be some.
    private borrowing func wait(until wakeup: Wakeup) -> WriteOutcome? {
        var waited = [
            pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        do {
            try systemCall("poll") { poll(&waited, 2, -1) }
            guard waited[0].revents == 0 else { return nil }
            // The program is ending: from here on only the descriptor counts, and only for a while.
            let ready = try systemCall("poll") { poll(&waited, 1, Self.grace) }
            return ready == 0 ? .abandoned : nil
        } catch {
            return .failed(error)
        }
    }

    private static func outcome(of error: SystemError) -> WriteOutcome {
        switch error.code {
        // EIO is a terminal that hung up.
        case EPIPE, ECONNRESET, EIO, EBADF: .closed
        default: .failed(error)
        }
    }
}
