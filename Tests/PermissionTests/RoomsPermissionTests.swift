import TestSupport
import Testing

/// Every cell of "Permissions: rooms" of `Protocols.md`, against the program.
@Suite(
    .serialized, .timeLimit(.minutes(3)),
    SharedServer(mode: "rooms", options: ["--tcp-port", "0", "--udp-port", "0"], ports: 2))
struct RoomsPermissionTests {
    @Test(arguments: PermissionTable.cells(of: "rooms"))
    func cell(_ cell: Permission) async throws {
        try await RoomsScene(cell, on: try #require(ModeServer.current)).outcome().check(cell)
    }
}
