import Console
import Net
import Platform
import Service
import Store
import Wire

/// Runs `chat udp serve` until it is told to end.
func runUDPServe(port: UInt16, common: CommonOptions) async -> ExitStatus {
    let store: MessageStore
    let mailboxes: UDPMailboxes
    do {
        let path = common.memoryOnly ? nil : try DataDirectory(option: common.dataDirectory).file("udp.db")
        store = try await MessageStore.open(path: path, schema: UDPStorage.schema)
        mailboxes = try await UDPStorage.load(from: store)
    } catch let error as DataDirectory.Failure {
        return fail(error.message)
    } catch let error as StoreError {
        return fail(error.message)
    } catch {
        return fail("The data cannot be opened.")
    }
    let status: ExitStatus
    do throws(SystemError) {
        status = try await EventLoop.with(name: "udp") { loop in
            await serve(port: port, common: common, loop: loop, store: store, mailboxes: mailboxes)
        }
    } catch {
        status = fail(error.message)
    }
    await store.close()
    return status
}

private func serve(
    port: UInt16, common: CommonOptions, loop: EventLoop, store: MessageStore, mailboxes: UDPMailboxes
) async -> ExitStatus {
    let hub = loop.hub
    let table: ClientTable
    let opened: [Listening.Opened]
    do throws(ListenError) {
        opened = try Listening.datagrams(on: common.bind, port: port, with: hub)
    } catch {
        hub.shutdown(grace: .zero)
        return fail(error.message)
    }
    do throws(SystemError) {
        try hub.watchSignals([.interrupt, .terminate, .hangup])
        let console = try ChatConsole<Never>(
            ConsoleSettings(mode: "udp", role: .report, common: common), commands: CommandTable([]))
        table = ClientTable(
            executor: loop, outbound: hub, sockets: opened.map(\.id), port: opened[0].address.port, store: store,
            mailboxes: mailboxes, limitsRates: common.rateLimit, console: console, logLevel: common.logLevel)
    } catch {
        hub.shutdown(grace: .zero)
        return fail(error.message)
    }
    await table.announce(opened.map(\.address))
    await table.run(hub)
    return .ok
}

/// What goes wrong before there is a console.
func fail(_ sentence: SafeText, _ status: ExitStatus = .failure) -> ExitStatus {
    try? StandardStream.error.write("chat udp: \(sentence)\n")
    return status
}
