import Glibc
import TestSupport
import Testing
import Wire

@testable import UDPMode

/// The program as people and programs meet it.
@Suite(.timeLimit(.minutes(2))) struct ProgramTests {
    private static func chat(_ arguments: [String], mergesErrors: Bool = true) throws -> ChildProcess {
        try ChildProcess(ChildProcess.product("chat"), ["udp"] + arguments, mergesErrors: mergesErrors)
    }

    private static func joined(_ name: String, _ port: UInt16, _ options: [String] = []) async throws -> ProcessParty {
        let client = try ProcessParty.client(name, port, options)
        try await client.shows("Welcome, You are registered.", "Client table updated.")
        return client
    }

    /// The lines up to one that is waited for.
    private static func lines(of party: any Party, upTo last: String) async throws -> [String] {
        var lines = [try await party.line()]
        while lines.last != last { lines.append(try await party.line()) }
        return lines
    }

    // MARK: Addresses

    /// One server of both families, a client of each, and messages between them both ways.
    @Test func bothAddressFamilies() async throws {
        let process = try ProcessParty(
            ["serve", "0", "--bind", "127.0.0.1", "--bind", "::1", "--memory"])
        let listening = try await process.child.line(containing: "listening on 127.0.0.1:")
        let port = listening.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        _ = try await process.child.line(containing: "listening on [::1]:\(port)")
        try await process.shows("Server started on \(port)")
        let alice = try ProcessParty(["join", "alice", "::1", "\(port)", "--memory"])
        try await alice.shows("Welcome, You are registered.", "Client table updated.")
        let bob = try ProcessParty(["join", "bob", "localhost", "\(port)", "--memory"])
        try await bob.shows("Welcome, You are registered.", "Client table updated.")
        try await alice.shows("Client table updated.")
        try await alice.type("send bob from six")
        try await bob.shows("alice: from six")
        try await alice.shows("Message received by bob")
        try await bob.type("send alice from four")
        try await alice.shows("bob: from four")
        try await bob.shows("Message received by alice")
        for party in [alice, bob, process] {
            try await party.interrupt()
            #expect(await party.ended() == 0)
        }
    }

    // MARK: The server's log

    @Test func theLogIsShownByDefaultAndLessWhereAskedFor() async throws {
        let server = try await ProcessParty.server()
        let client = try await Self.joined("client", server.port)
        try await server.party.shows("Server table updated.")
        try await client.interrupt()
        try await server.party.shows("Server table updated. (removed client)")
        let quiet = try Self.chat(["serve", "0", "--bind", "127.0.0.1", "--memory", "--log-level", "warning"])
        let listening = try await quiet.line(containing: "listening on ")
        let port = listening.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        let other = try await Self.joined("client", port)
        try await other.type("list_groups")
        try await other.shows("Available group chats:")
        quiet.send(SIGINT)
        #expect(try await quiet.rest().isEmpty)
        #expect(await quiet.exitStatus() == 0)
    }

    /// The words of the original's server hold what is said to a group; an operator need not keep it.
    @Test(arguments: ["info", "debug"]) func whatIsSaidIsInTheLogForWhoAsksForIt(level: String) async throws {
        let server = try Self.chat(["serve", "0", "--bind", "127.0.0.1", "--memory", "--log-level", level])
        let listening = try await server.line(containing: "listening on ")
        let ann = try await Self.joined("ann", listening.split(separator: ":").last.flatMap { UInt16($0) } ?? 0)
        for line in ["create_group g", "join_group g", "send_group between ourselves", "leave_group"] {
            try await ann.type(line)
        }
        _ = try await ann.child.line(containing: "Leave group chat g")
        try await ann.interrupt()
        #expect(await ann.ended() == 0)
        server.send(SIGINT)
        let log = try await server.rest()
        #expect(log.contains("Client ann left group g"))
        #expect(log.contains("between ourselves") == (level == "debug"))
        #expect(await server.exitStatus() == 0)
    }

    /// What a stranger writes reaches the operator's terminal as text, and as one line.
    @Test func theLogIsNeutralised() async throws {
        let server = try await ProcessParty.server()
        let client = try await DoubleParty.client("client", server.port)
        try await client.shows("Welcome, You are registered.", "Client table updated.")
        try await client.type("create_group g")
        try await client.shows("Group g created by Server.")
        try await client.type("join_group g")
        try await client.shows("Entered group g successfully!")
        try await server.party.shows(
            "Server table updated.", "Client client created group `g` successfully!", "Client client joined group `g`")
        try await client.type("send_group \u{1B}[31mred\u{202E}\u{85}[14:03:21] * Server table updated.")
        let line = try await server.party.line()
        #expect(line.hasPrefix("Client client sent group message: "))
        #expect(line.hasSuffix("Server table updated."))
        for character in line.unicodeScalars {
            #expect(character.value >= 0x20 && !(0x7f...0x9f).contains(character.value) && character.value != 0x202e)
        }
    }

    // MARK: The client

    @Test func slashCommandsBesideTheVerbs() async throws {
        let server = try await ProcessParty.server()
        let client = try await Self.joined("client", server.port)
        try await client.type("/create_group g")
        try await client.shows("Group g created by Server.")
        try await client.type("/join g")
        try await client.shows("Entered group g successfully!")
        try await client.type("/send_group hi")
        try await client.shows("Message received by Server.")
        try await client.type("/members")
        try await client.shows("Members in the group g:", "client")
        try await client.type("/leav")
        try await client.shows("Unknown command /leav. Did you mean /leave_group?")
        try await client.type("/leave")
        try await client.shows("Leave group chat g")
        try await client.type("/msg client /not a command")
        try await client.shows("client: /not a command", "Message received by client")
        try await client.type("send client")
        try await client.shows("Usage: send NAME TEXT")
        try await client.type("/quit")
        #expect(await client.ended() == 1, "a piped run in which something could not be followed")
        try await server.party.shows(
            "Server table updated.", "Client client created group `g` successfully!",
            "Client client joined group `g`", "Client client sent group message: hi",
            "Client client requested listing members of group g", "client", "Client client left group g",
            "Server table updated. (removed client)")
    }

    /// What a program reads of its messages as they go, and the exit status that sums it up.
    @Test func theStatusOfEachMessage() async throws {
        let folder = TemporaryFolder()
        let server = try await ProcessParty.server()
        let carol = try await Self.joined("carol", server.port, ["--data", folder.path(of: "carol")])
        try await carol.interrupt()
        #expect(await carol.ended() == 0)
        let bob = try await Self.joined("bob", server.port)
        let alice = try Self.chat(
            ["join", "alice", "127.0.0.1", "\(server.port)", "--memory", "--json"], mergesErrors: false)
        _ = try await alice.line(containing: "\"ready\"")
        func states(of line: String, until last: String) async throws -> [String] {
            try await alice.write(line + "\n")
            var id: String?
            var states: [String] = []
            while states.last != last {
                guard let event = try? JSON(parsing: Array(try await alice.line().utf8)[...]) else { continue }
                if event["event"]?.string == "message", event["own"]?.bool == true { id = event["id"]?.string }
                if event["event"]?.string == "delivery" {
                    #expect(id == nil || event["id"]?.string == id)
                    states.append(event["state"]?.string ?? "")
                }
            }
            return states
        }
        #expect(try await states(of: "send bob hello", until: "delivered") == ["sent", "delivered"])
        #expect(
            try await states(of: #"{"command": "/send bob two\nlines"}"#, until: "delivered") == ["sent", "delivered"])
        // Away, with a name that is kept: the server has it.
        #expect(try await states(of: "send carol later", until: "stored") == ["stored"])
        await bob.kill()
        #expect(try await states(of: "send bob still there?", until: "noanswer") == ["sent", "noanswer"])
        #expect(try await states(of: "send nobody x", until: "failed") == ["failed"])
        let long = String(repeating: "x", count: 4_096)
        #expect(try await states(of: "send alice \(long)", until: "failed") == ["failed"])
        await alice.closeInput()
        _ = try await alice.rest()
        #expect(await alice.exitStatus() == 2)
    }

    @Test func aServerThatIsNotThere() async throws {
        let socket = try DatagramPeer()
        let client = try Self.chat(["join", "client", "127.0.0.1", "\(socket.port)", "--memory"])
        _ = try await client.line(containing: "Server not responding")
        _ = try await client.line(containing: "Exiting")
        #expect(await client.exitStatus() == 5)
        // It was asked six times.
        for _ in 1...6 {
            #expect(try UDPMessage(decoding: try await socket.receive()[...]).body == .registration)
        }
    }

    @Test func aPortThatSomebodyHas() async throws {
        let socket = try DatagramPeer()
        let server = try Self.chat(["serve", "\(socket.port)", "--bind", "127.0.0.1", "--memory"])
        let line = try await server.line()
        #expect(line.contains("! cannot listen on 127.0.0.1:\(socket.port): "))
        #expect(await server.exitStatus() == 1)
    }

    // MARK: Names

    /// Who was killed says nothing more; ICMP does, as soon as somebody asks for the name.
    @Test func icmpFreesTheNameOfWhoWasKilled() async throws {
        let server = try await ProcessParty.server()
        let first = try await Self.joined("client", server.port)
        try await server.party.shows("Server table updated.")
        await first.kill()
        let second = try ProcessParty.client("client", server.port)
        try await second.shows("`client` already exists!")
        #expect(await second.ended() == 4)
        try await server.party.shows("Server table updated.")
        _ = try await Self.joined("client", server.port)
    }

    /// Nobody types anything: the server itself says that it is back.
    @Test func aServerThatIsBackCallsItsClients() async throws {
        let folder = TemporaryFolder()
        let data = ["--data", folder.path(of: "server")]
        let server = try await ProcessParty.server(data)
        var clients: [ProcessParty] = []
        for name in ["alice", "bob"] {
            let client = try await Self.joined(name, server.port, ["--data", folder.path(of: name)])
            if clients.isEmpty {
                try await client.type("create_group g")
                try await client.shows("Group g created by Server.")
            }
            try await client.type("join_group g")
            _ = try await Self.lines(of: client, upTo: "Entered group g successfully!")
            clients.append(client)
        }
        await server.party.kill()
        let restarted = try await ProcessParty.restarted(server.port, data)
        for client in clients {
            _ = try await Self.lines(
                of: client, upTo: "You are in group g again; what was said meanwhile may be missing.")
        }
        try await clients[0].type("send_group here we are")
        _ = try await Self.lines(of: clients[1], upTo: "Group_Message alice: here we are")
        try await restarted.party.interrupt()
        #expect(await restarted.party.ended() == 0)
    }
}
