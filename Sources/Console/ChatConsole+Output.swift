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
        borrower?.finish()
        writingEnded?.finish()
    }

    /// Writes what waits, gives the terminal back and ends the console's threads. Nothing can be shown afterwards, `inputs` ends
    /// and `writeOutput` returns.
    ///
    /// A reader who takes nothing is waited for, 2 seconds where the program was told to end (`toldToEnd`), and else for
    /// as long as it takes, or until a signal ends the program.
    package func finish() async {
        guard !isFinished else { return }
        isFinished = true
        isFinishing = true
        reader?.interrupt()
        if isToldToEnd {
            writer.hurry()
        } else {
            // Nobody listens to them as events any more.
            await reader?.letSignalsEndTheProgram()
        }
        if isWriting {
            let (ended, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
            writingEnded = continuation
            workArrived.yield()
            for await _ in ended {}
        } else {
            await drain { _ in }
        }
        if case .terminal(let view) = face {
            if !isOutputGone { _ = await writer.write([OutputChunk(stream: .output, bytes: view.end(&lines))]) }
            view.rawMode?.leave()
        }
        isOutputGone = true
        reader?.end()
        for thread in threads { thread.stop() }
    }

    /// Writes until nothing waits.
    private func drain(_ changed: (OutputChange) -> Void) async {
        while !isOutputGone {
            if borrower != nil { await lend() }
            if isLent { return }
            mentionDropped()
            if wantsStop { await stop() }
            let outcome: WriteOutcome
            if case .terminal(let view) = face {
                guard view.isDirty else { return }
                outcome = await writeFrame(view)
            } else {
                guard !queue.isEmpty else { return }
                inFlight = queue.count
                let isLittle = inFlight <= ConsoleLimits.writtenAtOnce
                let chunks = queue.takeAll()
                let rest = isLittle ? writer.writeNow(chunks) : chunks
                outcome = rest.isEmpty ? .written : await writer.write(rest)
            }
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

    /// Brings the screen up to date, at most sixty times a second.
    private func writeFrame(_ view: TerminalView) async -> WriteOutcome {
        let delay = pacer.delay(at: settings.clock.monotonic())
        if delay > 0, !isFinishing {
            // What arrives in the meantime is part of the same frame.
            await writer.rest(milliseconds: delay)
        }
        pacer.refreshed(at: settings.clock.monotonic())
        let size = view.size
        let (bytes, undo) = view.frame(size, &lines)
        guard !bytes.isEmpty else { return .written }
        inFlight = bytes.count
        let outcome = await writer.writeFrame(bytes, columns: size.columns, rows: size.rows)
        if outcome == .resized { view.takeBack(undo) }
        return outcome
    }

    /// Gives the terminal back, stops the process and its group, and takes the terminal again when it goes on.
    private func stop() async {
        wantsStop = false
        guard case .terminal(let view) = face else { return stopProcessGroup() }
        _ = await writer.write([OutputChunk(stream: .output, bytes: view.hide(&lines))])
        view.rawMode?.leave()
        stopProcessGroup()
        takeTerminal(view)
    }

    /// Enters raw mode, again where it was left by somebody else, and draws everything anew.
    private func takeTerminal(_ view: TerminalView) {
        do {
            try view.rawMode?.enter()
        } catch {
            hasFailed = true
            show(.error("Cannot set up the terminal: \(error.reason)."))
        }
        view.screenWasLost()
    }

    private func endOutput(_ changed: (OutputChange) -> Void) {
        isOutputGone = true
        if case .terminal(let view) = face { _ = view.hide(&lines) }
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

    // MARK: Signals

    /// The program was told to end, by a signal: nobody is to wait for a reader who has stopped.
    package func toldToEnd() {
        isToldToEnd = true
        if isFinishing { writer.hurry() }
    }

    /// The terminal has another size (SIGWINCH).
    package func windowChanged() {
        guard case .terminal(let view) = face else { return }
        view.screenChanged()
        wakeWriter()
    }

    /// The program was asked to stop for a while (SIGTSTP; Ctrl+Z at the prompt is the console's own business).
    package func suspend() {
        // The terminal is as the shell wants it.
        if isLent { return stopProcessGroup() }
        wantsStop = true
        if case .terminal(let view) = face { view.screenChanged() }
        wakeWriter()
    }

    /// The program goes on after a stop (SIGCONT), one that could not be prepared (SIGSTOP) included.
    package func resumed() {
        guard case .terminal(let view) = face, !isFinished, !isLent else { return }
        takeTerminal(view)
        wakeWriter()
    }
}
