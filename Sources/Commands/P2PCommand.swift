import P2PMode
import Wire

/// `chat p2p`
enum P2PCommand {
    private static let port = Argument(.listeningPort, summary: "the port to listen on; 0 takes a free one")
    private static let peers = Argument(
        .peer, .any, summary: "a peer to connect to, tried again until it answers; one of a mesh is enough")
    private static let plain = Flag("--plain", summary: "send plain text, for a mesh of peers that know nothing else")

    static let spec = CommandSpec(
        "p2p", summary: "talk with peers directly, without a server",
        details: [
            """
            Listens on PORT and connects to the peers that are named. Peers of a mesh learn of each other, so one \
            address is enough; what was said while a link was down is caught up with.
            """
        ],
        arguments: [port.spec, peers.spec],
        options: [plain.spec] + CommonTable.speaking + [CommonTable.bind.spec, CommonTable.noRateLimit.spec]
            + CommonTable.output,
        examples: [
            .init(line: "chat p2p 9001", meaning: "wait for others on port 9001"),
            .init(line: "chat p2p 9002 127.0.0.1:9001", meaning: "join them from the same machine"),
            .init(line: "printf 'hi\\n' | chat p2p 0 127.0.0.1:9001 --name bot", meaning: "say one thing and leave"),
        ]
    ) { arguments throws(UsageError) in
        .p2p(
            P2POptions(
                port: try arguments.value(of: port), peers: try arguments.values(of: peers),
                plain: try arguments.isSet(plain)),
            try arguments.common())
    }
}
