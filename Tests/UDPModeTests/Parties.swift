import Glibc
import Net
import Platform
import TestSupport
import Testing
import Wire

@testable import UDPMode

/// One program of a scenario, of ours or a double of an original: a screen and a keyboard.
protocol Party: Sendable {
    func type(_ line: String) async throws
    /// The next line of the screen in the words of the original: without times, marks and brackets.
    func line() async throws -> String
    /// Ctrl+C.
    func interrupt() async throws
    /// Ends it without a word.
    func kill() async
    /// Waits for its end; the exit status where it is a process.
    func ended() async -> Int32?
}

/// A scenario's server, and the port that clients are told.
struct ServerParty: Sendable {
    let party: any Party
    let port: UInt16
    /// A double of the original's.
    let isOriginal: Bool
}

extension Party {
    /// Expects these lines next, in this order; what only our programs say in between is passed over.
    func shows(_ lines: String..., sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for expected in lines {
            var line = try await line()
            while line != expected, Screen.isExtra(line) || Screen.mayBeRepeated(line) { line = try await self.line() }
            #expect(line == expected, sourceLocation: sourceLocation)
            if line != expected { throw Unexpected(line: line) }
        }
    }
}

struct Unexpected: Error {
    var line: String
}

/// The screens of ours and of the originals, brought to the same words.
enum Screen {
    /// What the log of a server of the original's says again when a command was sent again, which happens after half a
    /// second without an answer: the original does not know a repetition when it sees one.
    static func mayBeRepeated(_ line: String) -> Bool {
        line.hasPrefix("Client client") || line.hasPrefix("group-name")
    }

    static func words(_ line: String) -> String {
        var line = line[...]
        // "[14:03:21] * text" and "[14:03:21] ! text"
        if line.count > 11, line.first == "[", line.dropFirst(3).first == ":" {
            line = line.dropFirst(11)
            if line.hasPrefix("* ") || line.hasPrefix("! ") { line = line.dropFirst(2) }
            // A name in a list of the server's log.
            if line.hasPrefix("  ") { line = line.dropFirst(2) }
            if let arrow = line.range(of: " -> You: ") {
                line = line[..<arrow.lowerBound] + ": " + line[arrow.upperBound...]
            }
        } else if line.first == "[", line.last == "]" {
            line = line.dropFirst().dropLast()
            if line.hasPrefix(">>> ") { line = line.dropFirst(4) }
        } else if line.hasPrefix("  ") {
            // An answer.
            line = line.dropFirst(2)
        }
        return String(line)
    }

    /// What an original does not say.
    static func isExtra(_ line: String) -> Bool {
        line == "the server is being shut down" || line.hasPrefix("listening on ") || line.hasPrefix("connected to ")
            || line.hasSuffix(" joined")
            || line.hasSuffix(" left") || line.hasPrefix("You -> ") || line.hasPrefix("Group_Message You")
            || line.hasPrefix("Message from ") || line.hasPrefix("Stored message ")
            // A server of ours says so when it ends; the original only falls silent.
            || line == "the server is being shut down"
    }
}

extension Substring {
    /// Where a text stands in it. (The standard library alone has this for regular expressions only.)
    func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

extension ChildProcess {
    /// Waits for the process; a test whose time is up ends it, so that nobody waits for ever.
    nonisolated func whileWanted<Result: Sendable, Failure: Error>(
        _ body: () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let outcome = await withTaskCancellationHandler {
            do throws(Failure) { return Swift.Result<Result, Failure>.success(try await body()) } catch {
                return .failure(error)
            }
        } onCancel: {
            send(SIGKILL)
        }
        return try outcome.get()
    }
}

/// A process of ours.
struct ProcessParty: Party {
    let child: ChildProcess

    init(_ arguments: [String]) throws {
        child = try ChildProcess(ChildProcess.product("chat"), ["udp"] + arguments, mergesErrors: true)
    }

    func type(_ line: String) async throws { try await child.write(line + "\n") }
    func line() async throws -> String {
        let child = child
        return try await child.whileWanted { Screen.words(try await child.line()) }
    }
    func interrupt() async throws { child.send(SIGINT) }
    func kill() async {
        child.send(SIGKILL)
        _ = await child.exitStatus()
    }
    func ended() async -> Int32? {
        let child = child
        return await child.whileWanted { await child.exitStatus() }
    }

    /// A server on a free port of 127.0.0.1.
    static func server(_ options: [String] = []) async throws -> ServerParty {
        let process = try ProcessParty(
            ["serve", "0", "--bind", "127.0.0.1"] + (options.isEmpty ? ["--memory"] : options))
        let listening = try await process.child.line(containing: "listening on ")
        let port = listening.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        try await process.shows("Server started on \(port)")
        return ServerParty(party: process, port: port, isOriginal: false)
    }

    static func client(_ name: String, _ port: UInt16, _ options: [String] = []) throws -> ProcessParty {
        try ProcessParty(["join", name, "127.0.0.1", "\(port)"] + (options.isEmpty ? ["--memory"] : options))
    }
}

/// A double of an original; ends when nobody refers to it any more.
final class DoubleParty: Party {
    private let program: DoubleProgram

    private init(_ program: DoubleProgram) {
        self.program = program
    }

    deinit {
        let program = program
        Task { await program.close() }
    }

    static func server() async throws -> (DoubleParty, ServerParty) {
        let party = DoubleParty(try await DoubleProgram.start(.server(OriginalServer(port: 0))))
        return (party, ServerParty(party: party, port: await party.program.port, isOriginal: true))
    }

