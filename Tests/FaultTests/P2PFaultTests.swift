import FaultProxy
import Glibc
import TestSupport
import Testing
import Wire

/// A mesh whose links and processes fail: whoever is alive in the end has seen what everybody alive has said.
@Suite struct P2PFaultTests {
    private static let count = 4

    @Test(arguments: Run.seeds) func everybodyAliveSeesEverything(seed: UInt64) async throws {
        signal(SIGPIPE, SIG_IGN)
        let schedule = Schedule(
            seed: seed, speakers: Array(0..<Self.count), mortals: [1, 2],
            splits: [[[0, 1], [2, 3]], [[0], [1, 2, 3]], [[0, 2], [1], [3]]], count: 60, network: .streams)
        let journal = Journal(schedule)
        // Everybody listens on 127.0.0.1 and is reached on 127.0.0.9, from where the proxy comes as well: each peer learns
        // only addresses of the proxy. Who calls is read from the greeting, which names the caller's port.
        let ports = Ports()
        let proxy = try FaultProxy(
            seed: seed,
            routes: (0..<Self.count).map { index in
                .init(
                    .stream, front: SocketAddress(ip: .v4(0x7F00_0009), port: 0),
                    to: SocketAddress(ip: .loopbackV4, port: 0), from: .v4(0x7F00_0009), callee: index,
                    identify: { ports.index(in: $0) })
            })
        ports.set(proxy.fronts.map(\.port))
        let nodes = (0..<Self.count).map { index in
            Participant(
                index,
                [
                    "p2p", "\(proxy.fronts[index].port)", "127.0.0.9:\(proxy.fronts[(index + 1) % Self.count].port)",
                    "--bind", "127.0.0.1", "--name", "n\(index)", "--memory", "--no-rate-limit", "--json",
                ], journal)
        }
        var run = Run(proxy, nodes, journal)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for participant in nodes { group.addTask { await participant.follow() } }
            for who in 0..<Self.count { try await run.start(who) }
            try await run.carryOut(schedule)
            await run.sayLastWords(0..<Self.count)
            let lives = await Participant.lives(of: nodes)
            // The last words of all, and what the dead have said and anybody has.
            await journal.wait { records in
                let texts = Set(lives.flatMap { records[$0]?.shown.map(\.id) ?? [] })
                return lives.allSatisfy { life in
                    guard let record = records[life] else { return false }
                    let seen = Set(record.shown.map(\.id)).union(record.own.keys)
                    return record.hasEnded
                        || records.hasLastWords(life, of: lives) && texts.isSubset(of: seen)
                }
            }
            for node in nodes {
                #expect(await node.stop() <= 2, "\(schedule)")
            }
            for participant in nodes { participant.finish() }
            try await group.waitForAll()
            let records = await journal.records
            Run.checkEverybody(records, schedule)
            Self.check(records, lives, schedule)
        }
        proxy.stop()
    }

    private static func check(
        _ records: [Journal.Life: Journal.Record], _ final: [Journal.Life], _ schedule: Schedule
    ) {
        for author in final {
            guard let own = records[author]?.own else { continue }
            #expect(!own.isEmpty)
            for (id, text) in own {
                for reader in final where reader != author {
                    let copies = records[reader]!.shown.count { $0.id == id }
                    #expect(copies == 1, "\(reader) showed \(text) of \(author) \(copies) times\n\(schedule)")
                }
                // Who is said to have it has it.
                for name in records[author]!.reached[id] ?? [] {
                    let lives = records.filter { name.prefix { $0 != "#" } == "n\($0.key.who)" }
                    #expect(lives.contains { $0.value.shown.contains { $0.id == id } }, "\(name) never showed \(text)")
                }
            }
        }
    }

    /// Ports by index, known only once the proxy has them.
    ///
    /// `@unchecked Sendable`: written once before any process is started, and so before the proxy asks.
    private final class Ports: @unchecked Sendable {
        private var ports: [UInt16] = []

        func set(_ ports: [UInt16]) { self.ports = ports }

        func index(in bytes: [UInt8]) -> Int? {
            let text = String(decoding: bytes, as: UTF8.self)
            guard let range = text.firstRange(of: "\"port\":") else { return nil }
            let digits = text[range.upperBound...].drop { $0 == " " }.prefix { $0.isNumber }
            return UInt16(digits).flatMap { ports.firstIndex(of: $0) }
        }
    }
}
