import Delivery
import Platform
import Store
import TestSupport
import Testing
import Wire

@Suite("MessageStore")
struct MessageStoreTests {
    let folder = TemporaryFolder()

    /// Where a store keeps what it keeps: the same is promised in both places.
    enum Place: CaseIterable { case file, memory }

    func open(_ place: Place = .file, migrations: [String] = []) async throws -> MessageStore {
        try await MessageStore.open(
            path: place == .file ? folder.path(of: "test.db") : nil,
            schema: Schema(mode: "test", migrations: migrations))
    }

    @Test("Offsets count from 0 in each conversation and go on after a restart")
    func offsets() async throws {
        var store = try await open()
        let first = try await store.write { (transaction) throws(StoreError) in
            let a = try transaction.conversation("a").id
            let b = try transaction.conversation("b").id
            return [
                try transaction.append(.sample(1), to: a), try transaction.append(.sample(2), to: a),
                try transaction.append(.sample(3), to: b),
            ]
        }
        #expect(first.map(\.offset) == [0, 1, 0])
        #expect(first.allSatisfy { !$0.isRepeat })
        await store.close()

        store = try await open()
        let (conversation, appended) = try await store.write { (transaction) throws(StoreError) in
            let a = try transaction.conversation("a")
            return (a, try transaction.append(.sample(4), to: a.id))
        }
        #expect(conversation.nextOffset == 2)
        #expect(appended.offset == 2)
        await store.close()
    }

