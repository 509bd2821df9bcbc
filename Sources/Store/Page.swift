package import Delivery

extension Transaction {
    /// Which messages to read, and how much of them.
    package struct Page: Hashable, Sendable {
        package enum Order: Hashable, Sendable { case oldestFirst, newestFirst }

        /// Offsets to look at; places without a message are passed over.
        package var offsets: Range<Int64>
        package var order: Order
        /// Messages at the most.
        package var limit: Int
        /// Bytes at the most, but always one message.
        package var byteLimit: Int
        /// False leaves the texts empty: a list shows who, when and about what.
        package var includesText: Bool

        /// Bytes that count for each message beside what people wrote: what its fields take when it is sent.
        package static let overhead = 160

        package init(
            _ offsets: Range<Int64>, _ order: Order = .oldestFirst, limit: Int, byteLimit: Int = .max,
            includesText: Bool = true
        ) {
            self.offsets = offsets
            self.order = order
            self.limit = limit
            self.byteLimit = byteLimit
            self.includesText = includesText
        }

        /// True where a message at `first` comes before one at `second`.
        func precedes(_ first: Int64, _ second: Int64) -> Bool {
            order == .oldestFirst ? first < second : first > second
        }

        /// A page that is being filled, in its order.
        package struct Filling {
            private let page: Page
            private var size = 0
            /// True when one was too much: a smaller one that comes later would leave a gap.
            private var isFull = false
            package private(set) var messages: [KeptMessage] = []

            package init(_ page: Page) { self.page = page }

            /// Adds the next message, with its text where the page shows texts.
            ///
            /// - Returns: false where it was too much; nothing goes in from then on.
            package mutating func add(_ message: KeptMessage) -> Bool {
                let message = page.includesText ? message : message.withoutText
                size += message.size + Page.overhead
                isFull = isFull || messages.count >= page.limit || (size > page.byteLimit && !messages.isEmpty)
                if !isFull { messages.append(message) }
                return !isFull
            }
        }
    }
}
