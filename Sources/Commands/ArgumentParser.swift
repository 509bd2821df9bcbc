import Console
import Wire

/// Sorts the words of a command line by the tables. Pure: the environment comes in as a function.
///
/// Options may stand anywhere behind `chat`, as `--name VALUE` or `--name=VALUE`; of an option given twice the last
/// counts. `--` ends the options. `--help` anywhere shows the help of the command as far as it was written.
struct ArgumentParser {
    private let root: CommandSpec
    private let environment: @Sendable (String) -> String?

    private var path: [String]
    private var command: CommandSpec
    private var given: [String: [String]] = [:]
    private var words: [String] = []

    init(root: CommandSpec, environment: @escaping @Sendable (String) -> String?) {
        self.root = root
        self.environment = environment
        path = [root.name]
        command = root
    }

    /// `arguments` without the name of the program.
    mutating func parse(_ arguments: [String]) throws(UsageError) -> Invocation {
        let beforeEnd = arguments.prefix { $0 != "--" }
        if beforeEnd.contains(where: { $0 == "--help" || $0 == "-h" }) {
            return .help(path: helpPath(Array(beforeEnd)))
        }
        var rest = arguments[...]
        var optionsEnded = false
        while let word = rest.popFirst() {
            if optionsEnded {
                try take(word)
            } else if word == "--" {
                optionsEnded = true
            } else if path.count == 1, word == "--version" || word == "-V" {
                return .version
            } else if let subcommand = command.subcommand(word) {
                descend(to: subcommand)
            } else if word.hasPrefix("-"), word != "-" {
                try takeOption(word, &rest)
            } else {
                try take(word)
            }
        }
        try check()
        return try command.make(
            ParsedArguments(path: path, command: command, given: given, words: words, environment: environment))
    }

    private mutating func descend(to subcommand: CommandSpec) {
        command = subcommand
        path.append(subcommand.name)
    }

    private mutating func take(_ word: String) throws(UsageError) {
        guard command.subcommands.isEmpty else { throw unknownCommand(word) }
        words.append(word)
    }

    private mutating func takeOption(_ word: String, _ rest: inout ArraySlice<String>) throws(UsageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        let known = command.subcommands.isEmpty ? command.options : command.optionsInAll
        guard let option = known.first(where: { $0.name == name }) else { throw unknownOption(name, among: known) }
        guard let placeholder = option.placeholder else {
            guard parts.count == 1 else { throw error("\(name) takes no value.") }
            given[name, default: []].append("")
            return
        }
        if parts.count == 2 {
            given[name, default: []].append(String(parts[1]))
        } else if let value = rest.popFirst() {
            given[name, default: []].append(value)
        } else {
            throw error("\(name) needs a value: \(name) \(placeholder).")
        }
    }

    /// Holds what was given against the table of the command that it turned out to be.
    private func check() throws(UsageError) {
        if !command.subcommands.isEmpty, let option = given.keys.min() {
            throw error("\(option) needs a command; '\(helpLine)' lists them.")
        }
        for name in given.keys.sorted() where !command.options.contains(where: { $0.name == name }) {
            throw unknownOption(name, among: command.options)
        }
        let synopsis = command.synopsis(path: path)
        let required = command.arguments.filter { $0.count == .one }
        if command.isOldSpelling, words.count != required.count {
            let placeholders = required.map(\.placeholder).joined(separator: " ")
            throw UsageError(command: "", sentence: "`\(command.name)` only accepts \(placeholders)")
        }
        if words.count < required.count {
            throw error("\(required[words.count].placeholder) is missing; write '\(synopsis)'.")
        }
        if !command.arguments.contains(where: { $0.count == .any }), words.count > command.arguments.count {
            throw error("'\(words[command.arguments.count])' is one argument too many; write '\(synopsis)'.")
        }
    }

    /// The words of the command, as far as they lead anywhere.
    private func helpPath(_ words: [String]) -> [String] {
        var command = root
        var path: [String] = []
        for word in words {
            guard let subcommand = command.subcommand(word), !subcommand.isOldSpelling else { continue }
            command = subcommand
            path.append(word)
        }
        // `chat help p2p --help` asks for p2p.
        return path.first == "help" && words.count > 2 ? helpPath(words.filter { $0 != "help" }) : path
    }

    private var helpLine: String {
        (["chat", "help"] + path.dropFirst()).joined(separator: " ")
    }

    private func error(_ sentence: SafeText) -> UsageError {
        UsageError(command: path.joined(separator: " "), sentence: sentence)
    }

    private func unknownCommand(_ word: String) -> UsageError {
        if let near = nearestName(to: word, among: command.listed.map(\.name)) {
            return error("'\(word)' is no command; did you mean '\((path + [near]).joined(separator: " "))'?")
        }
        return error("'\(word)' is no command; '\(helpLine)' lists them.")
    }

    private func unknownOption(_ name: String, among known: [OptionSpec]) -> UsageError {
        if let near = nearestName(to: name, among: known.map(\.name) + ["--help"]) {
            return error("'\(name)' is no option here; did you mean '\(near)'?")
        }
        return error("'\(name)' is no option here; '\(helpLine)' lists them.")
    }
}

extension CommandSpec {
    /// The command that words name, for `chat help WORD ...`.
    func find(_ words: [String]) throws(UsageError) -> CommandSpec {
        var command = self
        var path = [name]
        for word in words {
            guard let next = command.subcommand(word), !next.isOldSpelling else {
                let near = nearestName(to: word, among: command.listed.map(\.name))
                let help = (["chat", "help"] + path.dropFirst()).joined(separator: " ")
                let sentence: SafeText =
                    if let near {
                        "'\(word)' is no command; did you mean '\(help) \(near)'?"
                    } else {
                        "'\(word)' is no command; '\(help)' lists them."
                    }
                throw UsageError(command: "chat help", sentence: sentence)
            }
            command = next
            path.append(word)
        }
        return command
    }
}
