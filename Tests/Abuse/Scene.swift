import Glibc
import Platform
package import TestSupport
import Wire

/// A server of one mode and the people who use it as they should: real processes on loopback. In p2p, where there is no
/// server, it is the peer that the others dial.
package struct Scene: Sendable {
    package let target: Target
    package let server: ChildProcess
    package let speakers: [ChildProcess]
    /// Sees what the speakers say; the server itself in p2p.
    package let listener: ChildProcess
    package let ledger: Ledger
    private let folder: TemporaryFolder

    /// Bytes of an event that may be a speaker's message.
    private static let longestLine = 1_000
    /// Milliseconds without a line after which a process that should say something has failed.
    private static let patience: Int32 = 60_000

    /// Sets a scene up, reads what everybody says while `body` runs, and takes it down.
    package static func with(
        _ mode: Mode, speakers count: Int = 4, options: [String] = [],
        _ body: @escaping @Sendable (Scene) async throws -> Void
    ) async throws {
        signal(SIGPIPE, SIG_IGN)
        ProcessSetup.raiseDescriptorLimit()
        let folder = TemporaryFolder()
        var target = Target(mode: mode)
        let server = try program(Self.serverArguments(mode, folder) + options)
        // Rooms say where they listen for both.
        for _ in 0..<(mode == .rooms ? 2 : 1) {
            let event = try JSON(parsing: Array(try await server.line(containing: "\"listening\"").utf8)[...])
            let port = UInt16(event["port"]?.integer ?? 0)
            if mode == .udp || event["transport"]?.string == "udp" {
                target.datagrams = port
            } else {
                target.streams = port
            }
        }
        var speakers: [ChildProcess] = []
        for index in 1...count { speakers.append(try await user(index, target, folder)) }
        let listener = mode == .p2p ? server : try await user(0, target, folder)
        let scene = Scene(
            target: target, server: server, speakers: speakers, listener: listener, ledger: Ledger(), folder: folder)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for child in speakers { group.addTask { await scene.drain(child) } }
            if mode != .p2p { group.addTask { await scene.drainServer() } }
            group.addTask { await scene.listen() }
            defer {
                for child in [server, listener] + speakers { child.send(SIGKILL) }
            }
            try await body(scene)
        }
    }

    /// Somebody who could not begin to talk, with the last words of the program.
    private struct NotReady: Error {
        let user: Int
        let reason: any Error
        let words: String
    }

    /// One more user, or one who is back, ready to speak. Number 0 listens.
    package func user(_ index: Int) async throws -> ChildProcess { try await Self.user(index, target, folder) }

    /// Lets a speaker say its next message.
    package func say(_ speaker: Int, _ number: Int, through child: ChildProcess) async {
        let text = "\(speaker)-\(number)"
        await ledger.say(text)
        switch target.mode {
        case .board: child.post("%grouppost main s \(text)\n")
        case .udp: child.post("send_group \(text)\n")
        case .p2p, .rooms: child.post(text + "\n")
        }
    }

    /// Everybody speaks in turn for a while, below the rate at which people are slowed down.
    ///
    /// - Parameter numbers: the numbers of the messages that were said before and are now.
    /// - Returns: how long each message took until it was shown.
    package func converse(for time: Duration, _ number: inout Int) async throws -> [Duration] {
        let end = MonotonicTime.now() + time
        while .now() < end {
            number += 1
            for (index, child) in speakers.enumerated() {
                await say(index + 1, number, through: child)
                try await Task.sleep(for: .milliseconds(600 / speakers.count))
            }
        }
        return try await ledger.settle()
    }

    /// Reads what somebody is shown, which nobody looks at unless something is missing.
    package func drain(_ child: ChildProcess) async {
        let tail = await ledger.tail(of: child.pid)
        while let chunk = try? await child.chunk(), !chunk.isEmpty { await tail.add(chunk.suffix(OutputTail.limit)) }
        await tail.add("\nIts output has ended.")
    }

    /// Counts what the server reports.
    private func drainServer() async {
        let tail = await ledger.tail(of: server.pid)
        while let line = await Self.line(of: server) {
            await tail.add(line)
            await ledger.logged(Self.event(line))
        }
    }

    /// The next line of somebody who may be silent for as long as nothing happens; nil at the end.
    private static func line(of child: ChildProcess) async -> String? {
        while true {
            do {
                return try await child.line()
            } catch ChildProcess.Failure.silent {
                continue
            } catch {
                return nil
            }
        }
    }

    private func listen() async {
        let tail = await ledger.tail(of: listener.pid)
        while let line = await Self.line(of: listener) {
            let time = MonotonicTime.now()
            let event = Self.event(line)
            // What is no message, short as it is.
            if event != "message", line.utf8.count < Self.longestLine { await tail.add(line) }
            if listener.pid == server.pid, event != "message" { await ledger.logged(event) }
            // What speakers say is short; whatever strangers say takes the tests no time that would count as the program's.
            guard event == "message", line.utf8.count < Self.longestLine,
                let json = try? JSON(parsing: Array(line.utf8)[...])
            else { continue }
            await ledger.shown(json["text"]?.string ?? "", at: time)
        }
    }

    /// The kind of an event, without reading all of it: there may be many.
    private static func event(_ line: String) -> String {
        let parts = line.utf8.split(separator: UInt8(ascii: "\""), maxSplits: 6)
        return parts.count > 5 ? String(decoding: parts[5], as: UTF8.self) : ""
    }

    // MARK: - Programs

    private static func program(_ arguments: [String], mergesErrors: Bool = false) throws -> ChildProcess {
        try ChildProcess(
            ChildProcess.product("chat"), arguments + ["--json"], mergesErrors: mergesErrors, patience: patience)
    }

    private static func serverArguments(_ mode: Mode, _ folder: TemporaryFolder) -> [String] {
        let data = ["--bind", "127.0.0.1", "--data", folder.path(of: "server")]
        return switch mode {
        case .p2p: ["p2p", "0", "--bind", "127.0.0.1", "--memory", "--name", "target"]
        case .board: ["board", "serve", "--port", "0"] + data
        case .udp: ["udp", "serve", "0", "--log-level", "warning"] + data
        case .rooms: ["rooms", "serve", "--tcp-port", "0", "--udp-port", "0"] + data
        }
    }

    private static func user(_ index: Int, _ target: Target, _ folder: TemporaryFolder) async throws -> ChildProcess {
        let name = "user\(index)"
        let data = ["--data", folder.path(of: name)]
        let arguments =
            switch target.mode {
            case .p2p:
                ["p2p", "0", "127.0.0.1:\(target.streams)", "--bind", "127.0.0.1", "--memory", "--name", name]
            case .board: ["board", "connect", "127.0.0.1:\(target.streams)", "--name", name] + data
            case .udp: ["udp", "join", name, "127.0.0.1", "\(target.datagrams)"] + data
            case .rooms:
                [
                    "rooms", "join", "lobby", "--server", "127.0.0.1:\(target.streams):\(target.datagrams)", "--name",
                    name,
                ] + data
            }
        let child = try program(arguments, mergesErrors: true)
        do {
            _ = try await child.line(containing: target.mode == .p2p ? "\"connected\"" : "\"ready\"")
            switch target.mode {
            case .board:
                child.post("%groupjoin main\n")
                _ = try await child.line(containing: "joined group")
            case .udp:
                child.post("create_group talk\njoin_group talk\n")
                _ = try await child.line(containing: "Entered group")
            case .p2p, .rooms: break
            }
        } catch {
            throw NotReady(
                user: index, reason: error, words: String(decoding: await child.transcript.suffix(1_000), as: UTF8.self)
            )
        }
        return child
    }
}
