package import Console
import Net
import Platform
import Wire

/// Carries `chat udp` out; returns when it has ended.
package func runUDP(_ options: UDPOptions, common: CommonOptions) async -> ExitStatus {
    switch options {
    case .serve(let port): await runUDPServe(port: port, common: common)
    case .join(let join): await runUDPJoin(join, common: common)
    }
}

private func runUDPJoin(_ options: UDPJoinOptions, common: CommonOptions) async -> ExitStatus {
    var secrets: UDPSecrets?
    var history: String?
    if !common.memoryOnly {
        do {
            let directory = try DataDirectory(option: common.dataDirectory)
            secrets = UDPSecrets(directory: directory)
            history = directory.state("udp-history")
        } catch {
            return fail(error.message)
        }
    }
    let settings = ConsoleSettings(mode: "udp", common: common, historyPath: history)
    let isInteractive = settings.hasEditor
    do throws(SystemError) {
        return try await EventLoop.with(name: "udp") { [secrets] loop in
            await join(
                options, common: common, settings: settings, secrets: secrets, isInteractive: isInteractive, loop: loop)
        }
    } catch {
        return fail(error.message)
    }
}

private func join(
    _ options: UDPJoinOptions, common: CommonOptions, settings: ConsoleSettings, secrets: UDPSecrets?,
    isInteractive: Bool, loop: EventLoop
) async -> ExitStatus {
    let hub = loop.hub
    let client: UDPClient
    do throws(SystemError) {
        try hub.watchSignals([.interrupt, .terminate, .hangup, .windowChange, .resumed, .terminalStop])
        client = UDPClient(
            executor: loop, outbound: hub, options: options, common: common, secrets: secrets,
            console: try ChatConsole(settings, commands: UDPClientCommand.table), isInteractive: isInteractive)
    } catch {
        hub.shutdown(grace: .zero)
        return fail(error.message)
    }
    return await client.run(hub)
}
