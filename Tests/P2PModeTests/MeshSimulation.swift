import P2PMode
import Wire

/// A network of mesh machines in one process: deterministic, in simulated time, as hostile as its schedule says.
///
/// Connections are like TCP's: frames arrive in order or not at all, and what is in flight when a connection breaks is
/// lost. Beyond TCP, single frames may vanish (`lossPerMille`), which the protocol heals all the same.
final class MeshSimulation {
    struct Fault: CustomStringConvertible {
        var time: Duration
        var action: Action
        var description: String { "\(time): \(action)" }
    }

    enum Action {
        case say(node: Int)
        /// The process dies; its host answers with resets.
        case kill(node: Int)
        /// The host dies; nobody is told.
        case freeze(node: Int)
        case quit(node: Int)
        case restart(node: Int)
        /// The network falls apart into those below and those from `boundary` on.
        case partition(boundary: Int)
        case heal
        /// Every connection between two nodes breaks.
        case flap(one: Int, other: Int)
        case lossPerMille(Int)
    }

    /// What was said, and who must have shown it in the end.
    struct Said {
        var author: NodeID
        var node: Int
        var sequence: UInt64
        var time: MonotonicTime
    }

    struct Shown: Hashable {
        var author: NodeID
        var sequence: UInt64
    }

    private struct Node {
        var machine: MeshMachine
        var address: SocketAddress
        var bootstrap: Int?
        var isAlive = true
        /// Counts starts, so that what was meant for the process before does not reach the new one.
        var incarnation = 0
        var nextLink = 1
        var connections: [LinkID: (connection: Int, side: Int)] = [:]
        var shown: [Shown] = []
        var news: [MeshNews] = []

        mutating func takeLink() -> LinkID {
            defer { nextLink += 1 }
            return LinkID(nextLink)
        }
    }

    private struct Connection {
        var nodes: [Int]
        var incarnations: [Int]
        var links: [LinkID]
        var isOpen = [true, true]
        /// When the last frame sent by each side arrives: nothing overtakes it.
        var arrival: [MonotonicTime]
        /// Something was lost on the way while the network was cut: it cannot go on.
        var isTorn = false
    }

    private enum Event {
        case frame(P2PFrame, connection: Int, to: Int)
        case ended(LinkEnd, connection: Int, at: Int)
        case dialled(number: Int, from: Int, incarnation: Int, target: Int)
        case refused(number: Int, from: Int, incarnation: Int)
        case wake(node: Int, incarnation: Int, at: MonotonicTime)
        case act(Action)
    }

    private struct Scheduled {
        var time: MonotonicTime
        var order: UInt64
        var event: Event
    }

    private(set) var now = MonotonicTime(nanoseconds: 0)
    private(set) var said: [Said] = []
    /// Which processes (node, incarnation) a message has reached.
    private var arrivals: [Shown: Set<[Int]>] = [:]
    private(set) var framesSent = 0
    private(set) var messagesSent = 0
    private(set) var eventCount = 0
    private var random: SplitMix64
    private var nodes: [Node] = []
    private var connections: [Connection] = []
    private var queue = EventQueue()
    private var boundary: Int?
    private var lossPerMille = 0
    /// Pairs that cannot dial each other, smaller index first.
    private var barred: Set<[Int]> = []
    /// Turns a frame into bytes and back, to prove on the way that nothing is lost in the encoding.
    private let transcode: ((P2PFrame) -> P2PFrame)?

    static let wallStart: Int64 = 1_795_188_924_000_000

    init(seed: UInt64, transcode: ((P2PFrame) -> P2PFrame)? = nil) {
        random = SplitMix64(seed: seed)
        self.transcode = transcode
    }

    var moment: Moment {
        Moment(monotonic: now, wall: Timestamp(microseconds: Self.wallStart + now.nanoseconds / 1_000))
    }

    // MARK: Building

    private static func address(_ index: Int) -> SocketAddress {
        SocketAddress(ip: .v4(0x0A00_0001 + UInt32(index)), port: 9_000)
    }

