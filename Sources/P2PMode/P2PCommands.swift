import Console

/// The commands of a peer, beside those of every mode.
enum P2PCommand: Hashable, Sendable {
    case peers
    case who
    case nick
    case action
    case whisper
    case status

    /// Sends something that somebody reads.
    var writes: Bool {
        switch self {
        case .action, .whisper: true
        case .peers, .who, .nick, .status: false
        }
    }

    static let table = CommandTable<P2PCommand>([
        .init(.peers, "peers", summary: "list the connections: who, where, how long a round trip takes"),
        .init(.who, "who", aliases: ["members"], summary: "list everybody in reach, and how far away they are"),
        .init(.nick, "nick", [.required("NAME")], summary: "take another name"),
        .init(.action, "me", [.required("TEXT", .text)], summary: "say what you are doing"),
        .init(
            .whisper, "msg", [.required("NAME", .member), .required("TEXT", .text)],
            summary: "write to one person; those who pass it on could read it"),
        .init(.status, "status", summary: "show how many members have got your last messages"),
    ])
}
