package import Wire

/// What marks a command, beside `/`, which always does.
package enum CommandMarks: Sendable, Equatable {
    /// `/peers`
    case slash
    /// `/groups` and `%groups`
    case slashAndPercent
    /// `/list_groups` and the bare verb `list_groups`
    case slashAndBareWord

    /// True for what is no command by its first byte, which is what most lines are; false where only `parse` can say.
    func leavesAsText(_ line: String) -> Bool {
        guard self != .slashAndBareWord, let first = line.utf8.first else { return false }
        switch first {
        case 0...0x20, 0x7F...0xFF, UInt8(ascii: "/"), UInt8(ascii: "%"): return false
        default: return true
        }
    }
}

/// What a line is that is no command.
package enum TextRule: Sendable, Equatable {
    /// A message.
    case message
    /// A mistake, answered with this sentence.
    case refused(SafeText)
    /// The mode's to answer; the help says nothing of it.
    case forwarded

    /// Whether it is handed to the mode.
    var isTaken: Bool { if case .refused = self { false } else { true } }
}

/// What can be typed in a mode: the one table that parsing, help, completion and the README's table come from.
package struct CommandTable<ID: Hashable & Sendable>: Sendable {
    /// One command.
    package struct Command: Sendable {
        package let id: ID
        /// The word, without its `/`.
        package let name: String
        /// Further words for the same.
        package let aliases: [String]
        package let arguments: [CommandArgument]
        /// What the help says of it: one sentence without a full stop.
        package let summary: String

        package init(
            _ id: ID, _ name: String, aliases: [String] = [], _ arguments: [CommandArgument] = [], summary: String
        ) {
            self.id = id
            self.name = name
            self.aliases = aliases
            self.arguments = arguments
            self.summary = summary
        }

        /// `name NAME [TEXT]`, without a prefix.
        package var signature: String { ([name] + arguments.map(\.signature)).joined(separator: " ") }

        package func map<Other>(_ transform: (ID) -> Other) -> CommandTable<Other>.Command {
            .init(transform(id), name, aliases: aliases, arguments, summary: summary)
        }
    }

    /// What a typed line turned out to be.
    package enum Line: Sendable, Equatable {
        case text(String)
        case command(ID, CommandArguments)
        case mistake(SafeText)
    }

    package let commands: [Command]
    package let marks: CommandMarks
    package let text: TextRule

    /// From each word, in lower case, to its command.
    private let index: [String: Int]

    /// - Precondition: no two commands share a word. Where a table is merged from two, the first wins.
    package init(_ commands: [Command], marks: CommandMarks = .slash, text: TextRule = .message) {
        self.commands = commands
        self.marks = marks
        self.text = text
        var index: [String: Int] = [:]
        for (place, command) in commands.enumerated() {
            for word in [command.name] + command.aliases where index[word.lowercased()] == nil {
                index[word.lowercased()] = place
            }
        }
        self.index = index
    }

    /// The command of a word, without its mark, in any case of letters.
    package func command(named word: some StringProtocol) -> Command? {
        index[word.lowercased()].map { commands[$0] }
    }

    /// Every word that names a command.
    package var words: [String] { commands.flatMap { [$0.name] + $0.aliases } }

    // MARK: Parsing

    /// Says what a typed line is.
    ///
    /// `//x` is the text `/x`. An unknown `/x` is a mistake and never text. Nothing but white space is empty text.
    package func parse(_ line: String) -> Line {
        let trimmed = line.drop { $0.isCommandSpace }
        guard let first = trimmed.first else { return .text("") }
        switch first {
        case "/":
            let rest = trimmed.dropFirst()
            if rest.first == "/" { return asText(String(rest)) }
            return parseCommand(rest, mark: "/")
        case "%" where marks == .slashAndPercent:
            return parseCommand(trimmed.dropFirst(), mark: "%")
        default:
            if marks == .slashAndBareWord {
                let word = trimmed.prefix { !$0.isCommandSpace }
                if let command = command(named: word) {
                    return check(command, CommandArguments(following(word, in: trimmed)), mark: "")
                }
            }
            return asText(line)
        }
    }

    /// Says what a text is that is never a command, whatever it begins with.
    package func parseText(_ text: String) -> Line { asText(text) }

    private func asText(_ line: String) -> Line {
        switch text {
        case .message, .forwarded: .text(line)
        case .refused(let sentence): .mistake(sentence)
        }
    }

    private func parseCommand(_ typed: Substring, mark: String) -> Line {
        let word = typed.prefix { !$0.isCommandSpace }
        guard let command = command(named: word) else { return .mistake(unknown(String(word), mark: mark)) }
        return check(command, CommandArguments(following(word, in: typed)), mark: mark)
    }

    private func following(_ word: Substring, in line: Substring) -> String {
        String(line[word.endIndex...].drop { $0.isCommandSpace })
    }

    private func unknown(_ word: String, mark: String) -> SafeText {
        let mark = SafeText(untrusted: mark)
        if word.isEmpty { return "\(mark) alone is no command; \(mark)help lists the commands." }
        let shown = String(word.prefix(40))
        if let near = nearestName(to: word, among: words) {
            return "Unknown command \(mark)\(shown). Did you mean \(mark)\(near)?"
        }
        return "Unknown command \(mark)\(shown); \(mark)help lists the commands."
    }

    /// Holds the number of words against the signature.
    private func check(_ command: Command, _ arguments: CommandArguments, mark: String) -> Line {
        let required = command.arguments.count(where: \.isRequired)
        let takesRest = command.arguments.contains { $0.kind == .text }
        if arguments.count < required || (!takesRest && arguments.count > command.arguments.count) {
            return .mistake("Usage: \(mark)\(command.signature)")
        }
        for (argument, word) in zip(command.arguments, arguments.words) {
            if case .choice(let choices) = argument.kind, !choices.contains(word.lowercased()) {
                return .mistake("Usage: \(mark)\(command.signature)")
            }
        }
        return .command(command.id, arguments)
    }

    // MARK: Help

    /// The help, one command a line, signatures aligned.
    package var helpLines: [SafeText] {
        let width = min(32, commands.map { $0.signature.count }.max() ?? 0)
        var lines = commands.map { command -> SafeText in
            let padding = String(repeating: " ", count: max(0, width - command.signature.count))
            return "/\(command.signature)\(padding)  \(command.summary)\(aliasNote(command))"
        }
        if text == .message { lines.append("A line that begins with // is sent as text that begins with /.") }
        return lines
    }

    /// The help of one command; nil where there is none of that name.
    package func helpLines(of word: some StringProtocol) -> [SafeText]? {
        guard let command = command(named: word) else { return nil }
        return ["/\(command.signature)", "  \(command.summary)\(aliasNote(command))"]
    }

    private func aliasNote(_ command: Command) -> String {
        guard !command.aliases.isEmpty else { return "" }
        return " (also " + command.aliases.map { "/\($0)" }.joined(separator: ", ") + ")"
    }

    /// The rows of a Markdown table of the commands, for a document.
    package var markdownRows: [String] {
        commands.map { command in
            let words = ["`/\(command.signature)`"] + command.aliases.map { "`/\($0)`" }
            return "| \(words.joined(separator: ", ")) | \(command.summary) |".replacingPipesInChoices
        }
    }
}

extension String {
    /// A `|` inside back quotes would end a Markdown cell.
    fileprivate var replacingPipesInChoices: String {
        var result = ""
        var isQuoted = false
        for character in self {
            if character == "`" { isQuoted.toggle() }
            result += isQuoted && character == "|" ? "\\|" : String(character)
        }
        return result
    }
}
