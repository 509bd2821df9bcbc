package import Console
import Delivery
import Net
import Platform
import Service
import Store
import Wire

/// Carries out what `chat p2p ...` was asked to do.
package func runP2P(_ options: P2POptions, common: CommonOptions) async -> ExitStatus {
    do throws(SystemError) {
        return try await EventLoop.with(name: "p2p") { loop in await P2PClient.run(loop, options, common) }
    } catch {
        await complain("The program cannot start: \(error.message).", common)
        return .internalError
    }
}

/// Says why nothing could be begun.
private func complain(_ sentence: SafeText, _ common: CommonOptions) async {
    await ChatConsole.complain(sentence, mode: "p2p", common: common)
}

/// The person at a peer: reads what is typed, shows what happens, and decides when a run without a terminal is over.
///
/// Belongs to the registry, as its view, and so to the event loop.
final class P2PClient: MeshView {
    /// How long piped input waits for the peers that were named before it is taken all the same.
    static let patience: Duration = .seconds(10)
    /// How long the end of a piped run waits for acknowledgements.
    static let acknowledgementTime: Duration = .seconds(5)
    /// Messages whose acknowledgement is waited for.
    static let awaited = 10_000
    /// Messages that `/status` shows.
    static let statusMessages = 10

    let console: ChatConsole<P2PCommand>

    /// A person types, who sees what happens; else a pipe or a program.
    private let isInteractive: Bool
    /// Input from a pipe or a program waits for the first connection; a person does not.
    private let waitsForPeers: Bool
    /// Nobody reads events one by one: what a line about a person says already is not said of the connection too.
    private let isForPeople: Bool
    /// How fast may be written; nil without a limit.
    private var flood: FloodGuard?
    private let peerCount: Int

    /// Peers that were named and have been reached, or have failed once.
    private var connected = 0
    private var unreachable = 0
    private var isReady = false
    private let ready: AsyncStream<Void>
    private let readyArrived: AsyncStream<Void>.Continuation

    /// Messages of one's own that left to members and that none of them has acknowledged.
    private var unacknowledged: Set<String> = []
    /// Messages of one's own that were typed while nobody was connected.
    private var unsent: Set<String> = []
    private var inputHasEnded = false
    private(set) var isDone = false

