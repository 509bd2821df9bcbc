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

/// What goes wrong before there is a console.
private func fail(_ error: any Error, _ common: CommonOptions) async -> ExitStatus {
    await ChatConsole.complain(SafeText(explaining: error), mode: "udp", common: common)
    return ExitStatus(of: error)
}

private func runUDPServe(port: UInt16, common: CommonOptions) async -> ExitStatus {
    do throws(SystemError) {
        return try await EventLoop.with(name: "udp") { loop in await UDPServer.run(loop, port: port, common) }
    } catch {
        return await fail(error, common)
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
            return await fail(error, common)
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
        return await fail(error, common)
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
            console: try ChatConsole(settings, commands: UDPClientCommand.table, loop: hub),
            isInteractive: isInteractive)
    } catch {
        hub.shutdown(grace: .zero)
        return await fail(error, common)
    }
    return await client.run(hub)
}
