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
