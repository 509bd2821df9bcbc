package import Console
import Net
import Platform
import Wire

/// Carries out what `chat rooms ...` was asked to do.
package func runRooms(_ options: RoomsOptions, common: CommonOptions) async -> ExitStatus {
    do throws(SystemError) {
        return try await EventLoop.with(name: "rooms") { loop in
            switch options {
            case .serve(let serve): await RoomsServer.run(loop, serve, common)
            case .enter(let enter): await RoomsClient.run(loop, enter, common)
            case .list(let server):
                await RoomsErrand(loop: loop, server: server, common: common).run(.rooms, title: nil)
            case .history(let server, let room, let selection):
                await RoomsErrand(loop: loop, server: server, common: common).readHistory(of: room, selection)
            case .exportState(let path): await RoomsFileTask(loop: loop, common: common).exportState(to: path)
            case .importState(let path): await RoomsFileTask(loop: loop, common: common).importState(from: path)
            }
        }
    } catch {
        await complain("The program cannot start: \(error.message)", common)
        return .internalError
    }
}

/// Says why nothing could be begun.
func complain(_ sentence: SafeText, _ common: CommonOptions) async {
    await ChatConsole.complain(sentence, mode: "rooms", common: common)
}
