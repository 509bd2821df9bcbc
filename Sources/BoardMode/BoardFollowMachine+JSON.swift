import Delivery
import Wire

// What a server of ours says, in JSON.
extension BoardFollowMachine {
    package mutating func incoming(_ incoming: BoardIncoming) -> [Effect] {
        var effects: [Effect] = []
        switch incoming {
        case .event(.posted(let group, let epoch, let message)): arrived(message, epoch, group, &effects)
        case .event(let event): effects.append(.event(event))
        case .answer("post", let id, let answer): postAnswered(id, answer, &effects)
        case .answer(_, .integer(let number), let answer):
            guard let entry = requests.removeValue(forKey: number) else { break }
            answered(entry.request, entry.tag, answer, &effects)
        case .answer, .other: break
        }
        return effects
    }

    private mutating func answered(
        _ request: BoardRequest, _ tag: Int, _ answer: BoardAnswer, _ effects: inout [Effect]
    ) {
        switch (request, answer) {
        case (.join(let group, _), .joined(let joined)): self.joined(joined, asked: group, &effects)
        case (.join(let group, _), .alreadyMember): goLive(nameKey(group), &effects)
        case (.join(let group, _), _):
            let key = nameKey(group)
            let tag = followed[key]?.tag ?? tag
            followed[key] = nil
            order.removeAll { $0 == key }
            effects.append(.answer(answer, tag: tag))
            dropPosts(of: key, answer.refusal ?? Self.lost, &effects)
        case (.since(let group, _, _, _), .caughtUp(let page)) where tag < 0:
            caughtUp(page, nameKey(group), &effects)
        case (.since(let group, _, _, _), _) where tag < 0:
            // It could not be read now: what is live goes on, and the gap is known.
            goLive(nameKey(group), &effects)
        default: effects.append(.answer(answer, tag: tag))
        }
    }

    private mutating func joined(_ joined: JoinedGroup, asked group: String, _ effects: inout [Effect]) {
        let key = nameKey(group)
        guard var entry = followed[key] else { return }
        if let known = entry.place.epoch, known != joined.epoch {
            entry.place.last = -1
            effects.append(.reset(group: joined.group))
        }
        entry.place.group = joined.group
        entry.place.secret = joined.resume
        entry.place.epoch = joined.epoch
        entry.state = .catchingUp
        entry.held = []
        entry.isIncomplete = false
        if let tag = entry.tag {
            effects.append(.answer(.joined(joined), tag: tag))
            entry.tag = nil
        }
        if entry.place.last < 0 {
            // The first time here: the newest of what may be seen.
            let hidden = max(0, joined.nextOffset - joined.firstVisible - Self.shownOnJoin)
            entry.place.last = joined.firstVisible + hidden - 1
            if hidden > 0 { effects.append(.earlier(group: joined.group, count: hidden)) }
        }
        followed[key] = entry
        memory.keep(entry.place)
        effects.append(.remember)
        catchUp(key, &effects)
    }

    private mutating func catchUp(_ key: String, _ effects: inout [Effect]) {
        guard let place = followed[key]?.place else { return }
        transmit(
            .since(group: place.group, epoch: place.epoch, offset: place.last, limit: nil), -1, &effects)
    }

    private mutating func caughtUp(_ page: CatchUp, _ key: String, _ effects: inout [Effect]) {
        guard followed[key] != nil else { return }
        if page.isReset {
            followed[key]!.place.last = -1
            followed[key]!.place.epoch = page.epoch
            effects.append(.reset(group: page.group))
        }
        if let gap = page.gap { effects.append(.gap(group: page.group, gap)) }
        for message in page.messages { show(message, key, isCaughtUp: true, &effects) }
        if page.next != nil || followed[key]!.isIncomplete {
            followed[key]!.isIncomplete = followed[key]!.isIncomplete && page.next != nil
            catchUp(key, &effects)
        } else {
            goLive(key, &effects)
        }
        effects.append(.remember)
    }

