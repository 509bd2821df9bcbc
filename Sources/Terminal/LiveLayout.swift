package import Wire

/// A piece of a line and how it looks.
package struct Span: Hashable, Sendable {
    package var text: SafeText
    package var style: Style

    package init(_ text: SafeText, _ style: Style = .plain) {
        self.text = text
        self.style = style
    }
}

/// A line of the program's own making. A line break in it begins a continuation line.
package struct StyledLine: Hashable, Sendable {
    package var spans: [Span]

    package init(_ spans: [Span] = []) { self.spans = spans }
}

/// The live rows at the bottom of what was printed: what stands above the prompt and may still change, the prompt with
/// the line being typed, and what stands below it.
package struct LiveContent: Equatable, Sendable {
    package var above: [StyledLine]
    package var prompt: StyledLine
    package var buffer: EditBuffer
    package var below: [StyledLine]

    package init(
        above: [StyledLine] = [], prompt: StyledLine, buffer: EditBuffer = EditBuffer(), below: [StyledLine] = []
    ) {
        self.above = above
        self.prompt = prompt
        self.buffer = buffer
        self.below = below
    }
}

/// Live rows as they stand on a screen of a certain width: no row is longer than that.
package struct LiveLayout: Equatable, Sendable {
    /// One row of cells.
    package struct Row: Hashable, Sendable {
        /// What draws it from column 0, without erasing.
        package fileprivate(set) var bytes: [UInt8] = []
        /// Columns that it takes.
        package fileprivate(set) var width = 0
        /// Something in it may be narrower on the screen than believed: what stood there before has to go first.
        package fileprivate(set) var isUncertain = false
        /// The columns at which characters of two columns begin, ascending.
        fileprivate var wideColumns: [Int] = []

        /// Where the row stands when a terminal wraps it anew at a width: how many rows it takes then, and in which of
        /// them a column comes to lie.
        func rewrapped(at columns: Int, column: Int) -> (rows: Int, row: Int) {
            var start = 0
            var rows = 0
            var place: Int?
            repeat {
                var end = min(width, start + columns)
                // A wide character does not straddle two rows.
                if end < width, end - 1 > start, wideColumns.contains(end - 1) { end -= 1 }
                if place == nil, column < end || end >= width { place = rows + max(0, column - start) / columns }
                rows += 1
                start = end
            } while start < width
            return (rows, place ?? 0)
        }
    }

    package private(set) var rows: [Row]
    package private(set) var cursorRow: Int
    package private(set) var cursorColumn: Int

    /// Columns of continuation lines that stand empty.
    static let indent = 4

    /// Lays out content.
    ///
    /// - Parameters:
    ///   - columns: at least 1.
    ///   - limit: rows at most, at least 1: the height of the screen, beyond which the cursor cannot go back. Rows
    ///     around the cursor are the ones that stay.
    package init(_ content: LiveContent, columns: Int, limit: Int, isColored: Bool) {
        var builder = RowBuilder(columns: max(1, columns), isColored: isColored)
        for line in content.above {
            builder.append(line)
            builder.endRow()
        }
        builder.append(content.prompt, unlessWiderThan: columns - 4)
        // Lines after a line break of the typed text begin under its first character.
        let indent = builder.row.width
        for (index, cluster) in content.buffer.clusters.enumerated() {
            builder.append(typed: cluster, indent: indent, isAtCursor: index == content.buffer.cursor)
        }
        if content.buffer.cursor == content.buffer.count { builder.markCursor(isAtEnd: true) }
        for line in content.below {
            builder.endRow()
            builder.append(line)
        }
        builder.endRow()
        rows = builder.rows
        cursorRow = builder.cursorRow
        cursorColumn = builder.cursorColumn
        cut(to: max(1, limit))
    }

    private mutating func cut(to limit: Int) {
        guard rows.count > limit else { return }
        // The prompt's rows end the live rows but for what stands below: as much as fits, up to the cursor's row at
        // least.
        let first = min(rows.count - limit, cursorRow)
        rows = Array(rows[first..<min(first + limit, rows.count)])
        cursorRow -= first
    }
}

