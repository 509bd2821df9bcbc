import Console
import Delivery
import Net
import Platform
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

    private enum Token {
        static let memory: UInt64 = 1
        static let lastWait: UInt64 = 2
    }

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let server: Endpoint
    private let common: CommonOptions

    private var console: ChatConsole<BoardTypedCommand>!
    private var link: BoardLink!
    private var follow: BoardFollowMachine!
    private var file: BoardMemoryFile?
    private let text = BoardTextWriter(utcOffset: { localUTCOffset(at: $0) })

    private var name: Nickname!
    private var peer: SafeText?
    private var status: ExitStatus?
    private var wasReady = false
    /// What was typed before the first session.
    private var early: [(BoardTypedCommand, CommandArguments)] = []
    private var inputHasEnded = false
    /// Who reads the input, while it waits for answers.
    private var waitsForRoom: CheckedContinuation<Void, Never>?
    private var memoryTimerIsSet = false
    private let memoryChanged: AsyncStream<Void>
    private let memoryChange: AsyncStream<Void>.Continuation

    init(loop: EventLoop, server: Endpoint, common: CommonOptions) {
        self.loop = loop
        self.server = server
        self.common = common
        (memoryChanged, memoryChange) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func run() async -> ExitStatus {
        let history = common.memoryOnly ? nil : try? DataDirectory(option: common.dataDirectory).state("board-history")
        do {
            console = try ChatConsole(
                ConsoleSettings(mode: "board", common: common, historyPath: history), commands: BoardTypedCommand.table)
            try loop.hub.watchSignals([.interrupt, .terminate, .hangup])
        } catch {
            return .internalError
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.writeConsole() }
            if await prepare() {
                group.addTask { await self.consume() }
                group.addTask { await self.writeMemory() }
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

    /// Finds out who the user is and where this name was before.
    private func prepare() async -> Bool {
        guard let name = BoardName.choose(common) else {
            status = .usage
            console.show(.error("Nobody knows who you are; say it with --name NAME."))
            return false
        }
        self.name = name
        var memory = BoardMemory(server: server, name: name)
        if !common.memoryOnly {
            do {
                let file = try BoardMemoryFile(for: memory, common: common.dataDirectory)
                memory = BoardMemory(parsing: try await file.read(), server: server, name: name)
                self.file = file
            } catch {
                status = .failure
                console.show(.error(BoardFailure.sentence(of: error)))
                return false
            }
        }
        console.setOwnName(name.safeText)
        follow = BoardFollowMachine(name: name, memory: memory)
        link = BoardLink(to: server, as: name, with: loop.hub)
        return true
    }

    // MARK: - Loops

    private func consume() async {
        await loop.hub.forEachTurn(of: self) { client, turn in
            for event in turn { client.handle(event) }
        }
        await console.finish(hurry: true)
    }

    private func writeConsole() async {
        await console.writeOutput { change in
            if change == .closed { finish(.ok) }
        }
    }

    private func readConsole() async {
        for await input in console.inputs {
            typed(input)
            if isCrowded { await withCheckedContinuation { waitsForRoom = $0 } }
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

    private func giveRoom() {
        guard let waiting = waitsForRoom, !isCrowded else { return }
        waitsForRoom = nil
        waiting.resume()
    }

    // MARK: - What is typed

    private func typed(_ input: ConsoleInput<BoardTypedCommand>) {
        switch input {
        case .text: break
        case .command(let command, let arguments):
            if wasReady { carryOut(command, arguments) } else { early.append((command, arguments)) }
        case .quit: finish(console.outcome)
        case .endOfInput:
            inputHasEnded = true
            endIfDone()
        }
    }

    private func carryOut(_ command: BoardTypedCommand, _ arguments: CommandArguments) {
        guard let request = command.request(arguments) else {
            let usage = BoardTypedCommand.table.command(named: command.rawValue)?.signature ?? command.rawValue
            return console.show(.error("Usage: %\(usage)"))
        }
        guard case .post(let group, var draft) = request else { return carryOut(follow.request(request, tag: 0)) }
        let now = Timestamp.now()
        let id = MessageID.timeOrdered(at: now)
        draft.id = id
        let own = KeptMessage(
            offset: 0, id: id, author: name.text, time: now, subject: draft.subject.text, text: draft.text)
        console.show(.message(ChatMessage(own, group: group, isOwn: true, isCaughtUp: false, isPending: true)))
        carryOut(follow.request(.post(group: group, draft), tag: 0))
    }

    /// After the end of the input: leaves when everything was answered.
    private func endIfDone() {
        guard inputHasEnded, status == nil, wasReady, early.isEmpty else { return }
        if follow.isIdle {
            finish(console.outcome)
        } else {
            loop.hub.schedule(Token.lastWait, after: Self.lastWait)
        }
    }

    private func finish(_ outcome: ExitStatus, _ sentence: SafeText? = nil) {
        guard status == nil else { return }
        status = outcome
        if let sentence { console.show(.error(sentence)) }
        link.leave()
        memoryChange.finish()
        loop.hub.cancelTimer(Token.memory)
        giveRoom()
        loop.hub.shutdown(grace: .seconds(2))
    }

    // MARK: - Events

    private func handle(_ event: NetEvent) {
        switch event {
        case .signal: return finish(console.outcome)
        case .timer(Token.memory):
            memoryTimerIsSet = false
            memoryChange.yield()
        case .timer(Token.lastWait): giveUp()
        default: for news in link.handle(event) { handle(news) }
        }
        giveRoom()
        endIfDone()
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
        let typed = early
        early = []
        for (command, arguments) in typed { carryOut(command, arguments) }
    }

    private func carryOut(_ effects: [BoardFollowMachine.Effect]) {
        for effect in effects {
            switch effect {
            case .send(let request, let number):
                let (isPossible, news) = link.send(request, number: number)
                if !isPossible { carryOut(follow.impossible(number)) }
                for item in news { handle(item) }
            case .answer(let answer, let tag): show(answer, wasTyped: tag >= 0)
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
            case .posted(let id, let group, let state, _): show(id, group, state)
            case .remember: remember()
            }
        }
    }

    private func remember() {
        guard file != nil, !memoryTimerIsSet, status == nil else { return }
        memoryTimerIsSet = true
        loop.hub.schedule(Token.memory, after: Self.memoryDelay)
    }

    // MARK: - Showing

    private func show(_ id: MessageID, _ group: String, _ state: BoardFollowMachine.PostState) {
        switch state {
        case .waiting:
            if link.dialect == nil { console.show(.notice("this will be posted when the connection is back")) }
        case .accepted(let offset):
            console.show(
                .delivery(id: id.hex, state: .accepted, note: "Message posted to group '\(group)' with ID: \(offset)"),
                fields: ["conversation": .string(group), "offset": .integer(offset)])
        case .unknown: console.show(.delivery(id: id.hex, state: .noanswer))
        case .refused(let refusal):
            console.show(
                .delivery(id: id.hex, state: .failed, note: refusal.text),
                fields: ["conversation": .string(group), "code": .string(refusal.code.rawValue)])
        }
    }

    private func show(_ event: BoardEvent) {
        switch event {
        case .joined(let group, let name):
            console.show(.joined(name: displayName(name), conversation: displayName(group)))
        case .left(let group, let name):
            console.show(.left(name: displayName(name), conversation: displayName(group)))
        case .closing(let reason): console.show(.notice(reason))
        case .posted: break
        }
    }

    private func show(_ answer: BoardAnswer, wasTyped: Bool) {
        if let refusal = answer.refusal {
            return console.show(.error(refusal.text), fields: ["code": .string(refusal.code.rawValue)])
        }
        var writer = ByteWriter()
        text.write(answer, to: &writer)
        let lines = String(decoding: writer.bytes.dropLast(), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map { SafeText(untrusted: String($0)) }
        console.show(.answer(lines), fields: fields(of: answer))
    }

    /// The answer as its fields, for a program.
    private func fields(of answer: BoardAnswer) -> JSONObject {
        var writer = ByteWriter()
        BoardJSONWriter.write(answer, operation: "", id: .null, to: &writer)
        var object = (try? JSON(parsing: writer.bytes[...]))?.object ?? [:]
        object["event"] = nil
        // As good as a password, and of no use to whoever reads the output.
        object["resume"] = nil
        return object
    }

    /// Lines of a server that speaks text: notifications as events, all else as an answer.
    private func show(_ lines: [SafeText]) {
        var answer: [SafeText] = []
        for line in lines {
            switch BoardTextNotification(line.string) {
            case .joined(let group, let name)?:
                console.show(.joined(name: displayName(name), conversation: displayName(group)))
            case .left(let group, let name)?:
                console.show(.left(name: displayName(name), conversation: displayName(group)))
            case .other(let group, let text)?:
                console.show(.notice("\(displayName(group)): \(text)"), fields: ["conversation": .string(group)])
            case nil:
                if !BoardTextNotification.contains(line.string) { answer.append(line) }
            }
        }
        if !answer.isEmpty { console.show(.answer(answer)) }
    }
}
