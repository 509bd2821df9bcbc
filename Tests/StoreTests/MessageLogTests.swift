import Delivery
import Store
import TestSupport
import Testing
import Wire

/// What is held in memory and journaled, and what is in the table, are one log to whoever reads it.
@Suite("Message log: journal and table")
struct MessageLogTests {
    let folder = TemporaryFolder()
    /// More than are held: the first of them are in the table.
    static let many = 1_100

    func open() async throws -> MessageStore {
        try await MessageStore.open(path: folder.path(of: "test.db"), schema: Schema(mode: "test"))
    }

    /// Appends messages to conversations in turn, some to each transaction.
    func fill(_ store: MessageStore, _ names: [String], count: Int, each: Int) async throws {
        for first in stride(from: 0, to: count, by: each) {
            try await store.write { (transaction) throws(StoreError) in
                let ids = try names.map { (name) throws(StoreError) in try transaction.conversation(name).id }
                for number in first..<min(first + each, count) {
                    _ = try transaction.append(.sample(number), to: ids[number % ids.count])
                }
            }
        }
    }

    /// Messages in the table, and commits in the journal.
    func rows(_ store: MessageStore) async throws -> (table: Int64, journal: Int64) {
        let counts = try await store.read { (transaction) throws(StoreError) in
            try transaction.rows("SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM journal)")
        }
        guard case .integer(let table) = counts[0][0], case .integer(let journal) = counts[0][1] else {
            return (-1, -1)
        }
        return (table, journal)
    }

    func offsets(_ store: MessageStore, _ name: String, _ page: Transaction.Page) async throws -> [Int64] {
        try await store.read { (transaction) throws(StoreError) in
            let id = try transaction.findConversation(name)!.id
            let messages = try transaction.messages(page, in: id)
            for message in messages {
                guard try transaction.offset(of: message.id, in: id) == message.offset else { return [] }
                guard try transaction.hasMessage(at: message.offset, in: id) else { return [] }
            }
            return messages.map(\.offset)
        }
    }

    @Test("Few messages are in the journal, many go into the table, and nothing is in both")
    func moves() async throws {
        let store = try await open()
        try await fill(store, ["a", "b"], count: 1_000, each: 10)
        #expect(try await rows(store) == (0, 100))
        try await fill(store, ["a", "b"], count: 1_030, each: 10)
        #expect(try await rows(store) == (1_030, 0))
        try await fill(store, ["a", "b"], count: 1_050, each: 10)
        #expect(try await rows(store) == (1_030, 2))
        await store.close()
    }

