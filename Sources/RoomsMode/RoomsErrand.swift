import Console
import Delivery
import Net
import Platform
import Wire

/// `chat rooms list` and `chat rooms history`: connects, asks one thing, prints it and leaves.
actor RoomsErrand {
    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    private let server: RoomsEndpoint
    private let common: CommonOptions
    private var console: ChatConsole<Never>!
    private var exchanges: RoomsExchanges!
    private var query: RoomsQueryMachine!
    /// The room that is read; nil for the list of rooms.
    private var room: String?
    private var status: ExitStatus?

    init(loop: EventLoop, server: RoomsEndpoint, common: CommonOptions) {
        self.loop = loop
        self.server = server
        self.common = common
    }

    /// Reads a room's history: the lobby's, which is everybody's, or one that the user has a place in.
    func readHistory(of room: RoomName, _ selection: RoomsHistorySelection) async -> ExitStatus {
        var token: RoomToken?
        let user = common.name ?? Environment["USER"].flatMap { try? Nickname(validating: $0) }
        if !common.memoryOnly, let user {
            let memory = RoomsMemory(server: server, room: room, name: user)
            if let file = try? RoomsMemoryFile(memory, data: common.dataDirectory) {
                token = await file.read()?.token
                await file.close()
            }
        }
        switch selection {
        case .last(0): return .ok
        case .last(let count): return await run(.last(count, room: room.text, token), title: room.text)
        case .from(let offset): return await run(.from(offset, room: room.text, token), title: room.text)
        }
    }

    func run(_ question: RoomsQueryMachine.Question, title: String?) async -> ExitStatus {
        room = title
        do {
            console = try ChatConsole(reportsOf: "rooms", common: common)
            try loop.hub.watchSignals([.interrupt, .terminate, .hangup])
        } catch {
            return .internalError
        }
        query = RoomsQueryMachine(question)
        exchanges = RoomsExchanges(with: server.tcp, over: loop.hub)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.consume() }
            group.addTask { await self.writeConsole() }
            _ = exchanges.begin(query.first)
        }
        return status ?? .internalError
    }

    private func consume() async {
        await loop.hub.forEachTurn(of: self) { errand, turn in
            for event in turn { errand.handle(event) }
        }
        await console.finish()
    }

    private func writeConsole() async {
        await console.writeOutput { change in
            if change == .closed { finish(.ok) }
        }
    }

    private func handle(_ event: NetEvent) {
        if case .signal(let signal) = event { return finish(signal == .interrupt ? .interrupted : .terminated) }
        guard status == nil, case .finished(let finished)? = exchanges.handle(event) else { return }
        guard let outcome = finished.outcome else {
            return finish(.unreachable, "Cannot reach \(server.tcp.description): \(finished.reason).")
        }
        switch query.answered(outcome) {
        case .ask(let request, let messages):
            for message in messages { show(message) }
            _ = exchanges.begin(request)
        case .finished(let result):
            show(result)
            finish(.ok)
        case .failed(.refused(let refusal)): finish(.refused, refusal.attributed)
        case .failed(let failure): finish(.unreachable, failure.queryMessage)
        }
    }

    private func show(_ result: RoomsQueryMachine.Result) {
        switch result {
        case .rooms(let rooms): for room in rooms { console.show(.answer([room.line]), fields: room.fields) }
        case .messages(let messages): for message in messages { show(message) }
        case .members, .topicSet: preconditionFailure("not asked for by a command of one shot")
        }
    }

    private func show(_ message: KeptMessage) {
        var shown = ChatMessage(kept: message)
        // Everything here is of before: there is nothing to tell it from.
        shown.isCaughtUp = false
        console.show(.message(shown), fields: room.map { ["conversation": .string($0)] } ?? [:])
    }

    private func finish(_ outcome: ExitStatus, _ sentence: SafeText? = nil) {
        guard status == nil else { return }
        status = outcome
        if let sentence { console.show(.error(sentence)) }
        exchanges.cancelAll()
        loop.hub.shutdown(grace: .zero)
    }
}
