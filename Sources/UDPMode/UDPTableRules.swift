package import Delivery
package import Wire

/// Where a datagram came from, and by which of the server's sockets: answers leave by the same one.
package struct UDPPath: Hashable, Sendable {
    /// The place of the socket in the order in which the server bound them.
    package var socket: Int
    package var address: SocketAddress

    package init(socket: Int = 0, _ address: SocketAddress) {
        self.socket = socket
        self.address = address
    }
}

/// A client that is in the server's table.
package struct UDPRegistration: Sendable {
    /// The name as it was registered, and what makes it unique.
    package var name: String
    package var key: String
    /// Where it listens: the source's IP address and the `client_port` of its metadata.
    package var path: UDPPath
    /// Where its registration came from: an original's second socket.
    package var source: UDPPath
    package var entry: UDPTableEntry
    /// A program of ours, with these: which run of it, and what its requests prove themselves by.
    package var run: UInt64?
    package var session: UInt64
    /// An end of ours has shown that it receives at `path`; an original is taken at its word.
    package var isConfirmed: Bool
    /// The group that it is in, by key.
    package var group: String?
    package var lastHeard: MonotonicTime
    /// Orders its group messages and drops repeated ones.
    package var receiver = ReliableReceiver<UDPGroupPost>()
    package var answers = UDPAnswerMemory()
    /// Requests that are answered, and messages that are admitted.
    package var requests = TokenBucket(burst: requestBurst, perSecond: requestsPerSecond)
    /// Whole tables, which are up to a thousand times as large as what asks for them.
    package var tables = TokenBucket(burst: tableBurst, perSecond: tablesPerSecond)
    package var posts = TokenBucket(burst: FloodGuard.burst, perSecond: FloodGuard.perSecond)
    /// Group messages that were refused, by sequence number: a repeated one is refused again.
    package var refused = DuplicateWindow<UInt64>(capacity: 64)
    /// The group that it was removed from because it did not answer.
    package var removedFrom: String?
    /// Handing over what was stored: what is under way, and how often it was sent.
    package var mail = MailRound()
    /// What reclaims the name.
    package var secret: MessageID?
    /// The program keeps its secret, so the name outlives it.
    package var keeps = false
    /// When somebody else asked for the name last: then it is looked whether this one is still there.
    package var lastProbe: MonotonicTime?
    /// Names that an original has to know first, because they write to it.
    package var contacts: [String] = []
    /// Groups that it has created.
    package var groupsCreated = 0
    /// The place in the order of registration.
    package var number: UInt64 = 0

    /// Requests at once, and a second from then on.
    package static let requestBurst = 100
    package static let requestsPerSecond = 50.0
    /// The same for requests of the whole table. A client repeats them every half second six times before it gives the
    /// server up, so an honest one is always answered in time.
    package static let tableBurst = 20
    package static let tablesPerSecond = 2.0

    package struct MailRound: Sendable {
        package var underWay: Set<MessageID> = []
        package var attempts = 0
    }

    package var isOurs: Bool { run != nil }
}

/// A message of a member on its way into its group.
package struct UDPGroupPost: Sendable, Equatable {
    package var id: MessageID?
    package var group: String
    package var text: String

    package init(id: MessageID?, group: String, text: String) {
        self.id = id
        self.group = group
        self.text = text
    }
}

/// What others are told of a client in the table.
package struct UDPListing: Sendable {
    package let key: String
    package let path: UDPPath
    package let isOurs: Bool
    package let entry: UDPTableEntry
    /// Bytes that the entry takes of a datagram, counted once.
    package let size: Int
    fileprivate let number: UInt64

    fileprivate init(_ registration: UDPRegistration) {
        key = registration.key
        path = registration.path
        isOurs = registration.isOurs
        entry = registration.entry
        size = registration.entry.encodedSize
        number = registration.number
    }
}

