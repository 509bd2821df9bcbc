import Net
import Wire

/// A client's requests over TCP, each on a connection of its own. Belongs to the actor of the client, which hands it the
/// events of its hub.
final class RoomsExchanges {
    /// How long a connection may take to be made.
    static let dialTime: Duration = .seconds(10)
    /// The bit that tells its timers from others'.
    private static let timerMark: UInt64 = 1 << 62

    /// What has become of a request.
    struct Finished {
        let number: Int
        /// Nil where not even a connection was made.
        let outcome: ClientExchangeMachine.Outcome?
        /// A few words on that.
        var reason: SafeText = ""
    }

    enum News {
        /// A connection was made; where it leads to.
        case connected(number: Int, SocketAddress)
        case finished(Finished)
    }

    private struct Exchange {
        var machine: ClientExchangeMachine
        var socket: SocketID?
    }

    private let server: Endpoint
    private let outbound: any Outbound
    private var exchanges: [Int: Exchange] = [:]
    private var numbers: [SocketID: Int] = [:]
    private var next = 0

    init(with server: Endpoint, over outbound: any Outbound) {
        self.server = server
        self.outbound = outbound
    }

    /// Begins an exchange, and says by which number it will be heard of.
    func begin(_ request: RoomsRequest) -> Int {
        next += 1
        exchanges[next] = Exchange(machine: ClientExchangeMachine(request))
        outbound.dial(server, token: next, timeout: Self.dialTime)
        return next
    }

    /// What an event means; nil for one that is not about an exchange.
    func handle(_ event: NetEvent) -> News? {
        switch event {
        case .connected(let id, let number, let peer):
            guard exchanges[number] != nil else {
                outbound.close(id)
                return nil
            }
            exchanges[number]!.socket = id
            numbers[id] = number
            outbound.schedule(Self.timerMark | UInt64(number), after: ClientExchangeMachine.answerTimeout)
            for case .send(let message) in exchanges[number]!.machine.connected() {
                outbound.send(outbound.encode { message.write(to: &$0) }, to: id)
            }
            return .connected(number: number, peer)
        case .dialFailed(let number, let error):
            guard exchanges.removeValue(forKey: number) != nil else { return nil }
            return .finished(Finished(number: number, outcome: nil, reason: error.message))
        case .received(let id, let bytes): return step(numbers[id]) { $0.received(bytes) }
        case .inputEnded(let id): return step(numbers[id]) { $0.inputEnded() }
        case .closed(let id, _): return step(numbers[id]) { $0.inputEnded() }
        case .timer(let token) where token & Self.timerMark != 0:
            return step(Int(token & ~Self.timerMark)) { $0.timedOut() }
        case .timer, .accepted, .acceptFailed, .resolved, .datagrams, .unreachable, .drained, .signal: return nil
        }
    }

    private func step(
        _ number: Int?, _ body: (inout ClientExchangeMachine) -> [ClientExchangeMachine.Effect]
    ) -> News? {
        guard let number, exchanges[number] != nil else { return nil }
        for case .finished(let outcome) in body(&exchanges[number]!.machine) {
            end(number)
            return .finished(Finished(number: number, outcome: outcome))
        }
        return nil
    }

    private func end(_ number: Int) {
        guard let exchange = exchanges.removeValue(forKey: number) else { return }
        outbound.cancelTimer(Self.timerMark | UInt64(number))
        guard let socket = exchange.socket else { return outbound.cancelDial(token: number) }
        numbers[socket] = nil
        outbound.close(socket)
    }

    /// Gives all of them up; they are not heard of any more.
    func cancelAll() {
        for number in exchanges.keys { end(number) }
    }
}
