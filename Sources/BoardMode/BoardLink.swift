import Delivery
import Net
import Platform
import Wire

/// A client's connection to a board: dials, logs in, and dials again when it is lost. Belongs to the actor of the client,
/// which hands it the events of its hub and carries out what it answers.
final class BoardLink {
    /// How long a dial may take.
    static let dialTime: Duration = .seconds(10)
    /// The first and the longest wait between two dials.
    static let firstRetry: Duration = .milliseconds(250)
    static let longestRetry: Duration = .seconds(15)
    /// How long a name that is ours may be in use when we come back: the server has not noticed yet that we had gone.
    static let lingeringName: Duration = .seconds(150)

    /// What happened.
    enum News: Equatable {
        case connected(SocketAddress)
        /// No connection was made.
        case unreachable(SafeText)
        /// In session.
        case ready(BoardLinkMachine.Dialect)
        /// The server does not take the name.
        case refused(SafeText)
        /// A session was lost.
        case down(SafeText)
        case incoming(BoardIncoming)
        case lines([SafeText])
        case commandAnswered(Int64)
    }

    private enum Token {
        static let machine: UInt64 = 1 << 32
        static let retry: UInt64 = 2 << 32
    }

    let server: Endpoint
    private let name: Nickname
    private let outbound: any Outbound
    /// False gives up after the first dial or session that ends.
    var retries = false

    private var machine: BoardLinkMachine?
    private var socket: SocketID?
    private var dialToken = 0
    private var backoff = Backoff(initial: firstRetry, maximum: longestRetry)
    private var random = SystemRandomness()
    /// Why the connection is being closed, where that is known better than by the hub.
    private var reason: SafeText?
    /// When a session was lost last; nil before the first.
    private var lostAt: MonotonicTime?
    private var isLeaving = false
    private var isHeld = false

    init(to server: Endpoint, as name: Nickname, with outbound: any Outbound) {
        self.server = server
        self.name = name
        self.outbound = outbound
    }

    /// How the server is spoken to; nil while there is no session.
    var dialect: BoardLinkMachine.Dialect? { machine?.dialect }

    /// Bytes that the server has not taken yet.
    var outboxCount: Int { socket.map { outbound.outboxCount($0) } ?? 0 }

    func dial() {
        guard !isLeaving, socket == nil else { return }
        dialToken += 1
        outbound.dial(server, token: dialToken, timeout: Self.dialTime)
    }

    /// Sends a request that the machine of the session numbered.
    ///
    /// - Returns: false where this server has no such command.
    func send(_ request: BoardRequest, number: Int64) -> (isPossible: Bool, [News]) {
        guard var machine, let dialect = machine.dialect else { return (true, []) }
        switch dialect {
        case .json:
            guard let line = request.json(id: .integer(number)) else { return (false, []) }
            let effects = machine.send(line)
            self.machine = machine
            return (true, carryOut(effects))
        case .text:
            guard let command = request.command else { return (false, []) }
            guard let effects = machine.command(command, number: Int(number)) else { return (false, []) }
            self.machine = machine
            return (true, carryOut(effects))
        }
    }

    /// Says goodbye and does not come back.
    func leave() {
        guard !isLeaving else { return }
        isLeaving = true
        outbound.cancelTimer(Token.retry)
        outbound.cancelDial(token: dialToken)
        guard let socket else { return }
        switch dialect {
        case .json: outbound.send(BoardRequest.exit.json(id: .null)!, to: socket)
        case .text: outbound.send(Array("%exit\n".utf8), to: socket)
        case nil: break
        }
        outbound.close(socket)
    }

    /// Goes without a goodbye.
    func abort() {
        isLeaving = true
        outbound.cancelTimer(Token.retry)
        outbound.cancelDial(token: dialToken)
        if let socket { outbound.reset(socket) }
    }

    /// Stops reading what the server says, or goes on.
    func hold(_ isHeld: Bool) {
        self.isHeld = isHeld
        guard let socket else { return }
        if isHeld { outbound.pause(socket) } else { outbound.resume(socket) }
    }

    // MARK: - Events

    /// What an event means for the link; nothing for one that is not the link's.
    func handle(_ event: NetEvent) -> [News] {
        switch event {
        case .connected(let id, token: dialToken, let peer):
            socket = id
            reason = nil
            var machine = BoardLinkMachine(name: name, at: outbound.now)
            let effects = machine.connected()
            self.machine = machine
            if isHeld { outbound.pause(id) }
            return [.connected(peer)] + carryOut(effects)
        case .dialFailed(token: dialToken, let error):
            retry()
            return [.unreachable(error.message)]
        case .received(let id, let bytes) where id == socket:
            guard var machine else { return [] }
            let effects = machine.received(bytes, at: outbound.now)
            self.machine = machine
            return carryOut(effects)
        case .inputEnded(let id) where id == socket:
            outbound.close(id)
            return []
        case .closed(let id, let reason) where id == socket: return closed(reason)
        case .timer(Token.retry):
            dial()
            return []
        case .timer(let token) where token & Token.machine != 0:
            guard let timer = BoardLinkMachine.Timer(rawValue: token & 0xff), var machine else { return [] }
            if isHeld { machine.wasNotHeard(at: outbound.now) }
            let effects = machine.elapsed(timer, at: outbound.now)
            self.machine = machine
            return carryOut(effects)
        default: return []
        }
    }

    private func closed(_ reason: CloseReason) -> [News] {
        for timer in BoardLinkMachine.Timer.allCases { outbound.cancelTimer(Token.machine | timer.rawValue) }
        let wasInSession = machine?.dialect != nil
        socket = nil
        machine = nil
        let sentence = self.reason ?? (reason == .local ? "closed by the other end" : reason.message)
        self.reason = nil
        if wasInSession { lostAt = outbound.now }
        guard !isLeaving else { return [] }
        retry()
        return wasInSession ? [.down(sentence)] : [.unreachable(sentence)]
    }

    private func retry() {
        guard retries, !isLeaving else { return }
        outbound.schedule(Token.retry, after: backoff.next(using: &random))
    }

    private func carryOut(_ effects: [BoardLinkMachine.Effect]) -> [News] {
        var news: [News] = []
        for effect in effects {
            switch effect {
            case .send(let bytes): if let socket { outbound.send(bytes, to: socket) }
            case .schedule(let timer, let delay): outbound.schedule(Token.machine | timer.rawValue, after: delay)
            case .cancel(let timer): outbound.cancelTimer(Token.machine | timer.rawValue)
            case .ready(let dialect):
                backoff.succeeded()
                lostAt = nil
                news.append(.ready(dialect))
            case .refused(let sentence, let isTaken): refused(sentence, isTaken, &news)
            case .incoming(let incoming):
                if case .event(.closing(let sentence)) = incoming { reason = sentence }
                news.append(.incoming(incoming.attributed))
            case .lines(let lines): news.append(.lines(lines))
            case .commandAnswered(let number): news.append(.commandAnswered(Int64(number)))
            case .giveUp(let sentence):
                reason = sentence
                if let socket { outbound.close(socket) }
            }
        }
        return news
    }

    private func refused(_ sentence: SafeText, _ isTaken: Bool, _ news: inout [News]) {
        if isTaken, retries, let lostAt, outbound.now - lostAt < Self.lingeringName {
            // Our own, of the session that was lost: try again when the server has noticed.
            reason = sentence
        } else {
            isLeaving = true
            news.append(.refused("server: \(sentence)"))
        }
        if let socket { outbound.close(socket) }
    }
}
