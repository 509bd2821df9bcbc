import TestSupport
import Testing
import Wire

@testable import RoomsMode

/// With the programs that came before on the other side.
@Suite(.timeLimit(.minutes(2))) struct OriginalRoomsTests {
    /// Original clients at a server of ours, with one of ours among them.
    @Test func originalClientsAtOurServer() async throws {
        let server = try await RoomsServerProcess.start()
        let host = try OriginalRoomsClient("Höst", in: "部屋 one", udpPort: server.udpPort)
        try await host.enter(creates: true, tcpPort: server.tcpPort)
        let guest = try OriginalRoomsClient("Guest", in: "部屋 one", udpPort: server.udpPort)
        try await guest.enter(creates: false, tcpPort: server.tcpPort)
        #expect(try await host.line() == "system: Guest has joined the room.")
        let ours = try RoomsClientProcess("join", "部屋 one", "Ours", server: "127.0.0.1:\(server.tcpPort)")
        try await ours.wait(for: "ready")
        for client in [host, guest] { #expect(try await client.line() == "system: Ours has joined the room.") }

        await host.send("hello \u{1F600}")
        #expect(try await guest.line() == "Höst: hello \u{1F600}")
        try await ours.wait { $0.seen.last?.text == "hello \u{1F600}" && $0.seen.last?.sender == "Höst" }
        try await ours.say("grüße")
        for client in [host, guest] { #expect(try await client.line() == "Ours: grüße") }
        // Taking a member over by its name does not work here.
        let thief = try OriginalRoomsClient("Guest", in: "部屋 one", udpPort: server.udpPort)
        await #expect(throws: OriginalRoomsClient.Failure.self) {
            try await thief.enter(creates: false, tcpPort: server.tcpPort)
        }
        let second = try OriginalRoomsClient("Second", in: "部屋 one", udpPort: server.udpPort)
        await #expect(throws: OriginalRoomsClient.Failure.self) {
            try await second.enter(creates: true, tcpPort: server.tcpPort)
        }
        await guest.send("__LEAVE__")
        #expect(try await host.line() == "system: Guest has left the room.")
        try await ours.wait(for: "left")
        await host.send("__LEAVE__")
        let closed = try await ours.wait(for: "closed")
        #expect(closed["reason"]?.string == "The host, Höst, has closed the room.")
        #expect(try await ours.end() == 0)
        for client in [host, guest] { #expect(await client.listenerDeath == nil) }
        #expect(await server.stop() == 0)
    }

    /// Clients of ours at an original server: plain UCRP, in both roles, and what it has no answer for is said.
    @Test func ourClientsAtAnOriginalServer() async throws {
        try await OriginalRoomsServer.with { server in
            let address = "127.0.0.1:\(await server.tcpPort):\(await server.udpPort)"
            let ann = try RoomsClientProcess("create", "den", "Änn", server: address)
            try await ann.wait(for: "ready")
            let bob = try RoomsClientProcess("join", "den", "Bob", server: address)
            try await bob.wait(for: "ready")
            let guest = try OriginalRoomsClient("Guest", in: "den", udpPort: await server.udpPort)
            try await guest.enter(creates: false, tcpPort: await server.tcpPort)
            while await server.registered(in: "den").count < 3 { try await Task.sleep(for: .milliseconds(5)) }

            try await ann.say("hello")
            try await bob.wait { $0.seen.last?.text == "hello" && $0.seen.last?.sender == "Änn" }
            #expect(try await guest.line() == "\"\\u00c4nn\": hello")
            await guest.send("hi")
            try await ann.wait { $0.seen.last?.text == "hi" && $0.seen.last?.sender == "Guest" }
            // What it would take for a command is not sent.
            try await ann.say("__LEAVE__")
            try await ann.wait { $0.states.values.contains("failed") }
            try await bob.say("/who")
            let error = try await bob.wait(for: "error")
            #expect(
                error["text"]?.string
                    == "The server does not answer that; it is perhaps the program that came before.")
            // A member's goodbye is its own, the host's is everybody's.
            #expect(try await bob.finish() == 0)
            while await server.registered(in: "den").count > 2 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(try await ann.finish() == 2, "one message had failed")
            #expect(try await guest.line() == "[room closed]")
            let late = try RoomsClientProcess("join", "den", "Late", server: address)
            #expect(try await late.end() == 4)
            #expect(await server.dropped.isEmpty)
        }
    }
}
