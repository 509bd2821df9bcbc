package import Wire

/// Others' names in lines for people: in quotation marks wherever they could be read as more than a name, so that whoever
/// chooses a name chooses no words of the program's.
package enum QuotedName {
    /// What a name must not begin with: the marks of the program's own lines, the time's bracket, a space.
    private static let marks = Array("*!~-[(\" ".utf8)

    /// In front of what is said: `Alice: Hello`.
    static func author(_ name: SafeText) -> SafeText { isTreacherous(name.string) ? quoted(name) : name }

    /// In a sentence of the program's: `Alice joined`. There it is one word, or quoted.
    package static func inSentence(_ name: SafeText) -> SafeText {
        let isMoreThanAWord = name.string.contains { $0.isWhitespace || $0 == "," || $0 == ";" }
        return isMoreThanAWord || isTreacherous(name.string) ? quoted(name) : name
    }

    private static func isTreacherous(_ name: String) -> Bool {
        name.utf8.contains { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: ">") }
            || name.utf8.first.map { marks.contains($0) } ?? true || beginsWithYou(name)
    }

    /// "You" is the reader, with whatever follows that is no more of the word.
    private static func beginsWithYou(_ name: String) -> Bool {
        var utf8 = name.utf8.makeIterator()
        // Nearly every name begins with another letter.
        guard let first = utf8.next(), first | 0x20 == UInt8(ascii: "y") else { return false }
        return name.prefix(3).lowercased() == "you" && !(name.dropFirst(3).first?.isWordPart ?? false)
    }

    private static func quoted(_ name: SafeText) -> SafeText {
        guard name.string.utf8.contains(UInt8(ascii: "\"")) else { return "\"\(name)\"" }
        // A quotation mark inside would end the quotation; it is escaped as everything else is that must not act.
        let escaped = name.string.reduce(into: "") { $0 += $1 == "\"" ? "\\u{22}" : String($1) }
        return "\"\(SafeText(untrusted: escaped))\""
    }
}
