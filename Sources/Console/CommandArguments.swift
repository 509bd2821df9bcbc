/// One argument in the signature of a command: what the help shows, what completion offers, what parsing checks.
package struct CommandArgument: Sendable, Equatable {
    /// What completion offers for it.
    package enum Kind: Sendable, Equatable {
        /// Somebody who is here.
        case member
        case group
        case room
        /// One of these words.
        case choice([String])
        /// One word that completion knows nothing of.
        case word
        /// The rest of the line, with its spaces and line breaks.
        case text
    }

    /// As the help shows it: `NAME`.
    package let name: String
    package let kind: Kind
    package let isRequired: Bool

    package static func required(_ name: String, _ kind: Kind = .word) -> CommandArgument {
        CommandArgument(name: name, kind: kind, isRequired: true)
    }

    package static func optional(_ name: String, _ kind: Kind = .word) -> CommandArgument {
        CommandArgument(name: name, kind: kind, isRequired: false)
    }

    /// `NAME`, or `[NAME]` where it may be left out; choices as `off|on`.
    package var signature: String {
        var text = name
        if case .choice(let words) = kind { text = words.joined(separator: "|") }
        return isRequired ? text : "[\(text)]"
    }
}

/// What followed the word of a command.
package struct CommandArguments: Sendable, Equatable {
    /// Everything after the command word and the spaces that follow it, exactly as it was typed.
    package let raw: String

    /// The words of it, split at spaces, tabs and line breaks.
    package let words: [String]

    package init(_ raw: String) {
        self.raw = raw
        words = raw.split { $0.isCommandSpace }.map(String.init)
    }

    package var count: Int { words.count }

    /// The word at an index, or nil where there are fewer.
    package subscript(_ index: Int) -> String? { index < words.count ? words[index] : nil }

    /// What follows the first `count` words and the spaces after them, with its inner spaces and line breaks; trailing
    /// white space goes.
    package func rest(after count: Int) -> String {
        var rest = raw[...]
        for _ in 0..<count {
            rest = rest.drop { $0.isCommandSpace }
            rest = rest.drop { !$0.isCommandSpace }
        }
        rest = rest.drop { $0.isCommandSpace }
        while let last = rest.last, last.isCommandSpace { rest.removeLast() }
        return String(rest)
    }
}

extension Character {
    /// What separates the words of a typed command.
    package var isCommandSpace: Bool { self == " " || self == "\t" || self == "\n" || self == "\r" || self == "\r\n" }
}
