import Delivery
import Store

/// The posts that were written or read lately, whole, so that who asks for one is answered within the turn.
///
/// The oldest entry goes first; a post never changes, so nothing in here can be out of date.
struct PostCache {
    /// Bytes of all posts, what they cost beside their texts counted.
    static let bytes = 8 << 20
    /// What a post costs beside its texts, about.
    static let overhead = 256

    /// A group and an offset in one word, which is hashed in one step.
    private struct Key: Hashable {
        private let word: UInt64

        init(group: Int, offset: Int64) {
            precondition(group >= 0 && (0..<ConversationID.offsetLimit).contains(offset), "no place of a post")
            word = UInt64(group) << 40 | UInt64(offset)
        }
    }

    private struct Post {
        let message: KeptMessage
        /// What answers in JSON say of it, once one has.
        var members: [UInt8]?

        var size: Int { message.size + overhead + (members?.count ?? 0) }
    }

    private var posts: [Key: Post] = [:]
    /// In the order in which they came; those before `first` have gone.
    private var order: [Key] = []
    private var first = 0
    private(set) var size = 0

    mutating func keep(_ message: KeptMessage, of group: Int) {
        let key = Key(group: group, offset: message.offset)
        guard posts[key] == nil else { return }
        let post = Post(message: message)
        posts[key] = post
        order.append(key)
        size += post.size
        dropOldest()
    }

    /// Keeps within the bound.
    private mutating func dropOldest() {
        while size > Self.bytes, first < order.count { dropNext() }
    }

    private mutating func dropNext() {
        if let gone = posts.removeValue(forKey: order[first]) { size -= gone.size }
        first += 1
        if first > order.count / 2 {
            order.removeFirst(first)
            first = 0
        }
    }

    /// A message; nil where it is not here.
    func message(_ offset: Int64, of group: Int) -> KeptMessage? { posts[Key(group: group, offset: offset)]?.message }

    /// What answers in JSON say of a message; nil where it is not here. Who reads a post is seldom the only one, so it is
    /// written once.
    mutating func members(_ offset: Int64, of group: Int, _ write: (KeptMessage) -> [UInt8]) -> [UInt8]? {
        let key = Key(group: group, offset: offset)
        if let members = posts[key]?.members { return members }
        guard let message = posts[key]?.message else { return nil }
        let members = write(message)
        posts[key]!.members = members
        size += members.count
        dropOldest()
        return members
    }

    /// The messages of a page; nil where not all that it could hold are here.
    func messages(_ page: Transaction.Page, of group: Int) -> [KeptMessage]? {
        guard page.includesText, page.order == .oldestFirst, page.offsets.count <= page.limit else { return nil }
        var filling = Transaction.Page.Filling(page)
        for offset in page.offsets {
            guard let message = message(offset, of: group) else { return nil }
            guard filling.add(message) else { break }
        }
        return filling.messages
    }
}
