import BoardMode
import Delivery
import Platform
import Store
import Testing
import Wire

@Suite("Board: export and import")
struct BoardExportTests {
    static func open() async throws -> MessageStore {
        try await MessageStore.open(path: nil, schema: BoardStorage.schema)
    }

    static func export(_ store: MessageStore) async throws -> String {
        var bytes: [UInt8] = []
        try await BoardExport.export(store) { bytes += $0 }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func importText(_ text: String, into store: MessageStore, chunk: Int = .max) async throws
        -> BoardExport.Summary
    {
        var rest = Array(text.utf8)[...]
        return try await BoardExport.importLines(into: store) {
            guard !rest.isEmpty else { return nil }
            defer { rest = rest.dropFirst(min(chunk, rest.count)) }
            return Array(rest.prefix(chunk))
        }
    }

    /// Three groups; one with more posts than a batch, texts that are not plain, a group without a post.
    static func filled() async throws -> MessageStore {
        let store = try await open()
        let names = ["main", "Café", "empty"]
        let wanted = try names.map { (name: try GroupName(validating: $0), visibility: VisibilityRule.last(3)) }
        let groups = try await BoardStorage.openGroups(wanted, recent: 2, in: store)
        try await store.write { (transaction) throws(StoreError) in
            for number in 0..<2_345 {
                _ = try transaction.append(
                    id: MessageID(high: 1, low: UInt64(number)), author: "alice",
                    time: Timestamp(microseconds: 1_795_188_451_036_119 + Int64(number)), subject: "two words",
                    text: "a\n\"\u{1B}部屋 \(number)", to: groups[0].conversation.id)
            }
            _ = try transaction.append(
                id: MessageID(high: 2, low: 0), author: "Zoë", time: Timestamp(microseconds: 1), subject: "s",
                text: "t",
                to: groups[1].conversation.id)
        }
        return store
    }

    @Test(
        "What was exported and imported exports as the same bytes, in whatever chunks it is read",
        arguments: [.max, 7, 4_096])
    func roundTrip(chunk: Int) async throws {
        let store = try await Self.filled()
        let text = try await Self.export(store)
        #expect(text.split(separator: "\n").count == 1 + 3 + 2_346)
        let copy = try await Self.open()
        let summary = try await Self.importText(text, into: copy, chunk: chunk)
        #expect(summary.groups == 3 && summary.posts == 2_346 && summary.known == 0 && summary.moved == 0)
        #expect(try await Self.export(copy) == text)
        // A second time changes nothing.
        let again = try await Self.importText(text, into: copy)
        #expect(again.posts == 0 && again.known == 2_346)
        #expect(try await Self.export(copy) == text)
        await store.close()
        await copy.close()
    }

    @Test("A group that has posts of its own keeps its life and takes the others in behind them")
    func merge() async throws {
        let text = """
            {"chat":"board","version":1}
            {"group":"main","visibility":"all","epoch":"0123456789abcdef","next":2}
            {"offset":0,"id":"00000000000000000000000000000001","sender":"a","time":5,"subject":"s","text":"x"}

            {"offset":1,"id":"00000000000000000000000000000002","sender":"a","time":6,"subject":"s","text":"y"}
            """
        let store = try await Self.open()
        let wanted = [(name: try GroupName(validating: "MAIN"), visibility: VisibilityRule.none)]
        let group = try await BoardStorage.openGroups(wanted, recent: 2, in: store)[0]
        try await store.write { (transaction) throws(StoreError) in
            _ = try transaction.append(
                id: MessageID(high: 9, low: 9), author: "b", time: Timestamp(microseconds: 1), subject: "s",
                text: "mine",
                to: group.conversation.id)
        }
        let summary = try await Self.importText(text, into: store)
        #expect(summary.posts == 2 && summary.moved == 2)
        let after = try await BoardStorage.openGroups([], recent: 5, in: store)[0]
        #expect(after.conversation.epoch == group.conversation.epoch)
        #expect(after.visibility == .none)
        #expect(after.recent.map(\.offset) == [0, 1, 2])
        await store.close()
    }

    @Test("An empty group takes the imported life, IDs included")
    func emptyGroup() async throws {
        let source = try await Self.filled()
        let text = try await Self.export(source)
        let store = try await Self.open()
        let wanted = [(name: try GroupName(validating: "main"), visibility: VisibilityRule.none)]
        _ = try await BoardStorage.openGroups(wanted, recent: 2, in: store)
        _ = try await Self.importText(text, into: store)
        #expect(try await Self.export(store) == text)
        await source.close()
        await store.close()
    }

    @Test(
        "What is no export is refused with the number of the line",
        arguments: [
            ("", "line 1 of the export: The file is no export of a board."),
            ("hello", "line 1 of the export: The JSON has 'h' at byte 0, which cannot stand there."),
            (
                "{}\n",
                "line 1 of the export: A post needs \"offset\", \"id\", \"sender\", \"time\", \"subject\" and \"text\"."
            ),
            (
                #"{"group":"main","visibility":"all","epoch":"0123456789abcdef","next":2}"#,
                "line 1 of the export: The file is no export of a board."
            ),
            (#"{"chat":"rooms","version":1}"#, "line 1 of the export: It is the export of another mode, 'rooms'."),
            (
                #"{"chat":"board","version":2}"#,
                "line 1 of the export: It was written by a newer version of this program."
            ),
            (
                "{\"chat\":\"board\",\"version\":1}\n{\"group\":\"a b\",\"visibility\":\"all\",\"epoch\":\"0123456789abcdef\",\"next\":2}",
                "line 2 of the export: The group name 'a b' holds a space; use one word."
            ),
            (
                "{\"chat\":\"board\",\"version\":1}\n{\"group\":\"a\"}",
                "line 2 of the export: A group needs \"visibility\", \"epoch\" and \"next\"."
            ),
            (
                "{\"chat\":\"board\",\"version\":1}\n{\"offset\":0,\"id\":\"00000000000000000000000000000001\",\"sender\":\"a\",\"time\":5,\"subject\":\"s\",\"text\":\"x\"}",
                "line 2 of the export: A post before the first group."
            ),
        ] as [(String, String)])
    func refusals(text: String, sentence: String) async throws {
        let store = try await Self.open()
        do {
            _ = try await Self.importText(text, into: store)
            Issue.record("it was taken")
        } catch let error as BoardExport.Failure {
            #expect(error.message.string == sentence)
        }
        await store.close()
    }
}
