import Terminal
import Wire

/// Turns events into the lines that people read, at a terminal and as plain lines.
///
///     [14:03:21] Heisenberg: Hello
///     [14:03:25] You: Hi
///     [14:03:30] * Alice joined
///     [14:03:31] ! The port is taken.
///     [14:03:40] ~ Alice waves
///       Alice  connected
///
/// Only the program begins a line (Protocols.md, "Lines for people"). What it says itself carries a mark (`*`, `!`), what
/// people do another (`~`), answers to commands and what follows a line break are indented, and a name that could be
/// taken for any of that stands in quotation marks: no text can forge a line of the program's own.
struct HumanLines {
    var times: TimeDisplay

    /// One's own name, for mentions and for `/me`.
    var ownName: SafeText = ""

    /// Whether the terminal has the palette of 256 colours.
    let hasLargePalette: Bool

    /// Message text keeps its line breaks, as indented continuation lines; else they are shown as `\n`, so that each
    /// message is one line.
    let keepsLineBreaks: Bool

    /// The local day of the last line, as year, month, day; nil before the first.
    private var lastDay: (Int, Int, Int)?

    init(times: TimeDisplay, hasLargePalette: Bool, keepsLineBreaks: Bool) {
        self.times = times
        self.hasLargePalette = hasLargePalette
        self.keepsLineBreaks = keepsLineBreaks
    }

    // MARK: Messages

    /// Appends a message as one line, or several where its text has line breaks.
    mutating func append(_ message: ChatMessage, isPending: Bool = false, to sink: inout some LineSink) {
        let isMention = mentions(message)
        sink.append(times.prefix(of: message.time), .dim)
        if message.isCaughtUp { sink.append("(earlier) ", .dim) }
        if let conversation = message.label ?? message.conversation {
            sink.append("\(QuotedName.author(conversation)) ", .dim)
        }
        let nameStyle: Style =
            isPending ? .dim : message.isOwn ? .bold : NameColors.style(of: message.senderKey, isLarge: hasLargePalette)
        if message.kind == .action { sink.append("~ ", isPending ? .dim : .plain) }
        sink.append(message.isOwn && message.kind == .text ? "You" : shownName(message), nameStyle)
        if let recipient = message.recipient {
            sink.append(" -> ", .dim)
            sink.append(message.isOwn ? QuotedName.author(recipient) : "You", .dim)
        }
        if let subject = message.subject, !subject.isEmpty { sink.append(" [\(subject)]", .bold) }
        sink.append(message.kind == .action ? " " : ": ", isPending ? .dim : .plain)
        let text =
            keepsLineBreaks ? SafeText(untrustedBlock: message.text) : SafeText(untrusted: message.text)
        sink.append(text, isPending ? .dim : isMention ? Style(foreground: 3, bold: true) : .plain)
        sink.endLine()
    }

    /// Whether a message calls its reader by name: whole words, in any case of letters, never in one's own lines and
    /// never in what was caught up.
    func mentions(_ message: ChatMessage) -> Bool {
        guard !message.isOwn, !message.isCaughtUp, !ownName.isEmpty else { return false }
        return containsWord(ownName.string, in: message.text)
    }

    /// Whether a message is meant for its reader: by name, or because nobody else gets it.
    func calls(_ message: ChatMessage) -> Bool {
        mentions(message) || (message.recipient != nil && !message.isOwn && !message.isCaughtUp)
    }

    private func shownName(_ message: ChatMessage) -> SafeText {
        message.isOwn ? (ownName.isEmpty ? message.sender : ownName) : QuotedName.author(message.sender)
    }

    // MARK: The program's own lines

    /// Appends the answer to a command. Whatever its lines begin with, they begin no line of the screen or the stream.
    func append(answer: [SafeText], to sink: inout some LineSink) {
        for line in answer {
            sink.append("  ", .plain)
            sink.append(keepsLineBreaks ? line : line.lines.joined(separator: " "), .plain)
            sink.endLine()
        }
    }

