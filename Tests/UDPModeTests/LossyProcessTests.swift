import FaultProxy
import Glibc
import TestSupport
import Testing
import Wire

@testable import UDPMode

/// Storms to try: fewer by default, more by `CHAT_TEST_SEEDS`.
private let seeds: UInt64 = getenv("CHAT_TEST_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 2

/// Real processes with a bad network between them: what each was told is held against what each saw.
@Suite(.timeLimit(.minutes(3))) struct LossyProcessTests {
    /// What one client said on its standard output, as JSON.
    private struct Record: Sendable {
        var own: [(id: String, isGroup: Bool)] = []
        var states: [String: String] = [:]
        var seen: [(id: String, sender: String, text: String, isGroup: Bool, isStored: Bool)] = []

        mutating func read(_ line: String) {
            guard let event = try? JSON(parsing: Array(line.utf8)[...]), let id = event["id"]?.string else { return }
            switch event["event"]?.string {
            case "message":
                let isGroup = event["conversation"] != nil
                if event["own"]?.bool == true {
                    own.append((id, isGroup))
                } else {
                    let isStored = event["caught_up"]?.bool == true
                    seen.append((id, event["sender"]?.string ?? "", event["text"]?.string ?? "", isGroup, isStored))
                }
            case "delivery": states[id] = event["state"]?.string
            default: break
            }
        }

        func isSettled(_ count: Int) -> Bool {
            own.count == count && own.allSatisfy { states[$0.id] != nil && states[$0.id] != "sent" }
        }
    }

    private static func client(_ name: String, _ port: UInt16, _ options: [String]) throws -> ChildProcess {
        try ChildProcess(
            ChildProcess.product("chat"),
            ["udp", "join", name, "127.0.0.1", "\(port)", "--json", "--no-rate-limit"] + options)
    }

    @Test(arguments: 1...seeds) func threeClientsInAStorm(_ seed: UInt64) async throws {
        try await storm(seed, killsServer: false)
    }

    /// The server is killed in the middle of it and started anew on what it had on the disk.
    @Test func theServerIsKilledInAStorm() async throws {
        try await storm(3, killsServer: true)
    }

    private func storm(_ seed: UInt64, killsServer: Bool) async throws {
        let folder = TemporaryFolder()
        let names = ["alice", "bob", "carol"]
        let options = ["--data", folder.path(of: "server"), "--no-rate-limit"]
        let server = try await ProcessParty.server(options)
        let proxy = try FaultProxy.datagrams(to: server.port, seed: seed, rewrite: UDPStandIn.rewrite)
        defer { proxy.stop() }
        var last = server
        var children: [ChildProcess] = []
        for name in names {
            let child = try Self.client(name, proxy.fronts[0].port, ["--data", folder.path(of: name)])
            children.append(child)
            _ = try await child.line(containing: "\"ready\"")
        }
        // Everybody knows everybody.
        for child in children.dropLast() { _ = try await child.line(containing: "\"carol\"") }
        try await children[0].write("create_group g\n")
        _ = try await children[0].line(containing: "created by Server")
        for child in children {
            try await child.write("join_group g\n")
            _ = try await child.line(containing: "Entered group")
        }
        proxy.setWeather(.storm)
        let lines = 20
        for (index, child) in children.enumerated() {
            for number in 0..<lines {
                let other = names[(index + 1 + number % 2) % 3]
                try await child.write(number % 3 == 0 ? "send_group g\(number)\n" : "send \(other) \(number)\n")
            }
        }
        if killsServer {
            while !(try await server.party.line()).hasSuffix("sent group message: g3") {}
            await server.party.kill()
            last = try await ProcessParty.restarted(server.port, options)
        }
        var records = try await withThrowingTaskGroup(of: (Int, Record).self) { group in
            for (index, child) in children.enumerated() {
                group.addTask {
                    var record = Record()
                    do {
                        while !record.isSettled(lines) { record.read(try await child.line()) }
                    } catch ChildProcess.Failure.outputEnded {
                        // It may have given up on a server that was away; its messages have their ends all the same.
                        #expect(killsServer)
                    }
                    return (index, record)
                }
            }
            return try await group.reduce(into: [Int: Record]()) { $0[$1.0] = $1.1 }
        }
        // Nothing is under way any more but what the server still repeats, and copies.
        proxy.setWeather(.fair)
        let accepted = records.mapValues { record in
            Set(record.own.filter { $0.isGroup && record.states[$0.id] == "accepted" }.map(\.id))
        }
        for (index, child) in children.enumerated() where !killsServer {
            let others = accepted.filter { $0.key != index }.values.reduce(into: Set<String>()) { $0.formUnion($1) }
            while !others.isSubset(of: records[index]!.seen.map(\.id)) {
                records[index]!.read(try await child.line())
            }
        }
        for child in children { await child.closeInput() }
        for (index, child) in children.enumerated() {
            for line in try await child.rest().split(separator: "\n") { records[index]!.read(String(line)) }
            let status = await child.exitStatus()
            let failed = records[index]!.states.values.contains { $0 == "noanswer" || $0 == "failed" }
            #expect(status == (failed ? 2 : 0) || killsServer && status == 5)
        }
        #expect(proxy.account.lost > 40)
        Self.check(records, isServerKilled: killsServer)
        try await last.party.interrupt()
        #expect(await last.party.ended() == 0)
    }

    private static func check(_ records: [Int: Record], isServerKilled: Bool) {
        var delivered = 0
        for (reader, record) in records {
            let ids = record.seen.map(\.id)
            #expect(Set(ids).count == ids.count, "\(reader) saw a message twice")
            for author in Set(record.seen.map(\.sender)) {
                // One that nobody acknowledged comes later, by way of the server, and is marked as such.
                for isStored in [false, true] {
                    let direct = record.seen.filter { $0.sender == author && !$0.isGroup && $0.isStored == isStored }
                    let numbers = direct.compactMap { Int($0.text) }
                    #expect(numbers == numbers.sorted(), "\(reader) saw what \(author) wrote out of order")
                }
            }
        }
        // Everybody reads a group in the same order.
        let orders = records.values.map { $0.seen.filter(\.isGroup).map(\.id) }
        for one in orders {
            for other in orders {
                let common = Set(one).intersection(other)
                #expect(one.filter(common.contains) == other.filter(common.contains))
            }
        }
        for (author, record) in records {
            for message in record.own {
                let copies = records.values.map { $0.seen.count { $0.id == message.id } }.reduce(0, +)
                let state = record.states[message.id]
                if message.isGroup {
                    #expect(state == "accepted" || state == "noanswer" || isServerKilled && state == "failed")
                    #expect(copies <= 2)
                    // Nobody was silent for ten seconds, so everybody has it.
                    if state == "accepted", !isServerKilled {
                        #expect(copies == 2, "\(author): accepted, seen by \(copies)")
                    }
                } else {
                    #expect(
                        state == "delivered" || state == "noanswer" || state == "stored"
                            || isServerKilled && state == "failed")
                    if state == "delivered" {
                        delivered += 1
                        #expect(copies == 1, "\(author): delivered, seen \(copies) times")
                    }
                    #expect(copies <= 1)
                }
            }
        }
        #expect(delivered > 20)
    }

    @Test func killedAndBackWithItsMessages() async throws {
        let folder = TemporaryFolder()
        let data = ["--data", folder.path(of: "server")]
        var server = try await ProcessParty.server(data)
        let bobOptions = ["--data", folder.path(of: "bob")]
        let bob = try ProcessParty.client("bob", server.port, bobOptions)
        try await bob.shows("Welcome, You are registered.", "Client table updated.")
        let alice = try ProcessParty.client("alice", server.port, ["--data", folder.path(of: "alice")])
        try await alice.shows("Welcome, You are registered.", "Client table updated.")
        await bob.kill()
        try await alice.type("send bob first")
        try await alice.shows("No ACK from bob, message not delivered")
        var line = try await alice.line()
        while line != "Message stored for bob" { line = try await alice.line() }
        try await alice.type("send bob second")
        line = try await alice.line()
        while line != "Message stored for bob" { line = try await alice.line() }
        // The server is killed too: what it has acknowledged is on the disk.
        await server.party.kill()
        server = try await ProcessParty.restarted(server.port, data)
        let thief = try ProcessParty.client("bob", server.port, ["--data", folder.path(of: "thief")])
        try await thief.shows("`bob` already exists!")
        #expect(await thief.ended() == 4)
        let back = try ProcessParty.client("bob", server.port, bobOptions)
        try await back.shows("Welcome, You are registered.", "Client table updated.")
        try await back.shows("(earlier) alice: first", "(earlier) alice: second")
        // Handed over once: the next time there is nothing.
        try await back.interrupt()
        #expect(await back.ended() == 0)
        let again = try ProcessParty.client("bob", server.port, bobOptions)
        try await again.shows("Welcome, You are registered.", "Client table updated.")
        try await again.type("list_groups")
        try await again.shows("Available group chats:")
    }

    /// The same data, the same name, twice at once: the second does not take it from the first.
    @Test func aLivingNameIsNotReclaimed() async throws {
        let folder = TemporaryFolder()
        let server = try await ProcessParty.server()
        let options = ["--data", folder.path(of: "bob")]
        let first = try ProcessParty.client("bob", server.port, options)
        try await first.shows("Welcome, You are registered.", "Client table updated.")
        let second = try ProcessParty.client("bob", server.port, options)
        try await second.shows("`bob` already exists!")
        #expect(await second.ended() == 4)
        try await first.type("send bob still here")
        try await first.shows("bob: still here")
        await first.kill()
        let third = try ProcessParty.client("bob", server.port, options)
        try await third.shows("Welcome, You are registered.", "Client table updated.")
    }

    @Test func clientsSurviveARestartOfTheServer() async throws {
        let server = try await ProcessParty.server()
        let alice = try ProcessParty.client("alice", server.port)
        try await alice.shows("Welcome, You are registered.", "Client table updated.")
        try await alice.type("create_group g")
        try await alice.shows("Group g created by Server.")
        try await alice.type("join_group g")
        try await alice.shows("Entered group g successfully!")
        await server.party.kill()
        let restarted = try await ProcessParty.restarted(server.port, ["--memory"])
        try await alice.type("send_group anybody?")
        var line = try await alice.line()
        while line != "Message received by Server." { line = try await alice.line() }
        try await alice.type("list_members")
        line = try await alice.line()
        while line == "Client table updated." { line = try await alice.line() }
        #expect(line == "Members in the group g:")
        try await alice.shows("alice")
        try await restarted.party.interrupt()
        #expect(await restarted.party.ended() == 0)
    }

    /// Nothing that arrives can stop the server, or a client.
    @Test func hostileDatagramsToRealProcesses() async throws {
        let server = try await ProcessParty.server()
        let alice = try ProcessParty.client("alice", server.port)
        let listening = try await alice.child.line(containing: "listening on ")
        let port = listening.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        try await alice.shows("Welcome, You are registered.", "Client table updated.")
        var random = SplitMix64(seed: 3)
        let seeds = try UDPMessageTests.everything.map { try $0.encoded() }
        let stranger = try DatagramPeer()
        for target in [server.port, port] {
            for _ in 0..<2_000 {
                var bytes = seeds.randomElement(using: &random)!
                for _ in 0..<Int.random(in: 0...5, using: &random) where !bytes.isEmpty {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                await stranger.send(bytes, to: target)
            }
        }
        try await alice.type("send alice still alive")
        var line = try await alice.line()
        while line != "alice: still alive" { line = try await alice.line() }
        try await server.party.interrupt()
        #expect(await server.party.ended() == 0)
    }
}

extension ProcessParty {
    /// A server on a port that one had before; waits until that is free again.
    static func restarted(_ port: UInt16, _ options: [String]) async throws -> ServerParty {
        let process = try ProcessParty(["serve", "\(port)", "--bind", "127.0.0.1"] + options)
        _ = try await process.child.line(containing: "Server started on")
        return ServerParty(party: process, port: port, isOriginal: false)
    }
}
