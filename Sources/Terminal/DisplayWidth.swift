/// How many columns of a terminal a grapheme cluster takes.
package struct DisplayWidth: Hashable, Sendable {
    /// 0, 1 or 2.
    package let columns: Int

    /// Terminals do not agree on it (East Asian ambiguous, emoji sequences, flags, scripts whose clusters have several
    /// spacing letters, emoji younger than a terminal's tables): after it, the cursor is placed by column.
    package let isUncertain: Bool

    init(_ columns: Int, uncertain: Bool = false) {
        self.columns = columns
        isUncertain = uncertain
    }

    /// The width of a cluster that is no control character, by East_Asian_Width (UAX 11) and emoji presentation
    /// (UTS 51).
    package init(of cluster: Character) {
        let scalars = cluster.unicodeScalars
        let first = scalars.first!
        if scalars.index(after: scalars.startIndex) == scalars.endIndex {
            self.init(Self.columns(of: first), uncertain: Self.isUncertain(first))
            return
        }
        // Whoever follows a base may change its width, or stand beside it: no two terminals agree for all scripts.
        let isEmoji = first.properties.isEmojiPresentation || scalars.contains("\u{FE0F}")
        self.init(isEmoji ? 2 : min(2, scalars.reduce(0) { $0 + Self.columns(of: $1) }), uncertain: true)
    }

    private static func columns(of scalar: Unicode.Scalar) -> Int {
        let value = scalar.value
        if value < 0x300 { return value == 0xAD || (0x7F..<0xA0).contains(value) || value < 0x20 ? 0 : 1 }
        // Vowels and final consonants of Hangul join the initial consonant before them.
        if (0x1160...0x11FF).contains(value) || (0xD7B0...0xD7FF).contains(value) { return 0 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control, .lineSeparator, .paragraphSeparator: return 0
        default: break
        }
        if value < 0x1100 { return 1 }
        return WidthTables.contains(WidthTables.wide, value) || scalar.properties.isEmojiPresentation ? 2 : 1
    }

    /// Of a scalar that is a cluster of its own.
    private static func isUncertain(_ scalar: Unicode.Scalar) -> Bool {
        let value = scalar.value
        if value < 0x7F { return false }
        // The blocks of East Asia that every terminal knows to be wide.
        let isWellKnown =
            (0x3041...0x33FF).contains(value) || (0x4E00...0x9FFF).contains(value) || (0xAC00...0xD7A3).contains(value)
            || (0xFF01...0xFF60).contains(value)
        if isWellKnown { return false }
        return value >= 0x1100 || columns(of: scalar) == 0 || WidthTables.contains(WidthTables.ambiguous, value)
    }
}
