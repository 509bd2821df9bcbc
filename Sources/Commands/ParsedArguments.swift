import Console
import Wire

/// What was given to one command, its words sorted into options and arguments and not read yet.
struct ParsedArguments: Sendable {
    /// "chat", "p2p"
    let path: [String]
    let command: CommandSpec
    /// What was written behind each option, by its name, in order; of a flag an empty text.
    let given: [String: [String]]
    /// What stands without a name, in order.
    let words: [String]
    let environment: @Sendable (String) -> String?

    /// A value as it was given, and where.
    private struct Source {
        let text: String
        /// "--port", "CHAT_PORT" or "PORT"
        let place: String
    }

    /// The value of an option: the last one given, else that of the environment, else `nil`.
    func value<Value>(of option: Option<Value>) throws(UsageError) -> Value? {
        guard let source = sources(of: option.spec).last else { return nil }
        return try read(source, as: option.kind)
    }

    /// All values of an option that may repeat: those given, else those of the environment.
    func values<Value>(of option: Option<Value>) throws(UsageError) -> [Value] {
        var values: [Value] = []
        for source in sources(of: option.spec) { values.append(try read(source, as: option.kind)) }
        return values
    }

    func isSet(_ flag: Flag) throws(UsageError) -> Bool {
        if given[flag.spec.name] != nil { return true }
        let variable = flag.spec.environmentVariable
        switch environment(variable)?.lowercased() {
        case nil, "", "0", "no", "false", "off": return false
        case "1", "yes", "true", "on": return true
        case let text?:
            throw error("\(variable): '\(text)' is neither 1 nor 0.")
        }
    }

    /// The value of an argument that must be there; its number was checked before.
    func value<Value>(of argument: Argument<Value>) throws(UsageError) -> Value {
        try read(words(of: argument.spec).first!, as: argument.kind)
    }

    /// The value of an argument that may be missing.
    func optional<Value>(_ argument: Argument<Value>) throws(UsageError) -> Value? {
        guard let source = words(of: argument.spec).first else { return nil }
        return try read(source, as: argument.kind)
    }

    func values<Value>(of argument: Argument<Value>) throws(UsageError) -> [Value] {
        var values: [Value] = []
        for source in words(of: argument.spec) { values.append(try read(source, as: argument.kind)) }
        return values
    }

    func error(_ sentence: SafeText) -> UsageError {
        UsageError(command: path.joined(separator: " "), sentence: sentence)
    }

    /// Whether the command has the option at all: its variable in the environment means nothing to one that has not.
    func has(_ option: OptionSpec) -> Bool {
        command.options.contains { $0.name == option.name }
    }

    private func sources(of option: OptionSpec) -> [Source] {
        if let given = given[option.name] {
            return given.map { Source(text: $0, place: option.name) }
        }
        let variable = option.environmentVariable
        guard let text = environment(variable), !text.isEmpty else { return [] }
        guard option.isRepeating else { return [Source(text: text, place: variable)] }
        return text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map {
            Source(text: String($0), place: variable)
        }
    }

    /// The words that belong to an argument, by its place among the arguments of the command.
    private func words(of argument: ArgumentSpec) -> [Source] {
        guard let place = command.arguments.firstIndex(of: argument) else {
            preconditionFailure("An argument was asked for that the table of '\(path.joined(separator: " "))' lacks.")
        }
        let rest = words.dropFirst(place)
        return (argument.count == .any ? rest : rest.prefix(1)).map { Source(text: $0, place: argument.placeholder) }
    }

    private func read<Value>(_ source: Source, as kind: ValueKind<Value>) throws(UsageError) -> Value {
        do {
            return try kind.read(source.text)
        } catch {
            if command.isOldSpelling { throw UsageError(command: "", sentence: error.message) }
            throw self.error("\(source.place): \(error.message)")
        }
    }
}
