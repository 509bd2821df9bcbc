package import Console
import Net
import Platform
import Wire

/// Carries out what `chat board ...` was asked to do.
package func runBoard(_ options: BoardOptions, common: CommonOptions) async -> ExitStatus {
    do throws(SystemError) {
        return try await EventLoop.with(name: "board") { loop in
            switch options {
            case .serve(let serve): await BoardServer.run(loop, serve, common)
            case .connect(let server): await BoardClient(loop: loop, server: server, common: common).run()
            case .post, .read, .groups: await BoardErrand(loop: loop, options: options, common: common).run()
            case .exportLog(let path): await BoardFileTask(loop: loop, common: common).export(to: path)
            case .importLog(let path): await BoardFileTask(loop: loop, common: common).importLog(from: path)
            }
        }
    } catch {
        await complain("The program cannot start: \(error.message)", common)
        return .internalError
    }
}

/// Says why nothing could be begun.
func complain(_ sentence: SafeText, _ common: CommonOptions) async {
    await ChatConsole.complain(sentence, mode: "board", common: common)
}