/// Fills rows cell by cell.
private struct RowBuilder {
    let columns: Int
    let isColored: Bool
    var rows: [LiveLayout.Row] = []
    var row = LiveLayout.Row()
    var cursorRow = 0
    var cursorColumn = 0

    init(columns: Int, isColored: Bool) {
        self.columns = columns
        self.isColored = isColored
    }

    mutating func endRow() {
        rows.append(row)
        row = LiveLayout.Row()
    }

    mutating func append(_ line: StyledLine, unlessWiderThan limit: Int) {
        let before = (rows.count, row)
        append(line)
        if rows.count > before.0 || row.width > limit {
            rows.removeLast(rows.count - before.0)
            row = before.1
        }
    }

    mutating func append(_ line: StyledLine) {
        for span in line.spans {
            let style = isColored ? span.style : .plain
            for cluster in span.text.string {
                append(cluster, style, indent: LiveLayout.indent)
            }
        }
    }

    mutating func append(typed cluster: Character, indent: Int, isAtCursor: Bool) {
        if let ascii = cluster.asciiValue, ascii >= 0x20, ascii < 0x7F {
            place([ascii], DisplayWidth(1), .plain, isAtCursor: isAtCursor)
            return
        }
        if cluster == "\n" || cluster == "\t" {
            if isAtCursor { markCursor(isAtEnd: false) }
            append(cluster, .plain, indent: indent)
            return
        }
        let original = String(cluster)
        let safe = SafeText(untrusted: original).string
        // What is no ordinary character stands as its escape, told from typed text by how it looks.
        let isEscape = safe != original
        let style = isEscape && isColored ? Style(reversed: true) : .plain
        var isFirst = true
        for shown in safe {
            place(Array(String(shown).utf8), DisplayWidth(of: shown), style, isAtCursor: isAtCursor && isFirst)
            isFirst = false
        }
    }

    private mutating func append(_ cluster: Character, _ style: Style, indent: Int) {
        switch cluster {
        case "\n":
            endRow()
            pad(to: min(indent, columns / 2))
        case "\t": pad(to: min(columns, (row.width / 8 + 1) * 8))
        default: place(Array(String(cluster).utf8), DisplayWidth(of: cluster), style, isAtCursor: false)
        }
    }

    private mutating func pad(to column: Int) {
        while row.width < column {
            row.bytes.append(UInt8(ascii: " "))
            row.width += 1
        }
    }

    private mutating func place(_ bytes: [UInt8], _ width: DisplayWidth, _ style: Style, isAtCursor: Bool) {
        // A character wider than the screen has no place on it.
        guard width.columns <= columns else {
            return place([UInt8(ascii: "?")], DisplayWidth(1), style, isAtCursor: isAtCursor)
        }
        if row.width + width.columns > columns { endRow() }
        if isAtCursor { markCursor(isAtEnd: false) }
        style.appendStart(to: &row.bytes)
        // A mark without a base would be drawn over the cell before it.
        if width.columns == 0 { row.bytes.append(contentsOf: "\u{25CC}".utf8) }
        row.bytes.append(contentsOf: bytes)
        style.appendEnd(to: &row.bytes)
        if width.columns == 2 { row.wideColumns.append(row.width) }
        row.width += max(1, width.columns)
        row.isUncertain = row.isUncertain || width.isUncertain
        // CHA: whatever the terminal made of the cluster, what follows stands where it belongs.
        if width.isUncertain, row.width < columns { row.bytes.append(contentsOf: "\u{1B}[\(row.width + 1)G".utf8) }
    }

    mutating func markCursor(isAtEnd: Bool) {
        // Behind a full row the cursor stands at the begin of the next.
        if isAtEnd, row.width >= columns { endRow() }
        cursorRow = rows.count
        cursorColumn = min(row.width, columns - 1)
    }
}
