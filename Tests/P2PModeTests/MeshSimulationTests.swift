import Glibc
import P2PMode
import Testing
import Wire

/// Many networks, each made from a seed, each held against the same promises.
///
///     CHAT_SIMULATION_SEEDS=5000 swift test -c release --filter MeshSimulationTests
@Suite struct MeshSimulationTests {
    /// How many seeds: a few by default, since a debug build is slow.
    private static let count: UInt64 = getenv("CHAT_SIMULATION_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 0

    @Test(arguments: Array(0..<max(16, count))) func everybodySeesEverythingOnceAndInOrder(seed: UInt64) {
        let scenario = MeshScenario(seed: seed, largest: Self.count > 0 ? 50 : 12)
        let transcode: ((P2PFrame) -> P2PFrame)? = seed % 8 == 0 ? { Self.transcode($0) } : nil
        if let problem = scenario.violations(transcode: transcode) { Issue.record("\(problem)") }
    }

    /// Each given one address; three in ten die at once while everybody talks. Fifty in the long version.
    @Test func threeInTenDieAtOnce() {
        let size = Self.count > 0 ? 50 : 20
        let simulation = MeshSimulation(seed: 50)
        var random = SplitMix64(seed: 51)
        for node in 0..<size {
            simulation.addNode(bootstrap: node == 0 ? nil : Int.random(in: 0..<node, using: &random))
        }
        for node in 0..<size {
            simulation.schedule(.say(node: node), at: .seconds(20 + 3 * Double(node) / Double(size)))
        }
        let dying = (0..<size).shuffled(using: &random).prefix(size * 3 / 10)
        for node in dying { simulation.schedule(.kill(node: node), at: .seconds(23)) }
        for node in 0..<size { simulation.schedule(.say(node: node), at: .seconds(23 + Double(node) / Double(size))) }
        simulation.run(until: .seconds(120))
        #expect(MeshChecker(simulation).problems().isEmpty)
        #expect((0..<size).count(where: simulation.isAlive) == size - dying.count)
        #expect(simulation.said.count >= 2 * size - dying.count)
    }

    /// An hour apart: each half goes on talking, and has all that the other said soon after.
    @Test func aNetworkCutForAnHour() {
        let simulation = MeshSimulation(seed: 7)
        for node in 0..<10 { simulation.addNode(bootstrap: node == 0 ? nil : node - 1) }
        simulation.schedule(.partition(boundary: 4), at: .seconds(30))
        for node in 0..<10 { simulation.schedule(.say(node: node), at: .seconds(29.99 + Double(node) / 1_000)) }
        for minute in 1..<59 { simulation.schedule(.say(node: minute % 10), at: .seconds(30 + 60 * Double(minute))) }
        simulation.schedule(.heal, at: .seconds(3_630))
        simulation.run(until: .seconds(3_630 + 150))
        #expect(MeshChecker(simulation).problems().isEmpty)
        #expect(simulation.said.count == 68)
        #expect(simulation.shown(0).count == 68)
    }

    /// A and C cannot reach each other: what they say goes through B, and each knows of the other.
    @Test func threeInALine() {
        let simulation = MeshSimulation(seed: 3)
        simulation.addNode(bootstrap: 1)
        simulation.addNode(bootstrap: nil)
        simulation.addNode(bootstrap: 1)
        simulation.bar(0, 2)
        simulation.schedule(.say(node: 0), at: .seconds(10))
        simulation.schedule(.say(node: 2), at: .seconds(11))
        simulation.run(until: .seconds(60))
        for node in 0..<3 {
            #expect(simulation.shown(node).count == 2)
            #expect(simulation.machine(node).membership.present.count == 2)
        }
        #expect(simulation.edge(0, 2).isEmpty)
        var first = simulation.machine(0)
        #expect(first.who().map(\.distance) == [0, 1, 2])
    }

    /// A full mesh sends a message once to everybody, and to nobody twice.
    @Test func inAFullMeshNothingIsSentTwice() {
        let simulation = MeshSimulation(seed: 5)
        for node in 0..<12 { simulation.addNode(bootstrap: node == 0 ? nil : 0) }
        simulation.run(until: .seconds(100))
        let before = simulation.messagesSent
        simulation.schedule(.say(node: 4), at: .seconds(101))
        simulation.run(until: .seconds(102))
        #expect(simulation.messagesSent - before == 11)
    }

    /// The same seed gives the same run, frame for frame: a failing seed can be looked into.
    @Test func runsRepeat() {
        func run() -> [Int] {
            let simulation = MeshSimulation(seed: 11)
            for node in 0..<8 { simulation.addNode(bootstrap: node == 0 ? nil : node / 2) }
            simulation.schedule(.lossPerMille(20), at: .zero)
            for node in 0..<8 { simulation.schedule(.say(node: node), at: .seconds(20)) }
            simulation.schedule(.kill(node: 3), at: .seconds(21))
            simulation.run(until: .seconds(200))
            return [simulation.framesSent, simulation.eventCount] + (0..<8).map { simulation.shown($0).count }
        }
        #expect(run() == run())
    }

    /// The checker sees what it is there to see.
    @Test func theCheckerFindsWhatIsMissing() {
        let simulation = MeshSimulation(seed: 1)
        simulation.addNode(bootstrap: nil)
        simulation.addNode(bootstrap: nil)
        simulation.schedule(.say(node: 0), at: .seconds(5))
        simulation.run(until: .seconds(60))
        let problems = MeshChecker(simulation).problems()
        #expect(problems.contains { $0.hasPrefix("node 1 never showed n0 1") })
        #expect(problems.contains { $0.hasPrefix("node 1 misses") })
        #expect(problems.contains { $0.hasPrefix("nodes 0 and 1 use connections") })
    }

    /// Through bytes and back, as over a socket.
    private static func transcode(_ frame: P2PFrame) -> P2PFrame {
        guard case .mesh(let mesh) = frame else { return frame }
        var writer = ByteWriter()
        try! writer.append(mesh, at: Timestamp(microseconds: 0), utcOffset: 0)
        return try! P2PFrame(decoding: writer.bytes[2...])
    }
}
