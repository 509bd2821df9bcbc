package import Delivery
package import Wire

/// A one-shot command of the client: goes in, does one thing, and leaves.
///
///     groups:   groups, page by page
///     post:     join ── joined ──> post ── posted ──> done
///     read:     join ── joined ──> since, page by page, or read one
///
/// A lost link begins again at the first step; a post keeps its id, so that it is stored once.
package struct BoardErrandMachine: Sendable {
    package enum Errand: Equatable, Sendable {
        case groups
        case post(group: String, BoardDraft)
        /// All that may be seen, or the post with an ID.
        case read(group: String, id: Int64?)
    }

    /// How it ended.
    package enum Outcome: Equatable, Sendable {
        case done
        /// The server said no.
        case refused(SafeText)
        /// The server may or may not have the post.
        case unknown
        /// The server cannot be asked this.
        case impossible(SafeText)
    }

    package enum Effect: Equatable, Sendable {
        case send(BoardRequest, number: Int64)
        case answer(BoardAnswer)
        case show(group: String, KeptMessage, isOwn: Bool)
        case posted(MessageID, group: String, offset: Int64)
        /// Lines of a server that speaks text.
        case lines([SafeText])
        case remember
        case finish(Outcome)
    }

    private enum Step: Equatable {
        case away
        case joining
        case working
        case over
    }

    private let name: Nickname
    private let errand: Errand
    package private(set) var memory: BoardMemory
    private var step = Step.away
    private var dialect = BoardLinkMachine.Dialect.json
    private var number: Int64 = 0
    private var answerLines: [SafeText] = []
    /// The last offset that was shown, so that a link that is lost in the middle of a reading shows nothing twice.
    private var lastShown: Int64 = -1

    /// True once a post has left, so that the server may have it.
    package private(set) var postWasSent = false

    package init(_ errand: Errand, name: Nickname, memory: BoardMemory) {
        self.errand = errand
        self.name = name
        self.memory = memory
    }

    package mutating func linkUp(_ dialect: BoardLinkMachine.Dialect) -> [Effect] {
        guard step != .over else { return [] }
        self.dialect = dialect
        switch errand {
        case .groups: return work()
        case .post(let group, let draft):
            if dialect == .text, BoardRequest.post(group: group, draft).command == nil {
                return finish(.impossible(BoardRequest.limitsOfTextPosts))
            }
            // Without an id on the wire a second attempt might be a second post.
            if dialect == .text, postWasSent { return finish(.unknown) }
            return join(group)
        case .read(let group, _): return join(group)
        }
    }

    package mutating func linkDown() { if step != .over { step = .away } }

    private mutating func join(_ group: String) -> [Effect] {
        step = .joining
        return [send(.join(group: group, resume: place(of: group)?.secret))]
    }

    private func place(of group: String) -> BoardPlace? {
        memory.places.first { nameKey($0.group) == nameKey(group) }
    }

    private mutating func work() -> [Effect] {
        step = .working
        switch errand {
        case .groups: return [send(.groups(after: nil, all: true))]
        case .post(let group, let draft):
            postWasSent = true
            return [send(.post(group: group, draft))]
        case .read(let group, let id?): return [send(.read(group: group, .offset(id)))]
        case .read(let group, nil):
            return [
                send(
                    dialect == .json
                        ? .since(group: group, epoch: nil, offset: lastShown, limit: nil)
                        : .list(group: group, before: nil))
            ]
        }
    }

    private mutating func send(_ request: BoardRequest) -> Effect {
        number += 1
        return .send(request, number: number)
    }

    private mutating func finish(_ outcome: Outcome) -> [Effect] {
        step = .over
        return [.finish(outcome)]
    }

    // MARK: - JSON

    package mutating func incoming(_ incoming: BoardIncoming) -> [Effect] {
        guard case .answer(_, let id, let answer) = incoming, step == .joining || step == .working else { return [] }
        if case .post(_, let draft) = errand, step == .working {
            guard id.string == draft.id?.hex else { return [] }
        } else {
            guard id.integer == number else { return [] }
        }
        if let refusal = answer.refusal { return finish(.refused(refusal.text)) }
        switch answer {
        case .joined(let joined):
            var place = place(of: joined.group) ?? BoardPlace(group: joined.group)
            place.group = joined.group
            place.secret = joined.resume
            if place.epoch != joined.epoch {
                place.epoch = joined.epoch
                place.last = -1
            }
            memory.keep(place)
            return [.remember] + work()
        case .alreadyMember: return work()
        case .posted(let group, _, let offset, let message, _):
            return [.posted(message, group: group, offset: offset)] + finish(.done)
        case .message(let group, _, let message):
            return [.show(group: group, message, isOwn: isOwn(message))] + finish(.done)
        case .caughtUp(let page): return read(page)
        case .groups(let groups, _, let next):
            let effects: [Effect] = [.answer(.groups(groups, total: groups.count, next: nil))]
            guard let next else { return effects + finish(.done) }
            return effects + [send(.groups(after: next, all: true))]
        default: return []
        }
    }

    private mutating func read(_ page: CatchUp) -> [Effect] {
        let new = page.messages.filter { $0.offset > lastShown }
        var effects: [Effect] = new.map { .show(group: page.group, $0, isOwn: isOwn($0)) }
        lastShown = max(lastShown, new.last?.offset ?? -1)
        if let next = page.next {
            effects.append(send(.since(group: page.group, epoch: page.epoch, offset: next, limit: nil)))
            return effects
        }
        if var place = place(of: page.group) {
            // Whoever follows the group later has seen these.
            place.last = max(place.last, lastShown)
            memory.keep(place)
            effects.append(.remember)
        }
        return effects + finish(.done)
    }

    private func isOwn(_ message: KeptMessage) -> Bool { nameKey(message.author) == name.key }

    // MARK: - Text

    package mutating func lines(_ lines: [SafeText]) -> [Effect] {
        // What others do is not what was asked for.
        let answer = lines.filter { !BoardTextNotification.contains($0.string) }
        answerLines += answer
        guard step == .working, !answer.isEmpty else { return [] }
        if case .post = errand { return [] }
        return [.lines(answer)]
    }

    package mutating func commandAnswered(_ number: Int64) -> [Effect] {
        guard number == self.number else { return [] }
        let first = answerLines.first { $0.string.hasPrefix("[") || $0.string.hasPrefix("---") }?.string ?? ""
        answerLines = []
        let error =
            first.hasPrefix("[ERROR]")
            ? SafeText(untrusted: "server: " + String(first.dropFirst("[ERROR]".count).trimmed)) : nil
        switch step {
        case .joining:
            if let error { return finish(.refused(error)) }
            return work()
        case .working:
            if let error { return finish(.refused(error)) }
            guard case .post(let group, let draft) = errand else { return finish(.done) }
            guard first.hasPrefix("[SUCCESS]"), let id = draft.id,
                let offset = first.split(separator: " ").last.flatMap({ boardOffset(String($0)) })
            else { return finish(.unknown) }
            return [.posted(id, group: group, offset: offset)] + finish(.done)
        case .away, .over: return []
        }
    }
}
