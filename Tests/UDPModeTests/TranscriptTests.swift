import Glibc
import TestSupport
import Testing
import Wire

@testable import UDPMode

/// Who plays: programs of ours, and doubles of the originals, in every useful mixture.
enum Cast: String, CaseIterable, CustomTestStringConvertible {
    case ours, originalServer, originalClients

    var testDescription: String { rawValue }

    func server() async throws -> ServerParty {
        switch self {
        case .ours, .originalClients: try await ProcessParty.server()
        case .originalServer: try await DoubleParty.server().1
        }
    }

    func client(_ name: String, of server: ServerParty) async throws -> any Party {
        switch self {
        case .ours, .originalServer: try ProcessParty.client(name, server.port)
        case .originalClients: try await DoubleParty.client(name, server.port)
        }
    }

    /// A client that is registered and has its table.
    func registered(_ name: String, of server: ServerParty) async throws -> any Party {
        let client = try await client(name, of: server)
        try await client.shows("Welcome, You are registered.", "Client table updated.")
        try await server.party.shows("Server table updated.")
        return client
    }

    /// `client` in the group, alone.
    func inGroup(_ client: any Party, _ server: ServerParty) async throws {
        try await client.type("create_group group-name")
        try await client.shows("Group group-name created by Server.")
        try await server.party.shows("Client client created group `group-name` successfully!")
        try await join(client, "client", server)
    }

    func join(_ party: any Party, _ name: String, _ server: ServerParty) async throws {
        try await party.type("join_group group-name")
        try await party.shows("Entered group group-name successfully!")
        try await server.party.shows("Client \(name) joined group `group-name`")
    }

    /// client and client2 in the group.
    func bothInGroup(_ server: ServerParty) async throws -> (any Party, any Party) {
        let client = try await registered("client", of: server)
        let client2 = try await registered("client2", of: server)
        try await client.shows("Client table updated.")
        try await inGroup(client, server)
        try await join(client2, "client2", server)
        return (client, client2)
    }
}

