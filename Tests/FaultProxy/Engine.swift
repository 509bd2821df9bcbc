import CLinux
import Glibc
import PlainSockets
import Platform
import Wire

/// The proxy's own thread: waits for its sockets and for what is due, and passes it on as the weather is.
final class Engine {
    /// Bytes read at once.
    private static let chunk = 65_536
    /// Datagrams on their way.
    private static let flyingLimit = 100_000

    private struct Door {
        let route: FaultProxy.Route
        let descriptor: Int32
    }

    /// A client of a datagram route in the eyes of the target.
    private struct Visitor {
        let door: Int
        /// Who it is, for `cut`.
        let owner: Int
        let address: SocketAddress
        let descriptor: Int32
    }

    private struct Flying {
        let due: MonotonicTime
        let bytes: [UInt8]
        let to: SocketAddress
        let descriptor: Int32
    }

    private var weather: Weather
    private var random: SplitMix64
    private var apart: Set<FaultProxy.Pair> = []
    private var doors: [Door] = []
    private var streams: [Stream] = []
    private var visitors: [Visitor] = []
    private var flying: [Flying] = []
    private var account = FaultProxy.Account()
    private let mailbox: Mailbox
    private(set) var fronts: [SocketAddress] = []

    init(seed: UInt64, routes: [FaultProxy.Route], weather: Weather, mailbox: Mailbox) throws {
        random = SplitMix64(seed: seed)
        self.weather = weather
        self.mailbox = mailbox
        for route in routes {
            let descriptor = try PlainSocket.bound(route.transport == .stream ? .stream : .datagrams, to: route.front)
            let front = PlainSocket.address(of: descriptor)
            var route = route
            if route.target.port == 0 { route.target = SocketAddress(ip: route.target.ip, port: front.port) }
            doors.append(Door(route: route, descriptor: descriptor))
            fronts.append(front)
        }
    }

    deinit {
        for door in doors { close(door.descriptor) }
        for visitor in visitors { close(visitor.descriptor) }
        for stream in streams { stream.closeBoth() }
    }

    func run() {
        while true {
            for command in mailbox.take() {
                switch command {
                case .weather(let weather): self.weather = weather
                case .cut(let pairs): apart = pairs
                case .resetAll: for stream in streams { reset(stream) }
                case .forgetCallers: forgetCallers()
                case .stop: return
                }
            }
            turn()
            mailbox.account = account
        }
    }

