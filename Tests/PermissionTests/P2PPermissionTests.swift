import TestSupport
import Testing

/// Every cell of "Permissions: p2p" of `Protocols.md`, against the program.
@Suite(.serialized, .timeLimit(.minutes(3)), SharedServer(mode: "p2p", options: ["0", "--name", "host"]))
struct P2PPermissionTests {
    @Test(arguments: PermissionTable.cells(of: "p2p"))
    func cell(_ cell: Permission) async throws {
        try await P2PScene(cell, on: try #require(ModeServer.current)).outcome().check(cell)
    }
}
