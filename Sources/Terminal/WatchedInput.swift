import CLinux
import Glibc
package import Platform

/// Reads standard input where an event loop waits for it: a pipe or a socket, one chunk at a time, on the loop.
///
/// Like `InputReader` nothing is read ahead, and between two chunks the loop has a turn, so that a pipe that is always
/// full keeps nobody waiting. No descriptor is made nonblocking: that would be so for every process that has the same
/// pipe.
package final class WatchedInput {
    private let descriptor: Int32
    private let watcher: any InputWatcher

    /// - Parameter descriptor: stays open and belongs to the caller.
    /// - Returns: nil where the loop cannot wait for it and a thread has to.
    package init?(descriptor: Int32, watcher: any InputWatcher) {
        guard watcher.watchInput(descriptor) else { return nil }
        self.descriptor = descriptor
        self.watcher = watcher
    }

    /// Waits for input.
    package func read() async -> InputReader.Chunk {
        while await watcher.inputIsReady() {
            // Nothing there: somebody else who has the pipe was faster.
            if let chunk = InputReader.Chunk(reading: readWithoutWaiting) { return chunk }
        }
        return .interrupted
    }

    /// Ends a read that waits, and all that follow.
    package func interrupt() { watcher.unwatchInput() }

    /// Reads what is there, whatever the flags of the descriptor.
    private func readWithoutWaiting(_ memory: UnsafeMutableRawBufferPointer) -> Nonblocking<Int> {
        let result = nonblockingCall("read") { chat_read_without_waiting(descriptor, memory.baseAddress, memory.count) }
        guard case .failed(let error) = result, error.code == EOPNOTSUPP || error.code == ENOSYS else { return result }
        // A kernel that cannot do this for a pipe (before Linux 6.4) says whether something is there, and is then told
        // to read. Between the two another reader of the same pipe would have to come, and then the loop waits with it.
        var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waited, 1, 0) > 0 else { return .wouldBlock }
        return nonblockingCall("read") { Glibc.read(descriptor, memory.baseAddress, memory.count) }
    }
}
