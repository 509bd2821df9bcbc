package import Platform
import Terminal
package import Wire

/// Limits of a console.
package enum ConsoleLimits {
    /// Bytes that wait to be written from which the console is congested: whoever can, pauses.
    package static let congestion = 262_144

    /// Bytes that wait to be written beyond which nothing more is taken: events are counted, not kept.
    package static let queue = 16_777_216

    /// Bytes that are written without the writer's thread, where nobody has to wait for that.
    package static let writtenAtOnce = 16_384

    /// Bytes of one line of piped input.
    package static let line = 65_536

    /// Bytes of the file of the input history.
    package static let history = 8_388_608

    /// Names that `/ignore` keeps.
    package static let ignored = 1_000

    /// Messages that ended badly and may still be upgraded, for the exit status.
    package static let failedMessages = 10_000
}

/// What a client shows and what its user says: a terminal with a line editor, plain lines, or JSON.
///
/// It belongs to the actor that created it, and that actor runs its two loops as child tasks:
///
///     group.addTask { await registry.readConsole() }      // for await input in console.inputs { typed(input) }
///     group.addTask { await registry.writeConsole() }     // await console.writeOutput { change in ... }
///
/// Showing never waits: what is shown is queued, and a worker thread writes it, however slow the reader is. When
/// `isCongested` is true the actor pauses its sockets, and goes on when `writeOutput` says `relieved`. Input is read one
/// chunk at a time, the next when the inputs of the one before were taken: by another worker thread, or by the actor's
/// event loop where that can wait for it.
package final class ChatConsole<Command: Hashable & Sendable> {
    /// How events are shown.
    enum Face {
        case json(JSONLines)
        case plain
        case terminal(TerminalView)
    }

    let settings: ConsoleSettings
    let commands: CommandTable<ConsoleCommand<Command>>
    var face: Face

    /// The human view of plain lines and of the terminal.
    var lines: HumanLines

    /// What waits to be written as it is: plain lines and JSON.
    var queue = OutputQueue()

    /// Whether plain lines are coloured.
    let colorsOutput: Bool
    let colorsDiagnostics: Bool

    /// Holds the frames of a terminal apart.
    var pacer = RefreshPacer()

    /// The process is to be stopped (Ctrl+Z), as soon as what waits has been written.
    var wantsStop = false

    /// Who waits for the terminal, and whether somebody has it: `ChatConsole+Loan`.
    var borrower: AsyncStream<Void>.Continuation?
    var isLent = false

    /// Bytes that the writer is writing.
    var inFlight = 0

    /// Whether `isCongested` was true when somebody last looked.
    var owesRelief = false

    /// Events that were dropped because the queue was full and nobody paused.
    var dropped = 0

    let reader: InputSource?
    let writer: OutputWriter
    let threads: [WorkerThread]

    /// Wakes `writeOutput`: there is something to write.
    let work: AsyncStream<Void>
    let workArrived: AsyncStream<Void>.Continuation

    /// `writeOutput` waits for work; a wake-up is needed when some arrives.
    var isWaitingForWork = false

    var isWriting = false
    var isFinishing = false
    var isToldToEnd = false
    var isFinished = false

    /// Whom `finish()` waits for: the end of `writeOutput`.
    var writingEnded: AsyncStream<Void>.Continuation?

    /// Nobody reads the output any more: whatever is shown is dropped.
    var isOutputGone = false

    var input = InputState<Command>()

    var completionNames = CompletionNames()

    /// Who `/ignore` hides, by the key of the name.
    var ignored: Set<String> = []
    var bell = BellPolicy.mentions

    /// Whether it asks a question and does nothing else: a blank line is an answer too, for there may be a default, and
    /// what is typed behind the answer is for the console that follows.
    var asksQuestion = false

    /// What was typed and is not looked at yet.
    var typedAhead: TypedAhead

    /// Messages that ended as `noanswer` or `failed`, by id.
    var failedMessages: Set<String> = []

    /// An error of the input or output, which ends in status 1.
    var hasFailed = false

    /// Starts the console: its threads, and at a terminal the raw mode.
    ///
    /// - Parameters:
    ///   - commands: the mode's own; the common ones are added.
    ///   - loop: the event loop on which the actor lives, where it lives on one: it waits for input from a pipe.
    /// - Throws: when the system refuses a thread or a descriptor.
    package init(
        _ settings: ConsoleSettings, commands: CommandTable<Command>, loop: (any InputWatcher)? = nil
    ) throws(SystemError) {
        self.settings = settings
        typedAhead = settings.typedAhead
        self.commands = commands.withCommonCommands()
        colorsOutput = settings.isColored(settings.output)
        colorsDiagnostics = settings.isColored(settings.diagnostics)
        (work, workArrived) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        lines = HumanLines(
            times: TimeDisplay(style: .long, offset: settings.clock.utcOffset),
            hasLargePalette: settings.environment.hasLargePalette, keepsLineBreaks: isTerminal(settings.output))
        if settings.json {
            face = .json(JSONLines(mode: settings.mode))
        } else if settings.hasEditor {
            let view = TerminalView(
                traits: settings.terminalTraits, descriptor: settings.output, history: Self.history(settings))
            var rawMode = try RawMode(input: settings.input, output: settings.output)
            try rawMode.enter()
            view.rawMode = consume rawMode
            view.decoder = typedAhead.decoder
            face = .terminal(view)
        } else {
            face = .plain
        }
        let output = try WorkerThread(name: "console-out")
        writer = try OutputWriter(output: settings.output, diagnostics: settings.diagnostics, thread: output)
        guard settings.role == .conversation else {
            reader = nil
            threads = [output]
            return
        }
        if let loop, let input = WatchedInput(descriptor: settings.input, watcher: loop) {
            reader = .loop(input)
            threads = [output]
        } else {
            let input = try WorkerThread(name: "console-in")
            reader = .thread(try InputReader(descriptor: settings.input, thread: input))
            threads = [output, input]
        }
    }

    // MARK: What the mode tells

    /// One's own name, for mentions.
    package func setOwnName(_ name: SafeText) { lines.ownName = name }

    /// What stands before the line being typed, with its space: `den> `.
    package func setPrompt(_ prompt: SafeText) {
        guard case .terminal(let view) = face, view.prompt != prompt else { return }
        view.prompt = prompt
        wakeWriter()
    }

    /// The names that completion offers, beside those of people who spoke.
    package func setCompletions(_ names: CompletionNames) { completionNames = names }

    /// Shows an event: above the prompt, as a plain line, or as JSON. Never waits.
    ///
    /// - Parameter fields: further fields of the JSON object, evaluated only where there is one.
    package func show(_ event: ConsoleEvent, fields: @autoclosure () -> JSONObject = [:]) {
        if case .delivery = event { note(event) }
        guard !isOutputGone, !isIgnored(event) else { return }
        guard waiting < ConsoleLimits.queue else {
            dropped += 1
            return
        }
        switch face {
        case .json(let json):
            let moment = settings.clock.now()
            queue.append(to: .output) { json.append(event, fields: fields(), at: moment, to: &$0) }
        case .plain: showPlain(event)
        case .terminal(let view): view.show(event, &lines, now: settings.clock.now(), bell: bell)
        }
        wakeWriter()
    }

    /// Whether more waits to be written than should: pause what brings more, and go on at `OutputChange.relieved`.
    package var isCongested: Bool {
        guard waiting > ConsoleLimits.congestion else { return false }
        owesRelief = true
        return true
    }

    /// Status 2 when a message of a run without a terminal ended as `noanswer` or `failed` and was not upgraded since,
    /// 1 when its input or output failed, else 0.
    package var outcome: ExitStatus {
        // Who reads the screen knows what was not delivered.
        if case .terminal = face { return hasFailed ? .failure : .ok }
        if !failedMessages.isEmpty { return .notDelivered }
        return hasFailed ? .failure : .ok
    }

    var waiting: Int {
        if case .terminal(let view) = face { return view.waiting + inFlight }
        return queue.count + inFlight
    }

    private func note(_ event: ConsoleEvent) {
        guard case .delivery(let id, let state, _, _) = event else { return }
        if state.isFailure {
            if failedMessages.count < ConsoleLimits.failedMessages { failedMessages.insert(id) }
        } else {
            failedMessages.remove(id)
        }
    }

    private func isIgnored(_ event: ConsoleEvent) -> Bool {
        guard !ignored.isEmpty, case .message(let message) = event, !message.isOwn else { return false }
        return ignored.contains(nameKey(message.sender.string))
    }

    // MARK: Plain lines

    private func showPlain(_ event: ConsoleEvent) {
        let now = settings.clock.now()
        // The bytes move into the sink and back, so that they are appended to in place.
        func write(_ stream: OutputStream, _ body: (inout ByteSink) -> Void) {
            queue.append(to: stream) { bytes in
                let isColored = stream == .output ? colorsOutput : colorsDiagnostics
                var sink = ByteSink(reusing: bytes.moved(), colored: isColored, endsWithReturn: false)
                body(&sink)
                bytes = sink.bytes
            }
        }
        switch event {
        case .message(let message): write(.output) { lines.append(message, to: &$0) }
        case .answer(let answer):
            write(.output) { lines.append(answer: answer, to: &$0) }
        default:
            guard let sentence = HumanLines.sentence(of: event) else { return }
            write(.diagnostics) { lines.append(event, sentence, at: now, to: &$0) }
        }
    }

    func wakeWriter() {
        guard isWaitingForWork else { return }
        // Woken once, however much is shown before it runs.
        isWaitingForWork = false
        workArrived.yield()
    }
}

extension [UInt8] {
    /// The bytes, out of here: what stays is empty, so that the receiver is their only owner.
    mutating func moved() -> [UInt8] {
        var bytes: [UInt8] = []
        swap(&bytes, &self)
        return bytes
    }
}