    init(console: ChatConsole<P2PCommand>, isInteractive: Bool, peerCount: Int, common: CommonOptions) {
        self.console = console
        self.isInteractive = isInteractive
        self.peerCount = peerCount
        waitsForPeers = !isInteractive && peerCount > 0
        isForPeople = !common.json
        flood = common.rateLimit ? FloodGuard() : nil
        (ready, readyArrived) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: - The run

    static func run(_ loop: EventLoop, _ options: P2POptions, _ common: CommonOptions) async -> ExitStatus {
        let history = common.memoryOnly ? nil : try? DataDirectory(option: common.dataDirectory).state("p2p.history")
        var settings = ConsoleSettings(mode: "p2p", common: common, historyPath: history)
        let name: Nickname
        switch await NameChoice.choose(&settings, given: common.name) {
        case .name(let chosen): name = chosen
        case .quit: return .ok
        case .missing(let sentence):
            await complain(sentence, common)
            return .usage
        }
        let console: ChatConsole<P2PCommand>
        do throws(SystemError) {
            console = try ChatConsole(settings, commands: P2PCommand.table, loop: loop.hub)
        } catch {
            await complain("The terminal cannot be used: \(error.message).", common)
            return .internalError
        }
        let client = P2PClient(
            console: console, isInteractive: settings.hasEditor, peerCount: options.peers.count, common: common)
        let configuration = MeshMachine.Configuration(
            name: "", port: 0, speaksPlain: options.plain, isRateLimited: common.rateLimit)
        let registry = ConnectionRegistry(
            executor: loop, outbound: loop.hub, configuration: configuration, seed: .random(in: .min ... .max),
            view: client)
        guard let folder = common.dataDirectory, !common.memoryOnly else {
            return await registry.converse(options, common, name: name, hub: loop.hub)
        }
        do {
            let path = try DataDirectory(option: folder).file("p2p.db")
            return try await MessageStore.with(path: path, schema: P2PStorage.schema) { store in
                try await registry.use(store)
                return await registry.converse(options, common, name: name, hub: loop.hub)
            }
        } catch {
            await registry.giveUp(SafeText(explaining: error))
            return ExitStatus(of: error)
        }
    }

    // MARK: - What the registry tells

    func tell(_ news: MeshNews) {
        switch news {
        case .connected:
            connected += 1
            becomeReadyIfReached()
        case .unreachable:
            unreachable += 1
            becomeReadyIfReached()
        case .sent(let id, let members, _):
            if members > 0, unacknowledged.count < Self.awaited { unacknowledged.insert(id) }
        case .unsent(let id, _): if unsent.count < Self.awaited { unsent.insert(id) }
        case .failed(let id, _): unacknowledged.remove(id)
        case .delivered(let id, _):
            let isFirst = unacknowledged.remove(id) != nil || unsent.remove(id) != nil
            // People see how far a message came with /status; each member's word for it is for programs.
            if isForPeople && !isFirst { return }
        default: break
        }
        if !(isForPeople && news.isSaidOfThePerson) {
            let (event, fields) = P2PPresenter.event(for: news)
            console.show(event, fields: fields)
        }
        endIfDone()
    }

    func signalled(_ signal: Signal) {
        switch signal {
        case .windowChange: console.windowChanged()
        case .terminalStop: console.suspend()
        case .resumed: console.resumed()
        case .interrupt, .terminate, .hangup: console.toldToEnd()
        case .user1: break
        }
    }

    func cannotAccept(_ error: SystemError) {
        console.show(.error("Further connections cannot be accepted for now: \(error.reason)."))
    }

    /// The patience with the peers that were named, or with acknowledgements, is over.
    func elapsed() {
        if !isReady { return becomeReady() }
        guard inputHasEnded else { return }
        for id in unacknowledged { console.show(.delivery(id: id, state: .noanswer)) }
        isDone = true
    }

    func know(_ names: [SafeText]) { console.setCompletions(CompletionNames(members: names.map(\.string))) }

    func storageFailed(_ error: StoreError?) {
        if let error {
            console.show(.error("What is said is not kept for the next start: \(error.message)."))
        } else {
            console.show(.notice("what is said is kept again"))
        }
    }

    var isCongested: Bool { console.isCongested }

    private func becomeReadyIfReached() {
        if connected > 0 && connected + unreachable >= peerCount { becomeReady() }
    }

    func becomeReady() {
        guard !isReady else { return }
        isReady = true
        console.show(.ready)
        readyArrived.yield()
    }

    private func endIfDone() {
        if inputHasEnded && unacknowledged.isEmpty { isDone = true }
    }

    // MARK: - What the person does

    /// Takes what is typed, until the person leaves or the input ends.
    func read(for registry: isolated ConnectionRegistry) async {
        if waitsForPeers {
            registry.wakeView(after: Self.patience)
            for await _ in ready { break }
        } else {
            becomeReady()
        }
        for await input in console.inputs {
            switch input {
            case .text(let text):
                await say(text, for: registry)
                while let next = console.takeText() { await say(next, for: registry) }
            case .command(let command, let arguments):
                if command.writes, await !mayWrite(registry) { continue }
                carryOut(command, arguments, registry)
            case .quit: return registry.quit()
            case .endOfInput:
                inputHasEnded = true
                endIfDone()
                if isDone { return registry.quit() }
                return registry.wakeView(after: Self.acknowledgementTime)
            }
        }
    }

    private func say(_ text: String, for registry: isolated ConnectionRegistry) async {
        if flood != nil, await !mayWrite(registry) { return }
        attempt { () throws(SayError) in try registry.say(text) }
    }

    /// Where messages are admitted, their rate is limited: a pipe is only slowed down, a person is told.
    private func mayWrite(_ registry: isolated ConnectionRegistry) async -> Bool {
        guard flood != nil else { return true }
        switch flood!.received(at: registry.time) {
        case .admit: return true
        case .slowDown(let delay):
            if !isInteractive { await registry.pause(for: delay) }
            return true
        case .refuse, .disconnect:
            console.show(.error("You are writing too fast; this was not sent. Wait a moment and send it again."))
            return false
        }
    }

    func write(for registry: isolated ConnectionRegistry) async {
        await console.writeOutput { change in
            switch change {
            case .relieved: registry.hold(false)
            case .closed: registry.quit()
            }
        }
    }

    private func carryOut(
        _ command: P2PCommand, _ arguments: CommandArguments, _ registry: isolated ConnectionRegistry
    ) {
        switch command {
        case .peers: console.show(.answer(P2PPresenter.lines(of: registry.peers())))
        case .who: console.show(.answer(P2PPresenter.lines(of: registry.who())))
        case .status:
            console.show(.answer(P2PPresenter.lines(of: registry.status(last: Self.statusMessages))))
        case .action: attempt { () throws(SayError) in try registry.say(arguments.rest(after: 0), isAction: true) }
        case .whisper:
            attempt { () throws(SayError) in
                try registry.whisper(arguments.rest(after: 1), to: arguments[0] ?? "")
            }
        case .nick:
            do throws(NameError) {
                let name = try Nickname(validating: arguments.rest(after: 0))
                registry.rename(to: name)
                console.setOwnName("\(name.text)")
                console.show(.notice("you are \(name.text) now"))
            } catch {
                console.show(.error(error.message))
            }
        }
    }

    private func attempt(_ body: () throws(SayError) -> Void) {
        do throws(SayError) {
            try body()
        } catch {
            let sentence = P2PPresenter.sentence(of: error)
            // To a script it is a message that was not delivered, which the exit status says too.
            console.show(isInteractive ? .error(sentence) : .delivery(id: "", state: .failed, note: sentence))
        }
    }
}

extension MeshNews {
    /// About the connection to a member, of whom another line says the same.
    fileprivate var isSaidOfThePerson: Bool {
        switch self {
        case .connected(_, let isOriginal), .disconnected(_, let isOriginal, _): !isOriginal
        default: false
        }
    }
}

extension ConnectionRegistry {
    /// The client, which is this registry's view in a run of the program.
    private var client: P2PClient {
        guard let client = view as? P2PClient else { preconditionFailure("a conversation without its client") }
        return client
    }

