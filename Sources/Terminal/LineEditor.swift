/// The line being typed: keys in, edits and effects out. It knows nothing of screens and descriptors.
package struct LineEditor: Sendable {
    /// Bytes of the text; what would exceed them is not inserted, and an effect says so.
    package static let textLimit = 65_536

    /// Steps that can be undone.
    static let undoLimit = 200

    /// What a key led to, beside the edited text.
    package enum Effect: Equatable, Sendable {
        /// A line was finished; the editor is empty again. `beginsWithPaste` says that its begin was not typed.
        case submitted(String, beginsWithPaste: Bool)
        /// Ctrl+C or Ctrl+D at an empty line.
        case quit
        /// Ctrl+L.
        case clearScreen
        /// Ctrl+Z.
        case suspend
        /// The key could not be followed.
        case bell
        /// What was typed or pasted would have made the text longer than `textLimit`; it was not inserted.
        case tooLong
    }

    package internal(set) var buffer = EditBuffer()
    package private(set) var history: InputHistory

    /// The incremental search under way; nil outside one.
    package internal(set) var search: HistorySearch?

    /// The candidates of the completion under way; nil outside one.
    package private(set) var completion: ActiveCompletion?

    /// A completion that goes on with each Tab.
    package struct ActiveCompletion: Equatable, Sendable {
        package let candidates: [String]
        package fileprivate(set) var selected: Int
        fileprivate var range: Range<Int>
    }

    private var killRing = KillRing()
    private var undoStack: [EditBuffer] = []
    private var beginsWithPaste = false

    /// Place in the history while going through it; `history.lines.count` is the draft.
    private var historyPlace: Int

    /// What was typed before going into the history.
    private var draft = EditBuffer()

    /// What the key before did, for keys whose meaning goes on.
    private var lastAction = Action.other

    private enum Action: Equatable {
        case typing
        case kill
        case yank(Range<Int>)
        case other
    }

    package init(history: InputHistory = InputHistory()) {
        self.history = history
        historyPlace = history.lines.count
    }

    package var text: String { buffer.text }

    // MARK: Keys

    /// Takes one key.
    ///
    /// - Parameter complete: asked on Tab, with the text before the cursor.
    package mutating func pressed(_ key: Key, complete: (String) -> Completions = { _ in .none }) -> [Effect] {
        if search != nil, let effects = pressedInSearch(key) { return effects }
        if completion != nil, key != .tab, key != .backTab {
            completion = nil
            if key == .escape { return [] }
        }
        let before = lastAction
        lastAction = .other
        switch key {
        case .text(let text): return type(text, continuing: before == .typing)
        case .paste(let text): return paste(text)
        case .enter: return submit()
        case .lineBreak: return type("\n", continuing: before == .typing)
        case .tab: return goOn(complete, forward: true)
        case .backTab: return goOn(complete, forward: false)
        case .backspace: return remove(from: buffer.cursor - 1, to: buffer.cursor)
        case .delete: return remove(from: buffer.cursor, to: buffer.cursor + 1)
        case .left: return move(to: buffer.cursor - 1)
        case .right: return move(to: buffer.cursor + 1)
        case .up: return moveUp()
        case .down: return moveDown()
        case .wordLeft: return move(to: buffer.previousWordStart)
        case .wordRight: return move(to: buffer.nextWordEnd)
        case .home: return move(to: buffer.lineStart)
        case .end: return move(to: buffer.lineEnd)
        case .metaBackspace: return kill(from: buffer.previousWordStart, to: buffer.cursor, after: before, before: true)
        case .control(let letter): return pressedControl(letter, after: before)
        case .meta(let letter): return pressedMeta(letter, after: before)
        case .escape, .pageUp, .pageDown, .unknown: return []
        }
    }

    private mutating func pressedControl(_ letter: Character, after before: Action) -> [Effect] {
        switch letter {
        case "a": return move(to: buffer.lineStart)
        case "b": return move(to: buffer.cursor - 1)
        case "c":
            if buffer.isEmpty { return [.quit] }
            clear()
            return []
        case "d":
            if buffer.isEmpty { return [.quit] }
            return remove(from: buffer.cursor, to: buffer.cursor + 1)
        case "e": return move(to: buffer.lineEnd)
        case "f": return move(to: buffer.cursor + 1)
        case "k":
            // At the end of a line it takes the line break.
            let end = buffer.lineEnd == buffer.cursor ? buffer.cursor + 1 : buffer.lineEnd
            return kill(from: buffer.cursor, to: end, after: before, before: false)
        case "l": return [.clearScreen]
        case "n": return goThroughHistory(to: historyPlace + 1)
        case "p": return goThroughHistory(to: historyPlace - 1)
        case "r":
            beginSearch()
            return []
        case "t": return transpose()
        case "u":
            let start = buffer.lineStart == buffer.cursor ? buffer.cursor - 1 : buffer.lineStart
            return kill(from: start, to: buffer.cursor, after: before, before: true)
        case "w": return kill(from: buffer.previousBlankStart, to: buffer.cursor, after: before, before: true)
        case "y": return yank()
        case "z": return [.suspend]
        case "_": return undo()
        default: return []
        }
    }

    private mutating func pressedMeta(_ letter: Character, after before: Action) -> [Effect] {
        switch letter {
        case "b": return move(to: buffer.previousWordStart)
        case "f": return move(to: buffer.nextWordEnd)
        case "d": return kill(from: buffer.cursor, to: buffer.nextWordEnd, after: before, before: false)
        case "y": return yankEarlier(after: before)
        case "<": return goThroughHistory(to: 0)
        case ">": return goThroughHistory(to: history.lines.count)
        default: return []
        }
    }

    // MARK: Typing

    private mutating func type(_ text: String, continuing: Bool) -> [Effect] {
        guard buffer.byteCount + text.utf8.count <= Self.textLimit else { return [.tooLong] }
        // A run of typing is undone as one.
        if !continuing { remember() }
        if buffer.cursor == 0 { beginsWithPaste = false }
        buffer.insert(text)
        lastAction = .typing
        return []
    }

    private mutating func paste(_ text: String) -> [Effect] {
        guard !text.isEmpty else { return [] }
        guard buffer.byteCount + text.utf8.count <= Self.textLimit else { return [.tooLong] }
        remember()
        if buffer.cursor == 0 { beginsWithPaste = true }
        buffer.insert(text)
        return []
    }

    private mutating func submit() -> [Effect] {
        let text = buffer.text
        let beginsWithPaste = beginsWithPaste
        history.add(text)
        clear()
        return [.submitted(text, beginsWithPaste: beginsWithPaste)]
    }

    /// An empty line, at the end of the history.
    private mutating func clear() {
        buffer = EditBuffer()
        undoStack = []
        beginsWithPaste = false
        historyPlace = history.lines.count
        draft = EditBuffer()
        completion = nil
        search = nil
    }

    /// Puts a text into the editor, for a mode that offers one to be edited.
    package mutating func setText(_ text: String) {
        clear()
        buffer = EditBuffer(text)
    }

    private mutating func transpose() -> [Effect] {
        guard buffer.count >= 2, buffer.cursor >= 1 else { return [.bell] }
        remember()
        let second = min(buffer.cursor, buffer.count - 1)
        let pair = String(buffer.clusters[second]) + String(buffer.clusters[second - 1])
        buffer.replace((second - 1)..<(second + 1), with: pair)
        return []
    }

    // MARK: Moving

    private mutating func move(to place: Int) -> [Effect] {
        buffer.moveCursor(to: place)
        return []
    }

    private mutating func moveUp() -> [Effect] {
        if let place = buffer.placeAbove { return move(to: place) }
        return goThroughHistory(to: historyPlace - 1)
    }

    private mutating func moveDown() -> [Effect] {
        if let place = buffer.placeBelow { return move(to: place) }
        return goThroughHistory(to: historyPlace + 1)
    }

    private mutating func goThroughHistory(to place: Int) -> [Effect] {
        guard place != historyPlace, place >= 0, place <= history.lines.count else { return [.bell] }
        if historyPlace == history.lines.count { draft = buffer }
        historyPlace = place
        show(historyAt: place)
        return []
    }

    private mutating func show(historyAt place: Int) {
        undoStack = []
        beginsWithPaste = false
        if place == history.lines.count {
            buffer = draft
        } else {
            buffer = EditBuffer(history.lines[place])
        }
    }

    /// Takes a line of the history that a search has found as if one had gone there.
    mutating func goOn(at place: Int, draft: EditBuffer) {
        if historyPlace == history.lines.count { self.draft = draft }
        historyPlace = place
        undoStack = []
        beginsWithPaste = false
    }

    // MARK: Deleting and yanking

    private mutating func remove(from: Int, to: Int) -> [Effect] {
        guard from >= 0, to <= buffer.count, from < to else { return [.bell] }
        remember()
        buffer.replace(from..<to, with: "")
        if buffer.isEmpty { beginsWithPaste = false }
        return []
    }

    private mutating func kill(from: Int, to: Int, after action: Action, before: Bool) -> [Effect] {
        let range = max(0, from)..<min(buffer.count, to)
        guard !range.isEmpty else { return [.bell] }
        remember()
        killRing.kill(String(buffer.clusters[range]), joining: action == .kill, before: before)
        buffer.replace(range, with: "")
        if buffer.isEmpty { beginsWithPaste = false }
        lastAction = .kill
        return []
    }

    private mutating func yank() -> [Effect] {
        killRing.resetRotation()
        return insertYanked(replacing: buffer.cursor..<buffer.cursor)
    }

    private mutating func yankEarlier(after action: Action) -> [Effect] {
        guard case .yank(let range) = action else { return [.bell] }
        killRing.rotate()
        return insertYanked(replacing: range)
    }

    private mutating func insertYanked(replacing range: Range<Int>) -> [Effect] {
        guard let text = killRing.current else { return [.bell] }
        guard buffer.byteCount + text.utf8.count <= Self.textLimit else { return [.tooLong] }
        remember()
        let start = range.lowerBound
        buffer.replace(range, with: text)
        lastAction = .yank(min(start, buffer.cursor)..<buffer.cursor)
        return []
    }

    private mutating func remember() {
        undoStack.append(buffer)
        if undoStack.count > Self.undoLimit { undoStack.removeFirst() }
    }

    private mutating func undo() -> [Effect] {
        guard let earlier = undoStack.popLast() else { return [.bell] }
        buffer = earlier
        return []
    }

    // MARK: Completion

    private mutating func goOn(_ complete: (String) -> Completions, forward: Bool) -> [Effect] {
        if var active = completion {
            let count = active.candidates.count
            active.selected = (active.selected + (forward ? 1 : count - 1)) % count
            insert(&active)
            return []
        }
        let found = complete(buffer.textBeforeCursor)
        guard forward, !found.candidates.isEmpty, found.replacing <= buffer.cursor else { return [.bell] }
        remember()
        let start = buffer.cursor - found.replacing
        var active = ActiveCompletion(candidates: found.candidates, selected: 0, range: start..<buffer.cursor)
        insert(&active)
        // Where there is no choice there is nothing to go on with.
        if active.candidates.count == 1 { completion = nil }
        return []
    }

    private mutating func insert(_ active: inout ActiveCompletion) {
        if active.range.lowerBound == 0 { beginsWithPaste = false }
        buffer.replace(active.range, with: active.candidates[active.selected])
        active.range = min(active.range.lowerBound, buffer.cursor)..<buffer.cursor
        completion = active
    }
}
