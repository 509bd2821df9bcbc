package import Wire

/// The groups of a server: who is in which, in which order messages were accepted, and who has acknowledged them.
///
/// A group numbers its messages (offsets), so all members see the same order. A member of ours has a window of messages
/// under way and answers with the lowest offset that it has not shown; an original has one message under way, since
/// its acknowledgement does not say which one it means. Who stays silent is removed from the group.
package struct UDPGroups: Sendable {
    /// Groups in all, and members of one.
    package static let limit = 10_000
    package static let memberLimit = 2_000
    /// Groups that one registration may create.
    package static let createdLimit = 100
    /// A group that has been empty this long makes room for another when there are too many.
    package static let emptyLifetime: Duration = .seconds(3_600)

    /// A member of a group: the timers are per member.
    package struct MemberKey: Hashable, Sendable {
        package var group: String
        package var member: String

        package init(group: String, member: String) {
            self.group = group
            self.member = member
        }
    }

    package struct Post: Sendable, Equatable {
        package var text: String
        package var sender: String
        package var senderKey: String
        package var id: MessageID?
    }

    package enum Effect: Sendable, Equatable {
        /// The message at this offset leaves for these members (keys).
        case relay(groupName: String, offset: UInt64, Post, to: [String])
        case setTimer(MemberKey, after: Duration)
        case cancelTimer(MemberKey)
        /// It has shown what others wrote.
        case shown(MemberKey)
        /// It did not answer in time.
        case removed(MemberKey, groupName: String)
    }

    package enum Refusal: Error, Equatable { case exists, tooMany }

    private var groups: [String: UDPGroup] = [:]
    private var order: [String] = []

    package init() {}

    package var count: Int { groups.count }

    /// In the order in which they were created.
    package var names: [String] { order.compactMap { groups[$0]?.name } }

    package func name(_ key: String) -> String? { groups[key]?.name }

    /// Member keys in the order in which they joined.
    package func members(of key: String) -> [String] { groups[key]?.memberKeys ?? [] }

    package func isMember(_ member: String, of key: String) -> Bool { groups[key]?.has(member) == true }

    package mutating func created(_ name: GroupName, at now: MonotonicTime) throws(Refusal) {
        let key = name.key
        guard groups[key] == nil else { throw .exists }
        if groups.count >= Self.limit {
            guard let stale = order.first(where: { isStale($0, at: now) }) else { throw .tooMany }
            groups[stale] = nil
            order.removeAll { $0 == stale }
        }
        groups[key] = UDPGroup(name: name.text, key: key, emptySince: now)
        order.append(key)
    }

    private func isStale(_ key: String, at now: MonotonicTime) -> Bool {
        guard let since = groups[key]?.emptySince else { return false }
        return now - since >= Self.emptyLifetime
    }

    /// The offset of the first message that the member will get; nil when there is no such group or it is full.
    package mutating func joined(_ member: String, _ key: String, isOurs: Bool) -> UInt64? {
        groups[key]?.joined(member, isOurs: isOurs)
    }

    package mutating func left(_ member: String, _ key: String, at now: MonotonicTime) -> [Effect] {
        groups[key]?.left(member, at: now) ?? []
    }

    /// Accepts a message: it has an offset from now on, and leaves for every member that has room.
    package mutating func posted(_ post: Post, in key: String, at now: MonotonicTime) -> (UInt64, [Effect])? {
        groups[key]?.posted(post, at: now)
    }

    /// A member of ours has shown every message below `next`; an original (nil) the one that is under way.
    package mutating func acknowledged(_ member: String, _ key: String, next: UInt64?) -> [Effect] {
        groups[key]?.acknowledged(member, next: next) ?? []
    }

    package mutating func timedOut(_ timer: MemberKey, at now: MonotonicTime) -> [Effect] {
        groups[timer.group]?.timedOut(timer.member, at: now) ?? []
    }
}

/// One group. (Its methods change it where it lies: a busy group is not copied with every acknowledgement.)
struct UDPGroup: Sendable {
    typealias Effect = UDPGroups.Effect
    typealias Post = UDPGroups.Post

