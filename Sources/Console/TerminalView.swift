import Platform
import Terminal
import Wire

/// The face of the console at a terminal: what was said goes above, the line being typed stays below, and neither
/// disturbs the other.
final class TerminalView {
    /// Own messages that are not known to be sent yet and stand among the live rows; more of them are printed dim.
    private static let pendingLimit = 5

    /// Rows of the terminal that nobody knows the size of.
    private static let fallback = ScreenSize(columns: 80, rows: 24)

    var editor: LineEditor
    var decoder = KeyDecoder()
    var rawMode: RawMode?

    /// What stands before the line being typed.
    var prompt: SafeText = "> " { didSet { liveChanged() } }

    /// Whose names completion offers first: those who spoke, the last one last.
    private(set) var speakers: [String] = []

    private let traits: TerminalTraits
    private var renderer: ScreenRenderer
    private let descriptor: Int32

    /// Lines that wait to be printed above the live rows.
    private var printed: ByteSink

    /// Own messages that are not known to be sent.
    private var pending: [ChatMessage] = []

    private var presence: Presence?

    /// The live rows as they were laid out last; nil when something among them has changed.
    private var layout: (LiveLayout, ScreenSize)?

    /// Something has to be drawn.
    private(set) var isDirty = true

    private var needsClear = false
    private var rings = false

    init(traits: TerminalTraits, descriptor: Int32, history: InputHistory) {
        self.traits = traits
        self.descriptor = descriptor
        editor = LineEditor(history: history)
        renderer = ScreenRenderer(traits: traits)
        printed = ByteSink(colored: traits.isColored, endsWithReturn: true)
    }

    /// Bytes that wait to be printed.
    var waiting: Int { printed.bytes.count }

    /// The size of the screen now.
    var size: ScreenSize {
        terminalSize(descriptor).map { ScreenSize(columns: $0.columns, rows: $0.rows) } ?? Self.fallback
    }

    /// What the live rows show has changed.
    func liveChanged() {
        layout = nil
        isDirty = true
    }

    /// The screen may be another than the one that was drawn.
    func screenChanged() {
        isDirty = true
    }

    // MARK: Showing

    func show(_ event: ConsoleEvent, _ lines: inout HumanLines, now: Timestamp, bell: BellPolicy) {
        if let (kind, name, conversation) = event.presence {
            show(kind, name, conversation, &lines, now: now)
            return
        }
        switch event {
        case .message(let message): show(message, &lines, now: now, bell: bell)
        case .delivery(let id, let state, _, _):
            settle(id, state, &lines)
            printSentence(of: event, &lines, now: now)
        case .answer(let answer):
            printPresence(&lines)
            lines.append(answer: answer, to: &printed)
            isDirty = true
        default: printSentence(of: event, &lines, now: now)
        }
    }

    private func show(_ message: ChatMessage, _ lines: inout HumanLines, now: Timestamp, bell: BellPolicy) {
        printPresence(&lines)
        if message.isOwn {
            if message.isPending {
                pending.append(message)
                if pending.count > Self.pendingLimit {
                    lines.append(pending.removeFirst(), isPending: true, to: &printed)
                }
                liveChanged()
                return
            }
        } else {
            noteSpeaker(message.sender.string)
            if !message.isCaughtUp, bell == .all || bell == .mentions && lines.calls(message) { rings = true }
        }
        lines.appendDayChange(at: message.time, today: now, to: &printed)
        lines.append(message, to: &printed)
        isDirty = true
    }

    /// Prints an own message for good: what became of it is known.
    private func settle(_ id: String, _ state: DeliveryState, _ lines: inout HumanLines) {
        guard let index = pending.firstIndex(where: { $0.id == id }) else { return }
        let message = pending.remove(at: index)
        lines.appendDayChange(at: message.time, today: message.time, to: &printed)
        lines.append(message, isPending: state.isFailure, to: &printed)
        liveChanged()
    }

    private func printSentence(of event: ConsoleEvent, _ lines: inout HumanLines, now: Timestamp) {
        guard let sentence = HumanLines.sentence(of: event) else { return }
        printPresence(&lines)
        lines.appendDayChange(at: now, today: now, to: &printed)
        lines.append(event, sentence, at: now, to: &printed)
        isDirty = true
    }

    private func show(
        _ kind: Presence.Kind, _ name: SafeText, _ conversation: SafeText?, _ lines: inout HumanLines, now: Timestamp
    ) {
        if presence?.take(kind, name, conversation: conversation, at: now) != true {
            printPresence(&lines)
            presence = Presence(kind, name, conversation: conversation, at: now)
        }
        liveChanged()
    }

