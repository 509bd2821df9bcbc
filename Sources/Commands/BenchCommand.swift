import Bench
import RoomsMode
import Wire

/// `chat bench`
enum BenchCommand {
    static let spec = CommandSpec(
        "bench", summary: "measure how much a machine can carry",
        details: [
            """
            Starts a server of its own, lets members connect to it and write to each other, and says what a delivery \
            cost and how long it took, from the moment at which the message was due. Every byte is checked: status 2 \
            where anything was lost, came twice, out of order or damaged.
            """
        ],
        subcommands: [p2p, board, udp, rooms])

    private static let members = Option(
        "--members", .number("N", 1...BenchOptions.mostMembers), summary: "how many take part (default: 100)")
    private static let senders = Option(
        "--senders", .number("N", 0...BenchOptions.mostMembers),
        summary: "how many of them write; with 0 they only stay connected (default: 1)")
    private static let rate = Option(
        "--rate", .load, summary: "messages a second, or 'saturating' (default: saturating)")
    private static let size = Option(
        "--size", .number("BYTES", BenchOptions.sizes), summary: "bytes of a message's text (default: 100)")
    private static let seconds = Option(
        "--seconds", .number("S", 1...3_600), summary: "how long to measure (default: 5)")
    private static let groups = Option(
        "--groups", .number("N", 1...BenchOptions.mostGroups),
        summary: "spread the members over so many groups (default: 1)")
    private static let durable = Flag(
        "--durable", summary: "let the server keep what it is sent, in a folder that goes")
    private static let requests = Flag(
        "--requests", summary: "let senders ask for a post and wait for the answer, instead of writing")
    private static let server = Option(
        "--server", .peer, summary: "load this server, whose CPU time is not known, instead of one of its own")

    private static let roomsServer = Option(
        "--server", .roomsServer,
        summary: "load this server, whose CPU time is not known, instead of one of its own")

    private static let common = [members.spec, senders.spec, rate.spec, size.spec, seconds.spec, durable.spec]

    private static let p2p = CommandSpec(
        "p2p", summary: "messages typed at one node, to peers that listen", options: common + [CommonTable.json.spec],
        examples: [
            .init(line: "chat bench p2p --members 100 --rate 200", meaning: "200 messages a second to 100 peers")
        ]
    ) { arguments throws(UsageError) in
        .bench(try options(.p2p, arguments))
    }

    private static let board = CommandSpec(
        "board", summary: "posts to groups, and what members hear of them",
        options: common + [groups.spec, requests.spec, server.spec, CommonTable.json.spec],
        examples: [
            .init(line: "chat bench board --members 100 --senders 100", meaning: "everybody writes to everybody"),
            .init(line: "chat bench board --members 10000 --senders 0", meaning: "what idle connections cost"),
        ]
    ) { arguments throws(UsageError) in
        .bench(try options(.board, arguments))
    }

    private static let udp = CommandSpec(
        "udp", summary: "messages to groups by datagrams, and all acknowledgements",
        options: common + [groups.spec, server.spec, CommonTable.json.spec]
    ) { arguments throws(UsageError) in
        .bench(try options(.udp, arguments))
    }

    private static let rooms = CommandSpec(
        "rooms", summary: "messages to rooms by datagrams",
        options: common + [groups.spec, roomsServer.spec, CommonTable.json.spec]
    ) { arguments throws(UsageError) in
        .bench(try options(.rooms, arguments))
    }

    private static func options(
        _ mode: BenchOptions.Mode, _ arguments: ParsedArguments
    ) throws(UsageError) -> BenchOptions {
        var options = BenchOptions(mode: mode)
        if let value = try arguments.value(of: members) { options.members = value }
        if let value = try arguments.value(of: senders) { options.senders = value }
        if let value = try arguments.value(of: rate) { options.load = value }
        if let value = try arguments.value(of: size) { options.size = value }
        if let value = try arguments.value(of: seconds) { options.seconds = value }
        options.isDurable = try arguments.isSet(durable)
        options.json = try arguments.isSet(CommonTable.json)
        if arguments.has(groups.spec), let value = try arguments.value(of: groups) { options.groups = value }
        if arguments.has(requests.spec), try arguments.isSet(requests) { options.work = .requests }
        // Not from the environment: nobody loads the server that he talks on by accident.
        if arguments.given[server.spec.name] != nil {
            if mode == .rooms, let server = try arguments.value(of: roomsServer) {
                do throws(EndpointError) {
                    options.server = try Endpoint(validating: server.host, port: server.tcpPort)
                } catch {
                    throw arguments.error("--server: \(error.message)")
                }
                options.datagramPort = server.udpPort ?? RoomsOptions.defaultUDPPort
            } else {
                options.server = try arguments.value(of: server)
            }
        }
        if mode == .p2p, options.senders > 1 {
            throw arguments.error("--senders: in p2p the messages are typed at one node; use 0 or 1.")
        }
        if options.senders > options.members {
            throw arguments.error(
                "--senders: \(options.senders) of \(options.members) members cannot write; ask for fewer.")
        }
        if options.groups > options.members {
            throw arguments.error(
                "--groups: \(options.members) members cannot fill \(options.groups) groups; ask for fewer.")
        }
        if options.server != nil, options.isDurable {
            throw arguments.error("--durable is for a server of the load's own; leave --server or --durable out.")
        }
        if options.work == .requests, options.senders == 0 {
            throw arguments.error("--requests: nobody asks with --senders 0; use 1 or more.")
        }
        return options
    }
}

extension ValueKind<BenchOptions.Load> {
    fileprivate static let load = ValueKind("RATE", completion: .words(["saturating"])) { text throws(ValueError) in
        if text == "saturating" { return .saturating }
        guard let rate = Double(text), rate >= 0.1, rate <= BenchOptions.mostRate else {
            throw ValueError(
                message: "'\(text)' is no rate; use messages a second, 0.1 to 1000000, or 'saturating'.")
        }
        return .rate(rate)
    }
}

extension ValueKind<Int> {
    /// A number of a range.
    fileprivate static func number(_ placeholder: String, _ range: ClosedRange<Int>) -> ValueKind {
        ValueKind(placeholder) { text throws(ValueError) in
            guard !text.hasPrefix("+"), let number = Int(text), range.contains(number) else {
                throw ValueError(
                    message: "'\(text)' is not a number from \(range.lowerBound) to \(range.upperBound).")
            }
            return number
        }
    }
}
