import Console
import RoomsMode
import Testing
import Wire

@testable import Commands

private func parseRooms(_ words: [String], _ environment: [String: String] = [:]) throws(UsageError) -> Invocation {
    try CommandLineInterface.parse(words, environment: { environment[$0] })
}

private func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }

@Suite struct RoomsParsingTests {
    private func rooms(_ line: String, environment: [String: String] = [:]) throws -> RoomsOptions {
        guard case .rooms(let options, _) = try parseRooms(words(line), environment) else {
            throw Unexpected(line: line)
        }
        return options
    }

    private func room(_ name: String) throws -> RoomName { try RoomName(validating: name) }

    @Test func serve() throws {
        #expect(try rooms("rooms serve") == .serve(RoomsServeOptions()))
        var options = RoomsServeOptions()
        options.tcpPort = 0
        options.udpPort = 7
        options.lobby = try room("hall")
        options.hostLeave = .transfer
        #expect(
            try rooms("rooms serve --tcp-port 0 --udp-port 7 --lobby hall --on-host-leave transfer") == .serve(options))
        options = RoomsServeOptions()
        options.lobby = nil
        #expect(try rooms("rooms serve --no-lobby") == .serve(options))
        #expect(try rooms("rooms serve --no-lobby", environment: ["CHAT_LOBBY": "x"]) == .serve(options))
    }

    @Test func clients() throws {
        let here = RoomsOptions.defaultServer
        let there = try RoomsEndpoint(parsing: "h:1:2")
        let lobby = try room("lobby")
        #expect(
            try rooms("rooms create den")
                == .enter(RoomsEnterOptions(server: here, room: try room("den"), creates: true)))
        #expect(
            try rooms("rooms join lobby --server h:1:2 --history 5")
                == .enter(RoomsEnterOptions(server: there, room: lobby, creates: false, history: 5)))
        #expect(try rooms("rooms list", environment: ["CHAT_SERVER": "h:1:2"]) == .list(server: there))
        #expect(try rooms("rooms history lobby") == .history(server: here, room: lobby, .last(100)))
        #expect(try rooms("rooms history lobby --last 0") == .history(server: here, room: lobby, .last(0)))
        #expect(try rooms("rooms history lobby --from 7") == .history(server: here, room: lobby, .from(7)))
        #expect(try rooms("rooms import room_manager.json") == .importState(path: "room_manager.json"))
        #expect(try rooms("rooms export -") == .exportState(path: "-"))
        guard case .rooms(.enter(let options), _) = try parseRooms(["rooms", "create", "部屋 one"]) else {
            throw Unexpected(line: "create")
        }
        #expect(options.room.text == "部屋 one")
    }

    @Test(arguments: [
        ("h", "h:9090"), ("h:1", "h:1"), ("h:1:2", "h:1:2"), ("[::1]", "[::1]:9090"), ("[::1]:1", "[::1]:1"),
        ("[::1]:1:2", "[::1]:1:2"),
    ])
    func serversAreReadInEveryForm(text: String, canonical: String) throws {
        #expect(try RoomsEndpoint(parsing: text).description == canonical)
        #expect(try RoomsEndpoint(parsing: canonical).description == canonical)
    }

    @Test(arguments: [
        (
            "rooms join lobby --server h:1:x",
            "chat rooms join: --server: 'x' is not a UDP port; use a number from 1 to 65535."
        ),
        (
            "rooms join lobby --server h:0:1",
            "chat rooms join: --server: '0' is not a port; use a number from 1 to 65535."
        ),
        (
            "rooms join lobby --server h:1:2:3",
            "chat rooms join: --server: 'h:1:2:3' is not an endpoint; write HOST:PORT."
        ),
        ("rooms join lobby --history -1", "chat rooms join: --history: '-1' is not a number from 0 to 1000000."),
        (
            "rooms history lobby --last 1 --from 2",
            "chat rooms history: --last and --from contradict each other; give one of them."
        ),
        ("rooms join", "chat rooms join: ROOM is missing; write 'chat rooms join ROOM'."),
        (
            "rooms serve --lobby a --no-lobby",
            "chat rooms serve: --no-lobby and --lobby contradict each other; give one of them."
        ),
        (
            "rooms serve --on-host-leave drop",
            "chat rooms serve: --on-host-leave: 'drop' is none of close, transfer and keep."
        ),
    ])
    func mistakesGetASentence(line: String, sentence: String) {
        let error = #expect(throws: UsageError.self) { try parseRooms(words(line)) }
        #expect(error?.message.string == sentence)
    }
}
