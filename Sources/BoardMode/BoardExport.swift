import Delivery
package import Platform
package import Store
package import Wire

/// `chat board export` and `chat board import`: the whole board as lines of JSON, and back.
package enum BoardExport {
    /// Posts that are read or written in one transaction.
    static let batch = 1_000

    /// What an import did.
    package struct Summary: Equatable, Sendable {
        package var groups = 0
        package var posts = 0
        /// Posts that were there already, by their ids.
        package var known = 0
        /// Posts that got another ID than in the file, because theirs was taken.
        package var moved = 0

        package init() {}
    }

    package enum Failure: UserFacingError, Equatable, Sendable {
        case store(StoreError)
        case line(Int, SafeText)
        case system(SystemError)

        package var isTemporary: Bool {
            if case .store(let error) = self { error.isTemporary } else { false }
        }

        package var message: SafeText {
            switch self {
            case .store(let error): error.message
            case .line(let number, let reason): "line \(number) of the export: \(reason)"
            case .system(let error): error.message
            }
        }
    }

    /// Writes the board, piece by piece.
    ///
    /// - Parameter write: takes the bytes of some lines.
    package static func export(
        _ store: MessageStore, write: ([UInt8]) throws(SystemError) -> Void
    ) async throws(Failure) {
        var writer = ByteWriter()
        BoardExportLine.header.write(to: &writer)
        let groups = try await read(store) { (transaction) throws(StoreError) in
            let kept = try BoardStorage.keptGroups(in: transaction)
            return try transaction.conversations().compactMap { conversation in
                kept[conversation.id].map { (conversation, $0.name, $0.visibility) }
            }
        }
        for (conversation, name, visibility) in groups {
            BoardExportLine.group(
                name: name, visibility: visibility, epoch: conversation.epoch, next: conversation.nextOffset
            ).write(to: &writer)
            var next: Int64 = 0
            while next < conversation.nextOffset {
                let page = Transaction.Page(next..<conversation.nextOffset, limit: batch, byteLimit: 4 << 20)
                let messages = try await read(store) { (transaction) throws(StoreError) in
                    try transaction.messages(page, in: conversation.id)
                }
                guard let last = messages.last else { break }
                for message in messages { BoardExportLine.post(message).write(to: &writer) }
                next = last.offset + 1
                do {
                    try write(writer.bytes)
                } catch {
                    throw .system(error)
                }
                writer.removeAll()
            }
        }
        do {
            try write(writer.bytes)
        } catch {
            throw .system(error)
        }
    }

    /// Adds what an export holds to a board. A group that is not there comes with its epoch and its IDs; in one that is,
    /// posts that are known by their ids are left as they are and the others are added.
    ///
    /// - Parameter next: the next bytes of the file; nil at its end.
    package static func importLines(
        into store: MessageStore, next: () throws(SystemError) -> [UInt8]?
    ) async throws(Failure) -> Summary {
        var decoder = LineDecoder(limit: BoardExportLine.lineLimit)
        var importer = Importer(store: store)
        var number = 0
        while true {
            let chunk: [UInt8]?
            do {
                chunk = try next()
            } catch {
                throw .system(error)
            }
            // A last line needs no line end.
            decoder.append((chunk ?? (decoder.pending.isEmpty ? [] : [UInt8(ascii: "\n")]))[...])
            while let line = decoder.next() {
                number += 1
                switch line {
                case .tooLong: throw .line(number, "It is longer than \(BoardExportLine.lineLimit) bytes.")
                case .line(let bytes):
                    if bytes.allSatisfy({ $0 == UInt8(ascii: " ") }) { continue }
                    try await importer.take(bytes, number)
                }
            }
            if chunk == nil { break }
        }
        guard importer.hasHeader else { throw .line(max(1, number), "The file is no export of a board.") }
        try await importer.flush()
        return importer.summary
    }

    private static func read<Result: Sendable>(
        _ store: MessageStore, _ body: @Sendable (borrowing Transaction) throws(StoreError) -> Result
    ) async throws(Failure) -> Result {
        do {
            return try await store.read(body)
        } catch {
            throw .store(error)
        }
    }

    /// Collects lines into transactions.
    private struct Importer {
        let store: MessageStore
        var hasHeader = false
        var summary = Summary()
        private var group: (id: ConversationID, isNew: Bool)?
        private var posts: [KeptMessage] = []

        init(store: MessageStore) { self.store = store }

        mutating func take(_ bytes: ArraySlice<UInt8>, _ number: Int) async throws(Failure) {
            let line: BoardExportLine
            do {
                line = try BoardExportLine(parsing: bytes)
            } catch {
                throw .line(number, error.reason)
            }
            guard hasHeader || line == .header else { throw .line(number, "The file is no export of a board.") }
            switch line {
            case .header: hasHeader = true
            case .group(let name, let visibility, let epoch, let next):
                try await flush()
                group = try await write { (transaction) throws(StoreError) in
                    if let known = try transaction.findConversation(name.key) {
                        // Nothing was ever posted there: it can take the life of the imported one.
                        guard known.nextOffset == 0, next > 0 else { return (known.id, false) }
                        try BoardStorage.remove(known.id, in: transaction)
                    }
                    let created = try BoardStorage.create(
                        name, visibility, epoch: epoch, nextOffset: next, in: transaction)
                    return (created.id, true)
                }
                summary.groups += 1
            case .post(let message):
                guard group != nil else { throw .line(number, "A post before the first group.") }
                posts.append(message)
                if posts.count == BoardExport.batch { try await flush() }
            }
        }

        mutating func flush() async throws(Failure) {
            guard let group, !posts.isEmpty else { return }
            let batch = posts
            posts = []
            let summary = try await write { [summary] (transaction) throws(StoreError) in
                var summary = summary
                for post in batch {
                    if try transaction.offset(of: post.id, in: group.id) != nil {
                        summary.known += 1
                        continue
                    }
                    let isTaken = try transaction.hasMessage(at: post.offset, in: group.id)
                    let appended = try transaction.append(
                        id: post.id, author: post.author, time: post.time, subject: post.subject, text: post.text,
                        to: group.id, at: group.isNew && !isTaken ? post.offset : nil)
                    summary.posts += 1
                    if appended.offset != post.offset { summary.moved += 1 }
                }
                return summary
            }
            self.summary = summary
        }

        private func write<Result: Sendable>(
            _ body: @Sendable (borrowing Transaction) throws(StoreError) -> Result
        ) async throws(Failure) -> Result {
            do {
                return try await store.write(body)
            } catch {
                throw .store(error)
            }
        }
    }
}
