import RoomsMode
import Wire

/// `chat rooms`
enum RoomsCommand {
    static let spec = CommandSpec(
        "rooms", summary: "talk in rooms on a server that keeps them",
        subcommands: [serve, create, join, list, history, importState, exportState])

    // MARK: Server

    private static let tcpPort = Option(
        "--tcp-port", .listeningPort, summary: "the port for connections (default: \(RoomsOptions.defaultTCPPort))")
    private static let udpPort = Option(
        "--udp-port", .listeningPort, summary: "the port for datagrams (default: \(RoomsOptions.defaultUDPPort))")
    private static let lobby = Option(
        "--lobby", .roomName.named("NAME"),
        summary: "the room that is always there (default: \(RoomsOptions.defaultLobby))")
    private static let noLobby = Flag("--no-lobby", summary: "have no room that is always there")
    private static let hostLeave = Option(
        "--on-host-leave", ValueKind<RoomRules.HostLeavePolicy>.choice("WHAT"),
        summary: "what becomes of a room whose host leaves: close, transfer or keep (default: close)")

    private static let serve = CommandSpec(
        "serve", summary: "run a server of rooms",
        options: [tcpPort.spec, udpPort.spec, lobby.spec, noLobby.spec, hostLeave.spec] + CommonTable.storing
            + [CommonTable.bind.spec, CommonTable.noRateLimit.spec] + CommonTable.output,
        examples: [
            .init(
                line: "chat rooms serve",
                meaning: "run a server on ports \(RoomsOptions.defaultTCPPort) and \(RoomsOptions.defaultUDPPort)")
        ]
    ) { arguments throws(UsageError) in
        var options = RoomsServeOptions()
        if let port = try arguments.value(of: tcpPort) { options.tcpPort = port }
        if let port = try arguments.value(of: udpPort) { options.udpPort = port }
        if let name = try arguments.value(of: lobby) { options.lobby = name }
        if try arguments.isSet(noLobby) {
            if arguments.given[lobby.spec.name] != nil {
                throw arguments.error("--no-lobby and --lobby contradict each other; give one of them.")
            }
            options.lobby = nil
        }
        if let policy = try arguments.value(of: hostLeave) { options.hostLeave = policy }
        return .rooms(.serve(options), try arguments.common())
    }

    // MARK: Clients

    private static let server = Option(
        "--server", .roomsServer, summary: "the server (default: \(RoomsOptions.defaultServer))")
    private static let room = Argument(.roomName, summary: "the name of the room, in quotes where it holds spaces")
    private static let member = [server.spec] + CommonTable.speaking + CommonTable.output

    private static let historyCount = Option(
        "--history", .count, summary: "how many messages of before to show (default: a few at a terminal, else none)")

    private static let create = CommandSpec(
        "create", summary: "open a room as its host, and talk in it", arguments: [room.spec],
        options: [historyCount.spec] + member,
        examples: [.init(line: "chat rooms create den", meaning: "open the room 'den'")]
    ) { arguments throws(UsageError) in try enter(arguments, creates: true) }

    private static let join = CommandSpec(
        "join", summary: "talk in a room", arguments: [room.spec], options: [historyCount.spec] + member,
        examples: [
            .init(line: "chat rooms join lobby", meaning: "talk in the lobby of a server on this machine"),
            .init(line: "chat rooms join lobby --server example.net:9090:9091", meaning: "of a server elsewhere"),
        ]
    ) { arguments throws(UsageError) in try enter(arguments, creates: false) }

    private static func enter(_ arguments: ParsedArguments, creates: Bool) throws(UsageError) -> Invocation {
        .rooms(
            .enter(
                RoomsEnterOptions(
                    server: try serverOption(arguments), room: try arguments.value(of: room), creates: creates,
                    history: try arguments.value(of: historyCount))),
            try arguments.common())
    }

    private static let list = CommandSpec(
        "list", summary: "print the rooms and how many are in them", options: [server.spec] + CommonTable.output
    ) { arguments throws(UsageError) in
        .rooms(.list(server: try serverOption(arguments)), try arguments.common())
    }

    private static let last = Option(
        "--last", .count, summary: "the last N messages (default: \(RoomsHistorySelection.defaultCount))")
    private static let from = Option(
        "--from", ValueKind<Int64>.offset.named("OFFSET"), summary: "every message from this offset on")

    private static let history = CommandSpec(
        "history", summary: "print what was said in a room", arguments: [room.spec],
        options: [last.spec, from.spec] + member,
        examples: [.init(line: "chat rooms history lobby --last 20", meaning: "print the last 20 messages")]
    ) { arguments throws(UsageError) in
        let count = try arguments.value(of: last)
        let offset = try arguments.value(of: from)
        if arguments.given[last.spec.name] != nil, arguments.given[from.spec.name] != nil {
            throw arguments.error("--last and --from contradict each other; give one of them.")
        }
        let selection: RoomsHistorySelection =
            if let offset { .from(offset) } else { .last(count ?? RoomsHistorySelection.defaultCount) }
        return .rooms(
            .history(server: try serverOption(arguments), room: try arguments.value(of: room), selection),
            try arguments.common())
    }

    private static func serverOption(_ arguments: ParsedArguments) throws(UsageError) -> RoomsEndpoint {
        try arguments.value(of: server) ?? RoomsOptions.defaultServer
    }

    // MARK: Files

    private static let input = Argument(.file, summary: "a 'room_manager.json'; '-' is the standard input")
    private static let output = Argument(.file, summary: "the file to write; '-' is the standard output")

    private static let importState = CommandSpec(
        "import", summary: "take in the rooms and members of a state file", arguments: [input.spec],
        options: [CommonTable.data.spec] + CommonTable.output
    ) { arguments throws(UsageError) in
        .rooms(.importState(path: try arguments.value(of: input)), try arguments.common())
    }

    private static let exportState = CommandSpec(
        "export", summary: "write the rooms and members to such a file", arguments: [output.spec],
        options: [CommonTable.data.spec] + CommonTable.output
    ) { arguments throws(UsageError) in
        .rooms(.exportState(path: try arguments.value(of: output)), try arguments.common())
    }
}

extension ValueKind<RoomName> {
    fileprivate static let roomName = ValueKind.name("ROOM")
}

extension ValueKind<RoomsEndpoint> {
    static let roomsServer = ValueKind("HOST[:TCP[:UDP]]") { text throws(ValueError) in
        do throws(RoomsEndpoint.Mistake) {
            return try RoomsEndpoint(parsing: text)
        } catch {
            throw ValueError(message: error.message)
        }
    }
}
