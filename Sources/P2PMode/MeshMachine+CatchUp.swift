import Delivery
import Wire

/// What was missed, for whatever reason: two neighbours compare what they have and ask for the difference.
///
///     link up          have -->  <-- have            each end at once
///     every 30 s       sum  -->                      equal: nothing. Else  <-- have?  have -->
///     what is missing  want -->  <-- message... page
extension MeshMachine {
    // MARK: Comparing

    func ownHave(wantsAnswer: Bool) -> MeshHave {
        MeshHave(
            authors: Array(log.summary.prefix(Self.authorsPerHave)),
            members: membership.offered(at: now.monotonic).map { MeshHave.Member($0.node, $0.version) },
            wantsAnswer: wantsAnswer)
    }

    private var ownSum: MeshSum {
        // This node's own record is part of what its neighbours offer.
        MeshSum(log: log.digest, members: membership.digest(at: now.monotonic) &+ MessageLog.mix(me, ownVersion))
    }

    /// The comparison that heals whatever got lost unnoticed.
    mutating func compareWithAll() {
        guard !neighbours.isEmpty else { return }
        effects.append(.send(.sum(ownSum), to: neighbours.map(\.link)))
        let jitter = Duration.milliseconds(Int.random(in: -2_000...2_000, using: &random))
        timers.schedule(.round, at: after(Self.compareInterval + jitter))
    }

    /// After a connection broke: what was on its way there may have come to the others.
    mutating func recheckSoon() {
        if timers.contains(.recheck) { return }
        rechecks = 2
        timers.schedule(.recheck, at: after(.milliseconds(250)))
    }

    mutating func askAllWhatTheyHave() {
        guard !neighbours.isEmpty else { return }
        effects.append(.send(.sum(ownSum), to: neighbours.map(\.link)))
        rechecks -= 1
        if rechecks > 0 { timers.schedule(.recheck, at: after(.seconds(3))) }
    }

    /// After something was caught up with: the others may have missed it as well.
    mutating func tellAllWhatWeHave() {
        guard !neighbours.isEmpty else { return }
        effects.append(.send(.sum(ownSum), to: neighbours.map(\.link)))
    }

    mutating func receivedSum(_ sum: MeshSum, on id: LinkID) {
        guard sum != ownSum else { return }
        effects.append(.send(.have(ownHave(wantsAnswer: true)), to: [id]))
    }

    mutating func receivedHave(_ have: MeshHave, from node: NodeID, on id: LinkID) {
        if have.wantsAnswer { effects.append(.send(.have(ownHave(wantsAnswer: false)), to: [id])) }
        for author in have.authors.prefix(Self.authorsPerHave) {
            if author.node == me {
                shown(by: node, upTo: author.last)
            } else {
                links[id]!.offers[author.node] = author.last
            }
        }
        var theirs: [NodeID: UInt64] = [:]
        for member in have.members.prefix(Membership.members) { theirs[member.node] = member.version }
        if theirs[me] ?? 0 < ownVersion { effects.append(.send(.member(ownRecord), to: [id])) }
        for record in membership.offered(at: now.monotonic)
        where record.version > 0 && record.node != node && theirs[record.node] ?? 0 < record.version {
            effects.append(.send(.member(record), to: [id]))
        }
        askForMissing(on: id)
    }

    // MARK: Asking

    /// Asks this neighbour for what it offers, is missing here, and is asked of nobody else.
    mutating func askForMissing(on id: LinkID) {
        guard links[id]!.role == .primary, links[id]!.asked.isEmpty else { return }
        var ranges: [WantedRange] = []
        for (author, last) in links[id]!.offers.sorted(by: { $0.key < $1.key }) {
            if ranges.count >= Self.authorsPerRequest { break }
            if requests[author] != nil { continue }
            for hole in log.skipped(of: author, through: last) where hole.upperBound > links[id]!.gone[author] ?? 0 {
                ranges.append(WantedRange(author, from: hole.lowerBound, through: hole.upperBound))
            }
            if let gone = links[id]!.gone[author] { giveUpGone(of: author, through: gone, on: id) }
            let from = log.last(of: author) + 1
            // Another neighbour may still have what is gone here.
            guard from <= last, links[id]!.gone[author] ?? 0 < from else { continue }
            // What comes after the hole is here already.
            let through = log.missing(of: author).map { min($0.upperBound, last) } ?? last
            ranges.append(WantedRange(author, from: from, through: through))
        }
        ask(ranges, on: id)
    }

