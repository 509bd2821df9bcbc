/// An incremental search through the history.
package struct HistorySearch: Equatable, Sendable {
    package internal(set) var query = ""

    /// Nothing older holds the query.
    package internal(set) var hasFailed = false

    /// The line that was found; the number of lines before anything was.
    var place: Int

    /// What stood in the editor before the search.
    let saved: EditBuffer

    init(saved: EditBuffer, place: Int) {
        self.saved = saved
        self.place = place
    }
}

/// Keys while the history is searched.
extension LineEditor {
    mutating func beginSearch() {
        search = HistorySearch(saved: buffer, place: history.lines.count)
    }

    /// Takes a key while searching; nil where the key ends the search and is then taken as usual.
    mutating func pressedInSearch(_ key: Key) -> [Effect]? {
        guard var search else { return nil }
        switch key {
        case .text(let text):
            // One by one, so that it does not matter how they arrived.
            var effects: [Effect] = []
            for character in text {
                effects = look(for: search.query + String(character), from: &search, includingCurrent: true)
            }
            return effects
        case .backspace:
            guard !search.query.isEmpty else { return [.bell] }
            // From the newest again: what was passed may match the shorter query.
            search.place = history.lines.count
            return look(for: String(search.query.dropLast()), from: &search, includingCurrent: false)
        case .control("r"): return look(for: search.query, from: &search, includingCurrent: false)
        case .control("s"):
            guard let match = history.match(search.query, after: search.place) else { return [.bell] }
            found(match, in: &search)
            return []
        case .control("g"), .control("c"):
            buffer = search.saved
            self.search = nil
            return []
        case .escape:
            endSearch(search)
            return []
        default:
            endSearch(search)
            return nil
        }
    }

    private mutating func look(for query: String, from search: inout HistorySearch, includingCurrent: Bool) -> [Effect]
    {
        search.query = query
        defer { self.search = search }
        guard !query.isEmpty else {
            search.hasFailed = false
            search.place = history.lines.count
            buffer = search.saved
            return []
        }
        guard let match = history.match(query, before: search.place + (includingCurrent ? 1 : 0)) else {
            search.hasFailed = true
            return [.bell]
        }
        found(match, in: &search)
        return []
    }

    private mutating func found(_ match: Int, in search: inout HistorySearch) {
        search.place = match
        search.hasFailed = false
        buffer = EditBuffer(history.lines[match])
        self.search = search
    }

    private mutating func endSearch(_ search: HistorySearch) {
        if search.place < history.lines.count { goOn(at: search.place, draft: search.saved) }
        self.search = nil
    }
}
