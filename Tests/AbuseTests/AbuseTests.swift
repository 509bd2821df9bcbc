import Abuse
import Glibc
import Platform
import TestSupport
import Testing
import Wire

/// Strangers do their worst beside people who talk: what these say arrives, once and in order; memory, descriptors and
/// threads stay bounded and come back; the log does not grow with the attack.
///
/// The short version runs all attacks on a mode together. With `CHAT_ABUSE=1` each runs alone, for longer, and how long
/// the messages took is held against the time before.
@Suite(.serialized) struct AbuseTests {
    static let isLong = getenv("CHAT_ABUSE") != nil
    /// Only attacks whose name holds this.
    static let wanted = getenv("CHAT_ABUSE_ONLY").map { String(cString: $0) }

    static let traces = getenv("CHAT_ABUSE_TRACE") != nil

    /// KiB that a server may take beyond what it had, whatever strangers do: outboxes, decoders and tables at their limits.
    private static let memoryBound = isInstrumented ? .max : 128 * 1_024
    /// KiB that a second round of the same may add to the first: what is left of names, groups and rooms that were made.
    private static let growthBound = isInstrumented ? .max : 24 * 1_024
    /// Of the long version: how often it is calm and then attacked, and for how long each.
    private static let rounds = 3
    private static let roundTime: Duration = .milliseconds(2_500)
    /// Notices and errors a second.
    private static let logBound = 20

    @Test(.disabled(if: isLong), arguments: Mode.allCases.filter { mode in wanted.map { mode.rawValue == $0 } ?? true })
    func everyAttackAtOnce(_ mode: Mode) async throws {
        try await Scene.with(mode) { scene in
            var number = 0
            _ = try await scene.converse(for: .seconds(1), &number)
            let before = try #require(ProcessGauge(of: scene.server.pid))
            let lines = await scene.ledger.notices
            var levels: [Int] = []
            let start = MonotonicTime.now()
            for _ in 0..<2 {
                _ = try await Self.attack(
                    scene, Attack.all(of: mode), for: .seconds(3), divisor: isInstrumented ? 32 : 4, &number)
                levels.append(try await Self.level(scene, before).resident)
            }
            try await Self.check(scene, before, levels: levels, lines: lines, since: start, "\(mode)")
        }
    }

    @Test(.enabled(if: isLong), arguments: Mode.allCases) func latencyBesideEachAttack(_ mode: Mode) async throws {
        print(
            "| mode | attack | p99 before | p99 beside it | ratio | memory: before, most, after, after a second | log lines |"
        )
        for attack in Attack.all(of: mode) where Self.wanted.map({ attack.name.contains($0) }) ?? true {
            try await Scene.with(mode, speakers: 12) { scene in
                var number = 0
                // What is loaded late is loaded, and in p2p everybody has found everybody.
                _ = try await scene.converse(for: mode == .p2p ? .seconds(6) : .seconds(2), &number)
                let before = try #require(ProcessGauge(of: scene.server.pid))
                let lines = await scene.ledger.notices
                let start = MonotonicTime.now()
                // In turn, so that what else the machine does falls on both alike.
                var (calm, beside): ([Duration], [Duration]) = ([], [])
                for _ in 0..<Self.rounds {
                    calm += try await scene.converse(for: Self.roundTime, &number)
                    beside += try await Self.attack(scene, [attack], for: Self.roundTime, divisor: 1, &number)
                }
                let first = try await Self.level(scene, before)
                _ = try await Self.attack(scene, [attack], for: Self.roundTime, divisor: 1, &number)
                let second = try await Self.level(scene, before)
                let (p, q) = (calm.percentile(99), beside.percentile(99))
                let ratio = (q / p * 100).rounded() / 100
                print(
                    "| \(mode) | \(attack.name) | \(Self.text(p)) | \(Self.text(q)) | \(ratio) | \(before.resident), "
                        + "\(second.peak), \(first.resident), \(second.resident) KiB | \(await scene.ledger.notices - lines) |"
                )
                fflush(nil)
                #expect(ratio <= 3, "\(mode), \(attack.name): \(Self.text(p)) before, \(Self.text(q)) beside it")
                try await Self.check(
                    scene, before, levels: [first.resident, second.resident], lines: lines, since: start,
                    "\(mode), \(attack.name)")
            }
        }
    }

    /// Lets people talk while attacks go on.
    private static func attack(
        _ scene: Scene, _ attacks: [Attack], for time: Duration, divisor: Int, _ number: inout Int
    ) async throws -> [Duration] {
        var running: [(Thread, Pace)] = []
        for attack in attacks {
            let pace = Pace(for: time, divisor: divisor)
            running.append((try attack.begin(on: scene.target, pace), pace))
        }
        defer {
            for (_, pace) in running { pace.stop() }
            for (thread, _) in running { thread.join() }
        }
        let latencies = try await scene.converse(for: time, &number)
        if traces {
            print(
                "beside \(attacks.map(\.name)): p99 \(text(latencies.percentile(99))), \(ProcessGauge(of: scene.server.pid)!), \(await scene.ledger.events)"
            ); fflush(nil)
        }
        return latencies
    }

    /// Waits until the server has let go of the strangers' sockets.
    private static func level(_ scene: Scene, _ before: ProcessGauge) async throws -> ProcessGauge {
        for _ in 0..<1_200 {
            let now = try #require(ProcessGauge(of: scene.server.pid))
            if now.descriptors <= before.descriptors, now.threads <= before.threads { return now }
            try await Task.sleep(for: .milliseconds(50))
        }
        return try #require(ProcessGauge(of: scene.server.pid))
    }

    private static func check(
        _ scene: Scene, _ before: ProcessGauge, levels: [Int], lines: Int, since start: MonotonicTime, _ what: String
    ) async throws {
        let after = try #require(ProcessGauge(of: scene.server.pid), "\(what): the server has ended")
        #expect(await scene.ledger.disorder.isEmpty, "\(what): shown twice or out of order")
        #expect(after.descriptors <= before.descriptors, "\(what): \(before), then \(after)")
        #expect(after.threads <= before.threads, "\(what): \(before), then \(after)")
        #expect(after.peak - before.resident <= memoryBound, "\(what): \(before), then \(after)")
        #expect(levels[1] - levels[0] <= growthBound, "\(what): \(before), then \(levels), now \(after)")
        let seconds = Int((MonotonicTime.now() - start) / .seconds(1)) + 1
        let logged = await scene.ledger.notices - lines
        #expect(logged <= logBound * seconds, "\(what): \(logged) lines in \(seconds) s")
    }

    private static func text(_ time: Duration) -> String {
        "\((time / .milliseconds(1) * 100).rounded() / 100) ms"
    }
}