/// Every transcript of the original's document, section by section.
@Suite(.timeLimit(.minutes(2))) struct TranscriptTests {
    /// The server is told to end, and does.
    private func stop(_ server: ServerParty) async throws {
        try await server.party.interrupt()
        if !server.isOriginal { try await server.party.shows("Quitting.") }
        _ = await server.party.ended()
    }

    private func endsWithServerGone(_ client: any Party) async throws {
        try await client.shows("Server not responding", "Exiting")
        let status = await client.ended()
        #expect(status == nil || status == 5)
    }

    // MARK: 2.1 Registration

    @Test(arguments: Cast.allCases) func connectingAndSilentLeave(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        await client.kill()
        try await stop(server)
    }

    /// Ours says goodbye where the original leaves silently: its name is free at once.
    @Test func leavingByInterrupt() async throws {
        for cast in [Cast.ours, .originalServer] {
            let server = try await cast.server()
            let client = try await cast.registered("client", of: server)
            try await client.interrupt()
            #expect(await client.ended() == 0)
            try await server.party.shows("Server table updated. (removed client)")
            _ = try await cast.registered("client", of: server)
        }
    }

    // MARK: 2.2 Chatting

    @Test(arguments: Cast.allCases) func sendWithSpaces(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        let client2 = try await cast.registered("client2", of: server)
        try await client.shows("Client table updated.")
        try await client2.type("send client hello there :)")
        try await client.shows("client2: hello there :)")
        try await client2.shows("Message received by client")
    }

    @Test(arguments: Cast.allCases) func missingAcknowledgement(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        let client2 = try await cast.registered("client2", of: server)
        try await client.shows("Client table updated.")
        await client.kill()
        try await client2.type("send client hello there :)")
        try await client2.shows("No ACK from client, message not delivered")
        try await client2.shows("Client table updated.", "Auto-deregistered client since they were offline.")
        try await server.party.shows("Server table updated.")
    }

    // MARK: 2.3 De-registration

    @Test(arguments: Cast.allCases) func deregisters(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        try await client.type("dereg foo")
        try await client.shows("You can only deregister yourself.")
        try await client.type("dereg client")
        try await client.shows("You are Offline. Bye.")
        try await server.party.shows("Server table updated. (removed client)")
        let status = await client.ended()
        // A piped run in which something could not be followed ends with 1.
        #expect(status == nil || status == 1)
    }

    @Test(arguments: Cast.allCases) func deregistersWithTheServerDown(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        try await stop(server)
        try await client.type("dereg client")
        try await endsWithServerGone(client)
    }

    // MARK: 2.4.1 and 2.4.2 Creating and listing groups

    @Test(arguments: Cast.allCases) func createsAndLists(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        try await client.type("create_group group-name")
        try await client.shows("Group group-name created by Server.")
        try await server.party.shows("Client client created group `group-name` successfully!")
        try await client.type("list_groups")
        try await client.shows("Available group chats:", "group-name")
        try await server.party.shows("Client client requested listing groups, current groups:", "group-name")
        try await client.type("create_group group-name-2")
        try await client.shows("Group group-name-2 created by Server.")
        try await server.party.shows("Client client created group `group-name-2` successfully!")
        try await client.type("create_group group-name")
        try await client.shows("Group `group-name` already exists.")
        try await server.party.shows("Client client creating group `group-name` failed, group already exists")
        try await client.type("list_groups")
        try await client.shows("Available group chats:", "group-name", "group-name-2")
    }

    @Test(arguments: Cast.allCases, ["create_group group-name", "list_groups", "join_group group-name"])
    func groupCommandsWithTheServerDown(_ cast: Cast, _ command: String) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        try await stop(server)
        try await client.type(command)
        try await endsWithServerGone(client)
    }

    // MARK: 2.4.3 Joining

    @Test(arguments: Cast.allCases) func joins(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        try await client.type("join_group group-name")
        try await client.shows("Group `group-name` does not exist.")
        try await server.party.shows("Client client joining group `group-name` failed, group does not exist")
        try await cast.inGroup(client, server)
    }

    // MARK: 2.4.4 Chatting in a group

    @Test(arguments: Cast.allCases) func chatsInAGroup(_ cast: Cast) async throws {
        let server = try await cast.server()
        let (client, client2) = try await cast.bothInGroup(server)
        try await client.type("send_group hey there :)")
        try await client.shows("Message received by Server.")
        try await client2.shows("Group_Message client: hey there :)")
        try await server.party.shows("Client client sent group message: hey there :)")
        try await server.party.shows("Client client2 acked group message")
    }

    @Test(arguments: Cast.allCases) func removesWhoIsOffline(_ cast: Cast) async throws {
        let server = try await cast.server()
        let (client, client2) = try await cast.bothInGroup(server)
        await client2.kill()
        try await client.type("send_group can you hear me?? :P")
        try await client.shows("Message received by Server.")
        try await server.party.shows("Client client sent group message: can you hear me?? :P")
        try await server.party.shows("Client client2 not responsive, removed from group group-name")
    }

    @Test(arguments: Cast.allCases, ["send_group hello world?", "list_members", "leave_group"])
    func commandsInAGroupWithTheServerDown(_ cast: Cast, _ command: String) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        try await cast.inGroup(client, server)
        try await stop(server)
        try await client.type(command)
        if command.hasPrefix("send_group"), cast != .originalClients {
            var line = try await client.line()
            while line != "Server not responding" {
                #expect(
                    Screen.isExtra(line)
                        || line == "No ACK from Server, nobody knows whether the message reached group-name")
                line = try await client.line()
            }
            try await client.shows("Exiting")
            #expect(await client.ended() == 5)
        } else {
            try await endsWithServerGone(client)
        }
    }

    // MARK: 2.4.5 and 2.4.6 Members, and leaving

    @Test(arguments: Cast.allCases) func listsMembersAndLeaves(_ cast: Cast) async throws {
        let server = try await cast.server()
        let (client, client2) = try await cast.bothInGroup(server)
        for (party, name) in [(client, "client"), (client2, "client2")] {
            try await party.type("list_members")
            try await party.shows("Members in the group group-name:", "client", "client2")
            try await server.party.shows(
                "Client \(name) requested listing members of group group-name", "client", "client2")
        }
        try await client.type("leave_group")
        try await client.shows("Leave group chat group-name")
        try await server.party.shows("Client client left group group-name")
        try await client2.type("list_members")
        try await client2.shows("Members in the group group-name:", "client2")
        try await server.party.shows("Client client2 requested listing members of group group-name", "client2")
    }

    // MARK: 2.5 Private messages in a group, and the scope of commands

    @Test(arguments: Cast.allCases) func privateMessageInAGroup(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        let client2 = try await cast.registered("client2", of: server)
        try await client.shows("Client table updated.")
        try await cast.inGroup(client, server)
        try await client2.type("send client call me back :(")
        try await client2.shows("Message received by client")
        try await client.type("leave_group")
        try await client.shows("Leave group chat group-name", "client2: call me back :(")
        try await server.party.shows("Client client left group group-name")
    }

    @Test(arguments: Cast.allCases) func scopeOfCommands(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        for command in ["send_group hi", "leave_group", "list_members", "nonsense and more"] {
            try await client.type(command)
            try await client.shows("Invalid command: \(command.split(separator: " ")[0])")
        }
        try await cast.inGroup(client, server)
        for command in ["create_group anotha-one", "join_group x", "list_groups"] {
            try await client.type(command)
            try await client.shows("Invalid command: \(command.split(separator: " ")[0])")
        }
    }

    // MARK: Edge cases

    @Test(arguments: Cast.allCases) func messageToOneself(_ cast: Cast) async throws {
        let server = try await cast.server()
        let client = try await cast.registered("client", of: server)
        try await client.type("send client yo dawg heard you like clients")
        try await client.shows("client: yo dawg heard you like clients")
        try await client.shows("Message received by client")
    }

    @Test(arguments: Cast.allCases) func nameAlreadyTaken(_ cast: Cast) async throws {
        let server = try await cast.server()
        let first = try await cast.registered("client", of: server)
        let second = try await cast.client("client", of: server)
        try await second.shows("`client` already exists!")
        let status = await second.ended()
        #expect(status == nil || status == 4)
        // Who has the name goes on undisturbed.
        try await first.type("list_groups")
        var line = try await first.line()
        // A server of ours looks whether an original is still there by sending it its table.
        while line == "Client table updated." { line = try await first.line() }
        #expect(line == "Available group chats:")
    }
}
