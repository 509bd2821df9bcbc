import Console
import Delivery
import Net
import Platform
import Terminal
import Wire

/// `chat board post`, `read` and `groups`: connects, does one thing, and leaves.
actor BoardErrand {
    /// How long a lost connection is tried again before the command gives up.
    static let persistence: Duration = .seconds(20)

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let options: BoardOptions
    private let common: CommonOptions
    private let server: Endpoint

    private var console: ChatConsole<Never>!
    private var input: InputReader?
    private var inputThread: WorkerThread?
    private var link: BoardLink?
    private var machine: BoardErrandMachine?
    private var file: BoardMemoryFile?

    private var status: ExitStatus?
    private var message: SafeText?
    /// When the first attempt was made: the last one is `persistence` later.
    private var begun: MonotonicTime?

    init(loop: EventLoop, options: BoardOptions, common: CommonOptions) {
        self.loop = loop
        self.options = options
        self.common = common
        server =
            switch options {
            case .post(let server, _, _, _), .read(let server, _, _), .groups(let server), .connect(let server): server
            case .serve, .exportLog, .importLog: BoardOptions.defaultServer
            }
    }

    func run() async -> ExitStatus {
        do {
            console = try ChatConsole(reportsOf: "board", common: common)
            try loop.hub.watchSignals([.interrupt, .terminate, .hangup])
        } catch {
            return .internalError
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.consume() }
            group.addTask { await self.writeConsole() }
            await begin()
            await group.next()
            await console.finish()
        }
        await remember()
        file?.close()
        inputThread?.stop()
        return status ?? .internalError
    }

    private func consume() async {
        await loop.hub.forEachTurn(of: self) { client, turn in
            for event in turn { client.handle(event) }
        }
    }

    private func writeConsole() async {
        await console.writeOutput { change in
            if change == .closed { finish(.ok) }
        }
    }

    /// Prepares what is to be done, and dials.
    private func begin() async {
        let name: Nickname
        var settings = ConsoleSettings(mode: "board", role: .report, common: common)
        switch await NameChoice.choose(&settings, given: common.name) {
        case .name(let chosen): name = chosen
        case .missing(let sentence): return finish(.usage, sentence)
        // Only who is asked can leave the question.
        case .quit: return finish(.ok)
        }
        let empty = BoardMemory(server: server, name: name)
        var memory = empty
        if !common.memoryOnly {
            do {
                let file = try BoardMemoryFile(for: empty, common: common.dataDirectory)
                self.file = file
                memory = BoardMemory(parsing: try await file.read(), server: server, name: name)
            } catch {
                return finish(.failure, SafeText(explaining: error))
            }
        }
        guard let errand = await errand(), status == nil else { return }
        machine = BoardErrandMachine(errand, name: name, memory: memory)
        let link = BoardLink(to: server, as: name, with: loop.hub)
        self.link = link
        begun = loop.hub.now
        link.dial()
    }

    private func errand() async -> BoardErrandMachine.Errand? {
        switch options {
        case .groups: return .groups
        case .read(_, let group, let id): return .read(group: group.text, id: id)
        case .post(_, let group, let subject, let source):
            let text: String
            switch source {
            case .text(let given): text = given
            case .standardInput:
                guard let read = await readInput() else { return nil }
                text = read
            }
            do {
                let id = MessageID.timeOrdered(at: .now())
                return .post(
                    group: group.text, try BoardPostRules.draft(id: id, subject: subject.text, text: text))
            } catch {
                finish(.usage, error.text)
                return nil
            }
        case .serve, .connect, .exportLog, .importLog: preconditionFailure("not a command of one shot")
        }
    }

    /// The whole standard input as a text, without its last line end.
    private func readInput() async -> String? {
        let reader: InputReader
        do {
            let thread = try WorkerThread(name: "board-in")
            inputThread = thread
            reader = try InputReader(descriptor: 0, thread: thread)
        } catch {
            finish(.internalError, error.message)
            return nil
        }
        input = reader
        var bytes: [UInt8] = []
        while bytes.count <= BoardPostRules.textLimit + 2 {
            switch await reader.read() {
            case .bytes(let chunk): bytes += chunk
            case .end:
                guard var text = String(validating: bytes, as: UTF8.self) else {
                    finish(.usage, "The input is not UTF-8 text; nothing was posted.")
                    return nil
                }
                if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
                return text
            case .timedOut: break
            case .interrupted: return nil
            case .failed(let error):
                finish(.failure, "Cannot read the input: \(error.reason).")
                return nil
            }
        }
        finish(.usage, "The text is too long; a post holds \(BoardPostRules.textLimit) bytes.")
        return nil
    }

    // MARK: - Events

    private func handle(_ event: NetEvent) {
        if case .signal(let signal) = event {
            // Asked again, it does not wait for the goodbye.
            if status != nil { link?.abort() }
            return finish(signal == .interrupt ? .interrupted : .terminated)
        }
        guard let link else { return }
        // The connection is gone for good: the outcome stands.
        for news in link.handle(event) { handle(news, link) }
    }

    private func handle(_ news: BoardLink.News, _ link: BoardLink) {
        guard status == nil, machine != nil else { return }
        switch news {
        case .connected: break
        case .ready(let dialect):
            link.retries = true
            carryOut(machine!.linkUp(dialect), link)
        case .unreachable(let reason): lost(reason, link)
        case .down(let reason):
            machine!.linkDown()
            lost(reason, link)
        case .refused(let sentence): finish(.refused, sentence)
        case .incoming(let incoming): carryOut(machine!.incoming(incoming), link)
        case .lines(let lines): carryOut(machine!.lines(lines), link)
        case .commandAnswered(let number): carryOut(machine!.commandAnswered(number), link)
        }
    }

    /// A first connection that cannot be made ends the command; a session that was lost is tried again for a while.
    private func lost(_ reason: SafeText, _ link: BoardLink) {
        if link.retries, let begun, loop.hub.now - begun < Self.persistence { return }
        if machine!.postWasSent {
            finish(.notDelivered, "Nobody knows whether the post was stored: \(reason).")
        } else {
            finish(.unreachable, "Cannot reach \(server.description): \(reason).")
        }
    }

    private func carryOut(_ effects: [BoardErrandMachine.Effect], _ link: BoardLink) {
        for effect in effects {
            switch effect {
            case .send(let request, let number):
                let (isPossible, news) = link.send(request, number: number)
                if !isPossible { finish(.failure, "This server has no such command.") }
                for item in news { handle(item, link) }
            case .answer(let answer): show(answer)
            case .show(let group, let message, let isOwn):
                console.show(.message(ChatMessage(message, group: group, isOwn: isOwn, isCaughtUp: true)))
            case .posted(let id, let group, let offset):
                console.show(
                    .delivery(
                        id: id.hex, state: .accepted, note: "Message posted to group '\(group)' with ID: \(offset)"),
                    fields: ["conversation": .string(group), "offset": .integer(offset)])
            case .lines(let lines): console.show(.answer(lines))
            case .remember: break
            case .finish(.done): finish(.ok)
            case .finish(.refused(let sentence)): finish(.refused, sentence)
            case .finish(.unknown): finish(.notDelivered, "Nobody knows whether the post was stored.")
            case .finish(.impossible(let sentence)): finish(.failure, sentence)
            }
        }
    }

    private func show(_ answer: BoardAnswer) {
        guard case .groups(let groups, _, _) = answer else { return }
        for group in groups {
            console.show(
                .answer(["\(group.name)"]),
                fields: ["group": .string(group.name), "visibility": .string(group.visibility.text)])
        }
    }

    /// Ends the command. The first outcome counts.
    private func finish(_ outcome: ExitStatus, _ sentence: SafeText? = nil) {
        guard status == nil else { return }
        status = outcome
        if let sentence { console.show(.error(sentence)) }
        input?.interrupt()
        link?.leave()
        loop.hub.shutdown(grace: .seconds(2))
    }

    private func remember() async {
        guard let file, let machine else { return }
        // Only join points are lost where this fails; the errand itself is done.
        try? await file.write(machine.memory.bytes)
    }
}

extension ChatMessage {
    /// A post as the console shows it.
    init(_ message: KeptMessage, group: String, isOwn: Bool, isCaughtUp: Bool, isPending: Bool = false) {
        self.init(
            id: message.id.hex, sender: displayName(message.author), senderKey: nameKey(message.author),
            text: message.text, time: message.time, conversation: displayName(group),
            offset: isPending ? nil : UInt64(message.offset), subject: message.subject.map { SafeText(untrusted: $0) },
            isOwn: isOwn, isPending: isPending, isCaughtUp: isCaughtUp)
    }
}