    @Test("Large messages go into the table sooner, and a transaction of many is written once")
    func movesBytes() async throws {
        let store = try await open()
        try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("a").id
            for number in 0..<10 { _ = try transaction.append(.sample(number, bytes: 100_000), to: id) }
        }
        #expect(try await rows(store) == (0, 1))
        try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("a").id
            for number in 10..<12 { _ = try transaction.append(.sample(number, bytes: 100_000), to: id) }
        }
        #expect(try await rows(store) == (12, 0))
        await store.close()
    }

    @Test("Pages join both, in both orders and within their limits")
    func pages() async throws {
        let store = try await open()
        try await fill(store, ["a"], count: Self.many, each: 100)
        try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.findConversation("a")!.id
            for number in Self.many..<Self.many + 50 { _ = try transaction.append(.sample(number), to: id) }
        }
        #expect(try await rows(store) == (Int64(Self.many), 1))
        let end = Int64(Self.many + 50)
        #expect(try await offsets(store, "a", .init(0 ..< .max, limit: .max)) == Array(0..<end))
        #expect(
            try await offsets(store, "a", .init(0 ..< .max, .newestFirst, limit: 60))
                == Array((end - 60..<end).reversed()))
        let edge = Int64(Self.many)
        #expect(try await offsets(store, "a", .init(edge - 3..<edge + 3, limit: 5)) == Array(edge - 3..<edge + 2))
        // 20 bytes of text, 7 of subject, 6 of author, and 160 for each.
        #expect(
            try await offsets(store, "a", .init(edge - 3..<edge + 3, limit: 9, byteLimit: 4 * 193))
                == Array(edge - 3..<edge + 1))
        #expect(try await offsets(store, "a", .init(edge..<edge + 3, limit: 9)) == Array(edge..<edge + 3))
        await store.close()
    }

    @Test("A page that is full leaves no gap, also where a smaller message of the other part would fit")
    func noGap() async throws {
        let store = try await open()
        try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("a").id
            for number in 0..<30 { _ = try transaction.append(.sample(number, bytes: 40_000), to: id) }
        }
        #expect(try await rows(store) == (30, 0))
        try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.findConversation("a")!.id
            for number in 30..<33 { _ = try transaction.append(.sample(number, bytes: 10), to: id) }
            for number in 33..<36 { _ = try transaction.append(.sample(number, bytes: 40_000), to: id) }
        }
        #expect(try await offsets(store, "a", .init(0..<100, limit: 100, byteLimit: 100_000)) == [0, 1])
        #expect(try await offsets(store, "a", .init(28..<100, limit: 100, byteLimit: 100_000)) == [28, 29, 30, 31, 32])
        #expect(
            try await offsets(store, "a", .init(0..<100, .newestFirst, limit: 100, byteLimit: 130_000))
                == [35, 34, 33, 32, 31, 30])
        #expect(
            try await offsets(store, "a", .init(0..<34, .newestFirst, limit: 100, byteLimit: 50_000))
                == [33, 32, 31, 30])
        await store.close()
    }

    @Test("After a restart both are there, offsets go on, and repeated ids are known")
    func restart() async throws {
        var store = try await open()
        try await fill(store, ["a", "b"], count: Self.many, each: 7)
        let before = try await rows(store)
        #expect(before.table > 0 && before.journal > 0)
        await store.close()

        store = try await open()
        #expect(try await rows(store) == before)
        let half = Int64(Self.many / 2)
        #expect(try await offsets(store, "a", .init(0 ..< .max, limit: .max)) == Array(0..<half))
        #expect(try await offsets(store, "b", .init(0 ..< .max, limit: .max)) == Array(0..<half))
        let (ends, repeats) = try await store.write { (transaction) throws(StoreError) in
            let a = try transaction.findConversation("a")!
            return (
                try transaction.conversations().map(\.nextOffset) + [a.nextOffset],
                [
                    try transaction.append(.sample(0), to: a.id),
                    try transaction.append(.sample(Self.many - 2), to: a.id),
                    try transaction.append(.sample(Self.many), to: a.id),
                ]
            )
        }
        #expect(ends == [half, half, half])
        #expect(
            repeats == [
                Appended(offset: 0, isRepeat: true), Appended(offset: half - 1, isRepeat: true),
                Appended(offset: half, isRepeat: false),
            ])
        await store.close()
    }

    @Test("A place that is taken is a fault in both, also where the messages come out of order")
    func places() async throws {
        let store = try await open()
        try await fill(store, ["other"], count: 1_020, each: 1_020)
        let id = try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("room").id
            _ = try transaction.reserveOffsets(100, in: id)
            _ = try transaction.append(.sample(1), to: id, at: 7)
            _ = try transaction.append(.sample(2), to: id, at: 3)
            return id
        }
        func takenPlaces() async throws {
            for offset in [3, 7] as [Int64] {
                await #expect(throws: StoreError.self) {
                    try await store.write { (transaction) throws(StoreError) in
                        try transaction.append(.sample(9), to: id, at: offset)
                    }
                }
            }
        }
        try await takenPlaces()
        try await fill(store, ["other"], count: 1_100, each: 1_100)
        #expect(try await rows(store).journal == 0)
        try await takenPlaces()
        try await store.write { (transaction) throws(StoreError) in
            _ = try transaction.append(.sample(3), to: id, at: 5)
            _ = try transaction.append(.sample(4), to: id)
        }
        #expect(try await offsets(store, "room", .init(0..<1_000, limit: 10)) == [3, 5, 7, 100])
        #expect(try await offsets(store, "room", .init(0..<1_000, .newestFirst, limit: 3)) == [100, 7, 5])
        await store.close()
    }

    @Test("A transaction that throws leaves no trace, also where it has moved messages or removed them")
    func rollback() async throws {
        var store = try await open()
        try await fill(store, ["a"], count: 20, each: 5)
        let id = try await store.read { (transaction) throws(StoreError) in try transaction.findConversation("a")!.id }
        for removes in [false, true] {
            await #expect(throws: StoreError.closed) {
                try await store.write { (transaction) throws(StoreError) in
                    _ = try transaction.append(.sample(20), to: id)
                    if removes {
                        try transaction.removeMessages(in: id, before: 10)
                        _ = try transaction.append(.sample(21), to: id)
                    }
                    throw .closed
                }
            }
            #expect(try await offsets(store, "a", .init(0 ..< .max, limit: .max)) == Array(0..<20))
        }
        // Moving them fails for want of room, and they stay what they were.
        try await store.limitPages(to: 40)
        await #expect(throws: StoreError.self) {
            try await store.write { (transaction) throws(StoreError) in
                for number in 20..<60 { _ = try transaction.append(.sample(number, bytes: 30_000), to: id) }
            }
        }
        #expect(try await rows(store) == (0, 4))
        #expect(try await offsets(store, "a", .init(0 ..< .max, limit: .max)) == Array(0..<20))
        await store.close()
        store = try await open()
        let next = try await store.write { (transaction) throws(StoreError) in
            try transaction.append(.sample(20), to: id)
        }
        #expect(next == Appended(offset: 20, isRepeat: false))
        await store.close()
    }

    @Test("What is removed is gone from both, its offsets stay used, and its ids are free")
    func removal() async throws {
        var store = try await open()
        try await fill(store, ["a", "b"], count: 20, each: 5)
        let again = try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.findConversation("a")!.id
            try transaction.removeMessages(in: id, before: 10)
            return try transaction.append(.sample(0), to: id)
        }
        #expect(again == Appended(offset: 10, isRepeat: false))
        await store.close()
        store = try await open()
        #expect(try await offsets(store, "a", .init(0 ..< .max, limit: .max)) == [10])
        #expect(try await offsets(store, "b", .init(0 ..< .max, limit: .max)) == Array(0..<10))
        await store.close()
    }

    @Test(
        "A damaged journal is said so, and nothing of it is taken for messages",
        arguments: [
            "UPDATE journal SET messages = x'00'",
            "UPDATE journal SET messages = substr(messages, 1, length(messages) - 1)",
            "UPDATE journal SET messages = messages || x'0102'",
        ] as [StaticString])
    func damage(sql: StaticString) async throws {
        let store = try await open()
        try await fill(store, ["a"], count: 3, each: 3)
        try await store.write { (transaction) throws(StoreError) in _ = try transaction.run(sql) }
        await store.close()
        await #expect(throws: StoreError.corrupt(path: SafeText(untrusted: folder.path(of: "test.db")))) {
            try await open()
        }
    }
}
