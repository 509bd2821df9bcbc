import Platform
import Terminal
import Wire

/// What keys do at a terminal.
extension ChatConsole {
    /// Milliseconds after which an ESC is the key and not the begin of a sequence; nil where nothing has begun.
    var keyTimeout: Int32? {
        guard case .terminal(let view) = face, view.decoder.isWaitingForMore else { return nil }
        return 100
    }

    func takeTimeout() {
        guard case .terminal(let view) = face else { return }
        press(view.decoder.timedOut(), view)
    }

    /// Looks at what was typed ahead; false where nothing was.
    func takeTypedAhead() -> Bool {
        guard !typedAhead.keys.isEmpty, case .terminal(let view) = face else { return false }
        var keys: [Key] = []
        swap(&keys, &typedAhead.keys)
        press(keys, view)
        return true
    }

    func press(_ keys: [Key], _ view: TerminalView) {
        for (index, key) in keys.enumerated() {
            if case .paste = key, view.decoder.pasteWasCut {
                show(.error("What was pasted is longer than \(KeyDecoder.pasteLimit) bytes; its end was dropped."))
            }
            let effects = view.editor.pressed(key) { completions(for: $0, view) }
            for effect in effects { carryOut(effect, view) }
            if asksQuestion, effects.contains(where: \.isSubmission) {
                typedAhead = TypedAhead(keys: Array(keys[(index + 1)...]), decoder: view.decoder)
                break
            }
        }
        guard !keys.isEmpty else { return }
        view.liveChanged()
        wakeWriter()
    }

    private func carryOut(_ effect: LineEditor.Effect, _ view: TerminalView) {
        switch effect {
        case .submitted(let text, let beginsWithPaste):
            remember(text)
            // What was pasted and has several lines was written elsewhere, as text.
            take(beginsWithPaste && text.contains("\n") ? commands.parseText(text) : commands.parse(text))
        case .quit: input.append(.input(.quit))
        case .clearScreen: view.clear()
        case .suspend: wantsStop = true
        case .bell: break
        case .tooLong:
            show(.error("A line holds at most \(LineEditor.textLimit) bytes; what would not fit was not inserted."))
        }
    }

    /// The history that earlier runs left, or an empty one.
    static func history(_ settings: ConsoleSettings) -> InputHistory {
        guard let path = settings.historyPath else { return InputHistory() }
        // A history that cannot be read is no reason not to talk.
        guard let bytes = try? PrivateFile.read(path, limit: ConsoleLimits.history) else { return InputHistory() }
        let history = InputHistory(decoding: bytes)
        // The file only grows by appending; at the start of a run it is cut to what counts.
        if history.encoded.count < bytes.count / 2 { try? PrivateFile.writeAtomically(history.encoded, to: path) }
        return history
    }

    private func remember(_ text: String) {
        guard let path = settings.historyPath, !text.allSatisfy(\.isWhitespace) else { return }
        // A few bytes, not flushed to the disk: it does not wait for one.
        try? PrivateFile.append(InputHistory.encode(text), to: path)
    }

    // MARK: Completion

    /// What Tab offers for the text before the cursor.
    private func completions(for text: String, _ view: TerminalView) -> Completions {
        let line = text.drop { $0.isCommandSpace }
        let word = text.lastWord
        let mark = line.first.flatMap { commands.isMark($0) ? String($0) : nil } ?? ""
        let isFirstWord = !line.contains { $0.isCommandSpace }
        if !mark.isEmpty, isFirstWord { return commandWords(String(line.dropFirst()), mark: mark) }
        let commandWord = line.dropFirst(mark.count).prefix { !$0.isCommandSpace }
        if !mark.isEmpty || commands.marks == .slashAndBareWord, !isFirstWord,
            let command = commands.command(named: commandWord)
        {
            let index = line.split(whereSeparator: { $0.isCommandSpace }).count - (word.isEmpty ? 1 : 2)
            guard index >= 0, let argument = command.argument(at: index) else { return .none }
            return Completions(word, among: values(of: argument.kind, view), suffix: " ")
        }
        return Completions(word, among: people(view), suffix: word.count == text.count ? ": " : " ")
    }

    private func commandWords(_ typed: String, mark: String) -> Completions {
        let words =
            commands.commands.map { mark + $0.name } + commands.commands.flatMap { $0.aliases.map { mark + $0 } }
        return Completions(mark + typed, among: words, suffix: " ")
    }

    private func values(of kind: CommandArgument.Kind, _ view: TerminalView) -> [String] {
        switch kind {
        case .member, .text: people(view)
        case .group: completionNames.groups
        case .room: completionNames.rooms
        case .choice(let words): words
        case .word: []
        }
    }

    /// Everybody, those who spoke last first.
    private func people(_ view: TerminalView) -> [String] {
        let spoke = Array(view.speakers.reversed())
        let known = Set(spoke.map { nameKey($0) })
        return spoke + completionNames.members.filter { !known.contains(nameKey($0)) }
    }
}

extension LineEditor.Effect {
    fileprivate var isSubmission: Bool {
        if case .submitted = self { true } else { false }
    }
}

extension CommandTable {
    /// Whether a character marks a command in this table.
    func isMark(_ character: Character) -> Bool {
        character == "/" || (character == "%" && marks == .slashAndPercent)
    }
}

extension CommandTable.Command {
    /// The argument that the word of an index belongs to; a text goes on to the end of the line.
    func argument(at index: Int) -> CommandArgument? {
        if index < arguments.count { return arguments[index] }
        return arguments.last?.kind == .text ? arguments.last : nil
    }
}

extension Completions {
    /// The candidates that begin with a word, in any case of letters.
    init(_ word: String, among candidates: [String], suffix: String) {
        let key = nameKey(word)
        self.init(
            replacing: word.count,
            candidates: candidates.filter { nameKey($0).hasPrefix(key) }.prefix(100).map { $0 + suffix })
    }
}

extension String {
    /// What stands behind the last white space.
    fileprivate var lastWord: String {
        guard let space = lastIndex(where: \.isCommandSpace) else { return self }
        return String(self[index(after: space)...])
    }
}
