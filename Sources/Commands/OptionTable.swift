/// What the tables say of an option: the part that help and completion need.
struct OptionSpec: Sendable, Hashable {
    /// "--name"
    let name: String
    /// The word for its value in a synopsis; `nil` for a flag.
    let placeholder: String?
    let completion: Completion
    let isRepeating: Bool
    /// What the help says of it: one sentence without a full stop.
    let summary: String

    /// The environment variable that stands in for it: "CHAT_LOG_LEVEL" for "--log-level".
    var environmentVariable: String {
        "CHAT_" + name.dropFirst(2).uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    /// "--name NAME"
    var synopsis: String {
        placeholder.map { "\(name) \($0)" } ?? name
    }
}

/// An option with a value.
struct Option<Value: Sendable>: Sendable {
    let spec: OptionSpec
    let kind: ValueKind<Value>

    init(_ name: String, _ kind: ValueKind<Value>, isRepeating: Bool = false, summary: String) {
        spec = OptionSpec(
            name: name, placeholder: kind.placeholder, completion: kind.completion, isRepeating: isRepeating,
            summary: summary)
        self.kind = kind
    }
}

/// An option without a value.
struct Flag: Sendable {
    let spec: OptionSpec

    init(_ name: String, summary: String) {
        spec = OptionSpec(name: name, placeholder: nil, completion: .nothing, isRepeating: false, summary: summary)
    }
}

/// What the tables say of an argument.
struct ArgumentSpec: Sendable, Hashable {
    enum Count: Sendable, Hashable {
        case one
        case noneOrOne
        case any
    }

    /// "PORT"
    let placeholder: String
    let count: Count
    let completion: Completion
    let summary: String

    /// "PORT", "[PORT]", "[HOST:PORT ...]"
    var synopsis: String {
        switch count {
        case .one: placeholder
        case .noneOrOne: "[\(placeholder)]"
        case .any: "[\(placeholder) ...]"
        }
    }
}

/// An argument: what stands on the command line without a name, told by its place.
struct Argument<Value: Sendable>: Sendable {
    let spec: ArgumentSpec
    let kind: ValueKind<Value>

    init(_ kind: ValueKind<Value>, _ count: ArgumentSpec.Count = .one, summary: String) {
        spec = ArgumentSpec(placeholder: kind.placeholder, count: count, completion: kind.completion, summary: summary)
        self.kind = kind
    }
}
