import CLinux
import Glibc
package import Platform

/// Reads standard input on a thread of its own: a terminal, a pipe or a file, one chunk at a time.
///
/// Nothing is read ahead: the next chunk is read when it is asked for, which is when the one before was consumed. That
/// is the backpressure of piped input.
package actor InputReader {
    /// Bytes of one chunk.
    package static let chunkLimit = 65_536

    /// What a wait for input brought.
    package enum Chunk: Sendable, Equatable {
        case bytes([UInt8])
        /// End of file, or the terminal is gone.
        case end
        case timedOut
        /// `interrupt()` was called; every later read answers so too.
        case interrupted
        case failed(SystemError)
    }

    private nonisolated let thread: WorkerThread
    private nonisolated let wakeup: Wakeup
    private let descriptor: Int32

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// - Parameter descriptor: stays open and belongs to the caller.
    package init(descriptor: Int32, thread: WorkerThread) throws(SystemError) {
        self.descriptor = descriptor
        self.thread = thread
        wakeup = try Wakeup()
    }

    /// Waits for input, blocking the reader's own thread.
    ///
    /// - Parameter milliseconds: how long at most; nil for as long as it takes.
    package func read(waitingAtMost milliseconds: Int32? = nil) -> Chunk {
        while true {
            var waited = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready: Int32
            do {
                ready = try systemCall("poll") { poll(&waited, 2, milliseconds ?? -1) }
            } catch {
                return .failed(error)
            }
            if waited[1].revents != 0 { return .interrupted }
            if ready == 0 { return .timedOut }
            if waited[0].revents & Int16(POLLNVAL) != 0 { return .end }
            let chunk = Chunk { memory in
                nonblockingCall("read") { Glibc.read(descriptor, memory.baseAddress, memory.count) }
            }
            if let chunk { return chunk }
        }
    }

    /// Ends a read that waits, and all that follow. From any thread.
    package nonisolated func interrupt() { wakeup.signal() }

    /// Lets the signals that ask a program to end do what they do by default, on the reader's own thread, for as long as
    /// that thread lives: for input that is read before anybody listens to signals as events. The terminal is given back
    /// on the way (`RawMode`).
    package func letSignalsEndTheProgram() { EndingSignals.letThrough() }
}

extension InputReader.Chunk {
    /// What one read brings; nil where there is nothing to read yet.
    ///
    /// - Parameter read: reads into the memory that it is given.
    init?(reading read: (UnsafeMutableRawBufferPointer) -> Nonblocking<Int>) {
        var result: Nonblocking<Int> = .wouldBlock
        let bytes = [UInt8](unsafeUninitializedCapacity: InputReader.chunkLimit) { buffer, count in
            result = read(UnsafeMutableRawBufferPointer(buffer))
            if case .done(let read) = result { count = read }
        }
        switch result {
        case .done: self = bytes.isEmpty ? .end : .bytes(bytes)
        case .wouldBlock: return nil
        // A terminal that hung up, or that is not ours in the background.
        case .failed(let error): self = error.code == EIO ? .end : .failed(error)
        }
    }
}
