import CLinux
import Glibc
package import Platform

/// Where a chunk of output goes.
package enum OutputStream: Sendable, Equatable {
    /// Standard output: data.
    case output
    /// Standard error: diagnostics.
    case diagnostics
}

/// Bytes for one of the two streams.
package struct OutputChunk: Sendable, Equatable {
    package var stream: OutputStream
    package var bytes: [UInt8]

    package init(stream: OutputStream, bytes: [UInt8]) {
        self.stream = stream
        self.bytes = bytes
    }
}

/// What became of a write.
package enum WriteOutcome: Sendable, Equatable {
    case written
    /// Nobody reads standard output any more.
    case closed
    case failed(SystemError)
    /// The program is ending and the reader took nothing for 2 seconds; the rest was given up.
    case abandoned
    /// Only of frames: the terminal has another size than the frame was laid out for; nothing was written.
    case resized
}

/// Writes on a thread of its own, so that a reader who is slow or has stopped never stops the event loop.
package actor OutputWriter {
    private nonisolated let thread: WorkerThread
    private nonisolated let wakeup: Wakeup
    private nonisolated let output: OutputChannel
    private nonisolated let diagnostics: OutputChannel
    private let terminal: Int32

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// The descriptors stay open and belong to the caller.
    package init(output: Int32, diagnostics: Int32, thread: WorkerThread) throws(SystemError) {
        self.thread = thread
        wakeup = try Wakeup()
        terminal = output
        self.output = OutputChannel(output)
        self.diagnostics = OutputChannel(diagnostics)
    }

    /// Writes chunks in their order. That nobody reads standard error is no reason to end: those chunks are dropped.
    package func write(_ chunks: [OutputChunk]) -> WriteOutcome {
        for chunk in chunks {
            switch chunk.stream {
            case .diagnostics:
                if diagnostics.write(chunk.bytes, until: wakeup) == .abandoned { return .abandoned }
            case .output:
                let outcome = output.write(chunk.bytes, until: wakeup)
                if outcome != .written { return outcome }
            }
        }
        return .written
    }

    /// Writes what can be written without waiting, on the caller's own thread: the way to the writer's and back costs
    /// more than a line does. Not while something else is being written.
    ///
    /// - Returns: what is left for `write`.
    package nonisolated func writeNow(_ chunks: [OutputChunk]) -> [OutputChunk] {
        for (index, chunk) in chunks.enumerated() {
            let written =
                switch chunk.stream {
                case .output: output.writeNow(chunk.bytes)
                case .diagnostics: diagnostics.writeNow(chunk.bytes)
                }
            guard written < chunk.bytes.count else { continue }
            var rest = Array(chunks[index...])
            rest[0].bytes.removeFirst(written)
            return rest
        }
        return []
    }

    /// Writes a frame to the terminal, unless its size has changed since the frame was laid out.
    package func writeFrame(_ bytes: [UInt8], columns: Int, rows: Int) -> WriteOutcome {
        if let size = terminalSize(terminal), size != (columns, rows) { return .resized }
        return output.write(bytes, until: wakeup)
    }

    /// Lets time pass on the writer's thread, or returns at once when the program is ending.
    package func rest(milliseconds: Int32) {
        var waited = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&waited, 1, milliseconds)
    }

    /// The program is ending: a reader who takes nothing is waited for 2 more seconds. From any thread.
    package nonisolated func hurry() { wakeup.signal() }
}
