import Platform
import Terminal

/// Where a console's input is read.
enum InputSource {
    /// On a thread of its own, which waits: a terminal, a file, or whatever there is without a loop.
    case thread(InputReader)
    /// On the event loop, which waits for its sockets anyway: a pipe or a socket.
    case loop(WatchedInput)

    /// Waits for the next chunk.
    ///
    /// - Parameter milliseconds: how long at most; nil for as long as it takes. Only keys are waited for so.
    func read(waitingAtMost milliseconds: Int32?) async -> InputReader.Chunk {
        switch self {
        case .thread(let reader): await reader.read(waitingAtMost: milliseconds)
        case .loop(let input): await input.read()
        }
    }

    /// Ends a read that waits, and all that follow.
    func interrupt() {
        switch self {
        case .thread(let reader): reader.interrupt()
        case .loop(let input): input.interrupt()
        }
    }

    /// Lets the signals that ask a program to end do so by themselves, for whoever waits where nobody listens to them as
    /// events: until `end`.
    func letSignalsEndTheProgram() async {
        switch self {
        case .thread(let reader): await reader.letSignalsEndTheProgram()
        case .loop: EndingSignals.letThrough()
        }
    }

    /// Nothing is read and nobody waited for any more. A thread of its own is stopped by its owner.
    func end() {
        if case .loop = self { EndingSignals.holdBack() }
    }
}
