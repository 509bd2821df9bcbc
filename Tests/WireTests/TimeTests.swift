import Testing
import Wire

@Suite struct MonotonicTimeTests {
    @Test func addsAndSubtracts() {
        let start = MonotonicTime(nanoseconds: 5)
        #expect((start + .milliseconds(2)).nanoseconds == 2_000_005)
        #expect((start + .seconds(1)) - start == .seconds(1))
        #expect(start - (start + .seconds(1)) == .seconds(-1))
        #expect(start - .nanoseconds(6) < start)
    }

    @Test func staysWithinItsRange() {
        let end = MonotonicTime(nanoseconds: .max)
        #expect(end + .seconds(1) == end)
        #expect(MonotonicTime(nanoseconds: 0) + .seconds(Int64.max) == end)
        #expect(MonotonicTime(nanoseconds: .min) - .seconds(1) == MonotonicTime(nanoseconds: .min))
        #expect(end - MonotonicTime(nanoseconds: -1) == .nanoseconds(Int64.max))
        #expect(Duration.seconds(Int64.min).nanoseconds == .min)
    }

    @Test func waitsAreRoundedUp() {
        #expect(Duration.nanoseconds(1).millisecondsRoundedUp == 1)
        #expect(Duration.milliseconds(3).millisecondsRoundedUp == 3)
        #expect(Duration.zero.millisecondsRoundedUp == 0)
    }
}

@Suite struct TimestampTests {
    private let sample = Timestamp(microseconds: 1_795_188_187_036_119)

    @Test func writesBothForms() {
        #expect(sample.rfc3339 == "2026-11-20T15:23:07.036Z")
        #expect(sample.pythonISO(utcOffset: 0) == "2026-11-20T15:23:07.036119")
        #expect(sample.pythonISO(utcOffset: -5 * 3600) == "2026-11-20T10:23:07.036119")
        #expect(Timestamp(microseconds: 1_795_188_187_000_000).pythonISO(utcOffset: 5400) == "2026-11-20T16:53:07")
        #expect(Timestamp(microseconds: 1_795_188_187_000_007).pythonISO(utcOffset: 0) == "2026-11-20T15:23:07.000007")
        #expect(Timestamp(microseconds: -1).rfc3339 == "1969-12-31T23:59:59.999Z")
        #expect(Timestamp(microseconds: .max).rfc3339.hasPrefix("9999-"))
        #expect(Timestamp(microseconds: .min).rfc3339.hasPrefix("0000-"))
    }

    @Test(arguments: [
        ("2026-11-20T15:23:07.036119Z", 1_795_188_187_036_119),
        ("2026-11-20T16:23:07.036119+01:00", 1_795_188_187_036_119),
        ("2026-11-20t09:53:07.0361199-05:30", 1_795_188_187_036_119), ("1970-01-01 00:00:00Z", 0),
        ("2000-02-29T00:00:00.5Z", 951_782_400_500_000), ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
    ])
    func readsRFC3339(text: String, microseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.microseconds == microseconds)
    }

    @Test(arguments: [
        "", "2026-11-20", "2026-11-20T15:23:07", "2026-13-20T15:23:07Z", "2026-02-29T15:23:07Z", "2026-11-20T24:00:00Z",
        "2026-11-20T15:60:07Z", "2026-11-20T15:23:60Z", "2026-11-20T15:23:07.Z", "2026-11-20T15:23:07Zx",
        "2026-11-20T15:23:07+0100", "1900-02-29T00:00:00Z", "２026-11-20T15:23:07Z", "2026-00-10T00:00:00Z",
    ])
    func refusesEverythingElse(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func readsPythonsLocalTime() {
        #expect(Timestamp(pythonISO: "2026-11-20T15:23:07.036119", utcOffset: 0) == sample)
        #expect(Timestamp(pythonISO: "2026-11-20T16:23:07.036119", utcOffset: 3600) == sample)
        #expect(Timestamp(pythonISO: "2026-11-20T15:23:07Z", utcOffset: 0) == nil)
    }

    @Test func civilTimeAndBack() {
        var random = SplitMix64(seed: 2)
        for _ in 0..<2_000 {
            let timestamp = Timestamp(
                microseconds: .random(in: -62_135_596_800_000_000...253_402_300_799_999_999, using: &random))
            let offset = Int.random(in: -50_400...50_400, using: &random)
            let civil = CivilTime(timestamp, utcOffset: offset)
            #expect(civil.isValid)
            #expect(Timestamp(civil, utcOffset: offset) == timestamp)
            #expect(Timestamp(pythonISO: timestamp.pythonISO(utcOffset: 0), utcOffset: 0) == timestamp)
        }
        for extreme in [Int64.min, Int64.max] {
            #expect(CivilTime(Timestamp(microseconds: extreme), utcOffset: extreme < 0 ? -3600 : 3600).isValid)
        }
    }

    @Test func weekdaysAndNames() {
        let civil = CivilTime(sample)
        #expect(civil.weekday == 5)
        #expect(civil.weekdayName == "Friday")
        #expect(civil.monthName == "November")
        #expect(CivilTime(year: 1970, month: 1, day: 1).weekdayName == "Thursday")
        #expect(CivilTime(year: 1969, month: 12, day: 28).weekdayName == "Sunday")
        #expect(CivilTime(year: 2024, month: 2, day: 29).weekdayName == "Thursday")
    }

    @Test func differences() {
        #expect(sample + .seconds(1) - sample == .seconds(1))
        #expect(Timestamp(microseconds: .max) + .seconds(1) == Timestamp(microseconds: .max))
        #expect(sample - .microseconds(1) < sample)
    }
}

@Suite struct MessageIDTests {
    @Test func formsAgree() throws {
        var random = SplitMix64(seed: 0)
        let id = MessageID.random(using: &random)
        #expect(MessageID(hex: id.hex) == id)
        #expect(MessageID(hex: id.hex.uppercased()) == id)
        #expect(MessageID(bytes: id.bytes[...]) == id)
        #expect(MessageID(high: 0x0001_0203_0405_0607, low: 0xF).hex == "0001020304050607000000000000000f")
        var reader = ByteReader(id.bytes[...])
        #expect(reader.readMessageID() == id)
        #expect(MessageID(hex: "") == nil && MessageID(hex: id.hex + "00") == nil)
        #expect(MessageID(hex: "zz" + id.hex.dropFirst(2)) == nil && MessageID(hex: String(id.hex.dropLast())) == nil)
        #expect(MessageID(bytes: id.bytes.dropLast()) == nil)
    }

    @Test func generatorIsTheKnownOne() {
        // The first outputs of the published reference for seed 1234567.
        var random = SplitMix64(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
    }
}
