import FaultProxy
import Glibc
import TestSupport
import Testing
import Wire

/// A board whose network and whose processes fail: what was accepted is there, once, and everybody saw it.
@Suite struct BoardFaultTests {
    private static let clients = 3

    @Test(arguments: Run.seeds) func whatWasAcceptedIsThere(seed: UInt64) async throws {
        signal(SIGPIPE, SIG_IGN)
        let folder = TemporaryFolder()
        let schedule = Schedule(
            seed: seed, speakers: Array(1...Self.clients), mortals: [0, 0, 1, 2],
            splits: [[[0], [1]], [[0], [2, 3]], [[0], [1, 2, 3]]], count: 60, network: .streams)
        let journal = Journal(schedule)
        let doorway = try Run.doorway(seed: seed, .stream)
        let port = doorway.fronts[0].port
        let proxy = try FaultProxy(
            seed: seed,
            routes: (1...Self.clients).map {
                .init(.stream, to: SocketAddress(ip: .loopbackV4, port: port), caller: $0, callee: 0)
            })
        let server = Participant(
            0,
            [
                "board", "serve", "--port", "\(port)", "--bind", "127.0.0.1", "--data", folder.path(of: "s"),
                "--no-rate-limit", "--json",
            ], journal)
        let clients = (1...Self.clients).map { index in
            Participant(
                index,
                [
                    "board", "connect", "127.0.0.1:\(proxy.fronts[index - 1].port)", "--name", "c\(index)", "--data",
                    folder.path(of: "c\(index)"), "--json",
                ],
                journal)
        }
        var run = Run(proxy, [server] + clients, journal, greeting: ["%groupjoin main"]) { "%grouppost main s \($2)" }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for participant in [server] + clients { group.addTask { await participant.follow() } }
            for who in 0...Self.clients { try await run.start(who) }
            await journal.wait { records in
                (1...Self.clients).allSatisfy { who in
                    records.contains { $0.key.who == who && $0.value.answers.contains { $0.contains("joined group") } }
                }
            }
            try await run.carryOut(schedule)
            // All are alive and reach each other. The last message of each is seen by all, and so is what was before.
            // "Already a member" may mean that the join is under way, and whoever is not connected is told to try again.
            for client in clients {
                await journal.persuade(client, by: ["%groupjoin main"], until: "joined group")
            }
            await run.sayLastWords(1...Self.clients)
            let lives = await Participant.lives(of: clients)
            await journal.wait { records in
                lives.allSatisfy { life in
                    guard let record = records[life] else { return false }
                    return record.hasEnded
                        || record.state(ofText: Run.lastWords(of: life)) == "accepted"
                            && records.hasLastWords(life, of: lives)
                }
            }
            for client in clients { #expect(await client.stop() != 70) }
            await Run.end(server, clients, schedule)
            try await group.waitForAll()
        }
        let records = await journal.records
        Run.checkEverybody(records, schedule)
        try await check(records, folder: folder, schedule)
        doorway.stop()
        proxy.stop()
    }

    /// The export is another way to the same truth.
    private func check(
        _ records: [Journal.Life: Journal.Record], folder: TemporaryFolder, _ schedule: Schedule
    ) async throws {
        let export = try ChildProcess(
            ChildProcess.product("chat"), ["board", "export", folder.path(of: "out"), "--data", folder.path(of: "s")])
        #expect(await export.exitStatus() == 0)
        var kept: [String: (offset: Int64, text: String)] = [:]
        var offsets: Set<Int64> = []
        for line in try readLines(folder.path(of: "out")) {
            let json = try JSON(parsing: Array(line.utf8)[...])
            guard let id = json["id"]?.string, let offset = json["offset"]?.integer else { continue }
            #expect(kept[id] == nil, "\(id) is there twice\n\(schedule)")
            #expect(offsets.insert(offset).inserted, "offset \(offset) was used twice\n\(schedule)")
            kept[id] = (offset, json["text"]?.string ?? "")
        }
        var accepted = 0
        for (life, record) in records where life.who > 0 {
            for (id, text) in record.own where record.states[id] == "accepted" {
                accepted += 1
                #expect(kept[id]?.text == text, "\(life): \(text) was accepted and is not there\n\(schedule)")
            }
            for message in record.shown where kept[message.id]?.offset != message.offset {
                Issue.record("\(life) showed \(message), which is not there\n\(schedule)")
            }
            // A board shows everybody the same order.
            let order = record.shown.compactMap(\.offset)
            #expect(order == order.sorted(), "\(life) showed offsets out of order\n\(schedule)")
        }
        #expect(accepted > 0)
        // Whoever was there from the first post to the end has shown every post of the others.
        for (life, record) in records
        where life.who == 3 && life.number == records.keys.filter({ $0.who == 3 }).map(\.number).max() {
            let missing = kept.filter { post in
                record.own[post.key] == nil && !record.shown.contains { $0.id == post.key }
            }
            let isMortal = records.keys.contains {
                $0.who == 3 && $0.number < life.number && records[$0]?.isReady == true
            }
            if !isMortal { #expect(missing.isEmpty, "\(life) never showed \(missing)\n\(schedule)") }
        }
    }
}

/// The lines of a file.
func readLines(_ path: String) throws -> [Substring] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        guard count > 0 else { break }
        bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
}