    private mutating func ask(_ ranges: [WantedRange], on id: LinkID) {
        if ranges.isEmpty {
            // All caught up: whoever is connected to this node only can now do so as well.
            if links[id]!.hasAdvanced {
                links[id]!.hasAdvanced = false
                timers.scheduleIfAbsent(.spread, at: after(.milliseconds(100)))
            }
            return
        }
        links[id]!.asked = ranges
        for range in ranges { requests[range.author] = id }
        effects.append(.send(.want(ranges), to: [id]))
        timers.schedule(.page(id), at: after(Self.pageTime))
    }

    // MARK: Answering

    /// Answers with what is kept: each author's messages in order, and those of different authors in the order of time.
    mutating func answerWant(_ ranges: [WantedRange], on id: LinkID) {
        var page = MeshPage(hasMore: ranges.count > Self.authorsPerRequest)
        var queues: [PageQueue] = []
        for range in ranges.prefix(Self.authorsPerRequest) {
            var budget = Self.pageBytes
            let (messages, gone, isCut) = log.page(range, budget: &budget)
            queues.append(PageQueue(messages: messages, gone: gone, isCut: isCut))
        }
        var budget = Self.pageBytes
        while budget > 0 {
            let next = queues.indices.filter { queues[$0].next != nil }.min { queues[$0].time < queues[$1].time }
            guard let next, var message = queues[next].next else { break }
            message.isCaughtUp = true
            effects.append(.send(.message(message), to: [id]))
            budget -= MessageLog.cost(message)
            queues[next].advance()
        }
        for queue in queues {
            page.gone += queue.goneSoFar
            if queue.isCut || queue.next != nil { page.hasMore = true }
        }
        effects.append(.send(.page(page), to: [id]))
    }

    /// One author's part of an answer, and how much of it has been sent.
    private struct PageQueue {
        let messages: [MeshMessage]
        let gone: [WantedRange]
        let isCut: Bool
        var sent = 0
        /// The latest time that was sent: a clock that went back does not put a message before its predecessor.
        var time: Timestamp

        init(messages: [MeshMessage], gone: [WantedRange], isCut: Bool) {
            self.messages = messages
            self.gone = gone
            self.isCut = isCut
            time = messages.first?.time ?? Timestamp(microseconds: 0)
        }

        var next: MeshMessage? { sent < messages.count ? messages[sent] : nil }

        mutating func advance() {
            sent += 1
            if let next { time = max(time, next.time) }
        }

        /// The holes before what was not sent: those behind it have not been reached.
        var goneSoFar: [WantedRange] {
            guard let next else { return gone }
            return gone.filter { $0.through < next.sequence }
        }
    }

    mutating func receivedPage(_ page: MeshPage, on id: LinkID) {
        let asked = links[id]!.asked
        guard !asked.isEmpty else { return }
        forgetRequests(to: id)
        for range in page.gone.prefix(Self.authorsPerRequest) where asked.contains(where: { $0.author == range.author })
        {
            links[id]!.gone[range.author] = max(links[id]!.gone[range.author] ?? 0, range.through)
        }
        let isOfUse = asked.contains { log.last(of: $0.author) >= $0.from } || !page.gone.isEmpty
        for range in asked {
            let hasAdvanced = log.last(of: range.author) >= range.from
            if hasAdvanced { links[id]!.hasAdvanced = true }
            let isGone = links[id]!.gone[range.author].map { $0 >= range.from } ?? false
            // It offered what it does not have: not asked again until it offers anew.
            if !hasAdvanced, !isGone, !(page.hasMore && isOfUse) { links[id]!.offers[range.author] = nil }
        }
        askForMissing(on: id)
        // What this neighbour could not give, another may.
        for neighbour in neighbours where neighbour.link != id { askForMissing(on: neighbour.link) }
    }