    private func turn() {
        var waiting = [pollfd(fd: mailbox.wakeReader, events: Int16(POLLIN), revents: 0)]
        for door in doors { waiting.append(pollfd(fd: door.descriptor, events: Int16(POLLIN), revents: 0)) }
        for visitor in visitors { waiting.append(pollfd(fd: visitor.descriptor, events: Int16(POLLIN), revents: 0)) }
        let now = MonotonicTime.now()
        for stream in streams {
            let isApart = isApart(stream)
            for side in Stream.Side.allCases {
                waiting.append(
                    pollfd(
                        fd: stream.descriptor(side), events: stream.interest(side, isApart: isApart, at: now),
                        revents: 0))
            }
        }
        guard poll(&waiting, nfds_t(waiting.count), timeout(at: now)) >= 0 else { return }

        var rest = waiting[...]
        if rest.removeFirst().revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 256)
            while read(mailbox.wakeReader, &bytes, bytes.count) > 0 {}
            // What was told counts for all that comes after it.
            return
        }
        // Only those that were waited for: more of each may come while these are served.
        let flowing = streams
        let known = visitors
        for index in doors.indices where rest.removeFirst().revents != 0 {
            switch doors[index].route.transport {
            case .stream: accept(at: index)
            case .datagrams: receive(at: index)
            }
        }
        for visitor in known where rest.removeFirst().revents != 0 { receive(for: visitor) }
        for stream in flowing {
            for side in Stream.Side.allCases {
                let events = rest.removeFirst().revents
                guard !stream.isGone else { continue }
                if events & Int16(POLLIN | POLLHUP | POLLERR) != 0, !isApart(stream) { pull(from: side, stream) }
            }
        }
        let later = MonotonicTime.now()
        for stream in streams where !stream.isGone && !isApart(stream) { push(stream, at: later) }
        streams.removeAll(where: \.isGone)
        release(at: later)
    }

    /// Milliseconds until something is due; -1 when nothing is.
    private func timeout(at now: MonotonicTime) -> Int32 {
        let due = (flying.map(\.due) + streams.filter { !isApart($0) }.compactMap(\.nextDue)).min()
        guard let due else { return -1 }
        return Int32(clamping: max(0, (due.nanoseconds - now.nanoseconds + 999_999) / 1_000_000))
    }

    private func happens(_ perMille: Int) -> Bool {
        perMille > 0 && Int.random(in: 0..<1_000, using: &random) < perMille
    }

    private var delay: Duration { .milliseconds(Int.random(in: weather.delay, using: &random)) }

    // MARK: Streams

    private func isApart(_ stream: Stream) -> Bool {
        guard let caller = stream.caller else { return false }
        return apart.contains(FaultProxy.Pair(caller, stream.callee))
    }

    private func accept(at index: Int) {
        let route = doors[index].route
        while true {
            let front = Glibc.accept(doors[index].descriptor, nil, nil)
            guard front >= 0 else { return }
            PlainSocket.prepare(front)
            guard let back = PlainSocket.dialled(route.target, from: route.source) else {
                PlainSocket.reset(front)
                continue
            }
            account.connections += 1
            streams.append(
                Stream(
                    front: front, back: back, caller: route.identify == nil ? route.caller : nil, callee: route.callee,
                    identify: route.identify))
        }
    }

    private func pull(from side: Stream.Side, _ stream: Stream) {
        var bytes = [UInt8](repeating: 0, count: Self.chunk)
        let count = read(stream.descriptor(side), &bytes, bytes.count)
        guard count > 0 else {
            if count == 0 { stream.end(from: side) } else if chat_errno() != EAGAIN { reset(stream) }
            return
        }
        if side == .front { stream.identifyCaller(in: bytes[..<count]) }
        if happens(weather.reset) { return reset(stream) }
        var rest = bytes[..<count]
        while !rest.isEmpty {
            let most = weather.piece > 0 ? Int.random(in: 1...weather.piece, using: &random) : rest.count
            stream.take(Array(rest.prefix(most)), from: side, due: MonotonicTime.now().advanced(by: delay))
            rest = rest.dropFirst(most)
            account.pieces += 1
        }
        if happens(weather.halfClose) {
            account.halfCloses += 1
            stream.end(from: side)
        }
    }

    private func push(_ stream: Stream, at now: MonotonicTime) {
        for side in Stream.Side.allCases where !stream.push(to: side, at: now) { return reset(stream) }
    }

    private func reset(_ stream: Stream) {
        guard !stream.isGone else { return }
        account.resets += 1
        stream.resetBoth()
    }

    // MARK: Datagrams

    private func receive(at index: Int) {
        let route = doors[index].route
        while let (bytes, source) = PlainSocket.receive(doors[index].descriptor) {
            let caller = caller(of: bytes, route)
            guard !isApart(caller, route.callee) else { continue }
            if let rewrite = route.rewrite {
                // Who is answered is whoever the datagram names, so it may come from the front itself.
                guard let bytes = rewrite(bytes, { self.port(of: $0, caller, index) }) else { continue }
                fly(bytes, to: route.target, through: doors[index].descriptor)
            } else if let visitor = visitor(index, caller, source) {
                fly(bytes, to: route.target, through: visitor.descriptor)
            }
        }
    }

    private func receive(for visitor: Visitor) {
        let door = doors[visitor.door]
        while let (bytes, source) = PlainSocket.receive(visitor.descriptor) {
            let isFromTarget = source == door.route.target
            let sender = isFromTarget ? door.route.callee : caller(of: bytes, door.route)
            guard !isApart(sender, visitor.owner) else { continue }
            var passed: [UInt8]? = bytes
            if let rewrite = door.route.rewrite {
                passed = rewrite(bytes, { self.port(of: $0, sender, visitor.door) })
            }
            guard let passed else { continue }
            // What comes from the target seems to come from where the caller believes the target to be.
            fly(passed, to: visitor.address, through: isFromTarget ? door.descriptor : visitor.descriptor)
        }
    }

    private func caller(of bytes: [UInt8], _ route: FaultProxy.Route) -> Int {
        route.identify?(bytes) ?? route.caller
    }

    /// Whether two ends are apart; what was to pass counts as lost.
    private func isApart(_ one: Int, _ other: Int) -> Bool {
        guard apart.contains(FaultProxy.Pair(one, other)) else { return false }
        account.lost += 1
        return true
    }

    private func visitor(_ index: Int, _ owner: Int, _ address: SocketAddress) -> Visitor? {
        if let known = visitors.first(where: { $0.door == index && $0.address == address }) { return known }
        guard
            let descriptor = try? PlainSocket.bound(
                .datagrams, to: SocketAddress(ip: doors[index].route.source ?? .loopbackV4, port: 0))
        else { return nil }
        visitors.append(Visitor(door: index, owner: owner, address: address, descriptor: descriptor))
        return visitors.last
    }

    /// The port that stands for a program's.
    private func port(of program: UInt16, _ owner: Int, _ index: Int) -> UInt16? {
        visitor(index, owner, SocketAddress(ip: .loopbackV4, port: program)).map {
            PlainSocket.address(of: $0.descriptor).port
        }
    }

    private func forgetCallers() {
        // What is under way through their sockets goes with them.
        let gone = Set(visitors.map(\.descriptor))
        flying.removeAll { gone.contains($0.descriptor) }
        for visitor in visitors { close(visitor.descriptor) }
        visitors = []
    }

    private func fly(_ bytes: [UInt8], to: SocketAddress, through descriptor: Int32) {
        if happens(weather.loss) || flying.count >= Self.flyingLimit {
            account.lost += 1
            return
        }
        var copies = 1
        if happens(weather.duplication) {
            account.duplicated += 1
            copies = 2
        }
        for _ in 0..<copies {
            var bytes = bytes
            if !bytes.isEmpty, happens(weather.corruption) {
                account.corrupted += 1
                bytes[Int.random(in: bytes.indices, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            }
            flying.append(
                Flying(due: MonotonicTime.now().advanced(by: delay), bytes: bytes, to: to, descriptor: descriptor))
        }
    }

    private func release(at now: MonotonicTime) {
        for item in flying where item.due <= now {
            PlainSocket.send(item.bytes, to: item.to, through: item.descriptor)
            account.passed += 1
        }
        flying.removeAll { $0.due <= now }
    }
}
