import Console
import Delivery
import Net
import Platform
import Terminal
import Wire

/// `chat board connect`: a person or a program at a board.
actor BoardClient {
    /// Inputs that wait for the first session.
    static let earlyInputs = 256
    /// Posts and requests without an answer, above which a pipe is not read.
    static let unanswered = 128
    /// How long the end of the input waits for what is under way when the connection is lost.
    static let lastWait: Duration = .seconds(20)
    /// How long a change of the places may stay unwritten.
    static let memoryDelay: Duration = .milliseconds(500)

    /// How long an editor that was told to end may take.
    static let editorGrace: Duration = .seconds(5)

    enum Token {
        static let memory: UInt64 = 1
        static let lastWait: UInt64 = 2
        static let editor: UInt64 = 3
    }

    /// Who asked, as requests carry it.
    enum Tag {
        static let typed = 0
        /// The client itself, for completion.
        static let silent = -2
    }

    /// What was asked for before the first session.
    enum Early {
        case command(BoardTypedCommand, CommandArguments)
        case post(group: String, BoardDraft)
    }

    let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let server: Endpoint
    let common: CommonOptions

    var console: ChatConsole<BoardTypedCommand>!
    var link: BoardLink!
    var follow: BoardFollowMachine!
    private var file: BoardMemoryFile?
    let text = BoardTextWriter(utcOffset: { localUTCOffset(at: $0) })

    var name: Nickname!
    private var peer: SafeText?
    var status: ExitStatus?
    var wasReady = false
    var early: [Early] = []
    /// What Tab offers, and what the console knows of it.
    var names = BoardNames()
    private var offered = BoardNames()
    /// True while the connection is not read because the screen is not.
    private var isHeld = false
    /// True from `/compose` until what the editor left was looked at.
    var isComposing = false
    /// The editor that has the terminal.
    var editor: ForegroundProgram?
    /// Posts from an editor that have no answer yet.
    var drafts: [MessageID: (file: BoardDraftFile, group: String)] = [:]
    /// Drafts of what was posted.
    let removals: AsyncStream<BoardDraftFile>
    let removed: AsyncStream<BoardDraftFile>.Continuation
    var inputHasEnded = false
    /// Holds the input back while too much waits for answers.
    private let gate = InputGate()
    private var memoryTimerIsSet = false
    private let memoryChanged: AsyncStream<Void>
    let memoryChange: AsyncStream<Void>.Continuation

    init(loop: EventLoop, server: Endpoint, common: CommonOptions) {
        self.loop = loop
        self.server = server
        self.common = common
        (memoryChanged, memoryChange) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        // Not more can be pending.
        (removals, removed) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(BoardFollowMachine.pendingLimit))
    }

    func run() async -> ExitStatus {
        let history = common.memoryOnly ? nil : try? DataDirectory(option: common.dataDirectory).state("board-history")
        var settings = ConsoleSettings(mode: "board", common: common, historyPath: history)
        switch await NameChoice.choose(&settings, given: common.name) {
        case .name(let chosen): name = chosen
        case .quit: return .ok
        case .missing(let sentence):
            await complain(sentence, common)
            return .usage
        }
        do {
            console = try ChatConsole(settings, commands: BoardTypedCommand.table, loop: loop.hub)
            try loop.hub.watchSignals([.interrupt, .terminate, .hangup, .windowChange, .resumed, .terminalStop])
        } catch {
            await complain("The terminal cannot be used: \(error.message).", common)
            return .internalError
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.writeConsole() }
            if await prepare() {
                group.addTask { await self.consume() }
                group.addTask { await self.writeMemory() }
                group.addTask { await self.removeDrafts() }
                group.addTask { await self.readConsole() }
                link.dial()
            } else {
                await console.finish()
            }
        }
        if let file {
            try? await file.write(follow.memory.bytes)
            file.close()
        }
        return status ?? .internalError
    }

    /// Finds out where this name was before.
    private func prepare() async -> Bool {
        var memory = BoardMemory(server: server, name: name!)
        if !common.memoryOnly {
            do {
                let file = try BoardMemoryFile(for: memory, common: common.dataDirectory)
                memory = BoardMemory(parsing: try await file.read(), server: server, name: name!)
                self.file = file
            } catch {
                status = .failure
                console.show(.error(SafeText(explaining: error)))
                return false
            }
        }
        console.setOwnName(name.safeText)
        follow = BoardFollowMachine(name: name!, memory: memory)
        for place in memory.places { names.exists(place.group) }
        link = BoardLink(to: server, as: name!, with: loop.hub)
        return true
    }

    // MARK: - Loops

    private func consume() async {
        await loop.hub.forEachTurn(of: self) { client, turn in
            for event in turn { client.handle(event) }
            client.turnEnded()
        }
        await console.finish()
    }

    private func writeConsole() async {
        await console.writeOutput { change in
            switch change {
            case .closed: finish(.ok)
            case .relieved: hold(false)
            }
        }
    }

    private func readConsole() async {
        for await input in console.inputs {
            if case .command(.compose, let arguments) = input {
                isComposing = true
                await compose(arguments)
                isComposing = false
                if status != nil { shutDown() }
            } else {
                typed(input)
            }
            await gate.wait { isCrowded }
        }
    }

    private func writeMemory() async {
        for await _ in memoryChanged {
            guard let file else { continue }
            do {
                try await file.write(follow.memory.bytes)
            } catch {
                console.show(.error("What was read cannot be remembered: \(error.reason)."))
            }
        }
    }

    /// So much is under way that more input would only wait.
    private var isCrowded: Bool {
        status == nil
            && (early.count >= Self.earlyInputs || follow.requestsUnderWay >= Self.unanswered
                || link.outboxCount > 65_536)
    }

    /// After each turn: what it brought is offered for completion, and what the screen cannot take waits at the server.
    private func turnEnded() {
        if console.isCongested { hold(true) }
        guard names != offered else { return }
        offered = names
        console.setCompletions(CompletionNames(members: names.people, groups: names.groups))
    }

    private func hold(_ isHeld: Bool) {
        guard isHeld != self.isHeld, status == nil else { return }
        self.isHeld = isHeld
        link.hold(isHeld)
    }

    func giveRoom() { if !isCrowded { gate.open() } }

    // MARK: - Events

    private func handle(_ event: NetEvent) {
        switch event {
        case .signal(let signal): return signalled(signal)
        case .timer(Token.editor): editor?.destroy()
        case .timer(Token.memory):
            memoryTimerIsSet = false
            memoryChange.yield()
        case .timer(Token.lastWait): giveUp()
        default: for news in link.handle(event) { handle(news) }
        }
        giveRoom()
        endIfDone()
    }

    private func signalled(_ signal: Signal) {
        switch signal {
        // Ctrl+C in an editor reaches everybody at the terminal and is the editor's.
        case .interrupt where isComposing && status == nil: break
        case .interrupt, .terminate, .hangup:
            console.toldToEnd()
            if status == nil { return finish(console.outcome) }
            status = signal == .interrupt ? .interrupted : .terminated
            endAtOnce()
        case .windowChange: console.windowChanged()
        case .terminalStop: console.suspend()
        case .resumed: console.resumed()
        case .user1: break
        }
    }

    /// The end of the input has waited long enough for answers.
    private func giveUp() {
        for id in follow.pendingPostIDs { console.show(.delivery(id: id.hex, state: .noanswer)) }
        finish(console.outcome == .ok ? .unreachable : console.outcome)
    }

    private func handle(_ news: BoardLink.News) {
        guard status == nil else { return }
        switch news {
        case .connected(let address):
            peer = "\(address.description)"
            console.show(.connected(peer: "\(address.description)"))
        case .unreachable(let reason):
            if !wasReady { finish(.unreachable, "Cannot reach \(server.description): \(reason).") }
        case .ready(let dialect): ready(dialect)
        case .refused(let sentence): finish(.refused, "\(sentence) Choose another with --name NAME.")
        case .down(let reason):
            console.show(.disconnected(peer: peer ?? "\(server.description)", reason: reason))
            carryOut(follow.linkDown())
        case .incoming(let incoming): carryOut(follow.incoming(incoming))
        case .lines(let lines):
            follow.lines(lines)
            show(lines)
        case .commandAnswered(let number): carryOut(follow.commandAnswered(number))
        }
    }

    private func ready(_ dialect: BoardLinkMachine.Dialect) {
        link.retries = true
        let isFirst = !wasReady
        wasReady = true
        if isFirst {
            console.show(.ready)
            let places = follow.memory.places.map { displayName($0.group) }
            if !places.isEmpty {
                console.show(.notice("join again to see what you missed in: \(places.joined(separator: ", "))"))
            }
        }
        carryOut(follow.linkUp(dialect))
        if dialect == .json {
            carryOut(follow.request(.groups(after: nil, all: true), tag: Tag.silent))
            for group in follow.groups { askForUsers(of: group) }
        }
        let typed = early
        early = []
        for entry in typed {
            switch entry {
            case .command(let command, let arguments): carryOut(command, arguments)
            case .post(let group, let draft):
                carryOut(follow.request(.post(group: group, draft), tag: Tag.typed))
            }
        }
    }

    /// Who is in a group, for completion.
    private func askForUsers(of group: String) {
        guard link.dialect == .json else { return }
        carryOut(follow.request(.users(group: group), tag: Tag.silent))
    }

    func carryOut(_ effects: [BoardFollowMachine.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let request, let number):
                let (isPossible, news) = link.send(request, number: number)
                if !isPossible { carryOut(follow.impossible(number)) }
                for item in news { handle(item) }
            case .answer(let answer, let tag):
                show(answer, wasTyped: tag >= 0)
                switch answer {
                case .joined(let joined): askForUsers(of: joined.group)
                case .groups(_, _, let next?) where tag == Tag.silent:
                    carryOut(follow.request(.groups(after: next, all: true), tag: Tag.silent))
                default: break
                }
            case .show(let group, let message, let isCaughtUp, let isOwn):
                console.show(.message(ChatMessage(message, group: group, isOwn: isOwn, isCaughtUp: isCaughtUp)))
            case .event(let event): show(event)
            case .gap(let group, let range):
                console.show(
                    .gap(
                        from: UInt64(range.lowerBound), to: UInt64(range.upperBound), conversation: displayName(group)))
            case .reset(let group):
                console.show(
                    .notice("group \(displayName(group)) was begun anew at the server; its earlier posts are gone"))
            case .earlier(let group, let count):
                console.show(.notice("\(count) earlier posts: %grouplist \(displayName(group))"))
            case .posted(let id, let group, let state, _):
                show(id, group, state)
                settle(id, state)
            case .remember: remember()
            }
        }
    }

    private func remember() {
        guard file != nil, !memoryTimerIsSet, status == nil else { return }
        memoryTimerIsSet = true
        loop.hub.schedule(Token.memory, after: Self.memoryDelay)
    }
}
