import Delivery
import Wire

/// The table as a client knows it: who is registered, and where.
struct UDPClientTable: Sendable {
    /// Pages of a table.
    static let pageLimit = 1_000

    private(set) var entries: [String: UDPTableEntry] = [:]
    /// The number of the last change that is in it; nil before the whole table of a server of ours was there.
    private(set) var revision: UInt64?
    /// Pages of a table that is on its way.
    private var pages: [Int: [UDPTableEntry]] = [:]
    private var pagesRevision: UInt64?

    struct Change: Sendable, Equatable {
        var joined: [String] = []
        var left: [String] = []
    }

    var names: [String] { entries.values.map(\.name).sorted() }
    var count: Int { entries.count }

    subscript(name: String) -> UDPTableEntry? { entries[nameKey(name)] }

    /// The whole table at once, as an original server sends it.
    mutating func replace(with list: [UDPTableEntry]) -> Change {
        var new: [String: UDPTableEntry] = [:]
        for entry in list.prefix(UDPClientMachine.tableLimit) { new[nameKey(entry.name)] = entry }
        let change = Change(
            joined: new.filter { entries[$0.key] == nil }.map(\.value.name).sorted(),
            left: entries.filter { new[$0.key] == nil }.map(\.value.name).sorted())
        entries = new
        return change
    }

    enum Outcome: Equatable {
        case changed(Change)
        /// A part of a table whose other parts are still to come, or one that is known already.
        case nothing
        /// A change between is missing: the whole table is needed.
        case missing
    }

    /// A page of the whole table, or a change of it, from a server of ours.
    mutating func received(_ list: [UDPTableEntry], _ chat: UDPExtension) -> Outcome {
        guard let new = chat.revision else { return .nothing }
        if let page = chat.page, let count = chat.pages { return received(list, page: page, of: count, new) }
        guard let revision, let from = chat.from else { return .missing }
        if new <= revision { return .nothing }
        guard from == revision else { return .missing }
        self.revision = new
        var change = Change()
        for name in chat.gone ?? [] where entries.removeValue(forKey: nameKey(name)) != nil { change.left.append(name) }
        for entry in list where entries.count < UDPClientMachine.tableLimit {
            if entries.updateValue(entry, forKey: nameKey(entry.name)) == nil { change.joined.append(entry.name) }
        }
        return .changed(change)
    }

    private mutating func received(
        _ list: [UDPTableEntry], page: Int, of count: Int, _ new: UInt64
    ) -> Outcome {
        guard count > 0, count <= Self.pageLimit, (0..<count).contains(page) else { return .nothing }
        if pagesRevision != new {
            guard revision.map({ new >= $0 }) ?? true else { return .nothing }
            pagesRevision = new
            pages.removeAll()
        }
        pages[page] = list
        guard pages.count == count else { return .nothing }
        let all = (0..<count).flatMap { pages[$0] ?? [] }
        pages.removeAll()
        pagesRevision = nil
        revision = new
        return .changed(replace(with: all))
    }

    /// A server that was started anew counts its changes anew.
    mutating func forgetRevision() {
        revision = nil
        pages.removeAll()
        pagesRevision = nil
    }

    /// Splits "NAME TEXT": the longest registered name that the line begins with, else its first word.
    func split(_ line: String) -> (name: String, text: String) {
        var best: (name: String, text: String)?
        var place = line.startIndex
        while let space = line[place...].firstIndex(where: \.isWhitespace) {
            let name = String(line[..<space])
            if name.utf8.count > Nickname.mostBytes { break }
            if entries[nameKey(name)] != nil || best == nil {
                best = (name, String(line[line.index(after: space)...].drop { $0 == " " }))
            }
            place = line.index(after: space)
        }
        return best ?? (line, "")
    }
}

/// A message of one's own on its way.
struct UDPOutgoing: Sendable, Equatable {
    var id: MessageID
    var to: String
    var text: String
}

/// Another client that one writes to.
struct UDPPeer: Sendable {
    var name: String
    var address: SocketAddress
    /// Which run of a program of ours; nil for an original.
    var run: UInt64?
    var sender: ReliableSender<UDPOutgoing>
    /// An original has been told who writes to it.
    var isIntroduced = false
}

/// Another client that writes to one.
struct UDPConversation: Sendable {
    var receiver = ReliableReceiver<UDPClientEvent.Message>()
    var admission = TokenBucket(burst: FloodGuard.burst, perSecond: FloodGuard.perSecond)
    /// Where its last datagram came from: acknowledgements go there.
    var address: SocketAddress
    var lastHeard: MonotonicTime
}

/// A request to the server that waits for its answer.
struct UDPRequest: Sendable {
    var body: UDPMessage.Body
    var id: MessageID
    var sends = 0
    /// Parts of a list that have come.
    var pages: [Int: [String]] = [:]
    /// Asked for by the program, not by its user: the answer is shown only where it matters.
    var isInternal = false

    init(_ body: UDPMessage.Body, id: MessageID, isInternal: Bool = false) {
        self.body = body
        self.id = id
        self.isInternal = isInternal
    }

    mutating func received(page: Int?, of count: Int?, _ names: [String]) -> [String]? {
        guard let page, let count, count > 1, (0..<min(count, 1_000)).contains(page) else { return names }
        pages[page] = names
        return pages.count == count ? (0..<count).flatMap { pages[$0] ?? [] } : nil
    }
}

/// Texts without an id that came lately, to tell the retransmissions of an original from what is new.
struct UDPRepetitions: Sendable {
    /// Texts that are remembered.
    static let limit = 256

    private struct Entry: Sendable {
        var sender: String
        var text: String
        var group: String?
        var time: MonotonicTime
    }

    private var entries: [Entry] = []

    /// True when it was not there within the window before.
    mutating func isNew(
        _ text: String, from sender: String, group: String? = nil, within window: Duration, at now: MonotonicTime
    ) -> Bool {
        entries.removeAll { now - $0.time >= UDPClientMachine.repetitionWindow }
        let isKnown = entries.contains {
            $0.sender == sender && $0.group == group && $0.text == text && now - $0.time < window
        }
        guard !isKnown else { return false }
        if entries.count >= Self.limit { entries.removeFirst() }
        entries.append(Entry(sender: sender, text: text, group: group, time: now))
        return true
    }
}