    /// Adds a node that knows the address of one other, or of none.
    func addNode(bootstrap: Int?) {
        let index = nodes.count
        nodes.append(Node(machine: newMachine(index), address: Self.address(index), bootstrap: bootstrap))
        start(index)
    }

    func bar(_ one: Int, _ other: Int) { barred.insert([min(one, other), max(one, other)]) }

    func schedule(_ action: Action, at time: Duration) {
        push(.act(action), at: MonotonicTime(nanoseconds: 0).advanced(by: time))
    }

    private func newMachine(_ index: Int) -> MeshMachine {
        MeshMachine(
            configuration: .init(name: "n\(index)", port: 9_000), seed: random.next(), at: moment)
    }

    private func start(_ index: Int) {
        let typed = nodes[index].bootstrap.map { Endpoint(Self.address($0)) }
        perform(nodes[index].machine.started(typed.map { [$0] } ?? [], at: moment), of: index)
    }

    // MARK: Running

    func run(until end: Duration) {
        let end = MonotonicTime(nanoseconds: 0).advanced(by: end)
        while let next = queue.peek(), next <= end {
            let scheduled = queue.pop()
            now = scheduled.time
            eventCount += 1
            handle(scheduled.event)
        }
        now = end
    }

    private func push(_ event: Event, at time: MonotonicTime) { queue.push(event, at: time) }

    private func latency() -> Duration { .microseconds(Int.random(in: 500...40_000, using: &random)) }

    private func handle(_ event: Event) {
        switch event {
        case .frame(let frame, let connection, let side):
            guard isUp(connection, side) else { return }
            let index = connections[connection].nodes[side]
            if case .mesh(.message(let message)) = frame {
                arrivals[Shown(author: message.author, sequence: message.sequence), default: []]
                    .insert([index, nodes[index].incarnation])
            }
            perform(
                nodes[index].machine.received(frame, on: connections[connection].links[side], at: moment), of: index)
        case .ended(let end, let connection, let side):
            guard isUp(connection, side) else { return }
            drop(connection, side)
            let index = connections[connection].nodes[side]
            perform(nodes[index].machine.closed(connections[connection].links[side], end, at: moment), of: index)
        case .dialled(let number, let from, let incarnation, let target):
            connected(number, from, incarnation, target)
        case .refused(let number, let from, let incarnation):
            guard nodes[from].isAlive, nodes[from].incarnation == incarnation else { return }
            perform(nodes[from].machine.dialFailed(number, reason: "refused", at: moment), of: from)
        case .wake(let node, let incarnation, let time):
            guard nodes[node].isAlive, nodes[node].incarnation == incarnation, time == now else { return }
            perform(nodes[node].machine.timePassed(at: moment), of: node)
        case .act(let action):
            act(action)
        }
    }

    private func isUp(_ connection: Int, _ side: Int) -> Bool {
        let index = connections[connection].nodes[side]
        return connections[connection].isOpen[side] && nodes[index].isAlive
            && nodes[index].incarnation == connections[connection].incarnations[side]
    }

    private func drop(_ connection: Int, _ side: Int) {
        connections[connection].isOpen[side] = false
        nodes[connections[connection].nodes[side]].connections[connections[connection].links[side]] = nil
    }

    private func isCut(_ one: Int, _ other: Int) -> Bool {
        guard let boundary else { return false }
        return (one < boundary) != (other < boundary)
    }

    private func perform(_ effects: [MeshEffect], of index: Int) {
        for effect in effects {
            switch effect {
            case .dial(let number, let endpoint): dial(number, endpoint, from: index)
            case .cancelDial: break
            case .send(let frame, let links):
                for link in links { send(.mesh(frame), from: index, on: link) }
            case .say: break
            case .close(let link): close(link, of: index, isGraceful: true)
            case .reset(let link): close(link, of: index, isGraceful: false)
            case .slowDown, .resume, .keep: break
            case .wake(let time):
                guard let time else { continue }
                push(.wake(node: index, incarnation: nodes[index].incarnation, at: max(time, now)), at: max(time, now))
            case .tell(.message(let message)):
                let parts = message.id.split(separator: "-")
                guard parts.count == 2, let author = NodeID(hex: String(parts[0])), let sequence = UInt64(parts[1])
                else {
                    continue
                }
                nodes[index].shown.append(Shown(author: author, sequence: sequence))
            case .tell(let news): nodes[index].news.append(news)
            }
        }
    }

