import Abuse
import Glibc
import Platform
import TestSupport
import Wire

/// What happens in one mode.
actor Course {
    /// Time between two samples.
    private static let sampling: Duration = .seconds(5)
    /// Time between two messages.
    private static let rhythm: Duration = .milliseconds(300)
    /// Messages between two departures, each followed by a return, and between two attacks of five seconds.
    private static let departure = 40
    private static let attack = 200

    private let mode: Mode
    private let end: MonotonicTime
    private let path: String
    private var samples: [[ProcessGauge]] = [[], []]
    private var random: SplitMix64

    init(_ mode: Mode, until end: MonotonicTime, folder: String) {
        self.mode = mode
        self.end = end
        path = "\(folder)/long-run-\(mode.rawValue).csv"
        random = SplitMix64(seed: UInt64(mode.rawValue.utf8.reduce(0) { $0 &* 31 &+ Int($1) }))
    }

    func run() async -> [Verdict] {
        var problem: String?
        do {
            try await Scene.with(mode) { try await self.live(in: $0) }
        } catch {
            problem = "\(error)"
        }
        var verdicts = [Verdict("\(mode.rawValue), server", samples[0], problem: problem)]
        // In p2p it is one and the same.
        if mode != .p2p { verdicts.append(Verdict("\(mode.rawValue), client", samples[1])) }
        return verdicts
    }

    private func live(in scene: Scene) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.sample(scene) }
            group.addTask { try await self.talk(in: scene) }
            try await group.waitForAll()
        }
    }

    private func sample(_ scene: Scene) async throws {
        guard let file = fopen(path, "w") else { return }
        defer { fclose(file) }
        fputs(
            "seconds,server KiB,server descriptors,server threads,client KiB,client descriptors,client threads\n", file)
        let start = MonotonicTime.now()
        while .now() < end {
            var row = "\((MonotonicTime.now() - start) / .seconds(1))"
            for (index, child) in [scene.server, scene.listener].enumerated() {
                guard let gauge = ProcessGauge(of: child.pid) else { continue }
                samples[index].append(gauge)
                row += ",\(gauge.resident),\(gauge.descriptors),\(gauge.threads)"
            }
            fputs(row + "\n", file)
            fflush(file)
            try await Task.sleep(for: Self.sampling)
        }
    }

    private func talk(in scene: Scene) async throws {
        var children = scene.speakers
        var numbers = [Int](repeating: 0, count: children.count)
        var said = 0
        let departure = Self.departure
        let attack = Self.attack
        try await withThrowingTaskGroup(of: Void.self) { group in
            while .now() < end {
                let index = said % children.count
                numbers[index] += 1
                await scene.say(index + 1, numbers[index], through: children[index])
                said += 1
                try await Task.sleep(for: Self.rhythm)
                if said % departure == 0 {
                    // What was said is there; then one goes, with a word or without, and comes back.
                    _ = try await scene.ledger.settle()
                    let one = children.indices.randomElement(using: &random)!
                    if Bool.random(using: &random) {
                        children[one].send(SIGKILL)
                    } else {
                        children[one].post("/quit\n")
                    }
                    _ = await children[one].exitStatus()
                    let back = try await scene.user(one + 1)
                    children[one] = back
                    group.addTask { await scene.drain(back) }
                }
                if said % attack == 0, let one = Attack.all(of: mode).randomElement(using: &random) {
                    let thread = try one.begin(on: scene.target, Pace(for: .seconds(5), divisor: 10))
                    // It ends by itself.
                    _ = thread
                }
            }
            _ = try await scene.ledger.settle()
            for child in children { child.send(SIGKILL) }
        }
        if await !scene.ledger.disorder.isEmpty { throw Disorder(texts: await scene.ledger.disorder) }
    }

    /// What was shown twice or out of order.
    private struct Disorder: Error {
        let texts: [String]
    }
}
