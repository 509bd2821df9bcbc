import Platform
import TestSupport
import Testing
import Wire

@testable import Bench

/// The program itself: a server and its load as processes, small and short.
@Suite struct BenchProcessTests {
    /// Runs `chat bench` to its end.
    private func bench(_ words: String) async throws -> (status: Int32, output: String) {
        let child = try ChildProcess(
            ChildProcess.product("chat"), ["bench"] + words.split(separator: " ").map(String.init))
        await child.closeInput()
        let output = try await child.rest()
        return (await child.exitStatus(), output)
    }

    /// The object that it says at its end.
    private func result(_ words: String) async throws -> JSON {
        let (status, output) = try await bench(words + " --seconds 1 --json")
        let json = try JSON(parsing: Array(output.utf8)[...])
        #expect(status == 0, "\(output)")
        #expect(json["event"] == "result" && json["mode"] == "bench")
        for key in ["lost", "duplicated", "out_of_order", "damaged"] { #expect(json[key] == 0, "\(key)") }
        return json
    }

    @Test(arguments: [
        "p2p --members 5 --rate 100", "board --members 5 --senders 3 --rate 100",
        "board --members 6 --groups 2 --senders 2 --rate 100 --durable", "udp --members 4 --senders 2 --rate 50",
        "rooms --members 6 --groups 2 --senders 2 --rate 50 --durable",
    ])
    func atARateEverythingArrives(words: String) async throws {
        let json = try await result(words)
        #expect((json["deliveries"]?.integer ?? 0) > 0 && (json["messages"]?.integer ?? 0) > 0)
        #expect((json["server_cpu_seconds"]?.double ?? 0) > 0 && (json["p50_us"]?.double ?? 0) > 0)
    }

    @Test(arguments: [
        "p2p --members 3", "board --members 3 --senders 2 --size 3000", "udp --members 3 --size 30",
        "rooms --members 4",
    ])
    func asMuchAsTheServerTakes(words: String) async throws {
        let json = try await result(words)
        #expect((json["deliveries"]?.integer ?? 0) > 0)
    }

    @Test func requestsAreAnswered() async throws {
        let json = try await result("board --members 4 --senders 4 --requests")
        #expect((json["answers"]?.integer ?? 0) > 0 && json["deliveries"] == 0)
        let spread = try await result("board --members 4 --senders 4 --groups 4 --durable")
        #expect((spread["answers"]?.integer ?? 0) > 0 && spread["deliveries"] == 0)
    }

    @Test func idleConnectionsAreMeasured() async throws {
        let json = try await result("board --members 50 --senders 0")
        #expect(json["resident_per_connection"] != nil && json["idle_share"] != nil && json["messages"] == 0)
    }

    @Test func aServerThatIsGivenIsLoaded() async throws {
        let server = try ChildProcess(
            ChildProcess.product("chat"),
            ["board", "serve", "--port", "0", "--bind", "127.0.0.1", "--memory", "--no-rate-limit", "--json"])
        let listening = try JSON(parsing: Array(try await server.line(containing: "listening").utf8)[...])
        let port = try #require(listening["port"]?.integer)
        for _ in 0..<2 {
            let json = try await result("board --members 3 --rate 100 --server 127.0.0.1:\(port)")
            #expect((json["deliveries"]?.integer ?? 0) > 0 && json["cpu_us_per_delivery"] == nil)
        }
        server.send(15)
        #expect(await server.exitStatus() == 0)
        let nobody = "board --members 3 --seconds 1 --server 127.0.0.1:\(port)"
        let (status, output) = try await bench(nobody)
        #expect(status == 5 && output.isEmpty)
        // Programs read what is wrong where they read the rest.
        let (sameStatus, line) = try await bench(nobody + " --json")
        let error = try JSON(parsing: Array(line.utf8)[...])
        #expect(sameStatus == 5 && error["event"] == "error" && error["mode"] == "bench" && error["v"] == 1)
    }

    @Test func theTableIsForPeople() async throws {
        let (status, output) = try await bench("board --members 2 --rate 50 --seconds 1")
        #expect(status == 0 && output.contains("server CPU per delivery"))
    }
}