    private func send(_ frame: P2PFrame, from index: Int, on link: LinkID) {
        guard let (connection, side) = nodes[index].connections[link] else { return }
        framesSent += 1
        if case .mesh(.message) = frame { messagesSent += 1 }
        let other = connections[connection].nodes[1 - side]
        // Drawn in any case, so that one lost frame does not shift all that follows.
        let delay = latency()
        let isLost = Int.random(in: 0..<1_000, using: &random) < lossPerMille
        if isCut(index, other) || connections[connection].isTorn {
            connections[connection].isTorn = true
            return
        }
        // Without its greeting a connection is none of ours; TCP does not lose it, and the protocol relies on that.
        if isLost, !frame.isGreeting { return }
        let arrival = max(now.advanced(by: delay), connections[connection].arrival[side])
        connections[connection].arrival[side] = arrival
        push(.frame(transcode?(frame) ?? frame, connection: connection, to: 1 - side), at: arrival)
    }

    private func close(_ link: LinkID, of index: Int, isGraceful: Bool) {
        guard let (connection, side) = nodes[index].connections[link] else { return }
        let other = connections[connection].nodes[1 - side]
        if !isCut(index, other), !connections[connection].isTorn {
            let arrival = max(now.advanced(by: latency()), connections[connection].arrival[side])
            connections[connection].arrival[side] = arrival
            push(.ended(isGraceful ? .closed : .broken("reset"), connection: connection, at: 1 - side), at: arrival)
        }
        push(.ended(.here, connection: connection, at: side), at: now)
    }

    private func dial(_ number: Int, _ endpoint: Endpoint, from index: Int) {
        let incarnation = nodes[index].incarnation
        let target = nodes.firstIndex { Endpoint($0.address) == endpoint }
        guard let target, !isCut(index, target), !barred.contains([min(index, target), max(index, target)]) else {
            return push(
                .refused(number: number, from: index, incarnation: incarnation), at: now.advanced(by: .seconds(10)))
        }
        push(
            .dialled(number: number, from: index, incarnation: incarnation, target: target),
            at: now.advanced(by: latency()))
    }

    private func connected(_ number: Int, _ from: Int, _ incarnation: Int, _ target: Int) {
        guard nodes[from].isAlive, nodes[from].incarnation == incarnation else { return }
        guard nodes[target].isAlive, !isCut(from, target) else {
            perform(nodes[from].machine.dialFailed(number, reason: "refused", at: moment), of: from)
            return
        }
        let connection = connections.count
        let links = [nodes[from].takeLink(), nodes[target].takeLink()]
        connections.append(
            Connection(
                nodes: [from, target], incarnations: [incarnation, nodes[target].incarnation], links: links,
                arrival: [now, now]))
        nodes[from].connections[links[0]] = (connection, 0)
        nodes[target].connections[links[1]] = (connection, 1)
        let ephemeral = SocketAddress(ip: nodes[from].address.ip, port: UInt16(truncatingIfNeeded: 40_000 + connection))
        perform(
            nodes[from].machine.opened(
                links[0], direction: .dialled(number), remote: nodes[target].address, at: moment),
            of: from)
        perform(
            nodes[target].machine.opened(links[1], direction: .accepted, remote: ephemeral, at: moment), of: target)
    }

