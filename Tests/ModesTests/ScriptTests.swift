import Glibc
import Platform
import TestSupport
import Testing
import Wire

/// Programs as users: what the README promises them.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct ScriptTests {
    /// A reader who has had enough ends the program quietly: no signal, no complaint.
    @Test(arguments: [
        "p2p 0 --bind 127.0.0.1 --name x --memory", "p2p 0 --bind 127.0.0.1 --name x --memory --json", "help",
        "completions bash",
    ])
    func aClosedOutputEndsQuietly(words: String) async throws {
        // The reader is gone before the program starts. Its first line for standard output ends it.
        let command = """
            set -o pipefail
            { sleep 0.2; printf '/help\\n'; sleep 5; } | { "$0" \(words) 2>errors; echo $? >status; } | true
            """
        let folder = TemporaryFolder()
        let child = try ChildProcess(
            "/bin/bash", ["-c", "cd \(folder.path); \(command)", ChildProcess.product("chat")],
            environment: ["PATH=/usr/bin:/bin", "HOME=\(folder.path)", "USER=tester"])
        _ = await child.exitStatus()
        let status = try PrivateFile.read(folder.path(of: "status"), limit: 100) ?? []
        #expect(String(decoding: status, as: UTF8.self) == "0\n")
        let errors = String(
            decoding: try PrivateFile.read(folder.path(of: "errors"), limit: 10_000) ?? [], as: UTF8.self)
        #expect(!errors.contains("pipe") && !errors.contains("cannot write"), "\(errors)")
    }

    /// The same of the clients, each at a server of its own.
    @Test(arguments: [
        ("board serve --port 0 --bind 127.0.0.1 --memory", "board connect 127.0.0.1:PORT --name x --memory"),
        ("udp serve 0 --bind 127.0.0.1 --memory", "udp join x 127.0.0.1 PORT --memory"),
        (
            "rooms serve --tcp-port 0 --udp-port 0 --bind 127.0.0.1 --memory",
            "rooms join lobby --server 127.0.0.1:PORT --name x --memory"
        ),
    ])
    func aClosedOutputEndsAClientQuietly(served: String, client: String) async throws {
        let server = try FacedProgram(.json, served.split(separator: " ").map { String($0) })
        let port = try await server.port()
        let words = client.split(separator: " ").map { word in
            word == "PORT" ? "\(port)" : word.hasSuffix(":PORT") ? "\(word.dropLast(4))\(port)" : String(word)
        }
        try await aClosedOutputEndsQuietly(words: words.joined(separator: " "))
        server.signal(SIGTERM)
        _ = try await server.end()
    }

    /// The bot of the README, as it is printed there: it answers, and ends with its shell.
    @Test func theBotOfTheReadme() async throws {
        let readme = String(decoding: contents(ofProjectFile: "README.md"), as: UTF8.self)
        let lines = readme.split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "```bash"))
        let script = lines[(start + 1)...].prefix { $0 != "```" }
        #expect(script.count == 10 && script.first == "#!/bin/bash")
        let folder = TemporaryFolder()
        let path = folder.path(of: "bot.sh")
        try PrivateFile.writeAtomically(Array(script.joined(separator: "\n").utf8) + [0x0A], to: path)
        try systemCall("symlink") { symlink(ChildProcess.product("chat"), folder.path(of: "chat")) }

        let alice = try ChildProcess(
            ChildProcess.product("chat"), ["p2p", "0", "--bind", "127.0.0.1", "--name", "alice", "--memory"],
            mergesErrors: true, patience: 30_000)
        let line = try await alice.line(containing: "* listening on 127.0.0.1:")
        let port = String(line.reversed().prefix { $0.isNumber }.reversed())
        let bot = try ChildProcess(
            "/bin/bash", [path, "0", "127.0.0.1:\(port)"],
            environment: [
                "PATH=\(folder.path):/usr/bin:/bin", "HOME=\(folder.path)", "CHAT_MEMORY=1", "CHAT_BIND=127.0.0.1",
            ], mergesErrors: true, patience: 30_000)
        _ = try await alice.line(containing: "* bot joined")
        try await alice.write("!say hello,  you\n")
        #expect(try await alice.line(containing: "] bot: ").hasSuffix("] bot: I was told to say: hello,  you"))
        try await alice.write("what do you think?\n!date\n")
        // It answers nothing else, and not itself.
        let answer = try await alice.line(containing: "] bot: ")
        #expect(answer.split(separator: " ").count > 4 && answer.contains("20"))
        bot.send(SIGTERM)
        // Its output ends when the program has ended too, whose input went with the shell.
        _ = try await bot.rest()
        #expect(await bot.exitStatus() == 128 + SIGTERM)
        _ = try await alice.line(containing: "* bot left")
        await alice.closeInput()
        _ = try await alice.rest()
        #expect(await alice.exitStatus() == 0)
    }

    @Test func theSchemaIsThatOfTheConsole() throws {
        let schema = try EventSchema.ofProtocols()
        #expect(
            schema.names == [
                "listening", "connected", "disconnected", "joined", "left", "lost", "ready", "message", "delivery",
                "gap",
                "closed", "notice", "error", "answer",
            ])
        // It sees what is wrong.
        func violations(_ line: String) -> Int { schema.violations(of: Array(line.utf8)).count }
        let good = #""v":1,"mode":"p2p","time":"2026-11-20T14:27:31.036Z""#
        #expect(violations(#"{"event":"joined","name":"x",\#(good)}"#) == 0)
        #expect(violations(#"{"event":"joined",\#(good)}"#) == 1)
        #expect(violations(#"{"event":"joined","name":1,\#(good)}"#) == 1)
        #expect(violations(#"{"event":"joined","name":"x","more":1,\#(good)}"#) == 1)
        #expect(violations(#"{"event":"nothing",\#(good)}"#) == 1)
        #expect(violations(#"{"event":"ready","mode":"p2p","time":"yesterday"}"#) == 2)
        #expect(violations("hello") == 1)
    }
}
