import P2PMode
import Wire

/// One run of the simulation, made from a seed: how many nodes, who knows whom, what is said and what goes wrong.
struct MeshScenario {
    let seed: UInt64
    let size: Int
    /// Who was given whose address at the start.
    let bootstraps: [Int?]
    let faults: [MeshSimulation.Fault]
    let end: Duration

    init(seed: UInt64, largest: Int = 50) {
        self.seed = seed
        var random = SplitMix64(seed: seed)
        let sizes = [2, 3, 5, 8, 12, 16, 24, 50].filter { $0 <= largest }
        // Small networks more often: they fail in more ways per second of computing.
        let size = sizes[
            min(Int.random(in: 0..<sizes.count, using: &random), Int.random(in: 0..<sizes.count, using: &random))]
        self.size = size
        bootstraps = (0..<size).map { $0 == 0 ? nil : Int.random(in: 0..<$0, using: &random) }
        // Frames vanish from connections that live on: more than TCP ever does.
        let losesFrames = Int.random(in: 0..<3, using: &random) == 0
        var faults: [MeshSimulation.Fault] = []
        func add(_ seconds: Double, _ action: MeshSimulation.Action) {
            faults.append(MeshSimulation.Fault(time: .seconds(seconds), action: action))
        }
        if losesFrames { add(0, .lossPerMille(Int.random(in: 1...50, using: &random))) }
        // 0 to 300 s: joining, talking, flapping.
        for _ in 0..<Int.random(in: 0...2 * size, using: &random) {
            let one = Int.random(in: 0..<size, using: &random)
            let other = (one + Int.random(in: 1..<max(2, size), using: &random)) % size
            add(.random(in: 1...300, using: &random), .flap(one: one, other: other))
        }
        // Three in ten die, some at once, some of them to come back.
        if Int.random(in: 0..<2, using: &random) == 0 {
            let time = Double.random(in: 10...300, using: &random)
            for node in (0..<size).shuffled(using: &random).prefix(size * 3 / 10) {
                let isTold = Bool.random(using: &random)
                add(time, isTold ? .kill(node: node) : .freeze(node: node))
                if Bool.random(using: &random) {
                    add(.random(in: time + 1...time + 900, using: &random), .restart(node: node))
                }
            }
        }
        if Int.random(in: 0..<3, using: &random) == 0 {
            let node = Int.random(in: 0..<size, using: &random)
            let time = Double.random(in: 10...300, using: &random)
            add(time, .quit(node: node))
            if Bool.random(using: &random) { add(time + .random(in: 1...100, using: &random), .restart(node: node)) }
        }
        // Cut in two, for minutes or for an hour.
        var healed = 300.0
        if size > 2, Int.random(in: 0..<2, using: &random) == 0 {
            let time = Double.random(in: 5...300, using: &random)
            healed = time + (Bool.random(using: &random) ? 3_600 : .random(in: 1...600, using: &random))
            add(time, .partition(boundary: Int.random(in: 1..<size, using: &random)))
            add(healed, .heal)
        }
        let busy = max(healed, 1_300)
        for _ in 0..<Int.random(in: size...6 * size, using: &random) {
            let isEarly = Bool.random(using: &random)
            add(
                .random(in: 0...(isEarly ? 320 : busy), using: &random),
                .say(node: Int.random(in: 0..<size, using: &random)))
        }
        if losesFrames { add(busy, .lossPerMille(0)) }
        self.faults = faults.sorted { $0.time < $1.time }
        // Then calm: the longest wait between two tries, a comparison or two, and some hops.
        end = .seconds(busy + 420)
    }

    /// Runs it; returns what broke a promise, and the schedule when something did.
    func violations(transcode: ((P2PFrame) -> P2PFrame)? = nil) -> String? {
        let simulation = MeshSimulation(seed: seed ^ 0x5EED, transcode: transcode)
        for bootstrap in bootstraps { simulation.addNode(bootstrap: bootstrap) }
        for fault in faults { simulation.schedule(fault.action, at: fault.time) }
        simulation.run(until: end)
        let problems = MeshChecker(simulation).problems()
        if problems.isEmpty { return nil }
        let schedule =
            bootstraps.enumerated().map { "node \($0) bootstrap \($1.map(String.init) ?? "none")" }
            + faults.map(\.description)
        return "seed \(seed), \(size) nodes\n" + problems.prefix(20).joined(separator: "\n") + "\nschedule:\n"
            + schedule.joined(separator: "\n")
    }
}

/// Holds what every node has shown against what was said.
struct MeshChecker {
    private let simulation: MeshSimulation

    init(_ simulation: MeshSimulation) {
        self.simulation = simulation
    }

    func problems() -> [String] {
        let alive = (0..<simulation.count).filter(simulation.isAlive)
        return alive.flatMap { onceAndInOrder($0) } + everybodySawEverything(alive) + everybodyKnowsEverybody(alive)
            + oneEdgePerPair(alive)
    }

    private func onceAndInOrder(_ node: Int) -> [String] {
        var last: [NodeID: UInt64] = [:]
        var problems: [String] = []
        for shown in simulation.shown(node) {
            if shown.sequence <= last[shown.author] ?? 0 {
                problems.append(
                    "node \(node) showed \(name(shown.author)) \(shown.sequence) after \(last[shown.author]!)")
            }
            last[shown.author] = shown.sequence
        }
        return problems
    }

    private func everybodySawEverything(_ alive: [Int]) -> [String] {
        var problems: [String] = []
        let shown = alive.map { node in Set(simulation.shown(node).map { "\($0.author.hex)-\($0.sequence)" }) }
        let living = Set(alive.map(simulation.id))
        for said in simulation.said {
            let id = "\(said.author.hex)-\(said.sequence)"
            // What the dead said is known to all if it came to anybody who is alive.
            guard living.contains(said.author) || simulation.hasReachedTheLiving(said) else { continue }
            for (index, node) in alive.enumerated() where !shown[index].contains(id) {
                problems.append("node \(node) never showed \(name(said.author)) \(said.sequence), said at \(said.time)")
            }
        }
        return problems
    }

    private func everybodyKnowsEverybody(_ alive: [Int]) -> [String] {
        let living = Set(alive.map(simulation.id))
        return alive.compactMap { node in
            let present = Set(simulation.machine(node).membership.present)
            let expected = living.subtracting([simulation.id(node)])
            if present == expected { return nil }
            let missing = expected.subtracting(present).map(name)
            let extra = present.subtracting(expected).map(name)
            return "node \(node) misses \(missing) and still has \(extra)"
        }
    }

    private func oneEdgePerPair(_ alive: [Int]) -> [String] {
        guard simulation.count <= MeshMachine.fullMesh else { return [] }
        var problems: [String] = []
        for one in alive {
            for other in alive where one < other {
                let there = simulation.edge(one, other)
                let back = simulation.edge(other, one)
                if there.count != 1 || there != back {
                    problems.append("nodes \(one) and \(other) use connections \(there) and \(back)")
                }
            }
        }
        return problems
    }

    private func name(_ node: NodeID) -> String {
        (0..<simulation.count).first { simulation.id($0) == node }.map { "n\($0)" } ?? "a former \(node.prefix(6))"
    }
}
