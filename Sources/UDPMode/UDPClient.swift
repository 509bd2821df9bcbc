import Console
import Net
import Platform
import Service
import Wire

/// One client: the socket, the console, and the machine between them. Lives on the event loop.
actor UDPClient {
    private static let deadlineToken: UInt64 = 0
    private static let lookUp = 0
    /// How long the socket's last datagrams may take to leave.
    static let grace: Duration = .seconds(1)

    private let executor: any SerialExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let outbound: any Outbound
    let console: ChatConsole<UDPClientCommand>
    private let options: UDPJoinOptions
    private let common: CommonOptions
    private let secrets: UDPSecrets?
    /// Typed by a person, not piped.
    private let isInteractive: Bool

    /// Nil before the server's address is known.
    var machine: UDPClientMachine?
    /// One for each address that was asked for; one for all of both families otherwise.
    private var sockets: [(id: SocketID, ip: IPAddress)] = []
    private var server: SocketAddress?
    /// Addresses of the server's name that were not tried yet.
    private var untried: [SocketAddress] = []
    /// Asked for before there was a server to say goodbye to.
    private var hasLeft = false
    private var status: ExitStatus = .ok
    /// Something typed could not be followed; a piped run ends with status 1.
    var hasMistakes = false
    /// Holds the input back until the machine takes more.
    private let gate = InputGate()
    private var shownPrompt = ""
    /// Groups that were heard of, for completion.
    var knownGroups: [String] = []

    init(
        executor: any SerialExecutor, outbound: sending any Outbound, options: UDPJoinOptions, common: CommonOptions,
        secrets: UDPSecrets?, console: sending ChatConsole<UDPClientCommand>, isInteractive: Bool
    ) {
        self.executor = executor
        self.outbound = outbound
        self.options = options
        self.common = common
        self.secrets = secrets
        self.console = console
        self.isInteractive = isInteractive
    }

    func run(_ hub: Hub) async -> ExitStatus {
        console.setOwnName("\(options.name)")
        showPrompt()
        outbound.resolve(options.server, token: Self.lookUp)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.readConsole() }
            group.addTask { await self.writeConsole() }
            await hub.forEachTurn(of: self) { $0.handle($1) }
            await console.finish()
            gate.open()
        }
        guard status == .ok else { return status }
        if console.outcome == .ok, hasMistakes, !isInteractive { return .failure }
        return isInteractive && console.outcome == .notDelivered ? .ok : console.outcome
    }

    // MARK: - Turns

    func handle(_ turn: [NetEvent]) {
        for event in turn {
            switch event {
            case .datagrams(let id, let datagrams):
                // While the output is stuck, nothing is taken in: what was not acknowledged comes again.
                guard sockets.contains(where: { $0.id == id }), !console.isCongested else { continue }
                for datagram in datagrams { received(datagram) }
            case .unreachable(_, let address): unreachable(address)
            case .timer: change { $0.timedOut(at: $1, wall: $2) }
            case .resolved(_, .success(let addresses)): found(addresses)
            case .resolved(_, .failure(let error)):
                console.show(.error("Cannot find the server \(options.server.host): \(error.message)."))
                leave(.unreachable)
            case .signal(let signal): signalled(signal)
            case .accepted, .acceptFailed, .connected, .dialFailed, .received, .inputEnded, .drained, .closed: break
            }
        }
        scheduleDeadline()
    }

    private func received(_ datagram: Datagram) {
        change { $0.received(datagram.bytes, from: datagram.source, at: $1, wall: $2) }
    }

    private func signalled(_ signal: Signal) {
        switch signal {
        case .interrupt:
            console.toldToEnd()
            if machine == nil { leave(.ok) } else { interrupt() }
        case .terminate, .hangup:
            console.toldToEnd()
            guard machine != nil else { return leave(.ok) }
            // No time to wait for anybody: the goodbye, and out.
            interrupt()
            interrupt()
        case .windowChange: console.windowChanged()
        case .terminalStop: console.suspend()
        case .resumed: console.resumed()
        case .user1: break
        }
    }

    // MARK: - The server

    private func found(_ addresses: [SocketAddress]) {
        guard !hasLeft else { return }
        // The programs of old speak IPv4 only, so that is where everybody is to be found.
        untried = addresses.filter(\.ip.isV4) + addresses.filter(\.ip.isV6)
        start()
    }

    /// Registers with the next address of the server.
    private func start() {
        guard !untried.isEmpty else { return }
        var server = untried.removeFirst()
        // "Any address", as the original's document has it, is this host.
        if server.ip.isUnspecified { server.ip = server.ip.isV4 ? .loopbackV4 : .loopbackV6 }
        do {
            for socket in sockets { outbound.close(socket.id) }
            let opened = try Listening.datagrams(on: common.bind, port: options.clientPort, with: outbound)
            sockets = opened.map { ($0.id, $0.address.ip) }
            let bound = common.bind.first { $0.isV4 == server.ip.isV4 && !$0.isUnspecified }
            start(server, try bound ?? Hub.localAddress(towards: server), opened[0].address.port)
        } catch let error as ListenError {
            console.show(.error(error.message))
            leave(.failure)
        } catch let error as SystemError {
            console.show(.error("Cannot reach \(server): \(error.reason)."))
            leave(.unreachable)
        } catch {
            leave(.internalError)
        }
    }

    private func start(_ server: SocketAddress, _ own: IPAddress, _ port: UInt16) {
        self.server = server
        let settings = UDPClientMachine.Settings(
            name: options.name.text, server: server, clientIP: own, clientPort: port, run: .random(in: .min ... .max),
            secret: secrets?.secret(of: options.name, at: server), keepsSecret: secrets != nil,
            limitsRates: common.rateLimit)
        machine = UDPClientMachine(
            settings, at: outbound.now, wall: .now(),
            random: { .random(in: .min ... .max) })
        console.show(.listening(host: "\(own)", port: port))
        change { machine, _, _ in machine.started() }
    }

    private func unreachable(_ address: SocketAddress) {
        if address == server, machine?.isRegistering == true, !untried.isEmpty {
            machine = nil
            start()
            return
        }
        change { machine, now, _ in machine.becameUnreachable(address, at: now) }
    }

    // MARK: - Input

    private func readConsole() async {
        for await input in console.inputs {
            // A wish to leave does not wait.
            if input != .quit { await gate.wait { !hasRoom } }
            entered(input)
            scheduleDeadline()
        }
    }

    /// A line can be taken in, since one is registered and not too many of them wait, or nobody takes lines any more.
    private var hasRoom: Bool {
        guard let machine, !hasLeft else { return hasLeft }
        return machine.isEnded || machine.acceptsInput && !machine.isRegistering
    }

    private func entered(_ input: ConsoleInput<UDPClientCommand>) {
        switch input {
        case .command(let command, let arguments):
            change { $0.entered(command.verb(arguments), at: $1, wall: $2) }
        case .text(let text):
            // A program's object is never a command; where there is a group, it is for the group.
            let verb = common.json && machine?.groupName != nil ? .sendGroup(text) : UDPClientCommand.unknown(text)
            change { $0.entered(verb, at: $1, wall: $2) }
        case .quit:
            if machine == nil { leave(.ok) } else { interrupt() }
        case .endOfInput:
            if machine == nil { leave(.ok) } else { change { machine, now, _ in machine.inputEnded(at: now) } }
        }
    }

    // MARK: - Output

    private func writeConsole() async {
        await console.writeOutput { change in
            // Nobody reads any more: goodbye.
            if case .closed = change { self.outputClosed() }
        }
    }

    private func outputClosed() {
        guard machine != nil else { return leave(.ok) }
        interrupt()
        interrupt()
        scheduleDeadline()
    }

    /// Tells the machine of something, and does what it asks for.
    func change(_ body: (inout UDPClientMachine, MonotonicTime, Timestamp) -> [UDPClientMachine.Effect]) {
        guard var changed = machine, !changed.isEnded else { return }
        machine = nil
        let effects = body(&changed, outbound.now, .now())
        machine = changed
        for effect in effects {
            switch effect {
            case .send(let message, let address): send(message, to: address)
            case .show(let event): show(event)
            case .keepSecret(let secret): keep(secret)
            case .end(let outcome): end(outcome)
            }
        }
        showPrompt()
        if hasRoom { gate.open() }
    }

    private func interrupt() {
        change { machine, now, _ in machine.interrupted(at: now) }
    }

    private func send(_ message: UDPMessage, to address: SocketAddress) {
        // A socket of the same family, or the one that takes both.
        let socket = sockets.first { $0.ip.isV4 == address.ip.isV4 } ?? sockets.first
        guard let socket, let bytes = try? message.encoded() else { return }
        outbound.send(outbound.encode { $0.append(contentsOf: bytes) }, to: address, from: socket.id)
    }

    private func keep(_ secret: MessageID?) {
        guard let secrets, let server else { return }
        do {
            try secrets.keep(secret, of: options.name, at: server)
        } catch {
            console.show(.error("The name cannot be kept for the next time: \(error.message)"))
        }
    }

    private func end(_ outcome: UDPClientMachine.Outcome) {
        switch outcome {
        case .ended: leave(.ok)
        case .refused: leave(.refused)
        case .serverGone: leave(.unreachable)
        case .interrupted: leave(.interrupted)
        }
    }

    private func leave(_ status: ExitStatus) {
        guard !hasLeft else { return }
        hasLeft = true
        self.status = status
        outbound.cancelTimer(Self.deadlineToken)
        gate.open()
        outbound.shutdown(grace: Self.grace)
    }

    private func scheduleDeadline() {
        guard !hasLeft, let deadline = machine?.deadline else { return }
        outbound.schedule(Self.deadlineToken, after: max(.zero, deadline - outbound.now))
    }

    private func showPrompt() {
        let prompt = machine?.groupName.map { "(\($0)) " } ?? ""
        guard prompt != shownPrompt || machine == nil else { return }
        shownPrompt = prompt
        console.setPrompt(">>> \(prompt)")
    }
}