    mutating func pageTimedOut(_ id: LinkID) {
        guard links[id] != nil else { return }
        forgetRequests(to: id)
        for neighbour in neighbours where neighbour.link != id { askForMissing(on: neighbour.link) }
        if links[id]!.role == .primary { askForMissing(on: id) }
    }

    /// Whatever this neighbour was asked for may be asked of others.
    mutating func forgetRequests(to id: LinkID) {
        timers.cancel(.page(id))
        guard let asked = links[id]?.asked, !asked.isEmpty else { return }
        links[id]!.asked = []
        for range in asked where requests[range.author] == id { requests[range.author] = nil }
    }

    // MARK: Holes

    /// A message came before its predecessor. That is usually on its way.
    mutating func foundGap(of author: NodeID, on id: LinkID) {
        if gaps[author] != nil { return }
        gaps[author] = (id, 0)
        timers.schedule(.gap(author), at: after(Self.gapDelay))
        timers.schedule(.patience(author), at: after(Self.gapPatience))
    }

    mutating func gapFilled(of author: NodeID) {
        guard log.missing(of: author) == nil else { return }
        gaps[author] = nil
        timers.cancel(.gap(author))
        timers.cancel(.patience(author))
    }

    /// Asks one neighbour after the other; then the regular comparisons have to do.
    mutating func askForGap(of author: NodeID) {
        guard let gap = gaps[author], let missing = log.missing(of: author) else { return gapFilled(of: author) }
        guard !neighbours.isEmpty, gap.tries < 2 * neighbours.count else { return }
        gaps[author]!.tries += 1
        timers.schedule(.gap(author), at: after(.seconds(1)))
        guard requests[author] == nil else { return }
        let start = neighbours.firstIndex { $0.link == gap.source } ?? 0
        let id = neighbours[(start + gap.tries) % neighbours.count].link
        guard links[id]!.asked.isEmpty else { return }
        ask([WantedRange(author, from: missing.lowerBound, through: missing.upperBound)], on: id)
    }

    /// Nobody has it, not for a long time: what came after it is shown without.
    mutating func gapGivenUp(of author: NodeID) {
        guard let missing = log.missing(of: author) else { return gapFilled(of: author) }
        skip(author, missing, isTold: true)
    }

    /// A neighbour has it no more. When no other offers it, nobody has.
    private mutating func giveUpGone(of author: NodeID, through: UInt64, on id: LinkID) {
        let from = log.last(of: author) + 1
        guard from <= through else { return }
        let hasOther = neighbours.contains { neighbour in
            let link = links[neighbour.link]!
            return neighbour.link != id && link.offers[author] ?? 0 >= from && link.gone[author] ?? 0 < from
        }
        if hasOther { return }
        // Of somebody who is heard for the first time, what was before is no gap but the past.
        skip(author, from...through, isTold: from > 1)
    }

    private mutating func skip(_ author: NodeID, _ missing: ClosedRange<UInt64>, isTold: Bool) {
        if isTold {
            tell(.gap(author: label(of: author), from: missing.lowerBound, through: missing.upperBound))
        }
        for message in log.skip(author, through: missing.upperBound, at: now) {
            effects.append(.keep(message))
            show(message)
        }
        if log.missing(of: author) == nil {
            gapFilled(of: author)
        } else if gaps[author] != nil {
            gaps[author]!.tries = 0
            timers.schedule(.gap(author), at: after(Self.gapDelay))
            timers.schedule(.patience(author), at: after(Self.gapPatience))
        }
    }
}
