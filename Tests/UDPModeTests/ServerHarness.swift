import Synchronization
import Testing
import Wire

@testable import UDPMode

/// A client on the other side of a server's machine: what it sends, and what it is sent.
struct TestClient: Sendable {
    var name: String
    var port: UInt16
    /// An original sends from a second socket.
    var sourcePort: UInt16
    var ip: IPAddress = .loopbackV4
    /// A program of ours, which run of it.
    var run: UInt64?
    var session: UInt64?
    var secret: MessageID?

    static func original(_ name: String, _ port: UInt16) -> TestClient {
        TestClient(name: name, port: port, sourcePort: port &+ 20_000)
    }

    static func ours(_ name: String, _ port: UInt16, run: UInt64 = 1) -> TestClient {
        TestClient(name: name, port: port, sourcePort: port, run: run)
    }

    var path: UDPPath { UDPPath(SocketAddress(ip: ip, port: port)) }
    var source: UDPPath { UDPPath(SocketAddress(ip: ip, port: sourcePort)) }

    func message(_ body: UDPMessage.Body, _ set: (inout UDPExtension) -> Void = { _ in }) -> UDPMessage {
        var chat: UDPExtension?
        if let run {
            chat = UDPExtension {
                $0.run = run
                $0.session = session
                set(&$0)
            }
        }
        return UDPMessage(
            body,
            .client(
                .init(
                    name: name, serverIP: "127.0.0.1", serverPort: 5000, clientPort: port, clientIP: ip.description,
                    chat: chat)))
    }
}

/// A server's machine with a clock.
struct ServerHarness {
    var machine: UDPServerMachine
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    var wall = Timestamp(microseconds: 1_790_000_000_000_000)
    /// Records are committed at once.
    var commits = true
    var records: [UDPRecord] = []

    init(mailboxes: UDPMailboxes = UDPMailboxes(), limitsRates: Bool = true) {
        let generator = Mutex(SplitMix64(seed: 1))
        machine = UDPServerMachine(
            port: 5000, mailboxes: mailboxes, limitsRates: limitsRates, at: now, wall: wall,
            random: { generator.withLock { $0.next() } })
        _ = machine.timedOut(at: now, wall: wall)
    }

    /// What came of one datagram in a turn of its own.
    mutating func receive(_ message: UDPMessage, from client: TestClient) throws -> [UDPServerMachine.Effect] {
        receive(try message.encoded(), from: client.source)
    }

    mutating func receive(_ bytes: [UInt8], from source: UDPPath) -> [UDPServerMachine.Effect] {
        let effects = machine.received(bytes[...], from: source, at: now, wall: wall)
        return finish(effects)
    }

    mutating func finish(_ effects: [UDPServerMachine.Effect]) -> [UDPServerMachine.Effect] {
        var all = effects + machine.turnEnded()
        for case .record(let record) in all {
            records.append(record)
            if commits { all += machine.committed(record, at: now) + machine.turnEnded() }
        }
        return all
    }

    /// Lets the clock run, and what is due happen at its time.
    mutating func wait(_ duration: Duration) -> [UDPServerMachine.Effect] {
        let end = now + duration
        var all: [UDPServerMachine.Effect] = []
        while let due = machine.deadline, due <= end {
            let step = max(due, now)
            wall = wall + (step - now)
            now = step
            all += finish(machine.timedOut(at: now, wall: wall))
        }
        wall = wall + (end - now)
        now = end
        return all
    }

    /// Registers a client; one of ours asks for the table.
    mutating func register(_ client: TestClient) throws -> TestClient {
        var client = client
        let effects = try receive(client.message(.registration), from: client)
        let confirmation = effects.sent(to: client).first
        #expect(confirmation?.body == .registrationConfirmation)
        client.session = confirmation?.metadata.chat?.session
        client.secret = confirmation?.metadata.chat?.secret
        if client.run != nil { _ = try receive(client.message(.tableRequest), from: client) }
        return client
    }
}

extension [UDPServerMachine.Effect] {
    func sent(to client: TestClient) -> [UDPMessage] {
        compactMap { effect in
            guard case .send(let message, let paths) = effect, paths.contains(client.path) else { return nil }
            return message
        }
    }

    var bodies: [UDPMessage.Body] {
        compactMap { if case .send(let message, _) = $0 { message.body } else { nil } }
    }

    var logged: [String] {
        flatMap { effect -> [String] in
            if case .log(let line) = effect { line.lines.map(\.string) } else { [] }
        }
    }
}