    mutating func goLive(_ key: String, _ effects: inout [Effect]) {
        guard followed[key] != nil else { return }
        followed[key]!.state = .live
        let held = followed[key]!.held
        followed[key]!.held = []
        for message in held { show(message, key, isCaughtUp: false, &effects) }
        if let tag = followed[key]!.tag {
            followed[key]!.tag = nil
            effects.append(.answer(.alreadyMember(group: followed[key]!.place.group), tag: tag))
        }
        for id in postOrder where posts[id].map({ nameKey($0.group) == key }) ?? false { transmitPost(id, &effects) }
    }

    private mutating func dropPosts(of key: String, _ refusal: BoardRefusal, _ effects: inout [Effect]) {
        for id in postOrder {
            guard let post = posts[id], nameKey(post.group) == key else { continue }
            forget(id)
            effects.append(.posted(id, group: post.group, .refused(refusal), tag: post.tag))
        }
    }

    private mutating func arrived(
        _ message: KeptMessage, _ epoch: Epoch, _ group: String, _ effects: inout [Effect]
    ) {
        let key = nameKey(group)
        guard let entry = followed[key] else { return }
        guard entry.state == .live else {
            if entry.held.count < Self.heldLimit {
                followed[key]!.held.append(message)
            } else {
                followed[key]!.held = []
                followed[key]!.isIncomplete = true
            }
            return
        }
        guard entry.place.epoch == epoch else { return }
        show(message, key, isCaughtUp: false, &effects)
        effects.append(.remember)
    }

    /// Shows a message that was not shown yet.
    private mutating func show(
        _ message: KeptMessage, _ key: String, isCaughtUp: Bool, _ effects: inout [Effect]
    ) {
        guard message.offset > followed[key]!.place.last else { return }
        followed[key]!.place.last = message.offset
        let place = followed[key]!.place
        memory.keep(place)
        // One of our own that was not answered when the link was lost: it is known now, and was shown when it was typed.
        if let post = posts[message.id] {
            forget(message.id)
            effects.append(
                .posted(message.id, group: place.group, .accepted(offset: message.offset), tag: post.tag))
            return
        }
        let isOwn = (try? Nickname(validating: message.author))?.key == name.key
        effects.append(.show(group: place.group, message, isCaughtUp: isCaughtUp, isOwn: isOwn))
    }

    private mutating func postAnswered(_ id: JSON, _ answer: BoardAnswer, _ effects: inout [Effect]) {
        guard let message = id.string.flatMap({ MessageID(hex: $0) }) else { return }
        for (number, entry) in requests {
            if case .post(_, let draft) = entry.request, draft.id == message { requests[number] = nil }
        }
        guard let post = posts[message] else { return }
        forget(message)
        if case .posted(let group, let epoch, let offset, _, _) = answer {
            let key = nameKey(group)
            if let place = followed[key]?.place, place.epoch == epoch, followed[key]?.state == .live,
                offset > place.last
            {
                followed[key]!.place.last = offset
                memory.keep(followed[key]!.place)
                effects.append(.remember)
            }
            effects.append(.posted(message, group: group, .accepted(offset: offset), tag: post.tag))
        } else {
            effects.append(.posted(message, group: post.group, .refused(answer.refusal ?? Self.lost), tag: post.tag))
        }
    }

    /// The server has no command for a request that was to be sent.
    package mutating func impossible(_ number: Int64) -> [Effect] {
        guard let entry = requests.removeValue(forKey: number) else { return [] }
        let refusal = BoardRefusal(.notAllowed, "This server has no such command.")
        guard case .post(let group, let draft) = entry.request, let id = draft.id else {
            return [.answer(.refused(refusal), tag: entry.tag)]
        }
        forget(id)
        let reason = BoardRefusal(.notAllowed, BoardRequest.limitsOfTextPosts)
        return [.posted(id, group: group, .refused(reason), tag: entry.tag)]
    }
}