    /// Prints the line of joins and leaves for good, because something else follows it.
    private func printPresence(_ lines: inout HumanLines) {
        guard let presence else { return }
        self.presence = nil
        lines.appendDayChange(at: presence.start, today: presence.start, to: &printed)
        lines.append(.notice(""), presence.sentence, at: presence.start, to: &printed)
        liveChanged()
    }

    private func noteSpeaker(_ name: String) {
        guard speakers.last != name else { return }
        speakers.removeAll { $0 == name }
        speakers.append(name)
        if speakers.count > 100 { speakers.removeFirst() }
    }

    /// Clears the screen before the next frame.
    func clear() {
        needsClear = true
        liveChanged()
    }

    // MARK: Frames

    /// What was in place before a frame, for when it could not be written.
    struct Undo {
        fileprivate let renderer: ScreenRenderer
        fileprivate let printed: [UInt8]
    }

    /// The bytes that bring the screen up to date, and how to take them back.
    func frame(_ size: ScreenSize, _ lines: inout HumanLines) -> (bytes: [UInt8], undo: Undo) {
        isDirty = false
        var bytes: [UInt8] = []
        if needsClear {
            needsClear = false
            bytes = renderer.clear()
        }
        let text = printed.bytes.moved()
        let undo = Undo(renderer: renderer, printed: text)
        if rings {
            rings = false
            bytes.append(0x07)
        }
        bytes += renderer.frame(printing: text, live: live(size, &lines), size: size)
        return (bytes, undo)
    }

    /// The frame was not written: the screen had another size. What it would have printed waits again.
    func takeBack(_ undo: Undo) {
        renderer = undo.renderer
        printed.bytes = undo.printed + printed.bytes
        layout = nil
        isDirty = true
    }

    /// The bytes that print what waits and leave the screen without live rows; the next frame draws them again.
    func hide(_ lines: inout HumanLines) -> [UInt8] {
        printPresence(&lines)
        isDirty = true
        return renderer.hide(printing: printed.bytes.moved(), size: size)
    }

    /// The same for good: own messages whose fate nobody told are printed too.
    func end(_ lines: inout HumanLines) -> [UInt8] {
        for message in pending { lines.append(message, isPending: true, to: &printed) }
        pending = []
        return hide(&lines)
    }

    /// Others have used the screen: the next frame begins where the cursor is.
    func screenWasLost() {
        renderer.forget()
        liveChanged()
    }

    private func live(_ size: ScreenSize, _ lines: inout HumanLines) -> LiveLayout {
        if let (layout, laidOutFor) = layout, laidOutFor == size { return layout }
        var above: [StyledLine] = []
        if let presence {
            var sink = StyledSink()
            lines.append(.notice(""), presence.sentence, at: presence.start, to: &sink)
            above += sink.lines
        }
        for message in pending {
            var sink = StyledSink()
            lines.append(message, isPending: true, to: &sink)
            above += sink.lines
        }
        let content = LiveContent(
            above: above, prompt: shownPrompt, buffer: editor.buffer, below: menu(columns: size.columns))
        let layout = LiveLayout(content, columns: size.columns, limit: size.rows, isColored: traits.isColored)
        self.layout = (layout, size)
        return layout
    }

    private var shownPrompt: StyledLine {
        guard let search = editor.search else { return StyledLine([Span(prompt, .bold)]) }
        let label: SafeText = search.hasFailed ? "(no older line with " : "(search "
        return StyledLine([Span("\(label)\"\(search.query)\") ", .dim)])
    }

    /// The candidates of a completion in one row, the one that was inserted standing out.
    private func menu(columns: Int) -> [StyledLine] {
        guard let completion = editor.completion else { return [] }
        var spans: [Span] = []
        var width = 0
        // So many that the chosen one is among them.
        let first = max(0, completion.selected - 3)
        for (index, candidate) in completion.candidates.enumerated().dropFirst(first) {
            let label = SafeText(untrusted: String(candidate.prefix(32)).trimmingCompletion)
            let labelWidth = label.string.reduce(0) { $0 + DisplayWidth(of: $1).columns } + 2
            guard width + labelWidth < columns else { break }
            width += labelWidth
            spans.append(Span(label, index == completion.selected ? Style(reversed: true) : .dim))
            spans.append(Span("  "))
        }
        return spans.isEmpty ? [] : [StyledLine(spans)]
    }
}

/// Lines as spans, for the live rows.
struct StyledSink: LineSink {
    private(set) var lines: [StyledLine] = []
    private var current = StyledLine()

    mutating func append(_ text: SafeText, _ style: Style) { current.spans.append(Span(text, style)) }

    mutating func endLine() {
        lines.append(current)
        current = StyledLine()
    }
}

extension String {
    /// Without the space or colon that a completion inserts behind the word.
    fileprivate var trimmingCompletion: String {
        var text = self[...]
        while let last = text.last, last == " " || last == ":" { text.removeLast() }
        return String(text)
    }
}
