import Platform
import Terminal
import Wire

/// What the console knows of its input.
struct InputState<Command: Hashable & Sendable> {
    /// What a line or a key led to. All of it waits in one queue, so that nothing overtakes what was typed before it.
    enum Ready {
        /// For the mode.
        case input(ConsoleInput<Command>)
        /// A command that the console carries out itself.
        case common(CommonCommand, CommandArguments)
        /// A line that cannot be followed, and why.
        case refused(SafeText)
    }

    /// What was decoded: that of one chunk at most.
    private var ready = ReadyLines()
    /// What stands in `ready` as something else than a text, in the same order.
    private var others: [Ready] = []
    private var othersTaken = 0
    var decoder = LineDecoder(limit: ConsoleLimits.line)

    /// Number of the last line, for errors.
    var lineNumber = 0

    /// No chunk will follow.
    var hasEnded = false

    /// `quit` was handed out: nothing but another one counts any more.
    var hasQuit = false

    /// `endOfInput` or a second `quit` was handed out.
    var isOver = false

    mutating func append(_ next: Ready) {
        others.append(next)
        ready.append(.other)
    }

    mutating func append(text: String) { ready.append(.text(text)) }

    /// Takes the oldest of them; nil where there is none.
    mutating func take() -> Ready? {
        switch ready.take() {
        case .text(let text): return .input(.text(text))
        case .other:
            othersTaken += 1
            return others[othersTaken - 1]
        case nil:
            others.removeAll(keepingCapacity: true)
            othersTaken = 0
            return nil
        }
    }

    /// Takes the oldest of them where it is a text.
    mutating func takeText() -> String? { ready.takeText() }
}

/// Lines that wait, oldest first: texts, and the places of what else waits.
///
/// Of no type of a mode's, whose types this module would have to look up anew, at run time, for every line.
struct ReadyLines {
    enum Line {
        case text(String)
        case other
    }

    private var lines: [Line] = []
    /// How many of them were taken: a chunk holds hundreds of lines, which need not move up for each.
    private var taken = 0

    mutating func append(_ line: Line) { lines.append(line) }

    mutating func take() -> Line? {
        guard taken < lines.count else {
            lines.removeAll(keepingCapacity: true)
            taken = 0
            return nil
        }
        taken += 1
        return lines[taken - 1]
    }

    mutating func takeText() -> String? {
        guard taken < lines.count, case .text(let text) = lines[taken] else { return nil }
        taken += 1
        return text
    }
}

extension ChatConsole {
    /// What the user says, one at a time; ends after `endOfInput`, a second `quit` or `finish()`.
    ///
    /// The next is read only when it is asked for, so a mode that takes its time slows a pipe down.
    package var inputs: ConsoleInputs<Command> { ConsoleInputs(console: self) }

    /// The next input where it is a text that is there already, as most of a pipe's are once a chunk was read: for whoever
    /// takes many and need not wait for each.
    package func takeText() -> String? {
        guard !input.hasQuit, !input.isOver, !isFinishing else { return nil }
        return input.takeText()
    }

    /// The next input; nil when there will be none.
    func nextInput() async -> ConsoleInput<Command>? {
        guard let reader else { return nil }
        while !input.isOver, !isFinishing {
            if let next = input.take() {
                switch next {
                case .input(.quit):
                    // Who cannot wait for what the first one has begun says it again.
                    input.isOver = input.hasQuit
                    input.hasQuit = true
                    return .quit
                case _ where input.hasQuit: continue
                case .input(let next): return next
                case .common(let command, let arguments): carryOut(command, arguments)
                case .refused(let sentence): complain(sentence)
                }
                continue
            }
            if takeTypedAhead() { continue }
            if input.hasEnded {
                input.isOver = true
                return input.hasQuit ? nil : .endOfInput
            }
            switch await reader.read(waitingAtMost: keyTimeout) {
            case .bytes(let bytes): take(bytes)
            case .end: endInput()
            case .timedOut: takeTimeout()
            case .interrupted: return nil
            case .failed(let error):
                hasFailed = true
                show(.error("Cannot read the input: \(error.reason)."))
                input.hasEnded = true
            }
        }
        return nil
    }

    private func take(_ bytes: [UInt8]) {
        if case .terminal(let view) = face {
            press(view.decoder.received(bytes), view)
            return
        }
        input.decoder.append(bytes[...])
        while let line = input.decoder.next() { take(line) }
    }

    private func endInput() {
        // A terminal that is gone says goodbye as its user would have.
        if case .terminal = face { input.append(.input(.quit)) }
        // A last line needs no line break.
        let rest = input.decoder.takePending()
        if !rest.isEmpty { take(.line(rest)) }
        input.hasEnded = true
    }

    private func take(_ line: LineDecoder.Line) {
        input.lineNumber += 1
        switch line {
        case .tooLong:
            refuse("Line \(input.lineNumber) of the input is longer than \(ConsoleLimits.line) bytes; it was not sent.")
        case .line(let bytes):
            guard let text = String(validating: bytes, as: UTF8.self) else {
                refuse("Line \(input.lineNumber) of the input is not UTF-8 text; it was not sent.")
                return
            }
            if case .json = face, text.utf8.first == UInt8(ascii: "{") {
                takeObject(bytes)
            } else if commands.text.isTaken, commands.marks.leavesAsText(text) {
                input.append(text: text)
            } else {
                take(commands.parse(text))
            }
        }
    }

    private func refuse(_ sentence: SafeText) { input.append(.refused(sentence)) }

    /// Says that a line cannot be followed, and remembers it for the exit status.
    private func complain(_ sentence: SafeText) {
        // Who reads the sentence types on; a script has only the status.
        if case .terminal = face {} else { hasFailed = true }
        show(.error(sentence))
    }

    /// `{"text": ...}`, which is never a command, or `{"command": "/peers"}`.
    private func takeObject(_ bytes: ArraySlice<UInt8>) {
        let value: JSON
        do {
            value = try JSON(parsing: bytes)
        } catch {
            refuse("Line \(input.lineNumber) of the input begins with { and is not JSON: \(error.message)")
            return
        }
        switch (value["text"], value["command"]) {
        case (.string(let text)?, nil): take(commands.parseText(text))
        case (nil, .string(let command)?): take(commands.parse(command.hasPrefix("/") ? command : "/" + command))
        default:
            refuse("Line \(input.lineNumber) of the input needs either \"text\" or \"command\", and that a string.")
        }
    }

    /// Hands a parsed line to the mode, or carries it out where it is one of the console's own commands.
    func take(_ line: CommandTable<ConsoleCommand<Command>>.Line) {
        switch line {
        case .text(let text):
            if asksQuestion || !text.allSatisfy(\.isCommandSpace) { input.append(.input(.text(text))) }
        case .command(.mode(let command), let arguments): input.append(.input(.command(command, arguments)))
        case .command(.common(.quit), _): input.append(.input(.quit))
        case .command(.common(let command), let arguments): input.append(.common(command, arguments))
        case .mistake(let sentence): refuse(sentence)
        }
    }
}

/// The inputs of a console, for `for await`.
package struct ConsoleInputs<Command: Hashable & Sendable>: AsyncSequence {
    let console: ChatConsole<Command>

    package func makeAsyncIterator() -> Iterator { Iterator(console: console) }

    package struct Iterator: AsyncIteratorProtocol {
        let console: ChatConsole<Command>

        package mutating func next() async -> ConsoleInput<Command>? { await console.nextInput() }

        package mutating func next(
            isolation actor: isolated (any Actor)?
        ) async -> ConsoleInput<Command>? { await console.nextInput() }
    }
}