/// Who is registered: unique names, bounded numbers, and the table in the parts that fit a datagram.
package struct UDPTable: Sendable {
    /// Names that an original is told first.
    package static let contactLimit = 8

    package private(set) var registrations: [String: UDPRegistration] = [:]
    /// What the table shows, in the order of registration.
    package private(set) var published: [UDPListing] = []
    /// An original may register several names at one place.
    private var keys: [SocketAddress: [String]] = [:]
    /// How many of one address, and in all.
    private var limiter = ConnectionLimiter()
    private var nextNumber: UInt64 = 0
    /// The number of changes that were announced so far.
    package private(set) var revision: UInt64 = 0
    /// Keys that came, and names that went, since then.
    private var came: Set<String> = []
    private var gone: [String] = []

    package init() {}

    package var count: Int { registrations.count }
    package var hasChanged: Bool { !came.isEmpty || !gone.isEmpty }

    package subscript(key: String) -> UDPRegistration? {
        _read { yield registrations[key] }
        _modify { yield &registrations[key] }
    }

    /// Who listens at an address, in the order of registration.
    package func keys(listeningAt address: SocketAddress) -> [String] { keys[address] ?? [] }

    package mutating func add(_ registration: UDPRegistration) -> ConnectionLimiter.Verdict {
        precondition(registrations[registration.key] == nil, "a name is registered once")
        let verdict = limiter.accepted(from: registration.path.address.ip)
        guard verdict == .admit else { return verdict }
        var registration = registration
        registration.number = nextNumber
        nextNumber += 1
        registrations[registration.key] = registration
        keys[registration.path.address, default: []].append(registration.key)
        return .admit
    }

    /// The table shows it from now on.
    package mutating func publish(_ key: String) {
        guard let registration = registrations[key] else { return }
        let place = place(of: registration.number)
        guard !place.isTaken else { return }
        came.insert(key)
        published.insert(UDPListing(registration), at: place.index)
    }

    /// What the table shows of a client.
    package func listing(_ key: String) -> UDPListing? {
        guard let number = registrations[key]?.number else { return nil }
        let place = place(of: number)
        return place.isTaken ? published[place.index] : nil
    }

    /// Where one of this number is, or would be.
    private func place(of number: UInt64) -> (index: Int, isTaken: Bool) {
        let index = published.partitioningIndex { $0.number >= number }
        return (index, index < published.count && published[index].number == number)
    }

    @discardableResult
    package mutating func remove(_ key: String) -> UDPRegistration? {
        guard let registration = registrations.removeValue(forKey: key) else { return nil }
        let others = keys[registration.path.address]?.filter { $0 != key } ?? []
        keys[registration.path.address] = others.isEmpty ? nil : others
        limiter.closed(from: registration.path.address.ip)
        let place = place(of: registration.number)
        if place.isTaken { published.remove(at: place.index) }
        // One that nobody was told of need not be taken back; one that is told of again is in `came` later.
        if came.remove(key) == nil, registration.isConfirmed { gone.append(registration.name) }
        return registration
    }

    /// What an original is sent: itself first, then who writes to it, then the others as far as a datagram holds them.
    /// Only names that an IPv4 program can write to.
    package func table(for key: String, port: UInt16) -> UDPMessage {
        var entries: [UDPTableEntry] = []
        var size = Self.emptySize
        var included: Set<String> = []
        func include(_ listing: UDPListing) -> Bool {
            guard included.insert(listing.key).inserted else { return true }
            guard size + listing.size <= UDPMessage.datagramLimit else { return false }
            size += listing.size
            entries.append(listing.entry)
            return true
        }
        if let itself = listing(key) {
            _ = include(itself)
            for contact in registrations[key]?.contacts ?? [] {
                if let listing = listing(contact) { _ = include(listing) }
            }
        }
        for listing in published where listing.entry.clientIP?.isV4 == true {
            guard include(listing) else { break }
        }
        return UDPMessage(.stateChange(entries), .server(port: port, chat: nil))
    }

    /// Bytes of a table without entries, at most.
    private static let emptySize =
        UDPMessage(.stateChange([]), .server(port: .max, chat: nil)).encoded(style: .python).count

    /// The whole table for an end of ours, in pages that each fit a datagram.
    package func pages(port: UInt16) -> [UDPMessage] {
        let pages = Self.split(published, gone: [], overhead: 160)
        return pages.enumerated().map { index, page in
            let chat = UDPExtension {
                $0.revision = revision
                $0.page = index
                $0.pages = pages.count
            }
            return UDPMessage(.stateChange(page.entries), .server(port: port, chat: chat))
        }
    }

    /// Announces what has changed: each part that fits a datagram counts as one change.
    package mutating func takeChanges(port: UInt16) -> [UDPMessage] {
        let listings = came.compactMap { listing($0) }.sorted { $0.number < $1.number }
        let names = Set(listings.map(\.entry.name))
        let parts = Self.split(listings, gone: gone.filter { !names.contains($0) }, overhead: 160)
        came.removeAll()
        gone.removeAll()
        return parts.map { part in
            let chat = UDPExtension {
                $0.from = revision
                $0.revision = revision + 1
                $0.gone = part.gone.isEmpty ? nil : part.gone
            }
            revision += 1
            return UDPMessage(.stateChange(part.entries), .server(port: port, chat: chat))
        }
    }

    private struct Part {
        var entries: [UDPTableEntry] = []
        var gone: [String] = []
        var size: Int
    }

    /// At least one part, though it may be empty.
    private static func split(_ listings: [UDPListing], gone: [String], overhead: Int) -> [Part] {
        var parts = [Part(size: overhead)]
        func room(for size: Int) {
            if parts[parts.count - 1].size + size > UDPMessage.datagramLimit { parts.append(Part(size: overhead)) }
            parts[parts.count - 1].size += size
        }
        for name in gone {
            room(for: JSON.string(name).encoded(style: .python).count + 2)
            parts[parts.count - 1].gone.append(name)
        }
        for listing in listings {
            room(for: listing.size)
            parts[parts.count - 1].entries.append(listing.entry)
        }
        return parts
    }
}
