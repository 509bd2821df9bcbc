import Synchronization
import Testing
import Wire

@testable import UDPMode

/// A server and clients, of ours and originals, on one clock, with a network between them that loses, repeats, delays and
/// reorders.
struct SimulatedWorld {
    struct Client {
        var machine: UDPClientMachine
        var events: [UDPClientEvent] = []
        var outcome: UDPClientMachine.Outcome?
        var secret: MessageID?
        var isAlive = true

        var messages: [UDPClientEvent.Message] {
            events.compactMap { if case .message(let message) = $0 { message } else { nil } }
        }

        func states(of id: MessageID) -> [UDPClientEvent.DeliveryState] {
            events.compactMap { if case .delivery(id, let state, _, _, _) = $0 { state } else { nil } }
        }

        var own: [UDPClientEvent.Message] {
            events.compactMap { if case .own(let message, _) = $0 { message } else { nil } }
        }
    }

    struct Weather {
        /// Per cent.
        var loss = 0
        var duplication = 0
        /// Milliseconds.
        var delay = 1...1
        static let calm = Weather()
        static let storm = Weather(loss: 30, duplication: 15, delay: 1...120)
    }

    enum Server {
        case ours(UDPServerMachine)
        case original(OriginalServer)
    }

    static let serverAddress = SocketAddress(ip: .loopbackV4, port: 5000)

    var server: Server
    var serverIsUp = true
    var serverLog: [String] = []
    var clients: [UInt16: Client] = [:]
    var originals: [UInt16: OriginalClient] = [:]
    var random: SplitMix64
    var weather = Weather.calm
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    var wall = Timestamp(microseconds: 1_790_000_000_000_000)
    private var flying: [(due: MonotonicTime, number: Int, bytes: [UInt8], from: SocketAddress, to: SocketAddress)] = []
    private var number = 0
    /// Closed ports answer with ICMP.
    var answersWithICMP = false
    let limitsRates: Bool

    init(seed: UInt64, original: Bool = false, limitsRates: Bool = false) {
        random = SplitMix64(seed: seed)
        self.limitsRates = limitsRates
        server = .original(OriginalServer(port: 5000))
        if !original { startServer() }
    }

    mutating func startServer(mailboxes: UDPMailboxes = UDPMailboxes()) {
        server = .ours(
            UDPServerMachine(
                port: 5000, mailboxes: mailboxes, limitsRates: limitsRates, at: now, wall: wall,
                random: Self.source(random.next())))
    }

    private static func source(_ seed: UInt64) -> @Sendable () -> UInt64 {
        let generator = Mutex(SplitMix64(seed: seed))
        return { generator.withLock { $0.next() } }
    }

    // MARK: - People

    mutating func join(_ name: String, _ port: UInt16, secret: MessageID? = nil, keeps: Bool = false) {
        let settings = UDPClientMachine.Settings(
            name: name, server: Self.serverAddress, clientIP: .loopbackV4, clientPort: port, run: random.next(),
            secret: secret, keepsSecret: keeps, limitsRates: limitsRates)
        clients[port] = Client(
            machine: UDPClientMachine(settings, at: now, wall: wall, random: Self.source(random.next())),
            secret: secret)
        change(port) { $0.started() }
    }

    mutating func joinOriginal(_ name: String, _ port: UInt16) {
        originals[port] = OriginalClient(name: name, port: port, server: Self.serverAddress)
        send(originals[port]!.registration(), port)
    }

    mutating func type(_ port: UInt16, _ line: String) {
        if originals[port] != nil {
            let sent = originals[port]!.typed(line, at: now)
            send(sent, port)
        } else {
            let wall = wall
            let now = now
            let verb = UDPClientCommand.verb(line)
            change(port) { $0.entered(verb, at: now, wall: wall) }
        }
    }

    /// Ends without a word.
    mutating func kill(_ port: UInt16) {
        clients[port]?.isAlive = false
        originals[port]?.hasStopped = true
    }

    mutating func change(_ port: UInt16, _ body: (inout UDPClientMachine) -> [UDPClientMachine.Effect]) {
        guard clients[port]?.isAlive == true else { return }
        for effect in body(&clients[port]!.machine) {
            switch effect {
            case .send(let message, let address):
                let bytes = try! message.encoded()
                send(bytes, from: SocketAddress(ip: .loopbackV4, port: port), to: address)
            case .show(let event): clients[port]?.events.append(event)
            case .keepSecret(let secret): clients[port]?.secret = secret
            case .end(let outcome):
                clients[port]?.outcome = outcome
                clients[port]?.isAlive = false
            }
        }
    }

    // MARK: - Network

