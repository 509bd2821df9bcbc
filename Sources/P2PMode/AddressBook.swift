package import Delivery
package import Wire

/// Every address where somebody of the mesh was, is or may be, and when to dial it next.
///
/// Addresses that were typed or reached are kept and tried for as long as the program runs: a partition heals however long
/// it lasted, and who comes back on the old port is heard again.
package struct AddressBook: Sendable {
    // Limits.
    /// Addresses kept.
    package static let addresses = 256
    /// Addresses dialled at the same time.
    package static let dials = 16
    /// The wait before the second try, doubled with each further one.
    package static let firstRetry = Duration.milliseconds(500)
    /// The longest wait between two tries.
    package static let lastRetry = Duration.seconds(60)
    /// After so many failures an address that was never reached, and that nobody mentions any more, is forgotten.
    package static let triesOfHearsay = 12

    package enum Source: Equatable, Sendable {
        /// By the person, on the command line.
        case typed
        /// By another member, or taken from a greeting.
        case heard
    }

    package enum State: Equatable, Sendable {
        case idle
        case dialling(isProbe: Bool)
        /// A connection dialled to this address is open.
        case open(LinkID)
        /// This program itself.
        case oneself
    }

    package struct Entry: Sendable {
        package let endpoint: Endpoint
        package var source: Source
        package var state: State = .idle
        /// What the name in `endpoint` stood for when it was reached.
        package var address: SocketAddress?
        /// Who answered there last, or who is said to be there.
        package var node: NodeID?
        /// Whether this program itself has reached a member there.
        package var wasReached = false
        /// Only to find out who answers there; the connection itself is not needed.
        package var needsProbe = false
        package var failures = 0
        package var backoff: Backoff
        /// Not before.
        package var retryAt: MonotonicTime
        /// For the order in which entries make room for others.
        package var touchedAt: MonotonicTime
    }

    /// By number: what effects and tokens carry.
    package private(set) var entries: [Int: Entry] = [:]
    private var numbers: [Endpoint: Int] = [:]
    private var nextNumber = 1

    package init() {}

    package subscript(number: Int) -> Entry? { entries[number] }

    package func number(of endpoint: Endpoint) -> Int? { numbers[endpoint] }

    /// Adds an address, or finds it; `nil` when the book is full of better ones.
    package mutating func add(
        _ endpoint: Endpoint, source: Source, node: NodeID?, dialAt time: MonotonicTime, now: MonotonicTime
    ) -> Int? {
        if let number = numbers[endpoint] {
            entries[number]!.touchedAt = now
            if source == .typed { entries[number]!.source = .typed }
            if entries[number]!.node == nil { entries[number]!.node = node }
            return number
        }
        guard makeRoom(for: source) else { return nil }
        let number = nextNumber
        nextNumber += 1
        numbers[endpoint] = number
        entries[number] = Entry(
            endpoint: endpoint, source: source, node: node,
            backoff: Backoff(initial: Self.firstRetry, maximum: Self.lastRetry, jitter: 0.5), retryAt: time,
            touchedAt: now)
        return number
    }

    package mutating func update(_ number: Int, _ change: (inout Entry) -> Void) {
        if entries[number] != nil { change(&entries[number]!) }
    }

    package mutating func remove(_ number: Int) {
        if let entry = entries.removeValue(forKey: number) { numbers[entry.endpoint] = nil }
    }

    /// Nobody answered. The next try comes later than the one before, with jitter.
    package mutating func failed(
        _ number: Int, at now: MonotonicTime, using generator: inout some RandomNumberGenerator
    ) {
        guard entries[number] != nil else { return }
        entries[number]!.state = .idle
        entries[number]!.failures += 1
        entries[number]!.retryAt = now.advanced(by: entries[number]!.backoff.next(using: &generator))
        let entry = entries[number]!
        if entry.source == .heard, !entry.wasReached, entry.failures >= Self.triesOfHearsay { remove(number) }
    }

    /// Somebody answered.
    package mutating func reached(_ number: Int, node: NodeID?, at now: MonotonicTime) {
        guard entries[number] != nil else { return }
        if let node {
            entries[number]!.node = node
            entries[number]!.wasReached = true
        }
        entries[number]!.failures = 0
        entries[number]!.needsProbe = false
        entries[number]!.touchedAt = now
    }

    /// A connection that was of use has ended: the waits start anew.
    package mutating func ended(
        _ number: Int, at now: MonotonicTime, using generator: inout some RandomNumberGenerator
    ) {
        guard entries[number] != nil else { return }
        entries[number]!.state = .idle
        entries[number]!.backoff = Backoff(initial: Self.firstRetry, maximum: Self.lastRetry, jitter: 0.5)
        entries[number]!.retryAt = now.advanced(by: entries[number]!.backoff.next(using: &generator))
    }

    package var dialling: Int {
        entries.values.count { if case .dialling = $0.state { true } else { false } }
    }

    /// Numbers in the order in which they were added, so that every run does the same.
    package var sortedNumbers: [Int] { entries.keys.sorted() }

    private mutating func makeRoom(for source: Source) -> Bool {
        if entries.count < Self.addresses { return true }
        let idle = entries.filter { $0.value.state == .idle && $0.value.source == .heard }
        let worst = idle.min {
            ($0.value.wasReached ? 1 : 0, $0.value.touchedAt, $0.key)
                < ($1.value.wasReached ? 1 : 0, $1.value.touchedAt, $1.key)
        }
        guard let worst, source == .typed || !worst.value.wasReached || worst.value.failures > 0 else { return false }
        remove(worst.key)
        return true
    }
}
