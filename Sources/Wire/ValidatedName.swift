/// A name that this program registers, checked once where it comes in (the limits of the project's table: a nickname
/// 32 characters and 64 bytes, a group or room 64 bytes, a subject 200 bytes).
package protocol ValidatedName: Hashable, Sendable, CustomStringConvertible {
    /// What is being named, for the sentences of errors: "nickname".
    static var noun: SafeText { get }
    /// The most characters (grapheme clusters).
    static var mostCharacters: Int { get }
    /// The most bytes of UTF-8.
    static var mostBytes: Int { get }
    /// Whether spaces may stand inside.
    static var allowsSpaces: Bool { get }

    /// The name as it was given.
    var text: String { get }

    /// Throws when it is empty, too long, begins or ends with a space, or holds anything that cannot be shown as it is.
    init(validating text: String) throws(NameError)
}

extension ValidatedName {
    /// What two names share that count as the same: case, canonically equivalent spellings and invisible joiners make
    /// no difference. Its bytes may be stored and compared.
    package var key: String { nameKey(text) }

    package var description: String { text }

    /// The name to be shown.
    package var safeText: SafeText { "\(self)" }

    static func check(_ text: String) throws(NameError) {
        guard !text.isEmpty else { throw .empty(noun) }
        let bytes = text.utf8.count
        guard bytes <= mostBytes else { throw .tooManyBytes(noun, most: mostBytes, excess: bytes - mostBytes) }
        // Nearly every name: a character a byte, and none that cannot be shown.
        if isPrintableASCII(text), bytes <= mostCharacters {
            let space = UInt8(ascii: " ")
            guard text.utf8.first != space, text.utf8.last != space else { throw .spaceAtEdge(noun) }
            if !allowsSpaces, text.utf8.contains(space) { throw .space(noun, SafeText(untrusted: text)) }
            return
        }
        let characters = text.count
        guard characters <= mostCharacters else {
            throw .tooManyCharacters(noun, most: mostCharacters, excess: characters - mostCharacters)
        }
        let shown = SafeText(untrusted: text)
        // Bytes, since two strings are equal when they are canonically equivalent.
        guard shown.string.utf8.elementsEqual(text.utf8) else { throw .unprintable(noun, shown) }
        guard !text.first!.isWhitespace, !text.last!.isWhitespace else { throw .spaceAtEdge(noun) }
        if !allowsSpaces, text.contains(where: \.isWhitespace) { throw .space(noun, shown) }
    }
}

private func isPrintableASCII(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { WordSearch.isPrintableASCII($0) }
}

/// The name of a person.
package struct Nickname: ValidatedName {
    package static let noun: SafeText = "name"
    package static let mostCharacters = 32
    package static let mostBytes = 64
    package static let allowsSpaces = true
    package let text: String

    package init(validating text: String) throws(NameError) {
        try Self.check(text)
        self.text = text
    }
}

/// The name of a group: one word, since commands are split at spaces.
package struct GroupName: ValidatedName {
    package static let noun: SafeText = "group name"
    package static let mostCharacters = 64
    package static let mostBytes = 64
    package static let allowsSpaces = false
    package let text: String

    package init(validating text: String) throws(NameError) {
        try Self.check(text)
        self.text = text
    }
}

/// The name of a room; it may hold spaces.
package struct RoomName: ValidatedName {
    package static let noun: SafeText = "room name"
    package static let mostCharacters = 64
    package static let mostBytes = 64
    package static let allowsSpaces = true
    package let text: String

    package init(validating text: String) throws(NameError) {
        try Self.check(text)
        self.text = text
    }
}

/// The subject of a post; it may hold spaces.
package struct Subject: ValidatedName {
    package static let noun: SafeText = "subject"
    package static let mostCharacters = 200
    package static let mostBytes = 200
    package static let allowsSpaces = true
    package let text: String

    package init(validating text: String) throws(NameError) {
        try Self.check(text)
        self.text = text
    }
}

/// What is wrong with a name.
package enum NameError: Error, Equatable, Sendable {
    case empty(SafeText)
    case tooManyBytes(SafeText, most: Int, excess: Int)
    case tooManyCharacters(SafeText, most: Int, excess: Int)
    case unprintable(SafeText, SafeText)
    case spaceAtEdge(SafeText)
    case space(SafeText, SafeText)

    /// One sentence that says what is wrong and what to do.
    package var message: SafeText {
        switch self {
        case .empty(let noun): "The \(noun) is empty."
        case .tooManyBytes(let noun, let most, let excess):
            "The \(noun) is \(excess) bytes too long; it may have \(most) bytes of UTF-8."
        case .tooManyCharacters(let noun, let most, let excess):
            "The \(noun) is \(excess) characters too long; it may have \(most)."
        case .unprintable(let noun, let shown):
            "The \(noun) '\(shown)' holds a character that cannot be shown; leave it out."
        case .spaceAtEdge(let noun): "The \(noun) begins or ends with a space; leave it out."
        case .space(let noun, let shown): "The \(noun) '\(shown)' holds a space; use one word."
        }
    }
}