    /// One run of the program, from its name to its goodbye.
    func converse(
        _ options: P2POptions, _ common: CommonOptions, name: Nickname, hub: Hub
    ) async -> ExitStatus {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.writeConsole() }
            let status = await session(options, common, name: name, hub: hub)
            await client.console.finish()
            return status
        }
    }

    private func session(
        _ options: P2POptions, _ common: CommonOptions, name: Nickname, hub: Hub
    ) async -> ExitStatus {
        do {
            try hub.watchSignals([.interrupt, .terminate, .hangup, .windowChange, .resumed, .terminalStop])
            let sockets = try Listening.streams(on: common.bind, port: options.port, with: hub)
            for socket in sockets {
                client.console.show(.listening(host: Self.host(of: socket.address), port: socket.address.port))
            }
            configure(name: name, port: sockets[0].address.port)
        } catch let error as ListenError {
            client.console.show(.error(error.message))
            return .failure
        } catch {
            client.console.show(
                .error("The program cannot start: \((error as? SystemError)?.message ?? "unknown error")."))
            return .internalError
        }
        client.console.setOwnName("\(name.text)")
        start(options.peers)
        ProcessSetup.giveBackProgramPages()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.readConsole() }
            group.addTask {
                await hub.forEachTurn(of: self) { registry, turn in registry.handle(turn) }
                // The turns end after the goodbye; what is typed afterwards would reach nobody.
                await self.finishKeeping()
                await self.closeConsole()
            }
            group.addTask { await self.commitKept() }
        }
        return client.console.outcome
    }

    private static func host(of address: SocketAddress) -> SafeText {
        address.ip.isUnspecified ? "all interfaces" : "\(address.ip.description)"
    }

    /// Says why no conversation begins.
    func giveUp(_ sentence: SafeText) async {
        client.console.show(.error(sentence))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.writeConsole() }
            await client.console.finish()
        }
    }

    private func closeConsole() async { await client.console.finish() }

    private func readConsole() async { await client.read(for: self) }

    private func writeConsole() async { await client.write(for: self) }
}
