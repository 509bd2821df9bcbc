import TestSupport
import Testing

/// Every cell of "Permissions: board" of `Protocols.md`, against the program.
@Suite(.serialized, .timeLimit(.minutes(3)), SharedServer(mode: "board", options: ModeServer.boardOptions))
struct BoardPermissionTests {
    @Test(arguments: PermissionTable.cells(of: "board"))
    func cell(_ cell: Permission) async throws {
        var server = try #require(ModeServer.current)
        if cell.detail == BoardScene.withoutCreation {
            server = try await ModeServer("board", ModeServer.boardOptions + ["--no-create"])
        }
        try await BoardScene(cell, on: server).outcome().check(cell)
    }
}
