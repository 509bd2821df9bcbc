/// A text under the cursor, by grapheme clusters: what a person calls a character is moved over and deleted as one.
package struct EditBuffer: Equatable, Sendable {
    /// The text, a cluster an element. Joined, they are the text, and segmenting that text gives them again.
    package private(set) var clusters: [Character] = []

    /// How many clusters stand before the cursor.
    package private(set) var cursor = 0

    /// Bytes of the text in UTF-8.
    package private(set) var byteCount = 0

    /// Bytes between where the last insertion ended and the cursor: not 0 where what was inserted has joined what follows
    /// it, inside of which no cursor stands. What is typed next goes on where the insertion ended, so that a cluster that
    /// arrives in pieces becomes the same as one that arrives at once.
    private var joined = 0

    package init() {}

    /// A text with the cursor at its end.
    package init(_ text: String) {
        clusters = Array(text)
        cursor = clusters.count
        byteCount = text.utf8.count
    }

    package var text: String { String(clusters) }
    package var isEmpty: Bool { clusters.isEmpty }
    package var count: Int { clusters.count }

    /// The text before the cursor.
    package var textBeforeCursor: String { String(clusters[..<cursor]) }

    package mutating func moveCursor(to place: Int) {
        cursor = min(max(0, place), clusters.count)
        joined = 0
    }

    /// Replaces a part of the text; the cursor ends behind what was inserted.
    ///
    /// What is inserted may join its neighbours (a combining mark, a joiner, half a flag), and what is removed may let
    /// two join that were apart, so the neighbourhood is segmented again.
    package mutating func replace(_ range: Range<Int>, with text: String) {
        replace(range, with: text, goingBack: 0)
        if text.isEmpty { joined = 0 }
    }

    /// - Parameter count: bytes at the end of the inserted text behind which the cursor does not stand.
    private mutating func replace(_ range: Range<Int>, with text: String, goingBack count: Int) {
        // A boundary depends on the clusters beside it only, except between regional indicators, which pair up from the
        // first of their run (UAX 29, GB12 and GB13): the whole run is looked at.
        var lower = max(0, range.lowerBound - 1)
        while lower > 0, clusters[lower].isRegionalIndicatorRun || clusters[lower - 1].isRegionalIndicatorRun {
            lower -= 1
        }
        var upper = min(clusters.count, range.upperBound + 1)
        while upper < clusters.count,
            clusters[upper - 1].isRegionalIndicatorRun || clusters[upper].isRegionalIndicatorRun
        {
            upper += 1
        }
        let before = String(clusters[lower..<range.lowerBound]) + text
        let whole = before + String(clusters[range.upperBound..<upper])
        let segmented = Array(whole)
        byteCount += whole.utf8.count - String(clusters[lower..<upper]).utf8.count
        clusters.replaceSubrange(lower..<upper, with: segmented)
        // The cursor stands behind the last scalar that was inserted; inside a cluster it moves to that cluster's end.
        var place = 0
        var bytes = 0
        let target = before.utf8.count - count
        while bytes < target {
            bytes += segmented[place].utf8.count
            place += 1
        }
        cursor = lower + place
        joined = bytes - target
    }

    package mutating func insert(_ text: String) {
        guard joined > 0 else { return replace(cursor..<cursor, with: text) }
        let cluster = Array(String(clusters[cursor - 1]).utf8)
        let end = cluster.count - joined
        let whole =
            String(decoding: cluster[..<end], as: UTF8.self) + text + String(decoding: cluster[end...], as: UTF8.self)
        replace((cursor - 1)..<cursor, with: whole, goingBack: joined)
    }

    // MARK: Places

    /// Where the line of the cursor begins: after the line break before it.
    package var lineStart: Int { (clusters[..<cursor].lastIndex(of: "\n") ?? -1) + 1 }

    /// Where the line of the cursor ends: before the next line break.
    package var lineEnd: Int { clusters[cursor...].firstIndex(of: "\n") ?? clusters.count }

    /// The begin of the word before the cursor: letters, digits and underscores.
    package var previousWordStart: Int {
        var place = cursor
        while place > 0, !clusters[place - 1].isPartOfWord { place -= 1 }
        while place > 0, clusters[place - 1].isPartOfWord { place -= 1 }
        return place
    }

    /// The end of the word after the cursor.
    package var nextWordEnd: Int {
        var place = cursor
        while place < count, !clusters[place].isPartOfWord { place += 1 }
        while place < count, clusters[place].isPartOfWord { place += 1 }
        return place
    }

    /// The begin of what stands before the cursor up to white space.
    package var previousBlankStart: Int {
        var place = cursor
        while place > 0, clusters[place - 1].isWhitespace { place -= 1 }
        while place > 0, !clusters[place - 1].isWhitespace { place -= 1 }
        return place
    }

    /// The same column one line up, or nil in the first line.
    package var placeAbove: Int? {
        let start = lineStart
        guard start > 0 else { return nil }
        let column = cursor - start
        let above = (clusters[..<(start - 1)].lastIndex(of: "\n") ?? -1) + 1
        return min(above + column, start - 1)
    }

    /// The same column one line down, or nil in the last line.
    package var placeBelow: Int? {
        let end = lineEnd
        guard end < count else { return nil }
        let column = cursor - lineStart
        let below = end + 1
        let belowEnd = clusters[below...].firstIndex(of: "\n") ?? count
        return min(below + column, belowEnd)
    }
}

extension Character {
    /// Whether it belongs to a run of regional indicators (flags).
    fileprivate var isRegionalIndicatorRun: Bool {
        unicodeScalars.first.map { (0x1F1E6...0x1F1FF).contains($0.value) } ?? false
    }

    /// Whether words go on through it.
    package var isPartOfWord: Bool { isLetter || isNumber || self == "_" }
}