    /// Messages that are kept for members that lag behind; who lags further is removed.
    static let backlogLimit: UInt64 = 512
    /// Messages under way to a member of ours.
    static let window: UInt64 = 32
    /// Sends of a message without any progress before the member is removed: an original's as its own server would, an
    /// end of ours after ten seconds, since it is known to answer.
    static let originalSends = 6
    static let sends = 11
    /// The time between them: an original's own; between our ends it begins shorter and grows (RFC 6298, section 5.5).
    static let originalInterval: Duration = .milliseconds(500)
    static let firstInterval: Duration = .milliseconds(400)
    static let longestInterval: Duration = .seconds(1)

    private struct Member: Sendable {
        var isOurs: Bool
        /// Every message below has been acknowledged; every one below `sent` has left at least once.
        var next: UInt64
        var sent: UInt64
        /// Sends of the message at `next` since there was progress.
        var attempts = 0
        /// While something is missing: the end of what was under way when that was noticed.
        var recovery: UInt64?
        var order: UInt64

        var window: UInt64 { isOurs ? UDPGroup.window : 1 }

        var interval: Duration {
            guard isOurs else { return UDPGroup.originalInterval }
            return min(UDPGroup.firstInterval * (1 << min(max(0, attempts - 1), 8)), UDPGroup.longestInterval)
        }
    }

    let name: String
    let key: String
    /// Nil while it has members.
    private(set) var emptySince: MonotonicTime?
    private var posts: [Post] = []
    /// The offset of the first of `posts`.
    private var firstOffset: UInt64 = 0
    private var members: [String: Member] = [:]
    /// Members that have not acknowledged everything.
    private var lagging = 0
    private var nextOrder: UInt64 = 0

    init(name: String, key: String, emptySince: MonotonicTime) {
        self.name = name
        self.key = key
        self.emptySince = emptySince
    }

    var memberKeys: [String] { members.sorted { $0.value.order < $1.value.order }.map(\.key) }

    func has(_ member: String) -> Bool { members[member] != nil }

    private var nextOffset: UInt64 { firstOffset + UInt64(posts.count) }

    private func post(_ offset: UInt64) -> Post? {
        offset >= firstOffset && offset < nextOffset ? posts[Int(offset - firstOffset)] : nil
    }

    private func timer(_ member: String) -> UDPGroups.MemberKey { .init(group: key, member: member) }

    mutating func joined(_ member: String, isOurs: Bool) -> UInt64? {
        if let existing = members[member], existing.isOurs == isOurs { return existing.next }
        guard members.count < UDPGroups.memberLimit else { return nil }
        let next = nextOffset
        members[member] = Member(isOurs: isOurs, next: next, sent: next, order: nextOrder)
        nextOrder += 1
        emptySince = nil
        return next
    }

    mutating func left(_ member: String, at now: MonotonicTime) -> [Effect] {
        guard remove(member, at: now) else { return [] }
        return [.cancelTimer(timer(member))]
    }

    mutating func posted(_ post: Post, at now: MonotonicTime) -> (UInt64, [Effect]) {
        let offset = nextOffset
        posts.append(post)
        lagging = 0
        var recipients: [(order: UInt64, key: String)] = []
        var effects: [Effect] = []
        var left: [String] = []
        for (memberKey, member) in members {
            if !member.isOurs, memberKey == post.senderKey, member.next == offset {
                // An original is not sent its own words: it would show them as another's.
                members[memberKey]?.next = offset + 1
                members[memberKey]?.sent = offset + 1
                continue
            }
            if offset - member.next >= Self.backlogLimit {
                left.append(memberKey)
                continue
            }
            lagging += 1
            guard member.sent == offset, offset - member.next < member.window else { continue }
            recipients.append((member.order, memberKey))
            members[memberKey]?.sent = offset + 1
            if member.next == offset {
                members[memberKey]?.attempts = 1
                effects.append(.setTimer(timer(memberKey), after: Self.firstInterval(isOurs: member.isOurs)))
            }
        }
        for memberKey in left {
            members[memberKey] = nil
            effects += [.removed(timer(memberKey), groupName: name), .cancelTimer(timer(memberKey))]
        }
        if members.isEmpty { emptySince = now }
        if !recipients.isEmpty {
            recipients.sort { $0.order < $1.order }
            effects.insert(.relay(groupName: name, offset: offset, post, to: recipients.map(\.key)), at: 0)
        }
        trim()
        return (offset, effects)
    }