    private func act(_ action: Action) {
        switch action {
        case .say(let node):
            guard nodes[node].isAlive else { return }
            let text = "\(said.count)"
            guard let effects = try? nodes[node].machine.typed(text, at: moment) else { return }
            said.append(
                Said(
                    author: nodes[node].machine.me, node: node,
                    sequence: UInt64(said.count { $0.author == nodes[node].machine.me } + 1), time: now))
            perform(effects, of: node)
        case .kill(let node): stop(node, tellsOthers: true)
        case .freeze(let node): stop(node, tellsOthers: false)
        case .quit(let node):
            guard nodes[node].isAlive else { return }
            perform(nodes[node].machine.quit(at: moment), of: node)
            nodes[node].isAlive = false
        case .restart(let node):
            guard !nodes[node].isAlive else { return }
            nodes[node].isAlive = true
            nodes[node].incarnation += 1
            nodes[node].shown = []
            nodes[node].news = []
            nodes[node].connections = [:]
            nodes[node].machine = newMachine(node)
            start(node)
        case .partition(let boundary): self.boundary = boundary
        case .heal:
            boundary = nil
            // What was cut while something was sent on it cannot go on: the other end answers with a reset.
            for connection in connections.indices where connections[connection].isTorn {
                for side in 0...1 { push(.ended(.broken("timed out"), connection: connection, at: side), at: now) }
            }
        case .flap(let one, let other):
            for connection in connections.indices
            where Set(connections[connection].nodes) == [one, other] && connections[connection].isOpen.contains(true) {
                for side in 0...1 {
                    push(.ended(.broken("reset"), connection: connection, at: side), at: now.advanced(by: latency()))
                }
            }
        case .lossPerMille(let rate): lossPerMille = rate
        }
    }

    private func stop(_ node: Int, tellsOthers: Bool) {
        guard nodes[node].isAlive else { return }
        nodes[node].isAlive = false
        for (connection, side) in nodes[node].connections.values.sorted(by: { $0.connection < $1.connection }) {
            if tellsOthers, !isCut(node, connections[connection].nodes[1 - side]) {
                let arrival = max(now.advanced(by: latency()), connections[connection].arrival[side])
                push(.ended(.broken("reset"), connection: connection, at: 1 - side), at: arrival)
            } else {
                connections[connection].isTorn = true
            }
        }
        nodes[node].connections = [:]
    }

    // MARK: Asking

    var count: Int { nodes.count }
    func isAlive(_ node: Int) -> Bool { nodes[node].isAlive }
    func id(_ node: Int) -> NodeID { nodes[node].machine.me }
    func machine(_ node: Int) -> MeshMachine { nodes[node].machine }
    func shown(_ node: Int) -> [Shown] { nodes[node].shown }
    func news(_ node: Int) -> [MeshNews] { nodes[node].news }

    /// Whether a copy of a message came to a process that is alive now.
    func hasReachedTheLiving(_ said: Said) -> Bool {
        arrivals[Shown(author: said.author, sequence: said.sequence)]?
            .contains { nodes[$0[0]].isAlive && nodes[$0[0]].incarnation == $0[1] } ?? false
    }

    /// The connection that a node uses to another, by number: the same at both ends when they agree.
    func edge(_ one: Int, _ other: Int) -> [Int] {
        let peers = nodes[one].machine.edges(to: nodes[other].machine.me)
        return peers.compactMap { nodes[one].connections[$0]?.connection }
    }
}

extension P2PFrame {
    fileprivate var isGreeting: Bool { if case .mesh(.hello) = self { true } else { false } }
}

extension MeshSimulation {
    /// A heap by time, then by age.
    private struct EventQueue {
        private var heap: [Scheduled] = []
        private var nextOrder: UInt64 = 0

        func peek() -> MonotonicTime? { heap.first?.time }

        mutating func push(_ event: Event, at time: MonotonicTime) {
            nextOrder += 1
            heap.append(Scheduled(time: time, order: nextOrder, event: event))
            var index = heap.count - 1
            while index > 0, precedes(index, (index - 1) / 2) {
                heap.swapAt(index, (index - 1) / 2)
                index = (index - 1) / 2
            }
        }

        mutating func pop() -> Scheduled {
            heap.swapAt(0, heap.count - 1)
            let top = heap.removeLast()
            var index = 0
            while true {
                var smallest = index
                for child in [2 * index + 1, 2 * index + 2] where child < heap.count && precedes(child, smallest) {
                    smallest = child
                }
                if smallest == index { return top }
                heap.swapAt(index, smallest)
                index = smallest
            }
        }

        private func precedes(_ left: Int, _ right: Int) -> Bool {
            (heap[left].time, heap[left].order) < (heap[right].time, heap[right].order)
        }
    }
}
