import FaultProxy
import Glibc
import TestSupport
import Testing
import Wire

/// Datagrams through a bad network, and processes that are killed: what was delivered was shown once, what was stored is
/// handed over, and nobody is left without an answer.
///
/// 1 and 2 are in a group, where direct messages wait until one leaves; 3 and 4 are in none, and get direct messages.
@Suite struct UDPFaultTests {
    private static let members = [1, 2]
    private static let others = [3, 4]
    private static var clients: [Int] { members + others }

    @Test(arguments: Run.seeds) func deliveredOrSaidSo(seed: UInt64) async throws {
        signal(SIGPIPE, SIG_IGN)
        let folder = TemporaryFolder()
        let network = Schedule.Network.datagrams.damaging(seed)
        let schedule = Schedule(
            seed: seed, speakers: Self.clients, mortals: [0, 2, 4],
            splits: [[[0], [1]], [[0], [2, 3]], [[3], [4]], [[0], Self.clients], [[0, 1, 2], [3, 4]]], count: 60,
            network: network)
        let journal = Journal(schedule)
        let doorway = try Run.doorway(seed: seed, .datagrams)
        let port = doorway.fronts[0].port
        let proxy = try FaultProxy(
            seed: seed,
            routes: [
                .init(
                    .datagrams, to: SocketAddress(ip: .loopbackV4, port: port), caller: -1, callee: 0,
                    identify: UDPStandIn.sender, rewrite: UDPStandIn.rewrite)
            ])
        let server = Participant(
            0,
            [
                "udp", "serve", "\(port)", "--bind", "127.0.0.1", "--data", folder.path(of: "s"), "--no-rate-limit",
                "--json",
            ], journal)
        let clients = Self.clients.map { index in
            Participant(
                index,
                [
                    "udp", "join", "c\(index)", "127.0.0.1", "\(proxy.fronts[0].port)", "--data",
                    folder.path(of: "c\(index)"), "--no-rate-limit", "--json",
                ], journal)
        }
        var run = Run(proxy, [server] + clients, journal, line: Self.line)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for participant in [server] + clients { group.addTask { await participant.follow() } }
            for who in 0...Self.clients.count { try await run.start(who) }
            await Self.joinGroup(clients, journal)
            try await run.carryOut(schedule)
            // Who has given up on a server that was away is started again.
            for client in clients where await client.hasEnded { try await client.startAgain() }
            await Self.joinGroup(clients, journal)
            await run.sayLastWords(Self.clients)
            await Self.settle(clients, journal)
            // What is stored is handed over to who comes back, if it has not been before.
            for who in Self.others {
                #expect(await clients[who - 1].stop() <= 2, "\(schedule)")
                try await clients[who - 1].start()
            }
            if !network.contains(.damage) {
                await journal.wait { Self.missing($0, in: ["stored", "delivered"]).isEmpty }
            }
            for client in clients {
                let status = await client.stop()
                #expect(status <= 2 || status == 5, "\(status)\n\(schedule)")
            }
            await Run.end(server, clients, schedule)
            try await group.waitForAll()
            let records = await journal.records
            if network.contains(.damage) {
                Run.checkStrays(records, schedule)
            } else {
                Run.checkEverybody(records, schedule) { Self.members.contains($0.who) }
                Self.check(records, schedule)
            }
        }
        doorway.stop()
        proxy.stop()
    }

    /// The group's members write to the group and to the others in turn, the others to each other.
    @Sendable private static func line(who: Int, number: Int, text: String) -> String {
        if members.contains(who), number % 2 == 1 { return "send_group \(text)" }
        let receiver = who == 3 ? 4 : who == 4 ? 3 : others[number / 2 % 2]
        return "send c\(receiver) \(text)"
    }

    private static func joinGroup(_ clients: [Participant], _ journal: Journal) async {
        for who in members {
            await journal.persuade(
                clients[who - 1], by: ["create_group g", "join_group g", "list_members"],
                until: "Members in the group g")
        }
    }

    /// Every living client knows what became of each of its messages, the last one included, and members have each
    /// other's last words. (Those of the others have their answers.)
    private static func settle(_ clients: [Participant], _ journal: Journal) async {
        let lives = await Participant.lives(of: clients)
        let readers = lives.filter { members.contains($0.who) }
        await journal.wait { records in
            lives.allSatisfy { life in
                guard let record = records[life] else { return false }
                return record.hasEnded || record.isSettled && record.own.values.contains(Run.lastWords(of: life))
            }
        }
        await journal.wait { records in
            readers.allSatisfy { records[$0]?.hasEnded == true || records.hasLastWords($0, of: readers) }
        }
    }

    private static func isDirect(_ text: String) -> Bool {
        let parts = text.split(separator: "-").compactMap { Int($0) }
        return parts.count == 2 && line(who: parts[0], number: parts[1], text: text).hasPrefix("send c")
    }

    /// Direct messages in one of these states that no life has shown.
    private static func missing(_ records: [Journal.Life: Journal.Record], in states: [String]) -> [String] {
        records.values.flatMap { record in
            record.own.filter { id, text in
                isDirect(text) && states.contains(record.states[id] ?? "")
                    && !records.values.contains { $0.shown.contains { $0.id == id } }
            }.map(\.value)
        }
    }

    private static func check(_ records: [Journal.Life: Journal.Record], _ schedule: Schedule) {
        var delivered = 0
        let missing = missing(records, in: ["stored", "delivered"])
        #expect(missing.isEmpty, "delivered or stored, and never shown: \(missing)\n\(schedule)")
        for (life, record) in records where life.who > 0 {
            for (id, text) in record.own {
                let copies = records.values.map { $0.shown.count { $0.id == id } }.reduce(0, +)
                switch record.states[id] {
                case "delivered": delivered += 1
                case "failed": #expect(copies == 0, "\(life): \(text) has failed and was shown\n\(schedule)")
                case "accepted": #expect(!isDirect(text), "\(life): \(text) was accepted by nobody\n\(schedule)")
                case "stored": #expect(isDirect(text), "\(life): \(text) of a group was stored\n\(schedule)")
                case "noanswer": break
                // Whoever was killed or gave up is owed no answer.
                default: #expect(record.hasEnded, "\(life): \(text) was left without an answer\n\(schedule)")
                }
            }
        }
        #expect(delivered > 0, "\(schedule)")
        checkGroup(records, schedule)
    }

    /// Everybody reads a group in the same order.
    private static func checkGroup(_ records: [Journal.Life: Journal.Record], _ schedule: Schedule) {
        let orders = records.map { (life: $0.key, ids: $0.value.shown.filter { !isDirect($0.text) }.map(\.id)) }
        for one in orders {
            for other in orders {
                let common = Set(one.ids).intersection(other.ids)
                #expect(
                    one.ids.filter(common.contains) == other.ids.filter(common.contains),
                    "\(one.life) and \(other.life) read the group in different orders\n\(schedule)")
            }
        }
    }
}