    mutating func acknowledged(_ memberKey: String, next: UInt64?) -> [Effect] {
        guard var member = members[memberKey] else { return [] }
        let reached: UInt64
        if member.isOurs {
            guard let next, next <= member.sent else { return [] }
            reached = next
        } else {
            guard member.next < member.sent else { return [] }
            reached = member.next + 1
        }
        guard reached > member.next else { return [] }
        var effects: [Effect] = []
        if (member.next..<reached).contains(where: { post($0)?.senderKey != memberKey }) {
            effects.append(.shown(timer(memberKey)))
        }
        member.next = reached
        member.attempts = 0
        if !member.isOurs { skipOwn(&member, memberKey) }
        if let recovery = member.recovery {
            if member.next >= recovery {
                member.recovery = nil
            } else if let post = post(member.next) {
                // What is behind the repeated one is missing too; no need to wait for another timeout to know.
                effects.append(.relay(groupName: name, offset: member.next, post, to: [memberKey]))
                member.attempts = 1
            }
        }
        while let post = post(member.sent), member.sent - member.next < member.window {
            effects.append(.relay(groupName: name, offset: member.sent, post, to: [memberKey]))
            if member.sent == member.next { member.attempts = 1 }
            member.sent += 1
        }
        let isWaiting = member.next < member.sent
        effects.append(
            isWaiting ? .setTimer(timer(memberKey), after: member.interval) : .cancelTimer(timer(memberKey)))
        members[memberKey] = member
        if member.next == nextOffset { caughtUp() }
        return effects
    }

    mutating func timedOut(_ memberKey: String, at now: MonotonicTime) -> [Effect] {
        guard var member = members[memberKey], member.next < member.sent, let post = post(member.next) else {
            return []
        }
        guard member.attempts < (member.isOurs ? Self.sends : Self.originalSends) else {
            remove(memberKey, at: now)
            return [.removed(timer(memberKey), groupName: name)]
        }
        member.attempts += 1
        if member.isOurs { member.recovery = member.sent }
        members[memberKey] = member
        return [
            .relay(groupName: name, offset: member.next, post, to: [memberKey]),
            .setTimer(timer(memberKey), after: member.interval),
        ]
    }

    private static func firstInterval(isOurs: Bool) -> Duration { isOurs ? firstInterval : originalInterval }

    private func skipOwn(_ member: inout Member, _ memberKey: String) {
        while member.next == member.sent, post(member.next)?.senderKey == memberKey {
            member.next += 1
            member.sent += 1
        }
    }

    @discardableResult
    private mutating func remove(_ memberKey: String, at now: MonotonicTime) -> Bool {
        guard let member = members.removeValue(forKey: memberKey) else { return false }
        if members.isEmpty { emptySince = now }
        if member.next < nextOffset { caughtUp() }
        return true
    }

    /// One member fewer has something to acknowledge. When it was the last, nobody needs the messages any more.
    private mutating func caughtUp() {
        lagging -= 1
        guard lagging <= 0 else { return }
        lagging = 0
        firstOffset = nextOffset
        posts.removeAll(keepingCapacity: true)
    }

    /// Drops what every member has acknowledged, in pieces, while some lag behind.
    private mutating func trim() {
        if lagging == 0 {
            firstOffset = nextOffset
            posts.removeAll(keepingCapacity: true)
        } else if posts.count >= 64, posts.count % 64 == 0 {
            let needed = max(firstOffset, members.values.map(\.next).min() ?? nextOffset)
            posts.removeFirst(Int(needed - firstOffset))
            firstOffset = needed
        }
    }
}
