import Bench
import Testing
import Wire

@testable import Commands

@Suite struct BenchParsingTests {
    private func bench(_ line: String, environment: [String: String] = [:]) throws -> BenchOptions {
        guard case .bench(let options) = try parse("bench " + line, environment: environment) else {
            throw Unexpected(line: line)
        }
        return options
    }

    private func refusal(_ line: String) -> String? {
        do throws(UsageError) {
            _ = try parse("bench " + line)
            return nil
        } catch {
            return error.message.string
        }
    }

    @Test func optionsAndDefaults() throws {
        #expect(try bench("p2p") == BenchOptions(mode: .p2p))
        #expect(
            try bench(
                "board --members 20 --senders 3 --rate 2.5 --size 30 --seconds 9 --groups 4 --requests "
                    + "--server 127.0.0.1:6789 --json")
                == BenchOptions(
                    mode: .board, members: 20, senders: 3, load: .rate(2.5), work: .requests, size: 30, seconds: 9,
                    groups: 4, server: try Endpoint(parsing: "127.0.0.1:6789"), json: true))
        #expect(
            try bench("rooms --groups 2 --server 127.0.0.1:1:2")
                == BenchOptions(
                    mode: .rooms, groups: 2, server: try Endpoint(parsing: "127.0.0.1:1"), datagramPort: 2))
        #expect(try bench("rooms --server h").datagramPort == 9_091)
        #expect(try bench("udp --rate saturating --durable") == BenchOptions(mode: .udp, isDurable: true))
    }

    @Test func theServerOfOnesOwnTalkIsNotLoadedByAccident() throws {
        #expect(try bench("board", environment: ["CHAT_SERVER": "example.org:6789"]).server == nil)
        #expect(try bench("board", environment: ["CHAT_MEMBERS": "7"]).members == 7)
    }

    @Test(arguments: [
        ("p2p --members 0", "chat bench p2p: --members: '0' is not a number from 1 to 10000."),
        ("p2p --members ten", "chat bench p2p: --members: 'ten' is not a number from 1 to 10000."),
        ("p2p --senders -1", "chat bench p2p: --senders: '-1' is not a number from 0 to 10000."),
        (
            "p2p --senders 2",
            "chat bench p2p: --senders: in p2p the messages are typed at one node; use 0 or 1."
        ),
        (
            "board --members 5 --senders 6",
            "chat bench board: --senders: 6 of 5 members cannot write; ask for fewer."
        ),
        (
            "board --rate fast",
            "chat bench board: --rate: 'fast' is no rate; use messages a second, 0.1 to 1000000, or 'saturating'."
        ),
        (
            "board --rate nan",
            "chat bench board: --rate: 'nan' is no rate; use messages a second, 0.1 to 1000000, or 'saturating'."
        ),
        ("udp --size 29", "chat bench udp: --size: '29' is not a number from 30 to 3000."),
        ("udp --seconds 0", "chat bench udp: --seconds: '0' is not a number from 1 to 3600."),
        ("board --groups 1001", "chat bench board: --groups: '1001' is not a number from 1 to 1000."),
        (
            "board --members 3 --groups 4",
            "chat bench board: --groups: 3 members cannot fill 4 groups; ask for fewer."
        ),
        (
            "board --server h:1 --durable",
            "chat bench board: --durable is for a server of the load's own; leave --server or --durable out."
        ),
        (
            "board --senders 0 --requests",
            "chat bench board: --requests: nobody asks with --senders 0; use 1 or more."
        ),
    ])
    func everyMistakeHasASentence(line: String, sentence: String) {
        #expect(refusal(line) == sentence)
    }

    @Test func whatAModeLacksIsUnknownThere() {
        for line in [
            "p2p --server h:1", "p2p --groups 2", "udp --requests", "rooms --requests", "mesh", "board --server h",
        ] {
            #expect(refusal(line) != nil, "\(line)")
        }
    }
}
