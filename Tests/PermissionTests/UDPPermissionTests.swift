import TestSupport
import Testing

/// Every cell of "Permissions: udp" of `Protocols.md`, against the program.
@Suite(.serialized, .timeLimit(.minutes(3)), SharedServer(mode: "udp", options: ["0"]))
struct UDPPermissionTests {
    /// The cells that one person tries, one after the other.
    struct Trial: Sendable, CustomTestStringConvertible {
        var cells: [Permission]

        var testDescription: String {
            let cell = cells[0]
            return cells.count == 1
                ? cell.testDescription
                : "\(cell.mode), \(cell.way): \(cells.map(\.operation).joined(separator: ", ")) by a \(cell.who)"
        }
    }

    /// Each cell by a person of its own; but what a client may never say, it says one after the other: nothing may come
    /// of it.
    static let trials: [Trial] = {
        let cells = PermissionTable.cells(of: "udp")
        let never = Dictionary(grouping: cells.filter(\.isNeverSaid)) { "\($0.way) \($0.who)" }
        return cells.filter { !$0.isNeverSaid }.map { Trial(cells: [$0]) } + never.values.map { Trial(cells: $0) }
    }()

    @Test(arguments: trials)
    func cells(_ trial: Trial) async throws {
        var scene = try await UDPScene(trial.cells[0], on: try #require(ModeServer.current))
        for cell in trial.cells { try await scene.outcome(of: cell).check(cell) }
        try await scene.end()
    }
}

extension Permission {
    /// What only a server says, or clients to each other.
    fileprivate var isNeverSaid: Bool {
        let isRequest = [
            "registration", "deregistration", "client_offline", "create_group", "list_groups", "join_group",
            "list_members", "leave_group", "group_message", "group_message_ack", "table", "ping", "pong", "introduce",
            "store_message", "stored_message_ack",
        ].contains(operation)
        return !isRequest && (verdict == .dropped || verdict == .refused("pong") || way == "original")
    }
}
