import Delivery
import Store
import Testing
import Wire

@testable import BoardMode

@Suite("Board: posts in memory")
struct PostCacheTests {
    private static func post(_ offset: Int64, bytes: Int = 10) -> KeptMessage {
        KeptMessage(
            offset: offset, id: MessageID(high: 0, low: UInt64(offset)), author: "ann",
            time: Timestamp(microseconds: offset), subject: "s", text: String(repeating: "x", count: bytes))
    }

    private static func page(_ offsets: Range<Int64>, limit: Int = 10, byteLimit: Int = .max) -> Transaction.Page {
        Transaction.Page(offsets, limit: limit, byteLimit: byteLimit)
    }

    @Test("A page is answered where all of it is here, and only then")
    func pages() {
        var cache = PostCache()
        for offset in [0, 1, 2, 4] as [Int64] { cache.keep(Self.post(offset), of: 7) }
        #expect(cache.messages(Self.page(1..<3), of: 7)?.map(\.offset) == [1, 2])
        // Whether a post stands at 3 only the disk knows.
        #expect(cache.messages(Self.page(2..<5), of: 7) == nil)
        #expect(cache.messages(Self.page(1..<3), of: 8) == nil)
        // What has another order, or leaves the texts out, is not looked for here.
        #expect(cache.messages(Transaction.Page(1..<3, .newestFirst, limit: 10), of: 7) == nil)
        #expect(cache.messages(Transaction.Page(1..<3, limit: 10, includesText: false), of: 7) == nil)
        #expect(cache.messages(Self.page(0..<3, limit: 2), of: 7) == nil)
        #expect(cache.messages(Self.page(0..<3, byteLimit: 1), of: 7)?.map(\.offset) == [0])
    }

    @Test("The oldest go when there are too many bytes")
    func bound() {
        var cache = PostCache()
        let count = Int64(3 * PostCache.bytes / (16_384 + PostCache.overhead))
        for offset in 0..<count {
            cache.keep(Self.post(offset, bytes: 16_384), of: 0)
            cache.keep(Self.post(offset, bytes: 16_384), of: 0)
            #expect(cache.size <= PostCache.bytes)
        }
        #expect(cache.size > PostCache.bytes - 2 * 16_384)
        #expect(cache.messages(Self.page(0..<1), of: 0) == nil)
        #expect(cache.messages(Self.page(count - 1..<count), of: 0)?.count == 1)
    }

    @Test("What answers say of a post is written once, and counts")
    func members() {
        var cache = PostCache()
        #expect(cache.members(0, of: 3, { _ in [1] }) == nil)
        cache.keep(Self.post(0), of: 3)
        let before = cache.size
        var asked: [Int64] = []
        for _ in 0..<3 {
            let members = cache.members(0, of: 3) { message in
                asked.append(message.offset)
                return [UInt8](repeating: 7, count: 100)
            }
            #expect(members?.count == 100)
        }
        #expect(asked == [0])
        #expect(cache.size == before + 100)
        // It goes with its post, and makes the oldest go as a post does.
        _ = cache.members(0, of: 3) { _ in [] }
        cache.keep(Self.post(1), of: 3)
        let room = PostCache.bytes - cache.size
        _ = cache.members(1, of: 3) { _ in [UInt8](repeating: 7, count: room) }
        #expect(cache.size == PostCache.bytes)
        cache.keep(Self.post(2), of: 3)
        #expect(cache.message(0, of: 3) == nil)
        #expect(cache.size <= PostCache.bytes)
    }
}