    @Test("What is read is what was written, also text that is empty, long or not plain")
    func roundTrip() async throws {
        let messages = [
            Sample(id: 1, author: "alice", subject: nil, text: ""),
            Sample(id: 2, author: "", subject: "", text: "a\nb\t\u{0}c"),
            Sample(id: 3, author: "Ünï", subject: "two words", text: String(repeating: "部屋 👩‍👩‍👧 ", count: 1_000)),
        ]
        var store = try await open()
        try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("a").id
            for message in messages { _ = try transaction.append(message, to: id) }
        }
        await store.close()
        store = try await open()
        let read = try await store.read { (transaction) throws(StoreError) in
            try transaction.messages(.init(0..<10, limit: 10), in: try transaction.findConversation("a")!.id)
        }
        #expect(read.map(\.offset) == [0, 1, 2])
        #expect(read.map(\.id) == messages.map(\.id))
        #expect(read.map(\.author) == messages.map(\.author))
        #expect(read.map(\.subject) == messages.map(\.subject))
        #expect(read.map(\.text) == messages.map(\.text))
        #expect(read.map(\.time) == messages.map(\.time))
        await store.close()
    }

    @Test(
        "A repeated id answers the first offset and adds nothing, in its conversation only", arguments: Place.allCases)
    func repeatedID(in place: Place) async throws {
        let store = try await open(place)
        let appended = try await store.write { (transaction) throws(StoreError) in
            let a = try transaction.conversation("a").id
            let b = try transaction.conversation("b").id
            return [
                try transaction.append(.sample(1), to: a), try transaction.append(.sample(2), to: a),
                try transaction.append(.sample(1), to: a), try transaction.append(.sample(1), to: b),
                try transaction.append(.sample(3), to: a),
            ]
        }
        #expect(appended.map(\.offset) == [0, 1, 0, 0, 2])
        #expect(appended.map(\.isRepeat) == [false, false, true, false, false])
        // Also when the first was committed long ago.
        let again = try await store.write { (transaction) throws(StoreError) in
            try transaction.append(.sample(2), to: try transaction.conversation("a").id)
        }
        #expect(again == Appended(offset: 1, isRepeat: true))
        await store.close()
    }

    @Test("A transaction that throws leaves no trace, offsets included", arguments: Place.allCases)
    func rollback(in place: Place) async throws {
        let store = try await open(place)
        let id = try await store.write { (transaction) throws(StoreError) in try transaction.conversation("a").id }
        await #expect(throws: StoreError.closed) {
            try await store.write { (transaction) throws(StoreError) in
                _ = try transaction.append(.sample(1), to: id)
                _ = try transaction.conversation("other")
                throw .closed
            }
        }
        let (appended, names) = try await store.write { (transaction) throws(StoreError) in
            (try transaction.append(.sample(2), to: id), try transaction.conversations().map(\.name))
        }
        #expect(appended.offset == 0)
        #expect(names == ["a"])
        await store.close()
    }

    @Test("Reserved offsets are never given again, used or not, and holes are passed over")
    func reserved() async throws {
        var store = try await open()
        let first = try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("room").id
            let first = try transaction.reserveOffsets(100, in: id)
            _ = try transaction.append(.sample(1), to: id, at: first + 3)
            return first
        }
        #expect(first == 0)
        await store.close()
        store = try await open()
        let (next, messages) = try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("room").id
            let next = try transaction.reserveOffsets(10, in: id)
            _ = try transaction.append(.sample(2), to: id, at: next)
            return (next, try transaction.messages(.init(0..<1_000, limit: 10), in: id))
        }
        #expect(next == 100)
        #expect(messages.map(\.offset) == [3, 100])
        // A place that is taken is a fault of the caller's, and nothing is overwritten.
        await #expect(throws: StoreError.self) {
            try await store.write { (transaction) throws(StoreError) in
                try transaction.append(.sample(9), to: try transaction.conversation("room").id, at: 3)
            }
        }
        await store.close()
    }

    @Test("Pages keep their limits of messages and bytes, in both orders", arguments: Place.allCases)
    func pages(in place: Place) async throws {
        let store = try await open(place)
        let id = try await store.write { (transaction) throws(StoreError) in
            let other = try transaction.conversation("before").id
            let id = try transaction.conversation("a").id
            for number in 0..<20 { _ = try transaction.append(.sample(number, bytes: 1_000), to: id) }
            // Neighbours in the table must not leak in.
            _ = try transaction.append(.sample(99), to: other)
            _ = try transaction.append(.sample(99), to: try transaction.conversation("after").id)
            return id
        }
        func offsets(_ page: Transaction.Page) async throws -> [Int64] {
            try await store.read { (transaction) throws(StoreError) in
                try transaction.messages(page, in: id).map(\.offset)
            }
        }
        #expect(try await offsets(.init(3..<7, limit: 100)) == [3, 4, 5, 6])
        #expect(try await offsets(.init(3..<7, .newestFirst, limit: 2)) == [6, 5])
        #expect(try await offsets(.init(0..<20, limit: 100, byteLimit: 3_600)) == [0, 1, 2])
        // One that is larger than the limit comes alone rather than never.
        #expect(try await offsets(.init(5..<20, limit: 100, byteLimit: 10)) == [5])
        #expect(try await offsets(.init(-5 ..< .max, limit: 100)).count == 20)
        #expect(try await offsets(.init(20..<30, limit: 100)).isEmpty)
        let heads = try await store.read { (transaction) throws(StoreError) in
            try transaction.messages(.init(0..<20, limit: 100, byteLimit: 4_000, includesText: false), in: id)
        }
        #expect(heads.count == 20)
        #expect(heads.allSatisfy { $0.text.isEmpty && $0.author == "author" })
        await store.close()
    }

    @Test(
        "A conversation that was removed and begun again has another epoch and none of the old messages",
        arguments: Place.allCases)
    func epochs(in place: Place) async throws {
        let store = try await open(place)
        let (old, new, messages) = try await store.write { (transaction) throws(StoreError) in
            let old = try transaction.conversation("a")
            _ = try transaction.append(.sample(1), to: old.id)
            try transaction.removeConversation(old.id)
            let new = try transaction.conversation("a")
            return (old, new, try transaction.messages(.init(0..<10, limit: 10), in: new.id))
        }
        #expect(old.epoch != new.epoch)
        #expect(old.id != new.id)
        #expect(new.nextOffset == 0)
        #expect(messages.isEmpty)
        await store.close()
    }

    @Test("Removing the oldest messages keeps their offsets used", arguments: Place.allCases)
    func trimming(in place: Place) async throws {
        let store = try await open(place)
        let (left, next) = try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("a").id
            for number in 0..<10 { _ = try transaction.append(.sample(number), to: id) }
            try transaction.removeMessages(in: id, before: 10)
            return (
                try transaction.messages(.init(0..<20, limit: 20), in: id).count,
                try transaction.append(.sample(10), to: id).offset
            )
        }
        #expect(left == 0)
        #expect(next == 10)
        await store.close()
    }

    @Test("Small values and tables of the mode are kept")
    func values() async throws {
        let migrations = ["CREATE TABLE token (name TEXT PRIMARY KEY, uses INTEGER NOT NULL)"]
        var store = try await open(migrations: migrations)
        try await store.write { (transaction) throws(StoreError) in
            try transaction.setValue([1, 2, 3], for: "a")
            try transaction.setValue([], for: "b")
            try transaction.setValue([9], for: "c")
            try transaction.setValue([8], for: "c")
            try transaction.setValue([7], for: "d")
            try transaction.setValue(nil, for: "d")
            try transaction.run("INSERT INTO token (name, uses) VALUES (?, ?)", .text("x"), .integer(7))
        }
        await store.close()
        store = try await open(migrations: migrations)
        let (values, rows) = try await store.read { (transaction) throws(StoreError) in
            (
                [
                    try transaction.value("a"), try transaction.value("b"), try transaction.value("c"),
                    try transaction.value("d"), try transaction.value("mode"),
                ],
                try transaction.rows("SELECT name, uses FROM token")
            )
        }
        #expect(values == [[1, 2, 3], [], [8], nil, nil])
        #expect(rows == [[.text("x"), .integer(7)]])
        await store.close()
    }

    @Test("Memory that is used up refuses the batch as a whole, tells repeats, and takes up again when there is room")
    func memoryFull() async throws {
        let store = try await open(.memory)
        let id = try await store.write { (transaction) throws(StoreError) in
            let id = try transaction.conversation("a").id
            _ = try transaction.append(.sample(0, bytes: 4_000), to: id)
            return id
        }
        try await store.limitMemory(to: 10_000)
        for number in [1, 2] {
            await #expect(throws: StoreError.memoryFull(bytes: 10_000)) {
                try await store.write { (transaction) throws(StoreError) in
                    for next in number..<number + 3 { _ = try transaction.append(.sample(next, bytes: 4_000), to: id) }
                }
            }
        }
        let fitting = try await store.write { (transaction) throws(StoreError) in
            [
                try transaction.append(.sample(1, bytes: 4_000), to: id).offset,
                try transaction.append(.sample(2, bytes: 4_000), to: id).offset,
            ]
        }
        #expect(fitting == [1, 2])
        let again = try await store.write { (transaction) throws(StoreError) in
            try transaction.append(.sample(0, bytes: 4_000), to: id)
        }
        #expect(again == Appended(offset: 0, isRepeat: true))
        try await store.limitMemory(to: 1 << 20)
        let last = try await store.write { (transaction) throws(StoreError) in
            var last: Appended?
            for number in 3..<10 { last = try transaction.append(.sample(number, bytes: 4_000), to: id) }
            return last
        }
        #expect(last == Appended(offset: 9, isRepeat: false))
        await store.close()
    }

    @Test("A store in memory leaves nothing behind")
    func memory() async throws {
        let store = try await open(.memory)
        try await store.write { (transaction) throws(StoreError) in
            _ = try transaction.append(.sample(1), to: try transaction.conversation("a").id)
        }
        await store.close()
        await #expect(throws: StoreError.closed) {
            try await store.read { (transaction) throws(StoreError) in try transaction.conversations().count }
        }
        #expect(folder.names.isEmpty)
    }
}
