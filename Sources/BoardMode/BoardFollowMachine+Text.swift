package import Wire

/// At a server that speaks text, as the original does.
extension BoardFollowMachine {
    /// Lines of a server that speaks text. They are shown as they are; here only the fate of a post is read from them.
    package mutating func lines(_ lines: [SafeText]) {
        answerLines += lines.filter { !BoardTextNotification.contains($0.string) }.prefix(100)
        if answerLines.count > 200 { answerLines.removeFirst(answerLines.count - 200) }
    }

    /// A command of text has its answer, or none in time.
    package mutating func commandAnswered(_ number: Int64) -> [Effect] {
        let lines = answerLines
        answerLines = []
        guard let entry = requests.removeValue(forKey: number) else { return [] }
        var effects: [Effect] = []
        let first = lines.first { $0.string.hasPrefix("[") }
        switch entry.request {
        case .join(let group, _):
            let key = nameKey(group)
            followed[key]?.tag = nil
            if let first, first.string.hasPrefix("[ERROR]") {
                followed[key] = nil
                order.removeAll { $0 == key }
            } else {
                goLive(key, &effects)
            }
        case .post(let group, let draft):
            guard let id = draft.id, let post = posts[id] else { break }
            forget(id)
            let mark = "with ID: "
            if let line = first?.string, line.hasPrefix("[SUCCESS]"), let place = line.firstRange(of: mark),
                let offset = boardOffset(String(line[place.upperBound...].trimmed))
            {
                effects.append(.posted(id, group: group, .accepted(offset: offset), tag: post.tag))
            } else if let line = first?.string, line.hasPrefix("[ERROR]") {
                let reason = SafeText(untrusted: String(line.dropFirst("[ERROR]".count).trimmed))
                let refusal = BoardRefusal(.unknown, reason).attributed
                effects.append(.posted(id, group: group, .refused(refusal), tag: post.tag))
            } else {
                effects.append(.posted(id, group: group, .unknown, tag: post.tag))
            }
        default: break
        }
        return effects
    }
}
