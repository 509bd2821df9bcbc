import Console
import UDPMode
import Wire

/// `chat udp`
enum UDPCommand {
    static let spec = CommandSpec(
        "udp", summary: "send direct messages and talk in groups, by datagrams",
        details: ["The old spelling works as well: 'chat udp -s PORT' and 'chat udp -c NAME IP PORT PORT'."],
        subcommands: [serve, join, oldServe, oldJoin])

    private static let serverOptions =
        CommonTable.storing + [CommonTable.bind.spec, CommonTable.noRateLimit.spec]
        + CommonTable.output
    private static let clientOptions = serverOptions

    private static let port = Argument(.listeningPort, summary: "the port to listen on; 0 takes a free one")

    private static let serve = CommandSpec(
        "serve", summary: "run a server",
        details: [
            "Says what clients do and what is said in groups, one line each; --log-level info leaves out what is said."
        ],
        arguments: [port.spec],
        options: serverOptions,
        examples: [.init(line: "chat udp serve 5000", meaning: "run a server on port 5000")]
    ) { arguments throws(UsageError) in
        .udp(.serve(port: try arguments.value(of: port)), try arguments.serverCommon())
    }

    private static let name = Argument(.nickname, summary: "the name to register")
    private static let server = Argument(ValueKind.host.named("SERVER"), summary: "the host of the server")
    private static let serverPort = Argument(ValueKind.port.named("SERVER-PORT"), summary: "the port of the server")
    private static let clientPort = Argument(
        ValueKind.listeningPort.named("CLIENT-PORT"), .noneOrOne,
        summary: "the port to receive on (default: any free one)")

    private static let join = CommandSpec(
        "join", summary: "register with a server and talk",
        arguments: [name.spec, server.spec, serverPort.spec, clientPort.spec], options: clientOptions,
        examples: [
            .init(line: "chat udp join client 127.0.0.1 5000 5555", meaning: "take part under the name 'client'")
        ]
    ) { arguments throws(UsageError) in
        let port = try arguments.value(of: serverPort)
        let host = try arguments.value(of: server)
        return .udp(
            .join(
                UDPJoinOptions(
                    name: try arguments.value(of: name), server: host.endpoint(port: port),
                    clientPort: try arguments.optional(clientPort) ?? 0)),
            try arguments.common())
    }

    // MARK: The old spelling, with the words that its users know

    private static let oldPort = Argument(.oldPort("<port>"), summary: "the port to listen on")
    private static let oldServerAddress = Argument(.oldAddress, summary: "the IPv4 address of the server")
    private static let oldServerPort = Argument(.oldPort("<server-port>"), summary: "the port of the server")
    private static let oldClientPort = Argument(.oldPort("<client-port>"), summary: "the port to receive on")
    private static let oldName = Argument(ValueKind.nickname.named("<name>"), summary: "the name to register")

    private static let oldServe = CommandSpec(
        "-s", summary: "run a server", arguments: [oldPort.spec], options: serverOptions, isOldSpelling: true
    ) { arguments throws(UsageError) in
        .udp(.serve(port: try arguments.value(of: oldPort)), try arguments.serverCommon())
    }

    private static let oldJoin = CommandSpec(
        "-c", summary: "register with a server and talk",
        arguments: [oldName.spec, oldServerAddress.spec, oldServerPort.spec, oldClientPort.spec],
        options: clientOptions, isOldSpelling: true
    ) { arguments throws(UsageError) in
        let address = try arguments.value(of: oldServerAddress)
        let port = try arguments.value(of: oldServerPort)
        return .udp(
            .join(
                UDPJoinOptions(
                    name: try arguments.value(of: oldName), server: Endpoint(SocketAddress(ip: address, port: port)),
                    clientPort: try arguments.value(of: oldClientPort))),
            try arguments.common())
    }
}

extension ParsedArguments {
    /// The operator of a server reads what happens, as with the program that this one replaces.
    fileprivate func serverCommon() throws(UsageError) -> CommonOptions {
        var common = try common()
        if try value(of: CommonTable.logLevel) == nil { common.logLevel = .debug }
        return common
    }
}

/// A host without its port.
struct Host: Sendable {
    /// Its port means nothing.
    private let checked: Endpoint

    init(_ checked: Endpoint) {
        self.checked = checked
    }

    func endpoint(port: UInt16) -> Endpoint {
        checked.replacing(port: port)
    }
}

extension ValueKind<Host> {
    /// A host name or address; an IPv6 address with or without brackets.
    static let host = ValueKind("HOST") { text throws(ValueError) in
        let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
        do throws(EndpointError) {
            return Host(try Endpoint(validating: isBracketed ? String(text.dropFirst().dropLast()) : text, port: 1))
        } catch {
            throw ValueError(message: error.message)
        }
    }
}

extension ValueKind<UInt16> {
    /// The ports of the original program, and its sentence.
    fileprivate static func oldPort(_ placeholder: String) -> ValueKind {
        ValueKind(placeholder) { text throws(ValueError) in
            guard let port = parsePort(text), port >= 1024 else {
                throw ValueError(message: "Invalid \(placeholder): \(text); Must be within 1024-65535")
            }
            return port
        }
    }
}

extension ValueKind<IPAddress> {
    /// The addresses of the original program, and its sentence.
    fileprivate static let oldAddress = ValueKind("<server-ip>") { text throws(ValueError) in
        guard let address = IPAddress(parsing: text), address.isV4 else {
            throw ValueError(message: "Use only IPv4 addressing")
        }
        return address
    }
}
