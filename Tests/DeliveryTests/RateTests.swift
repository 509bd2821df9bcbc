import Testing
import Wire

@testable import Delivery

@Suite struct RateTests {
    private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

    @Test func aBurstAndThenTheRate() {
        var bucket = TokenBucket(burst: 3, perSecond: 2)
        let first = (0..<4).map { _ in bucket.take(at: at(0)) }
        #expect(first == [true, true, true, false])
        #expect(bucket.delay(at: at(0)) == .milliseconds(500))
        let later = [499, 500, 500].map { bucket.take(at: at($0)) }
        #expect(later == [false, true, false])
        #expect(!bucket.isFull(at: at(1_999)) && bucket.isFull(at: at(2_000)))
        let second = (0..<4).map { _ in bucket.take(at: at(60_000)) }
        #expect(second == [true, true, true, false], "never over the burst")
        let many = [bucket.take(4, at: at(600_000)), bucket.take(3, at: at(600_000))]
        #expect(many == [false, true], "all or nothing")
    }

    @Test func slowedDownThenRefusedThenDisconnected() {
        var guardian = FloodGuard()
        for _ in 0..<FloodGuard.burst { #expect(guardian.received(at: at(0)) == .admit) }
        for borrowed in 1...FloodGuard.burst {
            #expect(guardian.received(at: at(0)) == .slowDown(.milliseconds(500 * (borrowed + 1))))
        }
        for _ in 0..<FloodGuard.refusals { #expect(guardian.received(at: at(0)) == .refuse) }
        #expect(guardian.received(at: at(0)) == .disconnect)
    }

    /// Much in one message is as much as many messages; however much it is, it comes through after a while.
    @Test func aLongMessageCountsAsSeveral() {
        var guardian = FloodGuard()
        let half = FloodGuard.bytesPerMessage * (FloodGuard.burst / 2) - 1
        #expect(guardian.received(size: half, at: at(0)) == .admit)
        #expect(guardian.received(size: half, at: at(0)) == .admit)
        #expect(guardian.received(size: half, at: at(0)) == .slowDown(.milliseconds(500 * (FloodGuard.burst / 2 + 1))))
        #expect(guardian.received(size: 1 << 20, at: at(0)) == .refuse)
        #expect(guardian.received(size: 1 << 20, at: at(8_000)) == .admit)
    }

    @Test func whatIsNotReportedIsCounted() {
        var limiter = ReportLimiter(burst: 2, every: .seconds(10))
        #expect((0..<5).map { _ in limiter.occurred(at: at(0)) } == [1, 1, nil, nil, nil])
        #expect(limiter.occurred(at: at(9_999)) == nil)
        #expect(limiter.occurred(at: at(10_001)) == 5)
        #expect(limiter.occurred(at: at(10_001)) == nil)
    }

    /// Who obeys the delay is never refused.
    @Test func whoIsSlowedDownIsHeard() {
        var guardian = FloodGuard()
        var now: Int64 = 0
        for _ in 0..<500 {
            switch guardian.received(at: at(now)) {
            case .admit: break
            case .slowDown(let delay): now += Int64(delay / .milliseconds(1))
            case .refuse, .disconnect: Issue.record("refused at \(now) ms")
            }
        }
        #expect(now >= 230_000)
    }

    @Test func connectionsOfAnAddress() throws {
        var limiter = ConnectionLimiter()
        let stranger = try #require(IPAddress(parsing: "192.0.2.1"))
        for _ in 0..<ConnectionLimiter.perAddress { #expect(limiter.accepted(from: stranger) == .admit) }
        #expect(limiter.accepted(from: stranger) == .tooManyOfAddress)
        limiter.closed(from: stranger)
        #expect(limiter.accepted(from: stranger) == .admit)
        // Whoever has one address of a /64 has all of them.
        for host in 0..<ConnectionLimiter.perAddress {
            let address = try #require(IPAddress(parsing: "2001:db8::\(host)"))
            #expect(limiter.accepted(from: address) == .admit)
        }
        #expect(limiter.accepted(from: try #require(IPAddress(parsing: "2001:db8::ffff"))) == .tooManyOfAddress)
        #expect(limiter.accepted(from: try #require(IPAddress(parsing: "2001:db8:0:1::1"))) == .admit)
        while limiter.open < ConnectionLimiter.total { #expect(limiter.accepted(from: .loopbackV4) == .admit) }
        #expect(limiter.accepted(from: .loopbackV4) == .full)
    }

    @Test func theWindowForgetsTheOldest() {
        var window = DuplicateWindow<Int>(capacity: 3)
        let inserted = [1, 2, 2, 3, 1].map { window.insert($0) }
        #expect(inserted == [true, true, false, true, false])
        window.insert(4)
        #expect(!window.contains(1) && window.contains(2) && window.count == 3)
        let again = window.insert(1)
        #expect(again && !window.contains(2))
    }

    @Test func theRingKeepsTheLast() {
        var ring = RingBuffer<Int>(capacity: 3)
        let gone = [1, 2, 3, 4, 5].map { ring.append($0) }
        #expect(gone == [nil, nil, nil, 1, 2])
        #expect(Array(ring) == [3, 4, 5] && ring.last == 5)
    }

    /// The numbers of RFC 6298, section 2.
    @Test func roundTripsMakeTheTimeout() {
        var timer = RetransmissionTimer()
        #expect(timer.timeout == .milliseconds(500))
        timer.timedOut()
        timer.timedOut()
        #expect(timer.timeout == .seconds(2))
        timer.measured(.milliseconds(200))
        #expect(timer.timeout == .milliseconds(600), "SRTT + 4 * SRTT / 2; a measurement ends the back-off")
        timer.measured(.milliseconds(200))
        #expect(timer.smoothed == .milliseconds(200) && timer.variation == .milliseconds(75))
        for _ in 0..<50 { timer.measured(.milliseconds(1)) }
        #expect(timer.timeout == RetransmissionTimer.minimum)
        for _ in 0..<50 { timer.timedOut() }
        #expect(timer.timeout == RetransmissionTimer.maximum)
    }

    @Test func waitsDoubleWithJitter() {
        var random = SplitMix64(seed: 7)
        var backoff = Backoff(initial: .seconds(1), maximum: .seconds(30))
        for limit in [1, 2, 4, 8, 16, 30, 30, 30] {
            let wait = backoff.next(using: &random)
            #expect(wait <= .seconds(limit) && wait >= .seconds(limit) / 2)
        }
        backoff.succeeded()
        #expect(backoff.next(using: &random) <= .seconds(1))
    }
}
