import BoardMode
import Glibc
import Platform
import TestSupport
import Testing
import Wire

/// The program itself as a server, to be killed, watched and starved.
@Suite("Board: the server as a process")
struct BoardProcessTests {
    let folder = TemporaryFolder()
    var data: String { folder.path(of: "data") }

    /// A server on a free port, ready to be connected to.
    struct Server {
        let process: ChildProcess
        let port: UInt16

        static func start(_ data: String, prefix: [String] = [], options: [String] = []) async throws -> Server {
            let command =
                prefix + [
                    ChildProcess.product("chat"), "board", "serve", "--port", "0", "--bind", "127.0.0.1", "--data",
                    data,
                    "--no-rate-limit", "--json",
                ] + options
            let process = try ChildProcess(command[0], Array(command.dropFirst()))
            let line = try await process.line(containing: "\"listening\"")
            let port = try JSON(parsing: Array(line.utf8)[...])["port"]?.integer
            return Server(process: process, port: UInt16(try #require(port)))
        }

        func program(_ name: String, in group: String? = nil) async throws -> RawPeer {
            let peer = try await RawPeer.connect(to: port)
            _ = try await peer.receive(until: "What is your username?\n")
            _ = try await peer.ask(#"{"op":"hello","name":"\#(name)"}"#)
            if let group { _ = try await peer.ask(#"{"op":"join","group":"\#(group)"}"#) }
            return peer
        }

        func stop() async -> Int32 {
            process.send(SIGTERM)
            return await process.exitStatus()
        }
    }

    /// What was answered with success, over all lives of the server.
    actor Ledger {
        struct Entry: Hashable {
            let offset: Int64
            let id: String
            let text: String
        }

        private(set) var entries: [Entry] = []
        private var acknowledged = 0
        private var limit = Int.max
        private var waiting: CheckedContinuation<Void, Never>?

        func note(_ entry: Entry) {
            entries.append(entry)
            acknowledged += 1
            release()
        }

        /// Waits for a number of further acknowledgements.
        func wait(for count: Int) async {
            limit = acknowledged + count
            await withCheckedContinuation {
                waiting = $0
                release()
            }
        }

        private func release() {
            guard acknowledged >= limit, let waiting else { return }
            limit = .max
            self.waiting = nil
            waiting.resume()
        }
    }

    /// Posts one after the other until the server is gone: so long ones that what was journaled goes into the table of
    /// messages every few hundred posts.
    static func post(as name: String, to server: Server, ledger: Ledger, seed: UInt64) async {
        guard let peer = try? await server.program(name, in: "main") else { return }
        var random = SplitMix64(seed: seed)
        do {
            while true {
                let id = MessageID.random(using: &random).hex
                let text = "\(name) \(id) " + String(repeating: "x", count: Int(random.next() % 10_000))
                let answer = try await peer.ask(
                    #"{"op":"post","id":"\#(id)","group":"main","subject":"s","text":"\#(text)"}"#)
                guard answer["event"] == "answer", let offset = answer["offset"]?.integer else { continue }
                await ledger.note(.init(offset: offset, id: id, text: text))
            }
        } catch {
            // The server was killed.
        }
    }

    @Test("kill -9 under load, again and again: every acknowledged post is there, and no ID is used twice")
    func killed() async throws {
        let rounds = Environment["CHAT_CRASH_ROUNDS"].flatMap { Int($0) } ?? 3
        let seed = UInt64(Environment["CHAT_SEED"] ?? "") ?? 7
        var random = SplitMix64(seed: seed)
        let ledger = Ledger()
        for round in 0..<rounds {
            let server = try await Server.start(data, options: ["--visibility", "all"])
            // What was there before is there now.
            try await check(server, ledger, round)
            let seeds = (0..<6).map { _ in random.next() }
            let count = Int(random.next() % 300) + 1
            await withTaskGroup(of: Void.self) { group in
                for (index, seed) in seeds.enumerated() {
                    group.addTask { await Self.post(as: "poster\(index)", to: server, ledger: ledger, seed: seed) }
                }
                await ledger.wait(for: count)
                server.process.send(SIGKILL)
            }
            #expect(await server.process.exitStatus() == 128 + SIGKILL)
        }
        let server = try await Server.start(data)
        try await check(server, ledger, rounds)
        #expect(await server.stop() == 0)
    }

    private func check(_ server: Server, _ ledger: Ledger, _ round: Int) async throws {
        let reader = try await server.program("reader", in: "main")
        var kept: [Int64: Ledger.Entry] = [:]
        var next: Int64? = -1
        while let offset = next {
            let page = try await reader.ask(#"{"op":"since","group":"main","offset":\#(offset)}"#)
            for message in page["messages"]?.array ?? [] {
                let place = message["offset"]?.integer ?? -1
                #expect(kept[place] == nil, "\(place) came twice")
                kept[place] = .init(
                    offset: place, id: message["id"]?.string ?? "", text: message["text"]?.string ?? "")
            }
            next = page["next"]?.integer
        }
        let entries = await ledger.entries
        #expect(Set(entries.map(\.offset)).count == entries.count, "an ID was given twice")
        for entry in entries { #expect(kept[entry.offset] == entry, "round \(round)") }
        await reader.close()
    }

    @Test("The post is on the disk before its author is told so, as strace sees it")
    func order() async throws {
        let strace = "/usr/bin/strace"
        guard access(strace, X_OK) == 0 else { return }
        let log = folder.path(of: "strace")
        let server: Server
        do {
            server = try await Server.start(
                data,
                prefix: [
                    strace, "-f", "-s", "80", "-e", "trace=fdatasync,fsync,sendto,sendmsg,pwrite64,write,writev", "-o",
                    log,
                ])
        } catch ChildProcess.Failure.outputEnded {
            // Not allowed to trace here.
            return
        }
        let peer = try await server.program("alice", in: "main")
        for number in 0..<5 {
            _ = try await peer.ask(#"{"op":"post","group":"main","subject":"s","text":"number \#(number)"}"#)
        }
        // strace passes the signal on to nobody: the program that it traces is asked itself.
        let tracer = server.process.pid
        let children = try #require(try PrivateFile.read("/proc/\(tracer)/task/\(tracer)/children", limit: 4_096))
        let traced = try #require(Int32(String(decoding: children, as: UTF8.self).split(separator: " ").first ?? ""))
        kill(traced, SIGTERM)
        #expect(await server.process.exitStatus() == 0)
        let lines = String(decoding: try #require(try PrivateFile.read(log, limit: 64 << 20)), as: UTF8.self)
            .split(separator: "\n")
        var isFlushed = false
        var answers = 0
        var writes = 0
        for line in lines {
            if line.contains("fdatasync(") || line.contains("fdatasync resumed") {
                // One that is under way is not done.
                isFlushed = line.contains("= 0")
            } else if line.contains("pwrite64(") {
                // Whatever goes to the log after that is not on the disk before the next flush.
                isFlushed = false
                writes += 1
            }
            if line.contains("\\\"op\\\":\\\"post\\\""), line.contains("send") {
                #expect(isFlushed, "\(line)")
                answers += 1
                isFlushed = false
            }
        }
        #expect(answers == 5 && writes >= 5)
    }

    /// A sanitizer has files of its own, which the limit would hold for too.
    @Test(
        "A full disk: posts are refused and reading goes on; with room they are taken again",
        .enabled(if: !isInstrumented))
    func full() async throws {
        // dash counts blocks of 512 bytes: 300 KiB a file.
        let script = #"ulimit -S -f 600; exec "$0" "$@""#
        let server = try await Server.start(
            data, prefix: ["/bin/sh", "-c", script], options: ["--log-level", "warning"])
        let peer = try await server.program("alice", in: "main")
        let text = String(repeating: "x", count: 10_000)
        var stored: [Int64] = []
        var refusal: JSON?
        for _ in 0..<200 {
            let answer = try await peer.ask(#"{"op":"post","group":"main","subject":"s","text":"\#(text)"}"#)
            if let offset = answer["offset"]?.integer {
                stored.append(offset)
            } else {
                refusal = answer
                break
            }
        }
        #expect(stored == Array(0..<Int64(stored.count)) && !stored.isEmpty)
        #expect(refusal?["code"] == "not_stored")
        #expect(refusal?["text"] == "The server could not store this (its disk is full); try again later.")
        #expect(
            try await server.process.line(containing: "nothing can be stored").contains(
                "there is no room left on the disk"))
        let read = try await peer.ask(#"{"op":"read","group":"main","offset":0}"#)
        #expect(read["message"]?["text"]?.string == text)
        // Others can still come in and be told.
        let other = try await server.program("bob")
        #expect(try await other.ask(#"{"op":"join","group":"main"}"#)["event"] == "answer")

        let room = try ChildProcess("/usr/bin/prlimit", ["--pid", "\(server.process.pid)", "--fsize=unlimited:"])
        #expect(await room.exitStatus() == 0)
        let answer = try await peer.ask(#"{"op":"post","group":"main","subject":"s","text":"\#(text)"}"#)
        #expect(answer["offset"]?.integer == Int64(stored.count))
        _ = try await server.process.line(containing: "posts are stored again")
        #expect(await server.stop() == 0)
    }

    @Test("The example of the README for programs works as it is printed")
    func readme() async throws {
        guard access("/usr/bin/nc", X_OK) == 0 || access("/bin/nc", X_OK) == 0 else { return }
        let document = String(decoding: contents(ofProjectFile: "README.md"), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(document.firstIndex { $0.contains(#"printf '%s\n' '{"op":"hello""#) })
        let example = document[start...].prefix { $0.hasPrefix("    ") }.joined(separator: "\n")
        #expect(example.hasSuffix("127.0.0.1 6789"))
        let server = try await Server.start(data)
        let watcher = try await server.program("watcher", in: "main")
        let shell = try ChildProcess(
            "/bin/sh", ["-c", example.replacing("127.0.0.1 6789", with: "127.0.0.1 \(server.port)")])
        let lines = try await shell.rest().split(separator: "\n").map(String.init)
        #expect(await shell.exitStatus() == 0)
        #expect(lines.first == "What is your username?")
        let answers = try lines.dropFirst().map { try JSON(parsing: Array($0.utf8)[...]) }
        #expect(answers.map { $0["op"]?.string } == ["hello", "join", "post"])
        #expect(answers.map { $0["event"]?.string } == ["ready", "answer", "answer"])
        #expect(answers.last?["offset"] == 0)
        while true {
            let event = try await watcher.object()
            guard event["event"] == "message" else { continue }
            #expect(event["sender"] == "bot" && event["text"] == "Hi")
            break
        }
        #expect(await server.stop() == 0)
    }

    @Test("A folder that cannot be written to, and a store that is in use, are said so")
    func cannotOpen() async throws {
        let first = try await Server.start(data)
        let second = try ChildProcess(
            ChildProcess.product("chat"), ["board", "serve", "--port", "0", "--data", data], mergesErrors: true)
        #expect(
            try await second.rest().hasSuffix(
                "another process is using \(data)/board.db; end that one, or choose another folder with --data DIR\n"))
        #expect(await second.exitStatus() == 75)
        #expect(await first.stop() == 0)

        let program = ChildProcess.product("chat")
        let prefix: [String]
        if geteuid() == 0 {
            // Nothing of a folder's mode holds for root: somebody else then, who can get at the program.
            guard access("/usr/bin/setpriv", X_OK) == 0 else { return }
            prefix = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        } else {
            prefix = ["/usr/bin/env"]
        }
        chmod(folder.path, 0o755)
        for path in [data, data + "/state", data + "/board.db"] { chmod(path, path.hasSuffix("db") ? 0o444 : 0o555) }
        let third = try ChildProcess(
            prefix[0], Array(prefix.dropFirst()) + [program, "board", "serve", "--port", "0", "--data", data],
            mergesErrors: true)
        let text = try await third.rest()
        #expect(
            text.hasSuffix(
                "\(data)/board.db cannot be written to; change its permissions, or choose another folder with --data DIR\n"
            ),
            "\(text)")
        #expect(await third.exitStatus() == 1)
        for path in [data, data + "/state"] { chmod(path, 0o755) }
    }
}
