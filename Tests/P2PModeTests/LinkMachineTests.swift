import P2PMode
import Testing
import Wire

/// One connection, as a transcript.
@Suite struct LinkMachineTests {
    private static let node = NodeID(high: 1, low: 2)
    private static let remote = SocketAddress(ip: .v4(0x0A00_0001), port: 4_000)
    private static let hello = MeshHello(node: node, name: "Jesse", port: 9_002)

    private func at(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: Int64(seconds * 1e9)) }

    private func link(speaksFirst: Bool = true, isRateLimited: Bool = true) -> LinkMachine {
        LinkMachine(
            direction: .accepted, remote: Self.remote, speaksFirst: speaksFirst, isRateLimited: isRateLimited,
            at: at(0))
    }

    private func chat(_ text: String, time: String = "2026-11-20T15:23:07") -> P2PFrame {
        .chat(OriginalLine(sender: "Walter", text: text, timestamp: time, senderID: "x"))
    }

    @Test func twoOfOurs() {
        var link = link()
        #expect(link.opened() == [.greet])
        #expect(link.deadline == at(1))
        #expect(link.heard(.mesh(.hello(Self.hello)), at: at(0.1)) == [.met(Self.hello)])
        #expect(link.member == Self.node)
        #expect(link.heard(.mesh(.ping(4)), at: at(0.2)) == [.pong(4)])
        #expect(link.heard(.mesh(.sum(MeshSum(log: 1, members: 2))), at: at(0.3)).count == 1)
        #expect(link.heard(.mesh(.hello(Self.hello)), at: at(0.4)) == [], "a second greeting says nothing new")
        #expect(link.heard(chat("x"), at: at(0.5)) == [], "one of ours does not speak like that")
    }

    @Test func somebodyElseInTheMiddle() {
        var link = link()
        _ = link.heard(.mesh(.hello(Self.hello)), at: at(0))
        var impostor = Self.hello
        impostor.node = NodeID(high: 9, low: 9)
        #expect(link.heard(.mesh(.hello(impostor)), at: at(1)) == [.end(.changedIdentity)])
        #expect(link.heard(.mesh(.ping(1)), at: at(2)) == [])
        #expect(link.deadline == nil)
    }

    @Test func silenceMeansAnOriginalUntilItGreets() {
        var link = link()
        _ = link.opened()
        #expect(link.timePassed(at: at(0.9)) == [])
        #expect(link.timePassed(at: at(1)) == [.settled])
        #expect(link.state == .original)
        #expect(link.deadline == nil, "an original may be silent for ever")
        #expect(link.heard(.mesh(.hello(Self.hello)), at: at(5)) == [.met(Self.hello)])
        #expect(link.member == Self.node)
    }

    @Test func dialectsAreFollowed() {
        var link = link()
        #expect(link.dialect == .json)
        #expect(link.heard(chat("a"), at: at(0.1)).first == .settled)
        #expect(link.dialect == .json)
        _ = link.heard(.plain(OriginalLine(sender: "P0", text: "b", timestamp: "t")), at: at(0.2))
        #expect(link.dialect == .plain)
        _ = link.heard(.test(OriginalLine(sender: "P0", text: "b")), at: at(0.3))
        #expect(link.dialect == .plain, "text with one # in it is no test mode where the other shape was seen")
        _ = link.heard(.raw("c"), at: at(0.4))
        #expect(link.dialect == .plain)
        var test = self.link()
        _ = test.heard(.test(OriginalLine(sender: "P0", text: "b")), at: at(0.3))
        #expect(test.dialect == .test)
        #expect(self.link(speaksFirst: false).dialect == .plain)
    }

    @Test func plainGreetsNobodyButAnswers() {
        var link = link(speaksFirst: false)
        #expect(link.opened() == [])
        #expect(link.heard(.mesh(.hello(Self.hello)), at: at(0.1)) == [.greet, .met(Self.hello)])
    }

    @Test func framesOfTheMeshNeedAGreeting() {
        var link = link()
        let message = MeshMessage(
            author: Self.node, sequence: 1, time: Timestamp(microseconds: 0), sender: "a", text: "b")
        #expect(link.heard(.mesh(.message(message)), at: at(0.1)) == [])
        #expect(link.heard(.mesh(.ping(1)), at: at(0.1)) == [])
        #expect(link.heard(.mesh(.unknown), at: at(0.1)) == [])
        #expect(link.state == .greeting)
    }

    @Test func pingsAndSilence() {
        var link = link()
        _ = link.heard(.mesh(.hello(Self.hello)), at: at(0))
        #expect(link.ping(at: at(0)) == .ping(1))
        #expect(link.deadline == at(60))
        #expect(link.heard(.mesh(.pong(7)), at: at(0.1)) == [], "not the one that was sent")
        #expect(link.heard(.mesh(.pong(1)), at: at(0.25)) == [.mesh(.pong(1))])
        #expect(link.roundTrip == .milliseconds(250))
        #expect(link.timePassed(at: at(60)) == [.ping(2)])
        #expect(link.timePassed(at: at(120)) == [.ping(3)])
        #expect(link.deadline == at(120.25))
        #expect(link.timePassed(at: at(120.25)) == [.end(.silent)])
        #expect(link.timePassed(at: at(200)) == [])
    }

    // MARK: Flood

    @Test func aFloodIsSlowedDownAndNothingIsLost() {
        var link = link()
        var lines = 0
        var time = 0.0
        var isSlowed = false
        // The surroundings read no further while it is slowed down.
        for number in 0..<60 {
            while isSlowed {
                time = max(time, Double(link.deadline!.nanoseconds) / 1e9)
                if link.timePassed(at: at(time)).contains(.resume) { isSlowed = false }
            }
            let effects = link.heard(chat("\(number)", time: "t\(number)"), at: at(time))
            lines += effects.count { if case .line = $0 { true } else { false } }
            if effects.contains(.slowDown) { isSlowed = true }
        }
        #expect(lines == 60)
        // 10 at once, then two a second.
        #expect(time > 20 && time < 30)
    }

    /// Long lines are as many short ones: 64 KiB a few times is too much.
    @Test func aFloodOfBytesIsSlowedDown() {
        var link = link()
        let long = String(repeating: "x", count: 60_000)
        #expect(!link.heard(chat(long, time: "1"), at: at(0)).contains(.slowDown))
        #expect(link.heard(chat(long, time: "2"), at: at(0)).contains(.slowDown))
        #expect(link.heard(chat(long, time: "3"), at: at(0)) == [.warn])
    }

    @Test func whoGoesOnIsRefusedAndDisconnected() {
        var link = link()
        var seen: [LinkMachine.Effect] = []
        var time = 0.0
        for number in 0..<2_000 {
            let effects = link.heard(chat("\(number)", time: "t\(number)"), at: at(time))
            seen += effects.filter { if case .line = $0 { false } else { true } }
            time += 0.05
            if link.state == .ended { break }
            if let deadline = link.deadline, deadline <= at(time) { seen += link.timePassed(at: at(time)) }
        }
        #expect(seen.contains(.slowDown))
        #expect(seen.filter { $0 == .warn }.count >= 1)
        #expect(seen.last == .end(.flood))
        #expect(seen.firstIndex(of: .slowDown)! < seen.firstIndex(of: .warn)!)
    }

    @Test func withoutALimitNothingIsSlow() {
        var link = link(isRateLimited: false)
        for number in 0..<500 {
            let effects = link.heard(chat("\(number)", time: "t\(number)"), at: at(0))
            #expect(effects.count == (number == 0 ? 2 : 1))
        }
    }

    // MARK: Identity of lines

    @Test func theSameLineAgainIsAnotherOne() {
        func digest(_ effects: [LinkMachine.Effect]) -> NodeID? {
            for case .line(let said) in effects { return said.digest }
            return nil
        }
        var one = link()
        var other = link()
        let line = P2PFrame.test(OriginalLine(sender: "P0", text: "again"))
        let first = digest(one.heard(line, at: at(0)))
        let second = digest(one.heard(line, at: at(0.1)))
        #expect(first != nil && first != second)
        #expect(digest(other.heard(line, at: at(0))) == first, "the same at another connection")
        #expect(digest(other.heard(line, at: at(0))) == second)
        let timed = digest(one.heard(chat("x"), at: at(0.2)))
        #expect(timed != nil && timed == digest(one.heard(chat("x"), at: at(0.3))), "a time makes it the same one")
    }

    @Test func whoHasNoNameIsCalledByTheAddress() {
        let said = GuestSaid(OriginalLine(sender: "", text: "hi"), as: nil, remote: Self.remote)
        #expect(said.sender == "10.0.0.1:4000")
        #expect(!said.hasName)
        let elsewhere = SocketAddress(ip: .v4(0x0A00_0002), port: 4_000)
        #expect(GuestSaid(OriginalLine(sender: "", text: "hi"), as: nil, remote: elsewhere).person != said.person)
        let uuid = NodeID(high: 5, low: 6)
        let named = GuestSaid(
            OriginalLine(sender: "a", text: "hi", senderID: uuid.uuid), as: .json, remote: Self.remote)
        #expect(named.person == uuid)
    }
}
