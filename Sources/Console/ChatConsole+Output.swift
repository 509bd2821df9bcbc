import Platform
import Terminal
import Wire

extension ChatConsole {
    /// Writes what is shown, until `finish()`. Runs as a child task of the actor that owns the console.
    ///
    /// - Parameter changed: called on the actor, between two waits.
    package func writeOutput(_ changed: (OutputChange) -> Void) async {
        isWriting = true
        defer { isWriting = false }
        var arrivals = work.makeAsyncIterator()
        while true {
            await drain(changed)
            if isFinishing || isOutputGone { break }
            isWaitingForWork = true
            // Nil when the task was cancelled: what waits is written, and then it is over.
            let arrival: Void? = await arrivals.next(isolation: #isolation)
            isWaitingForWork = false
            if arrival == nil { isFinishing = true }
        }
        writingEnded?.finish()
    }

    /// Writes what waits, restores the terminal and ends both threads. Nothing can be shown afterwards, `inputs` ends
    /// and `writeOutput` returns.
    ///
    /// - Parameter hurry: whether to give up on a reader who takes nothing for 2 seconds (the program was told to end)
    ///   instead of waiting for as long as it takes.
    package func finish(hurry: Bool = false) async {
        guard !isFinished else { return }
        isFinished = true
        isFinishing = true
        reader?.interrupt()
        if hurry { writer.hurry() }
        if isWriting {
            let (ended, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
            writingEnded = continuation
            workArrived.yield()
            for await _ in ended {}
        } else {
            await drain { _ in }
        }
        isOutputGone = true
        for thread in threads { thread.stop() }
    }

    /// Writes until nothing waits.
    private func drain(_ changed: (OutputChange) -> Void) async {
        while !isOutputGone {
            mentionDropped()
            guard !queue.isEmpty else { return }
            inFlight = queue.count
            let outcome = await writer.write(queue.takeAll())
            inFlight = 0
            switch outcome {
            case .written, .resized: break
            case .closed, .abandoned: endOutput(changed)
            case .failed(let error):
                await complain(error)
                endOutput(changed)
            }
            if owesRelief, waiting <= ConsoleLimits.congestion {
                owesRelief = false
                changed(.relieved)
            }
        }
    }

    private func endOutput(_ changed: (OutputChange) -> Void) {
        isOutputGone = true
        _ = queue.takeAll()
        changed(.closed)
    }

    /// Standard output cannot be written: a full disk, for one. Standard error may still be read.
    private func complain(_ error: SystemError) async {
        hasFailed = true
        var sink = ByteSink(colored: false, endsWithReturn: false)
        sink.append("! cannot write the output: \(error.reason)", .plain)
        sink.endLine()
        _ = await writer.write([OutputChunk(stream: .diagnostics, bytes: sink.bytes)])
    }

    private func mentionDropped() {
        guard dropped > 0, waiting < ConsoleLimits.congestion else { return }
        let count = dropped
        dropped = 0
        show(.error("\(count) lines were not shown, because the output was not read for too long."))
    }
}
