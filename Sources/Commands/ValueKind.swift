import Console
import Wire

/// What may stand where a value is expected: how it is read, how it is called in the help, and how it is completed.
struct ValueKind<Value: Sendable>: Sendable {
    /// The word for it in a synopsis, "PORT".
    let placeholder: String
    let completion: Completion
    let read: @Sendable (String) throws(ValueError) -> Value

    init(
        _ placeholder: String, completion: Completion = .nothing,
        read: @escaping @Sendable (String) throws(ValueError) -> Value
    ) {
        self.placeholder = placeholder
        self.completion = completion
        self.read = read
    }
}

/// What a shell offers for a value.
enum Completion: Hashable, Sendable {
    case nothing
    case words([String])
    case files
    case folders
}

/// A value that is none of its kind: one sentence that says why and what to write.
struct ValueError: Error, Equatable {
    let message: SafeText
}

extension ValueKind {
    /// The same values under another word.
    func named(_ placeholder: String) -> ValueKind {
        ValueKind(placeholder, completion: completion, read: read)
    }
}

extension ValueKind<UInt16> {
    /// A port to listen on.
    static let listeningPort = ValueKind("PORT") { text throws(ValueError) in
        guard let port = parsePort(text) else {
            throw ValueError(message: "'\(text)' is not a port; use a number from 0 to 65535 (0 takes a free one).")
        }
        return port
    }

    /// The port of another program.
    static let port = ValueKind("PORT") { text throws(ValueError) in
        guard let port = parsePort(text), port != 0 else {
            throw ValueError(message: "'\(text)' is not a port; use a number from 1 to 65535.")
        }
        return port
    }
}

extension ValueKind<Int> {
    /// How many, 0 included.
    static let count = ValueKind("N") { text throws(ValueError) in
        guard !text.hasPrefix("+"), let count = Int(text), (0...1_000_000).contains(count) else {
            throw ValueError(message: "'\(text)' is not a number from 0 to 1000000.")
        }
        return count
    }
}

extension ValueKind<Endpoint> {
    /// A host and a port, the port required.
    static let peer = ValueKind("HOST:PORT") { text throws(ValueError) in
        try endpoint(text, defaultPort: nil)
    }

    /// A host, and a port where it is not the usual one.
    static func server(defaultPort: UInt16) -> ValueKind {
        ValueKind("HOST[:PORT]") { text throws(ValueError) in
            try endpoint(text, defaultPort: defaultPort)
        }
    }
}

private func endpoint(_ text: String, defaultPort: UInt16?) throws(ValueError) -> Endpoint {
    do {
        return try Endpoint(parsing: text, defaultPort: defaultPort)
    } catch {
        throw ValueError(message: error.message)
    }
}

extension ValueKind<IPAddress> {
    static let address = ValueKind("ADDRESS") { text throws(ValueError) in
        guard let address = IPAddress(parsing: text) else {
            throw ValueError(
                message: "'\(text)' is not an IP address; use one of this machine, such as 127.0.0.1 or ::1.")
        }
        return address
    }
}

extension ValueKind<String> {
    static let folder = ValueKind("DIR", completion: .folders) { text throws(ValueError) in
        try notEmpty(text, "folder")
    }

    static let file = ValueKind("FILE", completion: .files) { text throws(ValueError) in
        try notEmpty(text, "file")
    }

    /// Any text.
    static func text(_ placeholder: String) -> ValueKind {
        ValueKind(placeholder) { text throws(ValueError) in text }
    }

    private static func notEmpty(_ text: String, _ what: SafeText) throws(ValueError) -> String {
        guard !text.isEmpty else { throw ValueError(message: "The name of the \(what) is empty.") }
        return text
    }
}

extension ValueKind where Value: ValidatedName {
    /// A name, checked by its own rules.
    static func name(_ placeholder: String) -> ValueKind {
        ValueKind(placeholder) { text throws(ValueError) in
            do throws(NameError) {
                return try Value(validating: text)
            } catch {
                throw ValueError(message: error.message)
            }
        }
    }
}

extension ValueKind where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of a few words.
    static func choice(_ placeholder: String) -> ValueKind {
        let words = Value.allCases.map(\.rawValue)
        return ValueKind(placeholder, completion: .words(words)) { text throws(ValueError) in
            guard let value = Value(rawValue: text) else {
                throw ValueError(message: unknownWord(text, among: words))
            }
            return value
        }
    }
}

/// "'x' is none of a, b and c; did you mean 'b'?"
func unknownWord(_ text: String, among words: [String]) -> SafeText {
    let list: SafeText = "\(words.dropLast().joined(separator: ", ")) and \(words.last ?? "")"
    if let near = nearestName(to: text, among: words) {
        return "'\(text)' is none of \(list); did you mean '\(near)'?"
    }
    return "'\(text)' is none of \(list)."
}