    private mutating func send(_ sent: [OriginalClient.Sent], _ port: UInt16) {
        for item in sent {
            let source = item.from == .listener ? port : port &+ 20_000
            send(item.bytes, from: SocketAddress(ip: .loopbackV4, port: source), to: item.to)
        }
    }

    private mutating func send(_ bytes: [UInt8], from: SocketAddress, to: SocketAddress) {
        #expect(bytes.count <= UDPMessage.datagramLimit)
        guard Int.random(in: 0..<100, using: &random) >= weather.loss else { return }
        let copies = Int.random(in: 0..<100, using: &random) < weather.duplication ? 2 : 1
        for _ in 0..<copies {
            let delay = Int.random(in: weather.delay, using: &random)
            number += 1
            flying.append((now + .milliseconds(delay), number, bytes, from, to))
        }
    }

    private mutating func performServer(_ effects: [UDPServerMachine.Effect]) {
        var effects = effects
        var index = 0
        while index < effects.count {
            let effect = effects[index]
            index += 1
            switch effect {
            case .send(let message, let paths):
                let bytes = try! message.encoded()
                for path in paths { send(bytes, from: Self.serverAddress, to: path.address) }
            case .log(let line): serverLog += line.lines.map(\.string)
            case .record(let record):
                guard case .ours(var machine) = server else { continue }
                effects += machine.committed(record, at: now)
                server = .ours(machine)
            }
        }
    }

    private mutating func changeServer(_ body: (inout UDPServerMachine) -> [UDPServerMachine.Effect]) {
        guard case .ours(var machine) = server else { return }
        var effects = body(&machine)
        effects += machine.turnEnded()
        server = .ours(machine)
        performServer(effects)
    }

    private mutating func arrive(_ bytes: [UInt8], from: SocketAddress, to: SocketAddress) {
        let now = now
        let wall = wall
        if to == Self.serverAddress {
            guard serverIsUp else { return unreachable(to, from) }
            if case .original(var original) = server {
                let sent = original.received(bytes, from: from, at: now)
                server = .original(original)
                for item in sent { send(item.bytes, from: Self.serverAddress, to: item.to) }
            } else {
                changeServer { $0.received(bytes[...], from: UDPPath(from), at: now, wall: wall) }
            }
        } else if originals[to.port] != nil, originals[to.port]?.hasStopped == false {
            let sent = originals[to.port]!.received(bytes, from: from)
            send(sent, to.port)
        } else if clients[to.port]?.isAlive == true {
            change(to.port) { $0.received(bytes[...], from: from, at: now, wall: wall) }
        } else {
            unreachable(to, from)
        }
    }

    private mutating func unreachable(_ address: SocketAddress, _ sender: SocketAddress) {
        guard answersWithICMP else { return }
        let now = now
        if sender == Self.serverAddress {
            changeServer { $0.becameUnreachable(address, at: now) }
        } else {
            change(sender.port) { $0.becameUnreachable(address, at: now) }
        }
    }

    // MARK: - Time

    private mutating func nextDeadline() -> MonotonicTime? {
        var times = flying.map(\.due)
        for port in clients.keys where clients[port]?.isAlive == true {
            if let due = clients[port]?.machine.deadline { times.append(due) }
        }
        for original in originals.values where !original.hasStopped {
            if let due = original.deadline { times.append(due) }
        }
        if serverIsUp {
            switch server {
            case .ours(var machine): if let due = machine.deadline { times.append(due) }
            case .original(let original): if let due = original.deadline { times.append(due) }
            }
        }
        return times.min()
    }

    /// Lets the clock run for a time.
    mutating func run(_ duration: Duration) {
        let end = now + duration
        while let next = nextDeadline(), next <= end {
            let step = max(next, now)
            wall = wall + (step - now)
            now = step
            // What arrives at the same moment arrives in the order in which it was sent.
            let now = step
            let wall = wall
            let ready = flying.indices.filter { flying[$0].due <= now }
            let first = ready.min { (flying[$0].due, flying[$0].number) < (flying[$1].due, flying[$1].number) }
            if let first {
                let item = flying.remove(at: first)
                arrive(item.bytes, from: item.from, to: item.to)
            }
            for port in clients.keys.sorted() {
                if let due = clients[port]?.machine.deadline, due <= now {
                    change(port) { $0.timedOut(at: now, wall: wall) }
                }
            }
            for port in originals.keys.sorted() where originals[port]?.hasStopped == false {
                let sent = originals[port]!.timedOut(at: now)
                send(sent, port)
            }
            guard serverIsUp else { continue }
            if case .original(var original) = server {
                original.timedOut(at: now)
                server = .original(original)
            } else {
                changeServer { machine in
                    guard let due = machine.deadline, due <= now else { return [] }
                    return machine.timedOut(at: now, wall: wall)
                }
            }
        }
        wall = wall + (end - now)
        now = end
    }
}
