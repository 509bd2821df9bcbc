import Console

/// What can be typed in a room, beside the commands of every mode.
enum RoomsTypedCommand: Hashable, Sendable {
    case who
    case history
    case rooms
    case topic
    case leave

    /// Parsing, help, completion and the README's table come from here.
    static let table = CommandTable<RoomsTypedCommand>([
        .init(.who, "who", aliases: ["members"], summary: "list who is in the room"),
        .init(
            .history, "history", [.optional("COUNT")],
            summary: "show what was said before (\(historyCount) messages)"),
        .init(.rooms, "rooms", aliases: ["list"], summary: "list the rooms of the server"),
        .init(
            .topic, "topic", [.optional("TEXT", .text)],
            summary: "show the topic, or set it; - removes it"),
        .init(
            .leave, "leave", aliases: ["q"],
            summary: "leave the room and end"),
    ])

    /// Messages that `/history` shows where nothing is said, and at most.
    static let historyCount = 20
    static let mostHistory = 10_000

    /// What ends the program that came before, as a whole line.
    static func isGoodbye(_ line: String) -> Bool { ["exit", "quit", "q"].contains(line.lowercased()) }
}
