import FaultProxy
import Glibc
import Platform
import TestSupport
import Testing
import Wire

@testable import RoomsMode

/// Real processes: a server that is killed, a network that loses, clients that come back.
@Suite(.timeLimit(.minutes(3))) struct RoomsProcessTests {
    private typealias Client = RoomsClientProcess

    /// The server is killed in the middle of a conversation and comes back: the clients go on without joining again,
    /// and nothing is lost or doubled.
    @Test func theServerIsKilledInTheMiddle() async throws {
        let folder = TemporaryFolder()
        let data = ["--data", folder.path(of: "server")]
        var server = try await RoomsServerProcess.start(data)
        let address = "127.0.0.1:\(server.tcpPort)"
        let ann = try Client("create", "den", "Ann", server: address)
        try await ann.wait(for: "ready")
        let bob = try Client("join", "den", "Bob", server: address)
        try await bob.wait(for: "ready")
        try await ann.wait(for: "joined")
        for number in 0..<20 {
            try await ann.say("a\(number)")
            try await bob.say("b\(number)")
        }
        try await ann.wait { $0.settled >= 5 }
        await server.kill()
        for number in 20..<30 {
            try await ann.say("a\(number)")
            try await bob.say("b\(number)")
        }
        server = try await server.restarted(data)
        try await ann.wait { $0.settled == 30 && $0.seen.count == 30 }
        try await bob.wait { $0.settled == 30 && $0.seen.count == 30 }
        for (client, other) in [(ann, "b"), (bob, "a")] {
            let record = await client.record
            #expect(record.states.values.allSatisfy { $0 == "accepted" })
            #expect(record.seen.map(\.text) == (0..<30).map { "\(other)\($0)" })
            let offsets = record.seen.compactMap(\.offset)
            #expect(offsets == offsets.sorted() && Set(offsets).count == 30)
        }
        // The history has all of it, once.
        try await bob.say("/history 100")
        try await bob.wait { $0.seen.count >= 90 }
        let history = await bob.record.seen.dropFirst(30)
        #expect(Set(history.map(\.id)).count == 60)
        #expect(try await bob.finish() == 0)
        #expect(try await ann.finish() == 0)
        #expect(await server.stop() == 0)
    }

    /// Two clients and a third in a storm of lost, doubled and late datagrams.
    @Test(arguments: [UInt64(1), 2]) func threeClientsInAStorm(_ seed: UInt64) async throws {
        let server = try await RoomsServerProcess.start()
        let proxy = try FaultProxy.datagrams(to: server.udpPort, seed: seed)
        defer { proxy.stop() }
        let address = "127.0.0.1:\(server.tcpPort):\(proxy.fronts[0].port)"
        var clients: [Client] = []
        for name in ["Ann", "Bob", "Cid"] {
            let client = try Client("join", "lobby", name, server: address)
            clients.append(client)
            try await client.wait(for: "ready")
        }
        proxy.setWeather(.storm)
        let lines = 12
        for client in clients { for number in 0..<lines { try await client.say("\(number)") } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in clients {
                group.addTask {
                    try await client.wait { $0.settled == lines && $0.seen.count == 2 * lines }
                }
            }
            try await group.waitForAll()
        }
        proxy.setWeather(.fair)
        var orders: [[Int64]] = []
        for client in clients {
            #expect(try await client.finish() == 0)
            let record = await client.record
            #expect(record.states.values.allSatisfy { $0 == "accepted" })
            #expect(record.seen.count == 2 * lines && Set(record.seen.map(\.id)).count == 2 * lines)
            orders.append(record.seen.compactMap(\.offset))
            for author in Set(record.seen.map(\.sender)) {
                let texts = record.seen.filter { $0.sender == author }.map(\.text)
                #expect(texts == (0..<lines).map { "\($0)" })
            }
            #expect(!record.events.contains("gap"))
        }
        for order in orders { #expect(order == order.sorted()) }
        #expect(proxy.account.lost > 20)
        #expect(await server.stop() == 0)
    }

    /// A client is killed and started again: it has its place back, with what was said meanwhile and nothing else.
    @Test func aKilledClientComesBackToItsPlace() async throws {
        let folder = TemporaryFolder()
        let server = try await RoomsServerProcess.start()
        let address = "127.0.0.1:\(server.tcpPort)"
        let annData = ["--data", folder.path(of: "ann")]
        let ann = try Client("create", "den", "Ann", server: address, annData)
        try await ann.wait(for: "ready")
        let bob = try Client("join", "den", "Bob", server: address)
        try await bob.wait(for: "ready")
        try await bob.say("before")
        try await ann.wait { $0.seen.count == 1 }
        // A second program with the same place would take it from the first again and again.
        let second = try Client("create", "den", "Ann", server: address, annData)
        #expect(try await second.end() == 4)
        // How far it has read is written a moment later.
        let path = folder.path(of: "ann/state")
        while !Self.holdsNext(1, in: path) { try await Task.sleep(for: .milliseconds(20)) }
        await ann.kill()
        try await bob.say("meanwhile")
        try await bob.wait { $0.settled == 2 }
        let thief = try Client("join", "den", "Ann", server: address)
        #expect(try await thief.end() == 4)
        let back = try Client("create", "den", "Ann", server: address, annData)
        try await back.wait { $0.seen.count == 1 }
        #expect(await back.record.seen.map(\.text) == ["meanwhile"])
        try await back.say("here again")
        try await bob.wait { $0.seen.contains { $0.text == "here again" } }
        // She is the host as before: her goodbye closes the room.
        #expect(try await back.finish() == 0)
        let closed = try await bob.wait(for: "closed")
        #expect(closed["reason"]?.string == "The host, Ann, has closed the room.")
        #expect(try await bob.end() == 0)
        #expect(await server.stop() == 0)
    }

    private static func holdsNext(_ next: Int64, in folder: String) -> Bool {
        guard let directory = opendir(folder) else { return false }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name.hasPrefix("rooms-"), name.hasSuffix(".json"), let file = fopen("\(folder)/\(name)", "r") else {
                continue
            }
            defer { fclose(file) }
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = fread(&buffer, 1, buffer.count, file)
            if (try? JSON(parsing: buffer[..<count]))?["next"]?.integer == next { return true }
        }
        return false
    }

    @Test func oneShotsAndTheirStatuses() async throws {
        let folder = TemporaryFolder()
        let data = folder.path(of: "server")
        let server = try await RoomsServerProcess.start(["--data", data])
        let address = "127.0.0.1:\(server.tcpPort)"
        let ann = try Client("join", "lobby", "Ann", server: address)
        try await ann.wait(for: "ready")
        for number in 0..<5 { try await ann.say("m\(number)") }
        try await ann.wait { $0.settled == 5 }

        func run(_ arguments: [String]) async throws -> (output: String, status: Int32) {
            let child = try ChildProcess(
                ChildProcess.product("chat"), ["rooms"] + arguments, mergesErrors: true)
            await child.closeInput()
            return (try await child.rest(), await child.exitStatus())
        }
        let list = try await run(["list", "--server", address])
        #expect(list.output == "  lobby  1 member\n" && list.status == 0)
        let last = try await run(["history", "lobby", "--last", "2", "--server", address, "--memory"])
        #expect(last.status == 0)
        #expect(last.output.split(separator: "\n").map { $0.suffix(7) } == ["Ann: m3", "Ann: m4"])
        let from = try await run(["history", "lobby", "--from", "3", "--server", address, "--memory"])
        #expect(from.output == last.output)
        let none = try await run(["history", "den", "--server", address, "--memory"])
        #expect(
            none.status == 4
                && none.output.hasSuffix("! There is no room of that name; list the rooms, or create it.\n"))
        let missing = try await run(["join", "den", "--server", address, "--memory", "--name", "Bob"])
        #expect(missing.status == 4)
        // The database belongs to the server while that runs.
        let inUse = try await run(["export", "-", "--data", data])
        #expect(inUse.status == 75)
        #expect(try await ann.finish() == 0)
        #expect(await server.stop() == 0)
        let gone = try await run(["list", "--server", address])
        #expect(gone.status == 5)
        let exported = try await run(["export", "-", "--data", data])
        #expect(exported.status == 0)
        #expect(try RoomStateFile(parsing: Array(exported.output.utf8)[...]).rooms.map(\.name) == ["lobby"])
    }

    /// `exit`, `quit` and `q` end the program, as with the one that came before; under --json a text is a text.
    @Test(arguments: ["exit", "quit", "q", "/leave", "/quit"]) func goodbye(_ word: String) async throws {
        let server = try await RoomsServerProcess.start()
        let child = try ChildProcess(
            ChildProcess.product("chat"),
            [
                "rooms", "join", "lobby", "--name", "Ann", "--server", "127.0.0.1:\(server.tcpPort)", "--memory",
            ], mergesErrors: true)
        _ = try await child.line(containing: "nobody else is here")
        try await child.write(word + "\n")
        #expect(await child.exitStatus() == 0)
        #expect(await server.stop() == 0)
    }

    /// The file that the program that came before wrote: its clients go on with their tokens, at their addresses.
    @Test func theStateOfTheProgramBefore() async throws {
        let folder = TemporaryFolder()
        let (ann, bob) = (try DatagramPeer(), try DatagramPeer())
        let hostToken = "token_00112233445566778899aabbccddeeff"
        let memberToken = "token_ffeeddccbbaa99887766554433221100"
        let state = """
            {"rooms": {"部屋 one": {"host_token": "\(hostToken)", "members": ["\(hostToken)", "\(memberToken)"],
             "created_at": 1795188924.113259}},
             "tokens": {"\(hostToken)": {"username": "\\"Ann\\"", "room_name": "部屋 one", "is_host": true,
              "address": ["127.0.0.1", \(ann.port)]},
             "\(memberToken)": {"username": "\\"Zo\\\\u00eb\\"", "room_name": "部屋 one", "is_host": false,
              "address": ["127.0.0.1", \(bob.port)]}},
             "saved_at": "2026-11-20T15:35:24.118013"}
            """
        let data = folder.path(of: "server")
        let importing = try ChildProcess(
            ChildProcess.product("chat"), ["rooms", "import", "-", "--data", data], mergesErrors: true)
        try await importing.write(state)
        await importing.closeInput()
        _ = try await importing.line(containing: "1 room and 2 members were imported")
        #expect(await importing.exitStatus() == 0)
        let server = try await RoomsServerProcess.start(["--data", data])
        func datagram(_ token: String, _ message: String) -> [UInt8] {
            let room = Array("部屋 one".utf8)
            return [UInt8(room.count), 38] + room + Array(token.utf8) + Array(message.utf8)
        }
        await bob.send(datagram(memberToken, "still here"), to: server.udpPort)
        #expect(try await ann.receive() == [4] + Array("Zoëstill here".utf8))
        await ann.send(datagram(hostToken, "so am I"), to: server.udpPort)
        #expect(try await bob.receive() == [3] + Array("Annso am I".utf8))
        await ann.send(datagram(hostToken, "__LEAVE__"), to: server.udpPort)
        #expect(String(decoding: try await bob.receive(), as: UTF8.self) == "__ROOM_CLOSED__")
        #expect(await server.stop() == 0)
    }

    /// An address translator gives the clients other addresses: who says something finds out, and says it again.
    @Test func theAddressesChangeOnTheWay() async throws {
        let server = try await RoomsServerProcess.start()
        let proxy = try FaultProxy.datagrams(to: server.udpPort, seed: 1)
        defer { proxy.stop() }
        let address = "127.0.0.1:\(server.tcpPort):\(proxy.fronts[0].port)"
        let ann = try Client("join", "lobby", "Ann", server: address)
        try await ann.wait(for: "ready")
        let bob = try Client("join", "lobby", "Bob", server: address)
        try await bob.wait(for: "ready")
        try await ann.say("before")
        try await bob.wait { $0.seen.count == 1 }
        proxy.forgetCallers()
        try await ann.say("from elsewhere")
        try await bob.say("so am I")
        try await ann.wait { $0.settled == 2 }
        try await bob.wait { $0.settled == 1 }
        try await ann.wait { $0.seen.last?.text == "so am I" }
        try await bob.wait { $0.seen.last?.text == "from elsewhere" }
        for client in [ann, bob] { #expect(await client.record.states.values.allSatisfy { $0 == "accepted" }) }
        #expect(await bob.record.seen.map(\.text) == ["before", "from elsewhere"])
        #expect(try await ann.finish() == 0)
        #expect(try await bob.finish() == 0)
        #expect(await server.stop() == 0)
    }

    @Test func theLobbyIsAMatterOfOptions() async throws {
        let none = try await RoomsServerProcess.start(["--memory", "--no-lobby"])
        let stranger = try Client("join", "lobby", "Ann", server: "127.0.0.1:\(none.tcpPort)")
        #expect(try await stranger.end() == 4)
        #expect(await none.stop() == 0)
        let hall = try await RoomsServerProcess.start(["--memory", "--lobby", "hall"])
        let ann = try Client("join", "hall", "Ann", server: "127.0.0.1:\(hall.tcpPort)")
        try await ann.wait(for: "ready")
        // Nobody is its host, so nobody's goodbye closes it.
        #expect(try await ann.finish() == 0)
        let bob = try Client("join", "hall", "Bob", server: "127.0.0.1:\(hall.tcpPort)")
        try await bob.wait(for: "ready")
        #expect(try await bob.finish() == 0)
        #expect(await hall.stop() == 0)
    }

    /// A terminal that is closed is no goodbye: the place is kept for the next run.
    @Test func aHangUpKeepsThePlace() async throws {
        let folder = TemporaryFolder()
        let server = try await RoomsServerProcess.start(["--memory"])
        let address = "127.0.0.1:\(server.tcpPort)"
        let data = ["--data", folder.path]
        let ann = try Client("create", "den", "Ann", server: address, data)
        try await ann.wait(for: "ready")
        ann.process.send(SIGHUP)
        #expect(try await ann.end() == 0)
        let back = try Client("create", "den", "Ann", server: address, data)
        try await back.wait(for: "ready")
        #expect(try await back.finish() == 0)
        // Now she has said goodbye, and the room is gone.
        let late = try Client("join", "den", "Ann", server: address, data)
        #expect(try await late.end() == 4)
        #expect(await server.stop() == 0)
    }

    /// The relay leaves before the disk is waited for, the acknowledgement after, as strace sees it, which makes the disk
    /// slow: a fast one may be done before the relay has left.
    @Test func theOrderOfRelayDiskAndAcknowledgement() async throws {
        let strace = "/usr/bin/strace"
        guard access(strace, X_OK) == 0 else { return }
        let folder = TemporaryFolder()
        let log = folder.path(of: "strace")
        let server: RoomsServerProcess
        do {
            server = try await RoomsServerProcess.start(
                ["--data", folder.path(of: "data")],
                prefix: [
                    strace, "-f", "-s", "200", "-e", "trace=fdatasync,sendto,sendmsg,sendmmsg,pwrite64",
                    "-e", "inject=fdatasync:delay_enter=100000", "-o", log,
                ])
        } catch ChildProcess.Failure.outputEnded {
            // Not allowed to trace here.
            return
        }
        let stage = LoopbackStage(server)
        let ann = try await StagePerson.enter(stage, "lobby", "Ann", extended: true)
        let bob = try await StagePerson.enter(stage, "lobby", "Bob")
        for number in 0..<5 {
            try await ann.submit(.message, MessageID(high: 0, low: UInt64(number)), "number \(number)")
            #expect(try await bob.line() == "Ann: number \(number)")
            _ = try await ann.next(.ack)
        }
        // strace passes the signal on to nobody: the program that it traces is asked itself.
        let tracer = server.process.pid
        let children = try #require(try PrivateFile.read("/proc/\(tracer)/task/\(tracer)/children", limit: 4_096))
        let traced = try #require(Int32(String(decoding: children, as: UTF8.self).split(separator: " ").first ?? ""))
        Glibc.kill(traced, SIGTERM)
        #expect(await server.process.exitStatus() == 0)
        let lines = String(decoding: try #require(try PrivateFile.read(log, limit: 64 << 20)), as: UTF8.self)
            .split(separator: "\n")
        var steps: [String] = []
        for line in lines {
            if line.contains("send"), line.contains("number ") {
                steps.append("relay")
            } else if line.contains("fdatasync"), line.contains("= 0") {
                steps.append("disk")
            } else if line.contains("send"), line.contains("\"\\0\\2\\0\\0") {
                steps.append("ack")
            }
        }
        var acknowledged = 0
        for (place, step) in steps.enumerated() where step == "ack" {
            acknowledged += 1
            let relay = steps[..<place].lastIndex(of: "relay")
            let disk = steps[..<place].lastIndex(of: "disk")
            #expect(relay != nil && disk != nil && relay! < disk!, "\(steps)")
        }
        #expect(acknowledged == 5, "\(steps)")
    }
}
