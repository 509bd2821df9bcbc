import Glibc
import Testing
import Wire

@testable import UDPMode

/// Schedules to try: fewer by default, more by `CHAT_TEST_SEEDS`.
private let seeds: UInt64 = getenv("CHAT_TEST_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 20

/// The promises, in bad weather: delivered is shown exactly once; no answer is shown at most once and said so; one of the
/// two, never neither.
@Suite struct SimulationTests {
    /// Holds what the senders were told against what the receivers saw.
    private func check(_ world: SimulatedWorld, seed: UInt64, groupMembers: [UInt16] = []) {
        for (port, client) in world.clients {
            let seen = client.messages.map(\.id)
            #expect(Set(seen).count == seen.count, "seed \(seed): \(port) saw a message twice")
        }
        for (port, sender) in world.clients {
            for message in sender.own {
                let states = sender.states(of: message.id)
                let last = states.last
                let copies = world.clients.values.map { $0.messages.count { $0.id == message.id } }.reduce(0, +)
                if message.group == nil {
                    #expect(
                        [.delivered, .stored, .noanswer, .failed].contains(last),
                        "seed \(seed): \(port) was told \(states) of \(message.text)")
                    if last == .delivered {
                        #expect(copies == 1, "seed \(seed): \(message.text) shown \(copies) times")
                    }
                    #expect(copies <= 1, "seed \(seed): \(message.text) shown \(copies) times")
                } else {
                    #expect([.accepted, .noanswer, .failed].contains(last), "seed \(seed): \(port) was told \(states)")
                }
            }
        }
    }

    @Test func directMessagesInAStorm() {
        var delivered = 0
        var total = 0
        for seed in 0..<seeds {
            var world = SimulatedWorld(seed: seed)
            world.join("alice", 5001)
            world.join("bob", 5002)
            world.join("carol", 5003)
            world.run(.seconds(1))
            world.weather = .storm
            let names = ["alice", "bob", "carol"]
            for number in 0..<30 {
                let from = Int.random(in: 0..<3, using: &world.random)
                let to = Int.random(in: 0..<3, using: &world.random)
                world.type(UInt16(5001 + from), "send \(names[to]) \(names[from])-\(number)")
                if number % 4 == 0 { world.run(.milliseconds(Int.random(in: 0...400, using: &world.random))) }
            }
            world.run(.seconds(40))
            check(world, seed: seed)
            // Each author's messages to each receiver keep their order.
            for client in world.clients.values {
                for name in names {
                    let numbers = client.messages.filter { $0.sender == name }.compactMap {
                        Int($0.text.split(separator: "-")[1])
                    }
                    #expect(numbers == numbers.sorted(), "seed \(seed): out of order")
                }
                total += client.own.count
                delivered += client.own.count { client.states(of: $0.id).last == .delivered }
            }
        }
        #expect(delivered * 100 > total * 90, "\(delivered) of \(total)")
    }

    @Test func groupsInAStorm() {
        for seed in 0..<seeds {
            var world = SimulatedWorld(seed: seed)
            for (index, name) in ["alice", "bob", "carol"].enumerated() { world.join(name, UInt16(5001 + index)) }
            world.run(.seconds(1))
            world.type(5001, "create_group g")
            world.run(.milliseconds(20))
            for port in UInt16(5001)...5003 { world.type(port, "join_group g") }
            world.run(.milliseconds(50))
            world.weather = .storm
            for number in 0..<24 {
                world.type(UInt16(5001 + number % 3), "send_group \(number)")
                if number % 5 == 0 { world.run(.milliseconds(Int.random(in: 0...300, using: &world.random))) }
            }
            // Long enough for a sign of life, by which who was removed finds out.
            world.run(.seconds(80))
            check(world, seed: seed)
            let accepted = world.clients.values.flatMap { client in
                client.own.filter { client.states(of: $0.id).last == .accepted }.map(\.id)
            }
            // Everybody who stayed a member has seen all that was accepted of the others, in one order.
            var order: [MessageID: UInt64] = [:]
            for client in world.clients.values {
                let offsets = client.messages.compactMap(\.offset)
                #expect(offsets == offsets.sorted(), "seed \(seed): out of order")
                for message in client.messages { order[message.id] = message.offset }
                let wasRemoved = client.events.contains { if case .gap = $0 { true } else { false } }
                guard !wasRemoved, client.outcome == nil else { continue }
                let own = Set(client.own.map(\.id))
                let missing = Set(accepted).subtracting(own).subtracting(client.messages.map(\.id))
                #expect(missing.isEmpty, "seed \(seed): \(client.machine.settings.name) lacks \(missing.count)")
            }
        }
    }

    /// Crashes and returns in the middle of it: what could not be delivered is stored, and comes once.
    @Test func storedMessagesInAStorm() {
        var handedOver = 0
        for seed in 0..<seeds {
            var world = SimulatedWorld(seed: seed)
            world.join("alice", 5001, keeps: true)
            world.join("bob", 5002, keeps: true)
            world.run(.seconds(1))
            world.answersWithICMP = seed % 2 == 0
            world.weather = seed % 3 == 0 ? .calm : .storm
            world.type(5001, "send bob before")
            world.run(.milliseconds(Int.random(in: 0...300, using: &world.random)))
            world.kill(5002)
            let dead = world.clients[5002]!
            for number in 0..<5 {
                world.type(5001, "send bob \(number)")
                world.run(.milliseconds(Int.random(in: 0...2_000, using: &world.random)))
            }
            world.run(.seconds(30))
            world.weather = .calm
            world.join("bob", 5004, secret: dead.secret, keeps: true)
            world.run(.seconds(30))
            #expect(world.clients[5004]?.outcome == nil, "seed \(seed): bob could not come back")
            let alice = world.clients[5001]!
            let bob = world.clients[5004]!
            for message in alice.own {
                let copies = bob.messages.count { $0.id == message.id }
                let before = dead.messages.count { $0.id == message.id }
                let state = alice.states(of: message.id).last
                switch state {
                case .delivered: #expect(before + copies >= 1)
                case .stored:
                    #expect(copies == 1, "seed \(seed): stored, and shown \(copies) times")
                    handedOver += copies
                case .noanswer, .failed: #expect(copies <= 1)
                case .sent, .accepted, nil: Issue.record("seed \(seed): nobody was told of \(message.text)")
                }
            }
        }
        #expect(handedOver > 0)
    }

    @Test func originalsInAStormAreToldTheTruth() {
        var deaths = 0
        for seed in 0..<seeds {
            var world = SimulatedWorld(seed: seed)
            world.join("ours", 5001)
            world.joinOriginal("original", 5002)
            world.run(.seconds(1))
            world.weather = .storm
            for number in 0..<6 {
                world.type(5001, "send original to-original-\(number)")
                if world.originals[5002]?.isBusy == false, world.originals[5002]?.hasStopped == false {
                    world.type(5002, "send ours to-ours-\(number)")
                }
                world.run(.milliseconds(700))
            }
            world.run(.seconds(30))
            // Nobody can know whether an original got its table; it is introduced to whoever writes to it all the same.
            if world.originals[5002]?.listenerDeath != nil { deaths += 1 }
            let ours = world.clients[5001]!
            let texts = ours.messages.map(\.text)
            #expect(Set(texts).count == texts.count, "seed \(seed): an original's retransmission was shown")
            for message in ours.own {
                let last = ours.states(of: message.id).last
                #expect([.delivered, .noanswer, .failed].contains(last), "seed \(seed): \(String(describing: last))")
                let copies = world.originals[5002]!.screen.count { $0 == "[ours: \(message.text)]" }
                if last == .delivered { #expect(copies >= 1, "seed \(seed): \(message.text)") }
            }
        }
        #expect(deaths * 100 <= seeds, "\(deaths) listeners died in \(seeds) storms")
    }

    @Test func anOriginalServerSurvivesUs() {
        for seed in 0..<seeds {
            var world = SimulatedWorld(seed: seed, original: true)
            // It numbers nothing, so a network that reorders is more than it can take.
            world.weather = .init(loss: 0, duplication: 0, delay: 20...20)
            world.join("alice", 5001)
            world.join("bob", 5002)
            world.joinOriginal("carol", 5003)
            world.run(.seconds(1))
            for line in ["create_group g", "join_group g"] { world.type(5001, line) }
            world.run(.milliseconds(600))
            world.type(5002, "join_group g")
            world.run(.milliseconds(600))
            for number in 0..<5 {
                world.type(5001, "send_group a\(number)")
                world.type(5002, "send alice private \(number)")
                world.run(.milliseconds(Int.random(in: 0...600, using: &world.random)))
            }
            world.run(.seconds(5))
            let now = world.now
            world.change(5002) { $0.interrupted(at: now) }
            world.run(.seconds(2))
            world.type(5001, "send_group after")
            world.run(.seconds(2))
            world.type(5001, "dereg alice")
            world.run(.seconds(5))
            guard case .original(let server) = world.server else { return }
            #expect(server.death == nil, "seed \(seed)")
            #expect(server.clients.map(\.name) == ["carol"], "seed \(seed)")
            #expect(world.clients[5001]?.outcome == .ended && world.clients[5002]?.outcome == .ended)
            #expect(world.clients[5002]?.messages.count { $0.group == "g" } == 5, "seed \(seed)")
            check(world, seed: seed)
            // What came while in the group is shown on the way out.
            #expect(world.clients[5001]?.messages.count { $0.isFromInbox } == 5, "seed \(seed)")
        }
    }

    @Test func aSlowOriginalServerRefusesARepetition() {
        var world = SimulatedWorld(seed: 1, original: true)
        // Slower than the half second after which a registration is repeated.
        world.weather = .init(delay: 400...400)
        world.join("alice", 5001)
        world.run(.seconds(5))
        #expect(world.clients[5001]?.outcome == nil)
        #expect(world.clients[5001]?.events.first == .registered)
        // The same where the first answer is lost: the table says that the name is one's own.
        world.join("bob", 5002)
        world.run(.seconds(5))
        #expect(world.clients[5002]?.outcome == nil)
        world.joinOriginal("carol", 5003)
        world.run(.seconds(2))
        world.join("carol", 5004)
        world.run(.seconds(5))
        #expect(world.clients[5004]?.outcome == .refused)
    }

    /// Groups that go on while their server is killed and started anew in a storm: nobody sees anything twice, everybody
    /// is told of each message, and who only listens is back as soon as the server is.
    @Test func groupsOutliveTheirServer() {
        var seen = 0
        var gone = 0
        for seed in 0..<seeds {
            var world = SimulatedWorld(seed: seed)
            let ports: [UInt16] = [5001, 5002, 5003]
            for (port, name) in zip(ports, ["alice", "bob", "carol"]) { world.join(name, port, keeps: true) }
            world.run(.seconds(1))
            world.type(5001, "create_group g")
            world.run(.milliseconds(100))
            for port in ports { world.type(port, "join_group g") }
            world.run(.milliseconds(200))
            world.weather = .storm
            for number in 0..<12 {
                world.type(ports[number % 2], "send_group \(number)")
                world.run(.milliseconds(Int.random(in: 0...300, using: &world.random)))
                guard number % 5 == 4, case .ours(let machine) = world.server else { continue }
                world.serverIsUp = false
                world.run(.milliseconds(Int.random(in: 0...2_000, using: &world.random)))
                world.startServer(mailboxes: machine.mailboxes)
                world.serverIsUp = true
            }
            world.run(.seconds(30))
            check(world, seed: seed)
            for port in ports {
                // Twelve sends in a row may be lost.
                let outcome = world.clients[port]?.outcome
                #expect(outcome == nil || outcome == .serverGone, "seed \(seed): \(port)")
                if outcome != nil {
                    gone += 1
                } else {
                    #expect(world.clients[port]?.machine.groupName == "g", "seed \(seed): \(port)")
                }
            }
            seen += world.clients[5003]?.messages.count ?? 0
        }
        #expect(seen > 5 * Int(seeds))
        #expect(gone * 10 <= Int(seeds))
    }

    @Test func whoOnlyListensIsCalledBack() {
        var world = SimulatedWorld(seed: 1)
        for (port, name) in [(UInt16(5001), "alice"), (5002, "bob")] { world.join(name, port, keeps: true) }
        world.join("mallory", 5003)
        world.run(.seconds(1))
        // Who has left is not called.
        let now = world.now
        world.change(5002) { $0.interrupted(at: now) }
        world.run(.seconds(1))
        guard case .ours(let machine) = world.server else { return }
        world.startServer(mailboxes: machine.mailboxes)
        world.run(.milliseconds(10))
        guard case .ours(let restarted) = world.server else { return }
        #expect(restarted.table.published.map(\.entry.name) == ["alice"])
    }

    @Test func aServerThatComesBackFindsEverybodyAgain() {
        for seed in 0..<max(4, seeds / 8) {
            var world = SimulatedWorld(seed: seed)
            world.join("alice", 5001)
            world.join("bob", 5002)
            world.run(.seconds(1))
            world.type(5001, "create_group g")
            world.run(.milliseconds(10))
            for port: UInt16 in [5001, 5002] { world.type(port, "join_group g") }
            world.run(.milliseconds(100))
            world.startServer()
            // Whoever speaks first finds out at once, the other with its next sign of life.
            world.type(5001, "send_group anybody here?")
            world.run(.seconds(80))
            #expect(world.clients[5001]?.outcome == nil && world.clients[5002]?.outcome == nil, "seed \(seed)")
            world.type(5002, "send_group I am")
            world.type(5001, "send bob hello")
            world.run(.seconds(5))
            world.type(5002, "leave_group")
            world.run(.seconds(1))
            check(world, seed: seed)
            #expect(world.clients[5001]?.messages.map(\.text) == ["I am"], "seed \(seed)")
            #expect(world.clients[5001]?.machine.groupName == "g")
        }
    }
}
