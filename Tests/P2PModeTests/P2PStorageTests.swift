import Glibc
import P2PMode
import Store
import TestSupport
import Testing
import Wire

/// What a peer keeps from one run to the next.
@Suite struct P2PStorageTests {
    private static let author = NodeID(high: 1, low: 2)
    private static let me = NodeID(high: 3, low: 4)
    private static let start = Timestamp(microseconds: 1_795_188_924_000_000)

    private func message(_ sequence: UInt64, text: String = "x", guest: GuestLine? = nil, isAction: Bool = false)
        -> MeshMessage
    {
        MeshMessage(
            author: Self.author, sequence: sequence, time: Self.start, sender: "a\u{0}ü", text: text,
            isAction: isAction, guest: guest)
    }

    @Test func whatWasKeptComesBack() async throws {
        let store = try await MessageStore.open(path: nil, schema: P2PStorage.schema)
        #expect(
            try await P2PStorage.begin(as: Self.me, in: store, at: Self.start)
                == P2PStorage.Kept(messages: [], selves: []))
        let guest = GuestLine(person: NodeID(high: 5, low: 5), digest: NodeID(high: 6, low: 6), isTimed: true)
        let messages = [message(1), message(2, text: "😀\n", isAction: true), message(5, guest: guest)]
        #expect(
            await P2PStorage.commit(
                messages.reversed().map { .keep($0) } + [.keep(messages[0])], in: store, at: Self.start) == nil)
        let second = try await P2PStorage.begin(as: Self.author, in: store, at: Self.start)
        #expect(second == P2PStorage.Kept(messages: messages, selves: [Self.me]))
        await store.close()
    }

    @Test func itIsBounded() async throws {
        let store = try await MessageStore.open(path: nil, schema: P2PStorage.schema)
        let many = (1...2_500 as ClosedRange<UInt64>).map { P2PStorage.Change.keep(message($0)) }
        #expect(await P2PStorage.commit(many + [.prune], in: store, at: Self.start) == nil)
        let kept = try await P2PStorage.begin(as: Self.me, in: store, at: Self.start)
        #expect(kept.messages.count == MessageLog.messagesPerAuthor)
        #expect(kept.messages.last?.sequence == 2_500)
        let later = try await P2PStorage.begin(as: Self.me, in: store, at: Self.start + .seconds(25 * 3_600))
        #expect(later.messages.isEmpty)
        await store.close()
    }

    /// A restored node shows nothing of what it has, asks only for what it lacks, and knows its own former words.
    @Test func aRestoredNodeAsksOnlyForTheRest() {
        let moment = Moment(monotonic: MonotonicTime(nanoseconds: 0), wall: Self.start)
        var machine = MeshMachine(
            configuration: .init(name: "Me", port: 1), node: Self.me, random: SplitMix64(seed: 1), at: moment)
        machine.restored([message(3), message(4), message(6)], selves: [Self.author], at: moment)
        _ = machine.started([], at: moment)
        _ = machine.opened(
            LinkID(1), direction: .accepted, remote: SocketAddress(ip: .v4(0x0A00_0001), port: 1), at: moment)
        let other = NodeID(high: 9, low: 9)
        let joined = machine.received(
            .mesh(.hello(MeshHello(node: other, name: "B", port: 0))), on: LinkID(1), at: moment)
        #expect(!joined.contains { if case .tell(.message) = $0 { true } else { false } })
        let have = MeshHave(authors: [.init(Self.author, 8)], members: [], wantsAnswer: false)
        let asked = machine.received(.mesh(.have(have)), on: LinkID(1), at: moment)
        #expect(asked.contains(.send(.want([WantedRange(Self.author, from: 7, through: 8)]), to: [LinkID(1)])))
        let shown = machine.received(.mesh(.message(message(7))), on: LinkID(1), at: moment)
        guard
            case .tell(.message(let own))? = shown.first(where: { if case .tell(.message) = $0 { true } else { false } }
            )
        else {
            return #expect(Bool(false))
        }
        #expect(own.isOwn)
        #expect(machine.received(.mesh(.message(message(2))), on: LinkID(1), at: moment).isEmpty)
    }

    /// Back with the same folder: only what was said meanwhile is shown. After kill -9 nothing is missing either.
    @Test func backWithItsMessages() async throws {
        let folder = TemporaryFolder()
        let stays = try await ChatProcess("stays")
        let first = try await ChatProcess("goes", peers: [stays.port], keepsIn: folder.path)
        try await stays.event("joined", ["name": "goes"])
        try await first.type("before")
        try await stays.shows("before")
        try await stays.type("heard by both")
        try await first.shows("heard by both")
        #expect(try await first.quit() == 0)
        try await stays.event("left", ["name": "goes"])
        try await stays.type("missed")
        let second = try await ChatProcess("goes", peers: [stays.port], keepsIn: folder.path)
        try await second.shows("missed")
        #expect(await second.counts == ["missed": 1])
        // Another process cannot use the folder at the same time.
        let refused = try ChildProcess(
            ChildProcess.product("chat"), ["p2p", "0", "--name", "x", "--data", folder.path], mergesErrors: true)
        #expect(try await refused.rest().holds("another process is using"))
        #expect(await refused.exitStatus() == 75)
        _ = await second.kill()
        try await stays.event("lost", ["name": "goes"])
        try await stays.type("missed as well")
        let third = try await ChatProcess("goes", peers: [stays.port], keepsIn: folder.path)
        try await third.shows("missed as well")
        #expect(try await third.quit() == 0)
        #expect(await third.counts.values.allSatisfy { $0 == 1 })
        #expect(await third.counts["heard by both"] == nil, "it was on the disk before the second run")
        #expect(try await stays.quit() == 0)
    }
}
