import Glibc
import TestSupport
import Wire

/// `chat p2p --json` as a process, and what it has told so far.
actor ChatProcess {
    enum Failure: Error {
        case ended(waitingFor: String, seen: [String])
    }

    private let child: ChildProcess
    nonisolated let name: String
    nonisolated let port: UInt16
    /// Everything it has told that no test has asked for yet.
    private var unseen: [JSON] = []
    /// Ids of the messages it has shown, its own too, in the order in which it showed them.
    private(set) var messages: [JSON] = []

    nonisolated var pid: Int32 { child.pid }

    /// Starts one and waits until it listens.
    init(_ name: String, port: UInt16 = 0, peers: [UInt16] = [], options: [String] = [], keepsIn folder: String? = nil)
        async throws
    {
        self.name = name
        let arguments =
            ["p2p", "\(port)"] + peers.map { "127.0.0.1:\($0)" }
            + ["--name", name, "--json", "--no-rate-limit"]
            + (folder.map { ["--data", $0] } ?? ["--memory"]) + options
        child = try ChildProcess(ChildProcess.product("chat"), arguments)
        while true {
            let event = try JSON(parsing: Array(try await child.line().utf8)[...])
            if event["event"]?.string == "listening", let port = event["port"]?.integer {
                self.port = UInt16(port)
                return
            }
        }
    }

    func type(_ line: String) async throws { try await child.write(line + "\n") }

    func endInput() async { await child.closeInput() }

    /// Waits for an event of a kind in which each field has the value given; it is not found again.
    @discardableResult
    func event(_ kind: String, _ fields: [String: JSON] = [:]) async throws -> JSON {
        func matches(_ event: JSON) -> Bool {
            event["event"]?.string == kind && fields.allSatisfy { event[$0.key] == $0.value }
        }
        if let index = unseen.firstIndex(where: matches) { return unseen.remove(at: index) }
        while true {
            let event: JSON
            do {
                event = try await next()
            } catch {
                throw Failure.ended(
                    waitingFor: "\(name): \(kind) \(fields)",
                    seen: unseen.map { String(decoding: $0.encoded(), as: UTF8.self) })
            }
            if matches(event) { return event }
            unseen.append(event)
        }
    }

    /// Waits until it shows a text.
    @discardableResult
    func shows(_ text: String) async throws -> JSON { try await event("message", ["text": .string(text)]) }

    /// The answer to a command.
    func answer(to command: String) async throws -> [String] {
        try await type(command)
        return try await event("answer")["lines"]?.array?.compactMap(\.string) ?? []
    }

    /// Repeats a command until its answer is as wanted: each answer is an event of its own, nothing is timed.
    func answer(to command: String, until isRight: ([String]) -> Bool) async throws {
        while true {
            if isRight(try await answer(to: command)) { return }
        }
    }

    private func next() async throws -> JSON {
        let event = try JSON(parsing: Array(try await child.line().utf8)[...])
        if event["event"]?.string == "message" { messages.append(event) }
        return event
    }

    /// Quits and waits for the end; what it told until then counts.
    func quit() async throws -> Int32 {
        try await type("/quit")
        return try await end()
    }

    func end() async throws -> Int32 {
        while let event = try? await next() { unseen.append(event) }
        return await child.exitStatus()
    }

    nonisolated func signal(_ number: Int32) { child.send(number) }

    /// kill -9.
    func kill() async -> Int32 {
        child.send(SIGKILL)
        return await child.exitStatus()
    }

    /// How often each text was shown.
    var counts: [String: Int] {
        messages.reduce(into: [:]) { $0[$1["text"]?.string ?? "", default: 0] += 1 }
    }

    /// The texts of one sender, in the order in which they were shown.
    func texts(from sender: String) -> [String] {
        messages.filter { $0["sender"]?.string == sender }.compactMap { $0["text"]?.string }
    }
}