    static func client(_ name: String, _ serverPort: UInt16) async throws -> DoubleParty {
        let server = SocketAddress(ip: .loopbackV4, port: serverPort)
        return DoubleParty(
            try await DoubleProgram.start(.client(OriginalClient(name: name, port: 0, server: server))))
    }

    func type(_ line: String) async throws { await program.type(line) }
    func line() async throws -> String { try await program.line() }
    func interrupt() async throws { await program.close() }
    /// Its socket is gone when this returns: nothing that comes later is acknowledged.
    func kill() async {
        await program.close()
        await program.ended()
    }
    func ended() async -> Int32? {
        await program.ended()
        return nil
    }

    /// Why it is dead; nil while it lives.
    var death: String? {
        get async { await program.death }
    }
}

/// A double of an original on sockets and a loop of its own.
actor DoubleProgram {
    enum Machine {
        case server(OriginalServer)
        case client(OriginalClient)
    }

    private let loop: EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var machine: Machine
    private var screenRead = 0
    private var listener: SocketID?
    private var commands: SocketID?
    private var typed: [String] = []
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var isOver = false
    private(set) var port: UInt16 = 0

    fileprivate init(loop: EventLoop, _ machine: Machine) {
        self.loop = loop
        self.machine = machine
    }

    static func start(_ machine: Machine) async throws -> DoubleProgram {
        let loop = try EventLoop.start(name: "original")
        let program = DoubleProgram(loop: loop, machine)
        try await program.bind()
        // It lives until it is closed.
        Task {
            await program.consume()
            loop.stop()
        }
        return program
    }

    private func bind() throws {
        let any = SocketAddress(ip: .loopbackV4, port: 0)
        let opened = try loop.hub.bindDatagram(on: any)
        listener = opened.id
        port = opened.address.port
        switch machine {
        case .server: machine = .server(OriginalServer(port: port))
        case .client(let client):
            machine = .client(OriginalClient(name: client.name, port: port, server: client.server))
            commands = try loop.hub.bindDatagram(on: any).id
            if case .client(let client) = machine { send(client.registration()) }
        }
    }

    private func consume() async {
        for await turn in loop.hub.turns {
            for event in turn {
                switch event {
                case .datagrams(_, let datagrams):
                    for datagram in datagrams { received(Array(datagram.bytes), datagram.source) }
                case .timer: timedOut()
                default: break
                }
            }
            changed()
        }
        isOver = true
        changed()
    }

    private func received(_ bytes: [UInt8], _ source: SocketAddress) {
        switch machine {
        case .server(var server):
            for sent in server.received(bytes, from: source, at: loop.hub.now) { send(sent.bytes, to: sent.to) }
            machine = .server(server)
        case .client(var client):
            let sent = client.received(bytes, from: source)
            machine = .client(client)
            send(sent)
        }
    }

    private func timedOut() {
        switch machine {
        case .server(var server):
            server.timedOut(at: loop.hub.now)
            machine = .server(server)
        case .client(var client):
            let sent = client.timedOut(at: loop.hub.now)
            machine = .client(client)
            send(sent)
        }
    }

    private func send(_ sent: [OriginalClient.Sent]) {
        for item in sent { send(item.bytes, to: item.to, from: item.from == .listener ? listener : commands) }
    }

    private func send(_ bytes: [UInt8], to address: SocketAddress, from socket: SocketID? = nil) {
        let hub = loop.hub
        hub.send(hub.encode { $0.append(contentsOf: bytes) }, to: address, from: socket ?? listener!)
    }

    /// Types what can be typed, sets the timer, and wakes whoever waits for the screen.
    private func changed() {
        defer {
            for continuation in waiting { continuation.resume() }
            waiting = []
        }
        guard !isOver else { return }
        if case .client(var client) = machine, !client.isBusy, !client.hasStopped, !typed.isEmpty {
            let sent = client.typed(typed.removeFirst(), at: loop.hub.now)
            machine = .client(client)
            send(sent)
        }
        let deadline =
            switch machine {
            case .server(let server): server.deadline
            case .client(let client): client.deadline
            }
        if let deadline { loop.hub.schedule(0, after: max(.zero, deadline - loop.hub.now)) }
        if case .client(let client) = machine, client.hasStopped { close() }
    }

    func close() {
        guard !isOver else { return }
        isOver = true
        loop.hub.shutdown(grace: .zero)
    }

    private var screen: [String] {
        switch machine {
        case .server(let server): server.log
        case .client(let client): client.screen
        }
    }

    /// Why it is dead; nil while it lives.
    var death: String? {
        switch machine {
        case .server(let server): server.death?.reason
        case .client(let client): client.listenerDeath
        }
    }

    func type(_ line: String) {
        typed.append(line)
        changed()
    }

    func line() async throws -> String {
        while screenRead >= screen.count {
            if isOver { throw ChildProcess.Failure.outputEnded(screen.joined(separator: "\n")) }
            await change { screenRead < screen.count }
        }
        defer { screenRead += 1 }
        return Screen.words(screen[screenRead])
    }

    /// Waits until something happens, unless it has; a test whose time is up ends the program.
    ///
    /// For a task without the loop's preference even this call goes through the loop's queue, so what is waited for may
    /// happen on the way: it is looked at where the continuation is kept.
    private func change(unless hasHappened: () -> Bool) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if isOver || hasHappened() { continuation.resume() } else { waiting.append(continuation) }
            }
        } onCancel: {
            Task { await self.close() }
        }
    }

    func ended() async {
        while !isOver { await change { false } }
    }
}
