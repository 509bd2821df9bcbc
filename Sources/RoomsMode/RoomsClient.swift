import Console
import Delivery
import Net
import Platform
import Service
import Wire

/// `chat rooms create` and `chat rooms join`: a person or a program in a room. Lives on the event loop.
actor RoomsClient {
    /// Inputs of a person that wait until the room was entered.
    static let earlyInputs = 256
    /// Messages without an answer, above which a pipe is not read.
    static let unanswered = 64
    /// Messages from before that a person is shown on entering.
    static let context = 10
    /// How long a change of the place may stay unwritten.
    static let memoryDelay: Duration = .milliseconds(500)
    /// How long the goodbye may take, and then the last bytes.
    static let goodbyeTime: Duration = .seconds(3)
    static let grace: Duration = .seconds(1)

    private enum Token {
        static let deadline: UInt64 = 0
        static let memory: UInt64 = 1
        static let goodbye: UInt64 = 2
    }

    /// Why something is asked over TCP.
    private enum Use {
        case session(RoomSessionMachine.Purpose)
        case query(RoomsQueryMachine)
    }

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    let options: RoomsEnterOptions
    let common: CommonOptions
    let name: Nickname
    /// A person types, who sees what happens; else a pipe or a program.
    let isInteractive: Bool
    private let settings: ConsoleSettings

    private(set) var console: ChatConsole<RoomsTypedCommand>!
    private(set) var machine: RoomSessionMachine!
    private var exchanges: RoomsExchanges!
    private var uses: [Int: Use] = [:]
    /// Where the server was reached over TCP, and the socket for datagrams to it.
    private(set) var peer: SocketAddress?
    private var socket: SocketID?
    /// Why the last connection could not be made.
    var unreachableReason: SafeText?

    private let file: RoomsMemoryFile?
    private var place: RoomSessionMachine.Membership?
    private var placeIsWritten = true
    private let placeChanged: AsyncStream<Void>
    private let placeChange: AsyncStream<Void>.Continuation

    private var status: ExitStatus?
    /// The server has been heard by a datagram.
    private(set) var isReady = false
    private var isLeaving = false
    private var inputHasEnded = false
    private var early: [ConsoleInput<RoomsTypedCommand>] = []
    /// Holds a pipe back until the room was entered, and while too much waits for answers.
    private let gate = InputGate()
    /// Where ids come from.
    var randomness = SystemRandomness()
    /// What is missing is not fetched while the output is stuck.
    private var heldFetch: RoomsRequest?
    /// What the room is about.
    var topic = ""
    /// When a person was last told to be slower.
    var slowedDownAt: MonotonicTime?

    private init(
        loop: EventLoop, options: RoomsEnterOptions, common: CommonOptions, name: Nickname, settings: ConsoleSettings,
        file: RoomsMemoryFile?
    ) {
        self.loop = loop
        self.options = options
        self.common = common
        self.name = name
        self.settings = settings
        self.file = file
        isInteractive = settings.hasEditor
        (placeChanged, placeChange) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    static func run(_ loop: EventLoop, _ options: RoomsEnterOptions, _ common: CommonOptions) async -> ExitStatus {
        let history = common.memoryOnly ? nil : try? DataDirectory(option: common.dataDirectory).state("rooms-history")
        var settings = ConsoleSettings(mode: "rooms", common: common, historyPath: history)
        let name: Nickname
        switch await NameChoice.choose(&settings, given: common.name) {
        case .name(let chosen): name = chosen
        case .quit: return .ok
        case .missing(let sentence):
            await complain(sentence, common)
            return .usage
        }
        var file: RoomsMemoryFile?
        if !common.memoryOnly {
            do {
                let memory = RoomsMemory(server: options.server, room: options.room, name: name)
                file = try RoomsMemoryFile(memory, data: common.dataDirectory)
                guard try await file!.takePlace() else {
                    await file!.close()
                    await complain(
                        "You are in '\(options.room)' as '\(name)' already, in another window; choose another name with --name NAME.",
                        common)
                    return .refused
                }
            } catch {
                await complain(SafeText(explaining: error), common)
                return .failure
            }
        }
        let client = RoomsClient(
            loop: loop, options: options, common: common, name: name, settings: settings, file: file)
        let status = await client.run()
        await file?.close()
        return status
    }

    private func run() async -> ExitStatus {
        do {
            console = try ChatConsole(settings, commands: RoomsTypedCommand.table, loop: loop.hub)
            try loop.hub.watchSignals([.interrupt, .terminate, .hangup, .windowChange, .resumed, .terminalStop])
        } catch {
            await console?.finish()
            return .internalError
        }
        place = await file?.read()
        machine = RoomSessionMachine(
            room: options.room, name: name, creates: options.creates, membership: place,
            context: min(options.history ?? (isInteractive ? Self.context : 0), RoomsQueryMachine.pageMessages),
            seed: randomness.next())
        exchanges = RoomsExchanges(with: options.server.tcp, over: loop.hub)
        console.setOwnName(name.safeText)
        console.setPrompt("\(options.room)> ")
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.consume() }
            group.addTask { await self.readConsole() }
            group.addTask { await self.writeConsole() }
            group.addTask { await self.writePlaces() }
            change { $0.started(at: $1) }
            turnEnded()
        }
        if !placeIsWritten { try? await file?.write(place) }
        guard let status, status == .ok else { return status ?? .internalError }
        // Who sees the screen knows what was not delivered and what was mistyped.
        return isInteractive ? .ok : console.outcome
    }

    // MARK: - Loops

    private func consume() async {
        await loop.hub.forEachTurn(of: self) { client, turn in
            for event in turn { client.handle(event) }
            client.turnEnded()
        }
        placeChange.finish()
        await console.finish()
        giveRoom()
    }

    private func writeConsole() async {
        await console.writeOutput { change in
            switch change {
            case .closed: outputClosed()
            case .relieved:
                if let request = heldFetch {
                    heldFetch = nil
                    begin(request, .session(.gap))
                }
            }
        }
    }

    /// Nobody reads any more: goodbye.
    private func outputClosed() {
        leave()
        turnEnded()
    }

    private func writePlaces() async {
        for await _ in placeChanged {
            guard let file, !placeIsWritten else { continue }
            placeIsWritten = true
            do {
                try await file.write(place)
            } catch {
                console.show(.error("Your place in the room cannot be remembered: \(error.reason)."))
            }
        }
    }

    // MARK: - Turns

    private func handle(_ event: NetEvent) {
        switch event {
        case .datagrams(let id, let datagrams):
            guard id == socket, let server = serverAddress else { return }
            for datagram in datagrams where datagram.source == server { received(datagram.bytes) }
        case .unreachable(let id, let address):
            if id == socket, address == serverAddress { change { $0.unreachable(at: $1) } }
        case .timer(Token.deadline): change { $0.timedOut(at: $1) }
        case .timer(Token.memory): placeChange.yield()
        case .timer(Token.goodbye): finish(.ok)
        case .signal(let signal): signalled(signal)
        default:
            switch exchanges.handle(event) {
            case .connected(let number, let address): connected(number, address)
            case .finished(let finished): self.finished(finished)
            case nil: break
            }
        }
    }

    private func received(_ bytes: ArraySlice<UInt8>) {
        // A server of ours hands out again what is not taken in while the output is stuck.
        if console.isCongested, machine.isExtended, bytes.starts(with: [0, UCRPDelivery.Kind.message.rawValue]) {
            return
        }
        change { $0.received(bytes, at: $1) }
    }

    private func turnEnded() {
        if status == nil, let deadline = machine.deadline {
            loop.hub.schedule(Token.deadline, after: max(.zero, deadline - loop.hub.now))
        }
        giveRoom()
        endIfDone()
    }

    private func signalled(_ signal: Signal) {
        switch signal {
        case .interrupt, .terminate:
            console.toldToEnd()
            leave()
        case .hangup:
            console.toldToEnd()
            // The terminal is gone, not its user: the place is kept for the next run.
            finish(.ok)
        case .windowChange: console.windowChanged()
        case .terminalStop: console.suspend()
        case .resumed: console.resumed()
        case .user1: break
        }
    }

    // MARK: - The server

    private var serverAddress: SocketAddress? {
        guard var address = peer else { return nil }
        address.port = options.server.udpPort ?? machine.udpPort ?? RoomsOptions.defaultUDPPort
        return address
    }

    private func connected(_ number: Int, _ address: SocketAddress) {
        guard case .session(.enter)? = uses[number] else { return }
        if let socket, peer?.ip.isV4 != address.ip.isV4 {
            loop.hub.close(socket)
            self.socket = nil
        }
        peer = address
        guard socket == nil else { return }
        do throws(ListenError) {
            socket = try Listening.datagrams(on: [address.ip.isV4 ? .anyV4 : .anyV6], port: 0, with: loop.hub)[0].id
        } catch {
            console.show(.error(error.message))
            finish(.failure)
        }
    }

    private func finished(_ finished: RoomsExchanges.Finished) {
        guard let use = uses.removeValue(forKey: finished.number) else { return }
        if finished.outcome == nil { unreachableReason = finished.reason }
        switch use {
        case .session(let purpose): change { $0.exchanged(purpose, finished.outcome, at: $1) }
        case .query(var query):
            guard let outcome = finished.outcome else {
                return console.show(.error("Cannot reach \(options.server.tcp.description): \(finished.reason)."))
            }
            let step = query.answered(outcome)
            switch step {
            case .ask(let request, let messages):
                show(history: messages)
                begin(request, .query(query))
            case .finished(let result): show(result)
            case .failed(let failure): mistake(failure.queryMessage)
            }
        }
    }

    private func begin(_ request: RoomsRequest, _ use: Use) { uses[exchanges.begin(request)] = use }

    func ask(_ question: RoomsQueryMachine.Question) {
        let query = RoomsQueryMachine(question)
        begin(query.first, .query(query))
    }

    /// Tells the machine of something, and does what it asks for.
    private func change(_ body: (inout RoomSessionMachine, MonotonicTime) -> [RoomSessionMachine.Effect]) {
        guard status == nil else { return }
        carryOut(body(&machine, loop.hub.now))
    }

    private func carryOut(_ effects: [RoomSessionMachine.Effect]) {
        for effect in effects {
            switch effect {
            case .exchange(.gap, let request) where console.isCongested: heldFetch = request
            case .exchange(let purpose, let request): begin(request, .session(purpose))
            case .send(let bytes):
                guard let socket, let server = serverAddress else { continue }
                loop.hub.send(loop.hub.encode { $0.append(contentsOf: bytes) }, to: server, from: socket)
            case .remember(let membership): keep(membership)
            case .forget: keep(nil)
            case .news(let news): show(news)
            }
        }
    }

    private func keep(_ membership: RoomSessionMachine.Membership?) {
        guard file != nil else { return }
        // A new place is written at once; how far one has read may wait.
        let isUrgent = membership?.token != place?.token
        place = membership
        if placeIsWritten, !isUrgent { loop.hub.schedule(Token.memory, after: Self.memoryDelay) }
        placeIsWritten = false
        if isUrgent { placeChange.yield() }
    }

    // MARK: - Input

    private func readConsole() async {
        for await input in console.inputs {
            if !isInteractive, input != .quit { await gate.wait { isCrowded } }
            if isInteractive, !isReady, input != .quit {
                if early.count < Self.earlyInputs { early.append(input) }
            } else {
                typed(input)
            }
            turnEnded()
        }
    }

    /// What a pipe brings waits until the room was entered, and while too much waits already.
    private var isCrowded: Bool {
        status == nil && (!isReady || machine.pendingCount >= Self.unanswered || uses.count >= Self.unanswered)
    }

    private func giveRoom() { if !isCrowded { gate.open() } }

    private func typed(_ input: ConsoleInput<RoomsTypedCommand>) {
        guard status == nil else { return }
        switch input {
        case .text(let text):
            // Under --json a text is never a command.
            if !common.json, RoomsTypedCommand.isGoodbye(text) { return leave() }
            say(text)
        case .command(let command, let arguments): carryOut(command, arguments)
        case .quit: leave()
        case .endOfInput: inputHasEnded = true
        }
    }

    private func say(_ text: String) {
        let id = MessageID.random(using: &randomness)
        show(own: text, id)
        do throws(RoomSessionMachine.TextError) {
            carryOut(try machine.said(text, id: id, at: loop.hub.now))
        } catch {
            console.show(.delivery(id: id.hex, state: .failed, note: error.message))
        }
    }

    private func endIfDone() {
        guard inputHasEnded, isReady, !isLeaving, machine.pendingCount == 0,
            !uses.values.contains(where: { if case .query = $0 { true } else { false } })
        else { return }
        leave()
    }

    // MARK: - The end

    func becameReady() {
        isReady = true
        let typedEarly = early
        early = []
        for input in typedEarly { typed(input) }
    }

    /// Says goodbye; a second time it does not wait for the answer.
    func leave() {
        guard status == nil else { return }
        guard !isLeaving else { return finish(.ok) }
        isLeaving = true
        change { $0.left(at: $1) }
        if status == nil { loop.hub.schedule(Token.goodbye, after: Self.goodbyeTime) }
    }

    /// Ends the program. The first outcome counts.
    func finish(_ outcome: ExitStatus) {
        guard status == nil else { return }
        status = outcome
        for token in [Token.deadline, Token.memory, Token.goodbye] { loop.hub.cancelTimer(token) }
        exchanges.cancelAll()
        giveRoom()
        loop.hub.shutdown(grace: Self.grace)
    }
}
