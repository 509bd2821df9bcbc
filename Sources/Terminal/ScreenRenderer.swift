/// Columns and rows of a terminal.
package struct ScreenSize: Hashable, Sendable {
    package var columns: Int
    package var rows: Int

    package init(columns: Int, rows: Int) {
        self.columns = max(1, columns)
        self.rows = max(1, rows)
    }
}

/// What a terminal is known to do.
package struct TerminalTraits: Hashable, Sendable {
    /// Understands or ignores synchronised updates (DEC private mode 2026).
    package var hasSynchronizedUpdates: Bool

    /// Wraps long rows anew when it becomes narrower. Most do; xterm, the Linux console and GNU screen cut them off.
    package var reflows: Bool

    package var isColored: Bool

    package init(hasSynchronizedUpdates: Bool = true, reflows: Bool = true, isColored: Bool = true) {
        self.hasSynchronizedUpdates = hasSynchronizedUpdates
        self.reflows = reflows
        self.isColored = isColored
    }
}

/// Draws the live rows and what is printed above them: hide, print, show, in one write.
///
/// The live rows are drawn with automatic wrapping off and one line feed between them, so that each stays one row
/// whatever the terminal thinks of a character's width, and their number is always known. What is printed above wraps
/// as the terminal does it, and is never touched again: the scrollback is the terminal's own.
package struct ScreenRenderer: Sendable {
    private let traits: TerminalTraits

    /// The rows on the screen, and the row and column of the cursor among them. Empty before the first frame.
    private var shown: [LiveLayout.Row] = []
    private var cursorRow = 0
    private var cursorColumn = 0

    /// The size of the screen when they were drawn.
    private var size: ScreenSize?

    package init(traits: TerminalTraits) { self.traits = traits }

    /// The bytes that bring the screen to a new state.
    ///
    /// - Parameters:
    ///   - printed: whole lines, each ended by CR LF, that go above the live rows for good.
    ///   - live: laid out for `size`.
    ///   - size: the size of the screen now.
    /// - Returns: nothing where nothing changed.
    package mutating func frame(printing printed: [UInt8] = [], live: LiveLayout, size: ScreenSize) -> [UInt8] {
        let needsRedraw = !printed.isEmpty || self.size != size
        if !needsRedraw, shown == live.rows {
            guard (cursorRow, cursorColumn) != (live.cursorRow, live.cursorColumn) else { return [] }
            var bytes: [UInt8] = []
            moveCursor(to: live, from: cursorRow, &bytes)
            return bytes
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(printed.count + 256)
        begin(&bytes)
        if needsRedraw {
            goToTop(&bytes, size)
            bytes.append(contentsOf: "\u{1B}[J".utf8)
            bytes.append(contentsOf: printed)
            bytes.append(contentsOf: "\u{1B}[?7l".utf8)
            shown = []
            drawAll(live, size, &bytes)
        } else {
            bytes.append(contentsOf: "\u{1B}[?7l".utf8)
            drawChanges(live, size, &bytes)
        }
        bytes.append(contentsOf: "\u{1B}[?7h".utf8)
        shown = live.rows
        self.size = size
        moveCursor(to: live, from: live.rows.count - 1, &bytes)
        end(&bytes)
        return bytes
    }

    /// The bytes that print lines and leave nothing live: the cursor stands at the begin of an empty row.
    package mutating func hide(printing printed: [UInt8] = [], size: ScreenSize) -> [UInt8] {
        guard !shown.isEmpty else { return printed }
        var bytes: [UInt8] = []
        begin(&bytes)
        goToTop(&bytes, size)
        bytes.append(contentsOf: "\u{1B}[J".utf8)
        bytes.append(contentsOf: printed)
        end(&bytes)
        forget()
        return bytes
    }

    /// The bytes that clear the screen; the next frame begins at its top.
    package mutating func clear() -> [UInt8] {
        forget()
        return Array("\u{1B}[H\u{1B}[2J".utf8)
    }

    /// The screen is not as it was left (another program had it): the next frame begins where the cursor is.
    package mutating func forget() {
        shown = []
        cursorRow = 0
        cursorColumn = 0
        size = nil
    }

    // MARK: Parts of a frame

    private func begin(_ bytes: inout [UInt8]) {
        if traits.hasSynchronizedUpdates { bytes.append(contentsOf: "\u{1B}[?2026h".utf8) }
        bytes.append(contentsOf: "\u{1B}[?25l".utf8)
    }

    private func end(_ bytes: inout [UInt8]) {
        bytes.append(contentsOf: "\u{1B}[?25h".utf8)
        if traits.hasSynchronizedUpdates { bytes.append(contentsOf: "\u{1B}[?2026l".utf8) }
    }

    /// Moves to column 0 of the first live row.
    private func goToTop(_ bytes: inout [UInt8], _ now: ScreenSize) {
        bytes.append(UInt8(ascii: "\r"))
        let up = min(rowsAboveCursor(now), now.rows - 1)
        if up > 0 { bytes.append(contentsOf: "\u{1B}[\(up)A".utf8) }
    }

    /// How many screen rows the live rows above the cursor take, after what a change of size made of them.
    private func rowsAboveCursor(_ now: ScreenSize) -> Int {
        guard let size, !shown.isEmpty, traits.reflows, now.columns < size.columns else { return cursorRow }
        // A row that became too long continues on the next; the cursor stays with its character. Rows end in line
        // feeds, so none is joined with another when the screen becomes wider.
        let above = shown[..<cursorRow].reduce(0) { $0 + $1.rewrapped(at: now.columns, column: 0).rows }
        return above + shown[cursorRow].rewrapped(at: now.columns, column: cursorColumn).row
    }

    private func drawAll(_ live: LiveLayout, _ size: ScreenSize, _ bytes: inout [UInt8]) {
        for (index, row) in live.rows.enumerated() {
            if index > 0 { bytes.append(contentsOf: "\r\n".utf8) }
            draw(row, size, &bytes)
        }
    }

    /// Rewrites the rows that differ. The cursor ends in the last row.
    private func drawChanges(_ live: LiveLayout, _ size: ScreenSize, _ bytes: inout [UInt8]) {
        var place = cursorRow
        for (index, row) in live.rows.enumerated() {
            if index < shown.count {
                guard shown[index] != row else { continue }
                moveVertically(from: place, to: index, &bytes)
                bytes.append(UInt8(ascii: "\r"))
            } else {
                // A line feed, because the row may have to be made by scrolling.
                moveVertically(from: place, to: index - 1, &bytes)
                bytes.append(contentsOf: "\r\n".utf8)
            }
            draw(row, size, &bytes)
            place = index
        }
        let last = live.rows.count - 1
        if shown.count > live.rows.count {
            moveVertically(from: place, to: live.rows.count, &bytes)
            bytes.append(contentsOf: "\r\u{1B}[J".utf8)
            place = live.rows.count
        }
        moveVertically(from: place, to: last, &bytes)
    }

    private func draw(_ row: LiveLayout.Row, _ size: ScreenSize, _ bytes: inout [UInt8]) {
        // Where a cluster turns out narrower than believed, a cell between it and the next is not written to.
        if row.isUncertain { bytes.append(contentsOf: "\u{1B}[K".utf8) }
        bytes.append(contentsOf: row.bytes)
        // What stood there before, and what a cluster takes that the terminal drew wider than believed.
        if row.width < size.columns { bytes.append(contentsOf: "\u{1B}[K".utf8) }
    }

    private func moveVertically(from: Int, to: Int, _ bytes: inout [UInt8]) {
        if to < from { bytes.append(contentsOf: "\u{1B}[\(from - to)A".utf8) }
        if to > from { bytes.append(contentsOf: "\u{1B}[\(to - from)B".utf8) }
    }

    private mutating func moveCursor(to live: LiveLayout, from row: Int, _ bytes: inout [UInt8]) {
        moveVertically(from: row, to: live.cursorRow, &bytes)
        bytes.append(contentsOf: "\u{1B}[\(live.cursorColumn + 1)G".utf8)
        cursorRow = live.cursorRow
        cursorColumn = live.cursorColumn
    }
}
