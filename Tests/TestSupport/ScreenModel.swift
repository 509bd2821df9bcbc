/// A small terminal: rows of cells, a cursor, scrolling, automatic wrapping, and what happens when the size changes.
///
/// It knows the control functions that the console uses, and counts those that it does not know, so that a test sees
/// when something else comes through.
package struct ScreenModel: Sendable {
    /// One row: its cells, and whether it continues on the next because the text was wrapped.
    package struct Row: Equatable, Sendable {
        /// A cell holds a cluster; the right half of a wide one is empty.
        var cells: [String] = []
        var isWrapped = false

        package var text: String {
            var text = cells.joined()
            while text.last == " " { text.removeLast() }
            return text
        }
    }

    /// What a terminal takes for the width of a character: they do not agree.
    package enum Widths: Sendable, CaseIterable {
        /// A cluster is one thing, as wide as its base or its emoji.
        case clusters
        /// Every scalar for itself: a family of three is three people side by side.
        case scalars
        /// The same, and what is ambiguous is wide, as fonts of East Asia have it.
        case ambiguousWide
        /// Everything that is visible takes one column.
        case narrow
    }

    package private(set) var columns: Int
    package private(set) var height: Int
    package private(set) var rows: [Row]
    package private(set) var scrollback: [Row] = []
    package private(set) var row = 0
    package private(set) var column = 0
    package private(set) var isCursorShown = true
    package private(set) var pastesAreBracketed = false
    package private(set) var bells = 0

    /// Sequences that no frame of the console should hold.
    package private(set) var unknown: [String] = []

    /// How often a synchronised update has ended: the moments at which people see the screen.
    package private(set) var frames = 0

    /// How many changes were seen: frames, and moves of the cursor outside of one.
    package private(set) var updates = 0

    private let reflows: Bool
    private let widths: Widths
    private var wraps = true
    private var isUpdating = false
    private var partial: [UInt8] = []

    /// Where text ended in the last column and the next character wraps.
    private var isWrapPending = false

    package init(columns: Int, rows height: Int, reflows: Bool = true, widths: Widths = .clusters) {
        self.widths = widths
        self.columns = columns
        self.height = height
        self.reflows = reflows
        rows = Array(repeating: Row(), count: height)
    }

    /// What a cell shows: a space where nothing is, nothing in the right half of a wide character.
    package func cell(row: Int, column: Int) -> String {
        guard rows.indices.contains(row), rows[row].cells.indices.contains(column) else { return " " }
        return rows[row].cells[column]
    }

    /// The text of all rows of the screen.
    package var text: [String] { rows.map(\.text) }

    /// True between the begin and the end of a synchronised update.
    package var isInsideFrame: Bool { isUpdating || !partial.isEmpty }

    /// Everything that was ever printed and is still there, rows that were wrapped joined again.
    package var lines: [String] {
        var lines: [String] = []
        var current = ""
        for row in scrollback + rows {
            current += row.isWrapped ? row.cells.joined() : row.text
            if !row.isWrapped {
                lines.append(current)
                current = ""
            }
        }
        return lines
    }

    // MARK: Bytes

    /// Takes output; calls `atFrameEnd` whenever a synchronised update has ended.
    package mutating func feed(_ bytes: [UInt8], atFrameEnd: (ScreenModel) -> Void = { _ in }) {
        partial += bytes
        var index = 0
        while index < partial.count {
            let before = frames
            guard let next = take(at: index) else { break }
            index = next
            if frames > before { atFrameEnd(self) }
        }
        partial.removeFirst(index)
    }

    /// Takes one character or sequence; nil where it is not whole yet.
    private mutating func take(at start: Int) -> Int? {
        let byte = partial[start]
        switch byte {
        case 0x1B: return takeEscape(at: start)
        case 0x0D:
            column = 0
            isWrapPending = false
        case 0x0A:
            rows[row].isWrapped = false
            lineFeed()
        case 0x08: column = max(0, column - 1)
        case 0x07: bells += 1
        case 0..<0x20, 0x7F: unknown.append("control \(byte)")
        default: return takeText(at: start)
        }
        return start + 1
    }

    /// A run of text up to the next control byte. Clusters are whole because the console writes them so; a run that
    /// ends with the bytes may continue and is kept back, unless it is ASCII.
    private mutating func takeText(at start: Int) -> Int? {
        var end = start
        while end < partial.count, partial[end] >= 0x20, partial[end] != 0x7F { end += 1 }
        if end == partial.count, partial[start..<end].contains(where: { $0 >= 0x80 }) {
            // Up to the last ASCII character before the first that may go on.
            let first = partial[start..<end].firstIndex { $0 >= 0x80 }!
            let safe = max(start, first - 1)
            if safe == start { return nil }
            end = safe
        }
        for cluster in String(decoding: partial[start..<end], as: UTF8.self) { put(cluster) }
        return end
    }

    private mutating func takeEscape(at start: Int) -> Int? {
        guard start + 1 < partial.count else { return nil }
        guard partial[start + 1] == UInt8(ascii: "[") else {
            unknown.append("ESC \(partial[start + 1])")
            return start + 2
        }
        var end = start + 2
        while end < partial.count, (0x20..<0x40).contains(partial[end]) { end += 1 }
        guard end < partial.count else { return nil }
        control(String(decoding: partial[(start + 2)..<end], as: UTF8.self), partial[end])
        return end + 1
    }

    private mutating func control(_ parameters: String, _ final: UInt8) {
        let number = Int(parameters) ?? 1
        switch (final, parameters) {
        case (UInt8(ascii: "A"), _): row = max(0, row - number)
        case (UInt8(ascii: "B"), _): row = min(height - 1, row + number)
        case (UInt8(ascii: "G"), _):
            column = min(columns - 1, number - 1)
            if !isUpdating { updates += 1 }
        case (UInt8(ascii: "H"), ""): (row, column) = (0, 0)
        case (UInt8(ascii: "K"), ""): erase(row, from: column)
        case (UInt8(ascii: "J"), ""):
            erase(row, from: column)
            for below in (row + 1)..<max(row + 1, height) { rows[below] = Row() }
        case (UInt8(ascii: "J"), "2"): rows = Array(repeating: Row(), count: height)
        case (UInt8(ascii: "m"), _): return
        case (UInt8(ascii: "h"), "?7"): wraps = true
        case (UInt8(ascii: "l"), "?7"): wraps = false
        case (UInt8(ascii: "h"), "?25"): isCursorShown = true
        case (UInt8(ascii: "l"), "?25"): isCursorShown = false
        case (UInt8(ascii: "h"), "?2004"): pastesAreBracketed = true
        case (UInt8(ascii: "l"), "?2004"): pastesAreBracketed = false
        case (UInt8(ascii: "h"), "?2026"): isUpdating = true
        case (UInt8(ascii: "l"), "?2026"):
            isUpdating = false
            frames += 1
            updates += 1
        default: unknown.append("CSI \(parameters) \(Character(Unicode.Scalar(final)))")
        }
        isWrapPending = false
    }

    // MARK: Cells

    private mutating func put(_ cluster: Character) {
        guard widths != .clusters else { return put(String(cluster), Self.width(cluster)) }
        for scalar in cluster.unicodeScalars {
            let width = Self.width(scalar, widths)
            if width > 0 {
                put(String(scalar), width)
            } else {
                // A mark stays with the cell before it, and where there is none it is lost.
                let place = isWrapPending || column >= columns ? columns - 1 : column - 1
                if place >= 0, place < rows[row].cells.count { rows[row].cells[place].unicodeScalars.append(scalar) }
            }
        }
    }

    private mutating func put(_ text: String, _ width: Int) {
        if isWrapPending || column + width > columns {
            guard wraps else {
                column = columns - width
                return overwrite(text, width)
            }
            rows[row].isWrapped = true
            column = 0
            isWrapPending = false
            lineFeed()
        }
        overwrite(text, width)
    }

    private mutating func overwrite(_ text: String, _ width: Int) {
        while rows[row].cells.count < column + width { rows[row].cells.append(" ") }
        // Half of a wide character cannot stay.
        if rows[row].cells[column].isEmpty, column > 0 { rows[row].cells[column - 1] = " " }
        let after = column + width
        if after < rows[row].cells.count, rows[row].cells[after].isEmpty { rows[row].cells[after] = " " }
        rows[row].cells[column] = text
        if width == 2 { rows[row].cells[column + 1] = "" }
        column += width
        isWrapPending = column >= columns && wraps
        column = min(column, columns - 1)
    }

    private mutating func erase(_ index: Int, from column: Int) {
        if column < rows[index].cells.count { rows[index].cells.removeLast(rows[index].cells.count - column) }
        rows[index].isWrapped = false
    }

    private mutating func lineFeed() {
        isWrapPending = false
        if row < height - 1 {
            row += 1
        } else {
            scrollback.append(rows.removeFirst())
            rows.append(Row())
        }
    }

    /// Wide: East Asia and emoji, as far as the tests use them.
    private static func width(_ cluster: Character) -> Int {
        let scalar = cluster.unicodeScalars.first!
        let isWide =
            scalar.properties.isEmojiPresentation || (0x1100...0x115F).contains(scalar.value)
            || (0x2E80...0xA4CF).contains(scalar.value) || (0xAC00...0xD7A3).contains(scalar.value)
            || (0xF900...0xFAFF).contains(scalar.value) || (0xFF01...0xFF60).contains(scalar.value)
            || (0x20000...0x3FFFD).contains(scalar.value)
        return isWide ? 2 : 1
    }

    /// Of a scalar alone; 0 for what has no cell of its own.
    private static func width(_ scalar: Unicode.Scalar, _ widths: Widths) -> Int {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        if scalar.value >= 0x1160 && scalar.value <= 0x11FF { return 0 }
        switch widths {
        // What is wide in East Asia is wide everywhere.
        case .narrow: return scalar.properties.isEmojiPresentation ? 1 : width(Character(scalar))
        case .ambiguousWide where (0x391...0x3C9).contains(scalar.value) || (0x410...0x44F).contains(scalar.value):
            return 2
        // More than is ambiguous, which only makes it harder.
        case .ambiguousWide where (0x2010..<0x2E80).contains(scalar.value): return 2
        case .clusters, .scalars, .ambiguousWide: return width(Character(scalar))
        }
    }

    // MARK: Size

    /// The window gets another size: rows that are too long are wrapped anew, or cut off where the terminal does not.
    package mutating func resize(columns: Int, rows height: Int) {
        let cursorIndex = scrollback.count + row
        var all = scrollback + rows
        while all.count - 1 > cursorIndex, all[all.count - 1].cells.isEmpty { all.removeLast() }
        var place = (row: cursorIndex, column: column)
        if reflows {
            (all, place) = Self.rewrap(all, cursor: place, columns: columns)
        } else {
            for index in all.indices where all[index].cells.count > columns {
                all[index].cells.removeLast(all[index].cells.count - columns)
            }
            place.column = min(place.column, columns - 1)
        }
        self.columns = columns
        self.height = height
        let start = max(0, all.count - height)
        scrollback = Array(all[..<start])
        rows = Array(all[start...])
        while rows.count < height { rows.append(Row()) }
        row = max(0, place.row - start)
        column = place.column
        isWrapPending = false
    }

    private static func rewrap(
        _ all: [Row], cursor: (row: Int, column: Int), columns: Int
    ) -> (rows: [Row], cursor: (row: Int, column: Int)) {
        var result: [Row] = []
        var place = (row: 0, column: 0)
        var line: [String] = []
        var cursorOffset: Int?
        for (index, row) in all.enumerated() {
            if index == cursor.row { cursorOffset = line.count + cursor.column }
            line += row.cells
            if row.isWrapped { continue }
            var start = 0
            repeat {
                var end = min(line.count, start + columns)
                // A wide character does not straddle two rows.
                if end < line.count, line[end].isEmpty { end -= 1 }
                let isLast = end >= line.count
                if let offset = cursorOffset, offset >= start, offset < end || isLast {
                    place = (result.count + (offset - start) / columns, (offset - start) % columns)
                    if offset - start < columns { place = (result.count, offset - start) }
                    cursorOffset = nil
                }
                result.append(Row(cells: Array(line[start..<end]), isWrapped: !isLast))
                start = end
            } while start < line.count
            line = []
        }
        while result.count <= place.row { result.append(Row()) }
        return (result, place)
    }
}
