import FaultProxy
import Glibc
import TestSupport
import Testing
import Wire

/// Rooms whose datagrams and whose connections fail, and whose processes are killed: what was accepted is in the history,
/// once, and every member has seen it.
@Suite struct RoomsFaultTests {
    private static let clients = 3

    @Test(arguments: Run.seeds) func everyMemberSeesWhatIsKept(seed: UInt64) async throws {
        signal(SIGPIPE, SIG_IGN)
        let folder = TemporaryFolder()
        let network = Schedule.Network([.streams, .datagrams]).damaging(seed)
        let schedule = Schedule(
            seed: seed, speakers: Array(1...Self.clients), mortals: [0, 0, 1, 2],
            splits: [[[0], [1]], [[0], [2, 3]], [[0], [1, 2, 3]]], count: 60, network: network)
        let journal = Journal(schedule)
        let doorway = try Run.doorway(seed: seed, .stream, .datagrams)
        let (tcp, udp) = (doorway.fronts[0].port, doorway.fronts[1].port)
        let proxy = try FaultProxy(
            seed: seed,
            routes: (1...Self.clients).flatMap { index -> [FaultProxy.Route] in
                [
                    .init(.stream, to: SocketAddress(ip: .loopbackV4, port: tcp), caller: index, callee: 0),
                    .init(.datagrams, to: SocketAddress(ip: .loopbackV4, port: udp), caller: index, callee: 0),
                ]
            })
        let server = Participant(
            0,
            [
                "rooms", "serve", "--tcp-port", "\(tcp)", "--udp-port", "\(udp)", "--bind", "127.0.0.1", "--data",
                folder.path(of: "s"), "--no-rate-limit", "--json",
            ], journal)
        let clients = (1...Self.clients).map { index in
            let ports = proxy.fronts[(2 * index - 2)...].prefix(2).map { "\($0.port)" }.joined(separator: ":")
            return Participant(
                index,
                [
                    "rooms", "join", "lobby", "--server", "127.0.0.1:\(ports)", "--name", "c\(index)", "--data",
                    folder.path(of: "c\(index)"), "--json",
                ],
                journal)
        }
        var run = Run(proxy, [server] + clients, journal)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for participant in [server] + clients { group.addTask { await participant.follow() } }
            for who in 0...Self.clients { try await run.start(who) }
            try await run.carryOut(schedule)
            // A damaged datagram may have told a client that its room was closed.
            for client in clients where await client.hasEnded { try await client.startAgain() }
            await run.sayLastWords(1...Self.clients)
            let lives = await Participant.lives(of: clients)
            await journal.wait { records in
                lives.allSatisfy { life in
                    guard let record = records[life] else { return false }
                    return record.hasEnded || record.isSettled && records.hasLastWords(life, of: lives)
                }
            }
            let history = try await Self.history("127.0.0.1:\(tcp):\(udp)")
            if !network.contains(.damage) {
                // What was said by who is dead has come too.
                await journal.wait { records in
                    (1...Self.clients).allSatisfy { who in Self.missing(who, history, records).isEmpty }
                }
            }
            for client in clients { #expect(await client.stop() <= 2, "\(schedule)") }
            await Run.end(server, clients, schedule)
            try await group.waitForAll()
            let records = await journal.records
            if network.contains(.damage) {
                Run.checkStrays(records, schedule)
            } else {
                Run.checkEverybody(records, schedule)
                Self.check(records, history, schedule)
            }
        }
        doorway.stop()
        proxy.stop()
    }

    private struct Kept: Sendable {
        let offset: Int64
        let text: String
        let sender: String
    }

    /// Another way to the same truth.
    private static func history(_ server: String) async throws -> [String: Kept] {
        let reader = try ChildProcess(
            ChildProcess.product("chat"),
            ["rooms", "history", "lobby", "--from", "0", "--server", server, "--memory", "--json"])
        await reader.closeInput()
        var kept: [String: Kept] = [:]
        var offsets: Set<Int64> = []
        for line in try await reader.rest().split(separator: "\n") {
            let event = try JSON(parsing: Array(line.utf8)[...])
            guard event["event"]?.string == "message", let id = event["id"]?.string,
                let offset = event["offset"]?.integer
            else { continue }
            #expect(kept[id] == nil, "\(id) is there twice")
            #expect(offsets.insert(offset).inserted, "offset \(offset) was used twice")
            kept[id] = Kept(
                offset: offset, text: event["text"]?.string ?? "", sender: event["sender"]?.string ?? "")
        }
        #expect(await reader.exitStatus() == 0)
        return kept
    }

    /// What was said by others and not shown by any life of a member, who was there from the beginning.
    private static func missing(
        _ who: Int, _ history: [String: Kept], _ records: [Journal.Life: Journal.Record]
    ) -> [String] {
        let lives = records.filter { $0.key.who == who }.values
        return history.filter { message in
            message.value.sender != "c\(who)"
                && !lives.contains { $0.shown.contains { $0.id == message.key } }
        }.map(\.value.text)
    }

    private static func check(
        _ records: [Journal.Life: Journal.Record], _ history: [String: Kept], _ schedule: Schedule
    ) {
        var accepted = 0
        for (life, record) in records where life.who > 0 {
            for (id, text) in record.own where record.states[id] == "accepted" {
                accepted += 1
                #expect(history[id]?.text == text, "\(life): \(text) was accepted and is not there\n\(schedule)")
            }
            for (id, text) in record.own where record.states[id] == "failed" {
                #expect(history[id] == nil, "\(life): \(text) has failed and is there\n\(schedule)")
            }
            for message in record.shown where history[message.id]?.offset != message.offset {
                // The relay waits for no disk: who killed the server in between has seen what nobody was promised.
                let author = records.first { $0.value.own[message.id] != nil }
                let isPromised = author?.value.states[message.id] == "accepted"
                #expect(
                    history[message.id] == nil && !isPromised,
                    "\(life) showed \(message), which is not there\n\(schedule)")
            }
            // A room shows everybody the same order.
            let order = record.shown.compactMap(\.offset)
            #expect(order == order.sorted(), "\(life) showed offsets out of order\n\(schedule)")
            let lost = record.gaps.filter { gap in history.values.contains { gap.contains($0.offset) } }
            #expect(lost.isEmpty, "\(life) was told of a gap where nothing is lost: \(lost)\n\(schedule)")
        }
        #expect(accepted > 0)
        for who in 1...clients {
            let missing = missing(who, history, records)
            #expect(missing.isEmpty, "\(who) never showed \(missing)\n\(schedule)")
        }
    }
}
