import Testing
import Wire

@testable import Bench

@Suite struct ResultTests {
    private var result: BenchResult {
        var result = BenchResult(
            options: BenchOptions(mode: .board, members: 3, senders: 2, load: .rate(5), seconds: 2))
        result.elapsed = .milliseconds(2_000)
        result.messages = 1_000
        result.answers = 1_000
        result.deliveries = 2_000
        result.bytes = 600_000
        result.serverCPU = .milliseconds(1)
        result.loadCPU = .milliseconds(500)
        for value in [1_000, 2_000, 3_000] { result.latency.record(Int64(value)) }
        result.residentAtStart = 6_291_456
        result.residentPerConnection = 512
        result.residentPeak = 7_340_032
        return result
    }

    @Test func theTableWordForWord() {
        #expect(
            result.table
                == """
                load                       3 members, 2 of them senders; 5 messages/s, 100 bytes, 2 s
                messages/s                 500
                answers/s                  500
                deliveries/s               1 000
                server CPU per delivery    0.500 us
                server busy                0 %
                load busy                  25 %
                bytes per delivery         300
                latency p50, p99, p99.9    2, 3, 3 us
                lost                       0
                duplicated                 0
                out of order               0
                damaged                    0
                server memory at start     6144 KiB
                memory per idle connection 0.50 KiB
                server memory at most      7168 KiB

                """.replacingColumn(26))
    }

    @Test func theObjectWordForWord() throws {
        let line = String(decoding: result.json(at: Timestamp(microseconds: 0)), as: UTF8.self)
        #expect(
            line == """
                {"v":1,"event":"result","mode":"bench","time":"1970-01-01T00:00:00.000Z","load":"board","members":3,"senders":2,\
                "groups":1,"size":100,"durable":false,"rate":5.0,"seconds":2.0,"messages":1000,"deliveries":2000,\
                "answers":1000,"bytes":600000,"deliveries_per_second":1000.0,"answers_per_second":500.0,\
                "cpu_us_per_delivery":0.5,"server_cpu_seconds":0.001,"load_cpu_seconds":0.5,"p50_us":2.0,"p99_us":3.0,\
                "p999_us":3.0,"lost":0,"duplicated":0,"out_of_order":0,"damaged":0,"resident_at_start":6291456,\
                "resident_per_connection":512.0,"resident_peak":7340032}

                """)
    }

    @Test func numbersForPeople() {
        #expect(decimal(1_234_567.89, 1) == "1 234 567.9")
        #expect(decimal(0.0455, 3) == "0.046" && decimal(12, 0) == "12" && decimal(-1.5, 1) == "-1.5")
        #expect(decimal(999.999, 2) == "1 000.00" && decimal(3.04, 2) == "3.04")
    }

    @Test func anythingAmissIsNotWhole() {
        var result = result
        #expect(result.isWhole)
        result.lost = 1
        #expect(!result.isWhole)
    }

    @Test func eachHasAProcessorOfItsOwn() {
        #expect(Affinity.shares(of: [0b1]) == nil && Affinity.shares(of: [0, 0]) == nil)
        let pair = Affinity.shares(of: [0b110, 0])
        #expect(pair?.server == [0b010, 0] && pair?.load == [0b100, 0])
        let far = Affinity.shares(of: [0, 0b101])
        #expect(far?.server == [0, 0b001] && far?.load == [0, 0b100])
    }
}

extension String {
    /// The table's columns are as wide as the longest name and two spaces more.
    fileprivate func replacingColumn(_ width: Int) -> String {
        split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.count <= width ? String(line) : line.prefix(width) + "  " + line.dropFirst(width + 1)
        }.joined(separator: "\n")
    }
}