    /// Appends what the program itself says of an event.
    mutating func append(
        _ event: ConsoleEvent, _ sentence: SafeText, at moment: Timestamp, to sink: inout some LineSink
    ) {
        var style = Style.dim
        var mark: SafeText = "* "
        switch event {
        case .error, .delivery(_, .noanswer, _, _), .delivery(_, .failed, _, _):
            style = Style(foreground: 1)
            mark = "! "
        default: break
        }
        sink.append(times.prefix(of: moment), .dim)
        sink.append(mark, style)
        sink.append(sentence, style)
        sink.endLine()
    }

    /// The line that says that a new day has begun, where the moment is of another day than the line before.
    mutating func appendDayChange(at moment: Timestamp, today: Timestamp, to sink: inout some LineSink) {
        let time = times.civil(moment)
        let day = (time.year, time.month, time.day)
        defer { lastDay = day }
        if let lastDay {
            guard lastDay != day else { return }
        } else {
            // The first line of a run needs a date only where it is not of today.
            let current = times.civil(today)
            guard day != (current.year, current.month, current.day) else { return }
        }
        sink.append("--- \(Self.date(time)) ---", .dim)
        sink.endLine()
    }

    /// `Friday, 20 November 2026`
    static func date(_ time: CivilTime) -> SafeText {
        "\(time.weekdayName), \(time.day) \(time.monthName) \(time.year)"
    }

    /// What a person reads of an event that is neither a message nor an answer; nil where that is nothing.
    static func sentence(of event: ConsoleEvent) -> SafeText? {
        switch event {
        case .listening(let host, let port):
            host.string.utf8.contains(UInt8(ascii: ":"))
                ? "listening on [\(host)]:\(port)" : "listening on \(host):\(port)"
        case .connected(let peer): "connected to \(peer)"
        case .disconnected(let peer, let reason): "disconnected from \(peer): \(reason)"
        case .joined(let name, let conversation): "\(QuotedName.inSentence(name)) joined\(place(conversation))"
        case .left(let name, let conversation): "\(QuotedName.inSentence(name)) left\(place(conversation))"
        case .lost(let name, let conversation): "\(QuotedName.inSentence(name)) was lost\(place(conversation))"
        case .ready, .message, .answer: nil
        case .delivery(_, let state, let recipient, let note):
            note ?? deliverySentence(state, recipient)
        case .gap(let from, let to, let conversation):
            from == to
                ? "message \(from)\(place(conversation)) is missing and cannot be had any more"
                : "messages \(from) to \(to)\(place(conversation)) are missing and cannot be had any more"
        case .closed(let reason): "closed: \(reason)"
        case .notice(let text), .error(let text): text
        }
    }

    private static func place(_ conversation: SafeText?) -> SafeText {
        conversation.map { " \(QuotedName.inSentence($0))" } ?? ""
    }

    private static func deliverySentence(_ state: DeliveryState, _ recipient: SafeText?) -> SafeText? {
        let from: SafeText = recipient.map { " from \(QuotedName.inSentence($0))" } ?? ""
        return switch state {
        case .sent, .accepted, .delivered, .stored: nil
        case .noanswer: "no answer\(from): nobody can know whether the message arrived"
        case .failed: "the message was not sent"
        }
    }
}

/// Whether `text` holds `word` as a whole word: what stands beside it is neither letter, digit nor underscore.
func containsWord(_ word: String, in text: String) -> Bool {
    let word = Array(word.lowercased())
    let text = Array(text.lowercased())
    guard let first = word.first, text.count >= word.count else { return false }
    for start in 0...(text.count - word.count) where text[start] == first {
        guard text[start..<start + word.count].elementsEqual(word) else { continue }
        let before = start == 0 ? nil : text[start - 1]
        let after = start + word.count == text.count ? nil : text[start + word.count]
        if !(before?.isWordPart ?? false), !(after?.isWordPart ?? false) { return true }
    }
    return false
}

extension Character {
    /// Whether it continues a word.
    var isWordPart: Bool { isLetter || isNumber || self == "_" }
}
