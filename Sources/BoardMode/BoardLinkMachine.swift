package import Wire

/// The client's end of one connection: the name, and which language the server speaks (Protocols.md, "board").
///
///     greeting ── prompt ──> naming ── welcome ──> asking ── ready ──> JSON
///                               ^── name taken ─┘     └── anything else ──> text
///
/// Every server begins with text. Whether it is one of ours is found out with `%json`, which the original answers with an
/// error that nobody needs to see.
package struct BoardLinkMachine: Sendable {
    /// How long a server may take for the prompt, for the answer to the name and for the answer to `%json`.
    package static let patience: Duration = .seconds(10)
    /// Silence after which text without a line end is taken for complete.
    package static let silence: Duration = .milliseconds(150)
    /// How long the answer to a command of text may take before the next one is sent.
    package static let answerTime: Duration = .seconds(10)
    /// How often a server of ours that says nothing is asked whether it is there, and when it is given up.
    package static let pingInterval: Duration = .seconds(60)
    package static let idleTime: Duration = .seconds(120)
    /// Bytes of a line.
    package static let lineLimit = 1 << 20
    /// Commands of text that wait for their turn.
    package static let waitingCommands = 1_000

    package enum Timer: UInt64, Sendable, CaseIterable { case patience, silence, answer, ping }

    package enum Effect: Equatable, Sendable {
        case send([UInt8])
        case schedule(Timer, Duration)
        case cancel(Timer)
        /// In session: requests may be sent.
        case ready(Dialect)
        /// The server does not take the name; the link is of no use any more.
        case refused(SafeText, isTaken: Bool)
        case incoming(BoardIncoming)
        /// Lines of a server that speaks text, in order.
        case lines([SafeText])
        /// The command of text with this number has its answer, or has waited long enough.
        case commandAnswered(Int)
        /// The server broke the protocol or fell silent; close the connection.
        case giveUp(SafeText)
    }

    package enum Dialect: Hashable, Sendable { case json, text }

    private enum State: Hashable {
        case greeting
        case naming
        /// Welcomed, and about to ask for JSON when the rest of the welcome has come.
        case welcomed
        case asking
        case session(Dialect)
        case over
    }

    private let name: Nickname
    private var state = State.greeting
    private var decoder = LineDecoder(limit: lineLimit)

    /// Commands of text: the one whose answer is awaited, and those behind it.
    private var awaited: Int?
    private var answerHasBegun = false
    private var waiting: [(number: Int, bytes: [UInt8])] = []

    /// When anything came last, and whether a ping was sent since.
    private var lastHeard: MonotonicTime

    package init(name: Nickname, at now: MonotonicTime) {
        self.name = name
        lastHeard = now
    }

    /// How the server is spoken to; nil before that is known.
    package var dialect: Dialect? { if case .session(let dialect) = state { dialect } else { nil } }

    // MARK: - Events

    package mutating func connected() -> [Effect] { [.schedule(.patience, Self.patience)] }

    package mutating func received(_ bytes: ArraySlice<UInt8>, at now: MonotonicTime) -> [Effect] {
        guard state != .over else { return [] }
        lastHeard = now
        var effects: [Effect] = []
        decoder.append(bytes)
        var lines: [SafeText] = []
        while state != .over, let line = decoder.next() {
            switch line {
            case .tooLong: return giveUp("it sent a line of more than \(Self.lineLimit) bytes")
            case .line(let bytes): take(bytes, &lines, &effects)
            }
        }
        show(&lines, &effects)
        guard state != .over, state != .session(.json) else { return effects }
        // The original ends nothing with a newline.
        if !decoder.pending.isEmpty || awaited != nil || state == .welcomed {
            effects.append(.schedule(.silence, Self.silence))
        }
        return effects
    }

    package mutating func elapsed(_ timer: Timer, at now: MonotonicTime) -> [Effect] {
        var effects: [Effect] = []
        switch timer {
        case .patience:
            switch state {
            case .greeting, .naming, .welcomed: return giveUp("it does not answer like a board")
            case .asking: enter(.text, &effects)
            case .session, .over: break
            }
        case .silence: silenceElapsed(&effects)
        case .answer: finishCommand(&effects)
        case .ping:
            guard state == .session(.json) else { break }
            if now - lastHeard >= Self.idleTime { return giveUp("it has fallen silent") }
            if now - lastHeard >= Self.pingInterval { effects.append(.send(Self.ping)) }
            effects.append(.schedule(.ping, Self.pingInterval))
        }
        return effects
    }

    /// What the server has said was not read, which is not its silence.
    package mutating func wasNotHeard(at now: MonotonicTime) { lastHeard = now - Self.pingInterval }

    /// Sends a request to a server that speaks JSON.
    package mutating func send(_ line: [UInt8]) -> [Effect] {
        precondition(state == .session(.json), "JSON for a server that does not speak it")
        return [.send(line)]
    }

    /// Sends a command to a server that speaks text, after the answers to those before. `commandAnswered` says when it has
    /// its own.
    ///
    /// - Returns: nil where too many wait.
    package mutating func command(_ text: String, number: Int) -> [Effect]? {
        precondition(state == .session(.text), "text for a server that does not speak it")
        guard waiting.count < Self.waitingCommands else { return nil }
        waiting.append((number, Array(text.utf8) + [UInt8(ascii: "\n")]))
        var effects: [Effect] = []
        sendNext(&effects)
        return effects
    }

    // MARK: - What comes

    private static let ping = Array("{\"op\":\"ping\"}\n".utf8)

    private mutating func take(_ bytes: ArraySlice<UInt8>, _ lines: inout [SafeText], _ effects: inout [Effect]) {
        switch state {
        case .session(.json):
            guard let incoming = BoardIncoming(parsing: bytes) else {
                effects += giveUp("it sent something that is not of the protocol")
                return
            }
            if case .answer("ping", _, _) = incoming { return }
            effects.append(.incoming(incoming))
        case .session(.text): lines.append(SafeText(untrustedBytes: bytes))
        case .greeting, .naming, .welcomed, .asking: login(String(decoding: bytes, as: UTF8.self), &effects)
        case .over: break
        }
    }

    private static let prompt = "What is your username?"

    /// One line, or one piece that silence has ended, before the session.
    private mutating func login(_ text: String, _ effects: inout [Effect]) {
        let text = text.trimmed
        guard !text.isEmpty else { return }
        switch state {
        case .greeting:
            guard text.hasSuffix(Self.prompt) else { return }
            state = .naming
            effects.append(.send(Array(name.text.utf8) + [UInt8(ascii: "\n")]))
        case .naming:
            if text.hasPrefix("[INFO] Welcome") {
                state = .welcomed
                effects.append(.schedule(.silence, Self.silence))
                if text.contains("%groups") { ask(&effects) }
            } else if text.hasPrefix("[ERROR]") {
                let reason = SafeText(untrusted: String(text.dropFirst("[ERROR]".count).trimmed))
                let isTaken = text.hasPrefix("[ERROR] Username already in use")
                state = .over
                effects += Timer.allCases.map { .cancel($0) }
                effects.append(.refused(reason, isTaken: isTaken))
            }
        case .welcomed:
            if text.contains("%groups") { ask(&effects) }
        case .asking:
            if text.first == "{", case .answer(_, _, .ready)? = BoardIncoming(parsing: Array(text.utf8)[...]) {
                enter(.json, &effects)
            } else if text.hasPrefix("[ERROR] Unknown command") {
                enter(.text, &effects)
            }
        case .session, .over: break
        }
    }

    private mutating func ask(_ effects: inout [Effect]) {
        state = .asking
        effects.append(.cancel(.silence))
        effects.append(.send(Array("%json\n".utf8)))
        effects.append(.schedule(.patience, Self.patience))
    }

    private mutating func enter(_ dialect: Dialect, _ effects: inout [Effect]) {
        state = .session(dialect)
        effects.append(.cancel(.patience))
        effects.append(.cancel(.silence))
        if dialect == .json { effects.append(.schedule(.ping, Self.pingInterval)) }
        effects.append(.ready(dialect))
    }

    private mutating func silenceElapsed(_ effects: inout [Effect]) {
        let pending = decoder.takePending()
        var lines: [SafeText] = []
        if !pending.isEmpty { take(pending, &lines, &effects) }
        show(&lines, &effects)
        switch state {
        case .welcomed: ask(&effects)
        case .session(.text): if answerHasBegun { finishCommand(&effects) }
        case .greeting, .naming, .asking, .session(.json), .over: break
        }
    }

    private mutating func giveUp(_ reason: SafeText) -> [Effect] {
        state = .over
        return Timer.allCases.map { .cancel($0) } + [.giveUp(reason)]
    }

    // MARK: - Text

    private mutating func show(_ lines: inout [SafeText], _ effects: inout [Effect]) {
        guard !lines.isEmpty else { return }
        // A notification may come at any time and answers nothing.
        if awaited != nil, lines.contains(where: { !$0.string.isEmpty && !BoardTextNotification.contains($0.string) }) {
            answerHasBegun = true
        }
        effects.append(.lines(lines))
        lines = []
    }

    private mutating func sendNext(_ effects: inout [Effect]) {
        guard awaited == nil, !waiting.isEmpty else { return }
        let next = waiting.removeFirst()
        awaited = next.number
        answerHasBegun = false
        effects.append(.send(next.bytes))
        effects.append(.schedule(.answer, Self.answerTime))
    }

    private mutating func finishCommand(_ effects: inout [Effect]) {
        guard let number = awaited else { return }
        awaited = nil
        answerHasBegun = false
        effects.append(.cancel(.answer))
        effects.append(.commandAnswered(number))
        sendNext(&effects)
    }
}
