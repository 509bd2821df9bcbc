import Delivery
import Platform
import Testing
import Wire

@testable import RoomsMode

/// The promises of delivery in a room, over a network that loses, repeats and reorders, with everything from a seed.
@Suite struct RoomsSimulationTests {
    /// How many schedules are tried; `CHAT_TEST_SEEDS=2000` tries that many.
    static let seeds = 0..<(Environment["CHAT_TEST_SEEDS"].flatMap { UInt64($0) } ?? 30)

    static let lossy = SimulatedRooms.Faults(
        loss: 0.3, duplication: 0.15, longestDelay: .milliseconds(120), breaks: 0.05, corruption: 0.02)

    private func chat(
        _ world: inout SimulatedRooms, people: Int, messages: Int, over duration: Duration
    ) {
        // An exchange that breaks when a program starts is its end, which is not what is looked at here.
        let breaks = world.faults.breaks
        world.faults.breaks = 0
        for number in 0..<people { _ = world.addPerson("p\(number)") }
        world.run(for: .seconds(3))
        world.faults.breaks = breaks
        for number in 0..<messages {
            let at = duration * Double.random(in: 0..<1, using: &world.random)
            world.schedule(.say(Int.random(in: 0..<people, using: &world.random), "m\(number)"), after: at)
        }
        world.run(for: duration)
    }

    @Test func aCleanNetwork() {
        var world = SimulatedRooms(seed: 1, faults: .init())
        chat(&world, people: 5, messages: 60, over: .seconds(10))
        world.run(for: .seconds(20))
        world.check(everybodySeesAll: true, sameOrder: true, 1)
        #expect(world.people.allSatisfy { $0.accepted.count == $0.said.count && $0.isReady })
        #expect(world.people.allSatisfy { $0.caughtUp.isEmpty })
        for (index, person) in world.people.enumerated() {
            let names = Set((0..<5).map { "p\($0)" })
            #expect(person.present.union([person.machine.name]) == names, "\(index)")
        }
    }

    @Test(arguments: seeds)
    func lossDuplicationAndReordering(_ seed: UInt64) {
        var world = SimulatedRooms(seed: seed, faults: Self.lossy)
        chat(&world, people: 4, messages: 40, over: .seconds(20))
        world.run(for: .seconds(120))
        world.check(everybodySeesAll: true, sameOrder: true, seed)
        #expect(world.people.allSatisfy { $0.accepted.count == $0.said.count }, "seed \(seed)")
    }

    /// The server is killed in the middle and comes back: clients go on, nothing that was accepted is missed.
    @Test(arguments: seeds)
    func theServerIsKilled(_ seed: UInt64) {
        var world = SimulatedRooms(seed: seed, faults: Self.lossy)
        for _ in 0..<2 {
            let at = Duration.seconds(4) + .seconds(20) * Double.random(in: 0..<1, using: &world.random)
            let down = Duration.milliseconds(Int64.random(in: 1...6_000, using: &world.random))
            world.schedule(.crash(down), after: at)
        }
        chat(&world, people: 4, messages: 40, over: .seconds(25))
        world.run(for: .seconds(180))
        world.check(everybodySeesAll: true, sameOrder: false, seed)
        #expect(world.people.allSatisfy { $0.ending == nil }, "seed \(seed): nobody has to join again")
    }

    /// A server that is gone for longer than anybody waits: everybody is told of each message what became of it.
    @Test(arguments: seeds.prefix(20))
    func theServerIsAwayForLong(_ seed: UInt64) {
        var world = SimulatedRooms(seed: seed, faults: Self.lossy)
        world.schedule(.crash(.seconds(90)), after: .seconds(8))
        chat(&world, people: 3, messages: 40, over: .seconds(60))
        world.run(for: .seconds(240))
        world.check(everybodySeesAll: true, sameOrder: false, seed)
        #expect(world.people.contains { !$0.unanswered.isEmpty || !$0.failed.isEmpty } || seed > 0)
        for person in world.people {
            #expect(person.news.contains(.serverLost) && person.news.contains(.serverFound), "seed \(seed)")
        }
    }

    /// Clients are killed and started again: they come back to their place and are shown what they missed.
    @Test(arguments: seeds)
    func clientsAreKilled(_ seed: UInt64) {
        var world = SimulatedRooms(seed: seed, faults: Self.lossy)
        for _ in 0..<3 {
            let who = Int.random(in: 0..<4, using: &world.random)
            let at = Duration.seconds(6) + .seconds(20) * Double.random(in: 0..<1, using: &world.random)
            world.schedule(.kill(who, .seconds(Int64.random(in: 1...90, using: &world.random))), after: at)
        }
        world.faults.breaks = 0
        chat(&world, people: 4, messages: 40, over: .seconds(28))
        world.run(for: .seconds(300))
        world.check(everybodySeesAll: true, sameOrder: true, seed)
    }
}
