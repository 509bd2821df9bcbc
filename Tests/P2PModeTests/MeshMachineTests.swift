import P2PMode
import Testing
import Wire

/// One node, as transcripts: what comes in, and what is to be done.
@Suite struct MeshMachineTests {
    private static let me = NodeID(high: 0, low: 0x50)
    private static let smaller = NodeID(high: 0, low: 0x10)
    private static let larger = NodeID(high: 0, low: 0x90)
    private static let third = NodeID(high: 0, low: 0xA0)
    private static let wall: Int64 = 1_795_188_924_000_000

    private func at(_ seconds: Double) -> Moment {
        Moment(
            monotonic: MonotonicTime(nanoseconds: Int64(seconds * 1e9)),
            wall: Timestamp(microseconds: Self.wall + Int64(seconds * 1e6)))
    }

    private func machine(speaksPlain: Bool = false) -> MeshMachine {
        MeshMachine(
            configuration: .init(name: "Me", port: 9_001, speaksPlain: speaksPlain, isRateLimited: false),
            node: Self.me, random: SplitMix64(seed: 1), at: at(0))
    }

    private func address(_ host: UInt32, _ port: UInt16 = 9_000) -> SocketAddress {
        SocketAddress(ip: .v4(0x0A00_0000 + host), port: port)
    }

    private func hello(_ node: NodeID, _ name: String, port: UInt16 = 0, isProbe: Bool = false) -> P2PFrame {
        .mesh(.hello(MeshHello(node: node, name: name, port: port, isProbe: isProbe)))
    }

    /// Opens an accepted connection and lets the other end greet.
    private func connect(
        _ machine: inout MeshMachine, _ link: Int, _ node: NodeID, _ name: String, at seconds: Double = 0
    ) -> [MeshEffect] {
        _ = machine.opened(LinkID(link), direction: .accepted, remote: address(UInt32(link), 40_000), at: at(seconds))
        return machine.received(hello(node, name), on: LinkID(link), at: at(seconds))
    }

    private func original(_ machine: inout MeshMachine, _ link: Int, says line: P2PFrame, at seconds: Double = 0)
        -> [MeshEffect]
    {
        _ = machine.opened(LinkID(link), direction: .accepted, remote: address(UInt32(link), 40_000), at: at(seconds))
        return machine.received(line, on: LinkID(link), at: at(seconds))
    }

    private func chat(_ sender: String, _ text: String, time: String) -> P2PFrame {
        .chat(
            OriginalLine(
                sender: sender, text: text, timestamp: time,
                senderID: "00000000-0000-4000-8000-00000000000\(sender.count)"))
    }

    private func news(_ effects: [MeshEffect]) -> [MeshNews] {
        effects.compactMap { if case .tell(let news) = $0 { news } else { nil } }
    }

    private func texts(_ effects: [MeshEffect]) -> [String] {
        news(effects).compactMap {
            if case .message(let message) = $0 { "\(message.sender): \(message.text)" } else { nil }
        }
    }

    private func frames(_ effects: [MeshEffect], to link: Int) -> [MeshFrame] {
        effects.compactMap {
            if case .send(let frame, let links) = $0, links.contains(LinkID(link)) { frame } else { nil }
        }
    }

    private func message(_ author: NodeID, _ sequence: UInt64, _ text: String) -> MeshMessage {
        MeshMessage(author: author, sequence: sequence, time: at(0).wall, sender: "B", text: text)
    }

    // MARK: Strangers

    /// What fits no frame of the mesh is shown, and that is said; not as often as a stranger likes.
    @Test func noticesOfStrangersAreBoundedAndCounted() {
        var machine = machine()
        _ = connect(&machine, 1, Self.larger, "B")
        let long = String(repeating: "\"", count: 40_000)
        func said(at seconds: Double) -> [MeshNews] {
            (0..<100).flatMap { number in
                news(machine.received(chat("G", long, time: "\(seconds) \(number)"), on: LinkID(2), at: at(seconds)))
            }
        }
        _ = original(&machine, 2, says: chat("G", "hi", time: "t"))
        let first = said(at: 1)
        #expect(first.count { if case .message = $0 { true } else { false } } == 100, "all are shown")
        #expect(first.count { $0 == .notice(.notPassedOn("G")) } == MeshMachine.strangerNotices)
        let second = said(at: 12)
        #expect(second.count { $0 == .notice(.notPassedOn("G")) } == 1)
        #expect(second.contains(.notice(.leftOut(100 - MeshMachine.strangerNotices))))
    }

    // MARK: Connections

    @Test func whatWasTypedIsDialledUntilItAnswers() throws {
        var machine = machine()
        let endpoint = try Endpoint(parsing: "10.0.0.9:9009")
        #expect(machine.started([endpoint], at: at(0)).first == .dial(1, endpoint))
        let failed = machine.dialFailed(1, reason: "refused", at: at(1))
        #expect(news(failed) == [.unreachable("10.0.0.9:9009", reason: "refused")])
        #expect(machine.timePassed(at: at(1.2)).isEmpty)
        #expect(machine.timePassed(at: at(1.5)).contains(.dial(1, endpoint)))
        let again = machine.dialFailed(1, reason: "refused", at: at(1.5))
        #expect(news(again).isEmpty, "told once, not with every try")
        // The waits grow up to a minute, and it never gives up.
        var time = 1.5
        var tries = 0
        while time < 600 {
            time += 0.5
            guard machine.timePassed(at: at(time)).contains(.dial(1, endpoint)) else { continue }
            _ = machine.dialFailed(1, reason: "refused", at: at(time))
            tries += 1
        }
        #expect((12...30).contains(tries))
    }

    @Test func aMemberJoins() {
        var machine = machine()
        let opened = machine.opened(LinkID(1), direction: .accepted, remote: address(1, 40_000), at: at(0))
        #expect(opened.first == .send(.hello(MeshHello(node: Self.me, name: "Me", port: 9_001)), to: [LinkID(1)]))
        let effects = machine.received(hello(Self.larger, "B", port: 9_002), on: LinkID(1), at: at(0.1))
        #expect(news(effects) == [.joined("B"), .connected(peer: "B", isOriginal: false)])
        #expect(
            frames(effects, to: 1) == [.have(MeshHave(authors: [], members: [], wantsAnswer: false)), .ping(1)])
        // Soon after it says who it is connected to, and finds out whether B listens where it says.
        let later = machine.timePassed(at: at(0.2))
        #expect(
            frames(later, to: 1) == [.member(MemberRecord(node: Self.me, version: 1, name: "Me", links: [Self.larger]))]
        )
        #expect(machine.timePassed(at: at(3.2)).contains(.dial(1, Endpoint(address(1, 9_002)))))
    }

    @Test func anAddressIsPassedOnOnlyAfterItWasReached() {
        var machine = machine()
        _ = connect(&machine, 1, Self.smaller, "A")
        _ = machine.opened(LinkID(2), direction: .accepted, remote: address(2, 40_000), at: at(0))
        _ = machine.received(hello(Self.larger, "B", port: 9_002), on: LinkID(2), at: at(0))
        #expect(machine.timePassed(at: at(3.2)).contains(.dial(1, Endpoint(address(2, 9_002)))))
        _ = machine.opened(LinkID(3), direction: .dialled(1), remote: address(2, 9_002), at: at(3.3))
        let effects = machine.received(hello(Self.larger, "B", port: 9_002), on: LinkID(3), at: at(3.4))
        #expect(frames(effects, to: 1) == [.peers([PeerAddress(node: Self.larger, address: address(2, 9_002))])])
        #expect(effects.contains(.close(LinkID(3))), "a probe carries nothing else")
        #expect(machine.edges(to: Self.larger) == [LinkID(2)])
    }

    @Test func loopbackAddressesStayOnTheHost() {
        let loopback = SocketAddress(ip: .loopbackV4, port: 9_002)
        var machine = machine()
        _ = machine.opened(LinkID(1), direction: .accepted, remote: loopback, at: at(0))
        _ = machine.received(hello(Self.larger, "B", port: 9_002), on: LinkID(1), at: at(0))
        _ = connect(&machine, 2, Self.smaller, "far")
        _ = machine.timePassed(at: at(3.2))
        _ = machine.opened(LinkID(3), direction: .dialled(1), remote: loopback, at: at(3.3))
        let effects = machine.received(hello(Self.larger, "B", port: 9_002), on: LinkID(3), at: at(3.4))
        #expect(frames(effects, to: 2).isEmpty)
        // Nor is one believed that comes from another host.
        let heard = machine.received(
            .mesh(.peers([PeerAddress(node: Self.third, address: loopback)])), on: LinkID(2), at: at(4))
        #expect(
            !(heard + machine.timePassed(at: at(6))).contains {
                if case .dial(let number, _) = $0 { number > 1 } else { false }
            })
    }

    @Test func whoDialsItselfStops() throws {
        var machine = machine()
        let endpoint = try Endpoint(parsing: "10.0.0.1:9001")
        _ = machine.started([endpoint], at: at(0))
        _ = machine.opened(LinkID(1), direction: .dialled(1), remote: address(1, 9_001), at: at(0))
        _ = machine.opened(LinkID(2), direction: .accepted, remote: address(1, 40_000), at: at(0))
        let effects = machine.received(hello(Self.me, "Me", port: 9_001), on: LinkID(1), at: at(0.1))
        #expect(news(effects) == [.notice(.dialledOneself("10.0.0.1:9001"))])
        #expect(effects.contains(.close(LinkID(1))))
        #expect(
            machine.received(hello(Self.me, "Me", port: 9_001), on: LinkID(2), at: at(0.1)).contains(.close(LinkID(2))))
        _ = machine.closed(LinkID(1), .here, at: at(0.2))
        _ = machine.closed(LinkID(2), .here, at: at(0.2))
        #expect(!machine.timePassed(at: at(500)).contains(.dial(1, endpoint)))
    }

    /// Both ends dialled at once: the connection that the smaller node dialled stays.
    @Test func theSmallerNodeDecides() throws {
        var machine = machine()
        let endpoint = try Endpoint(parsing: "10.0.0.9:9009")
        _ = machine.started([endpoint], at: at(0))
        _ = connect(&machine, 1, Self.larger, "B")
        _ = machine.opened(LinkID(2), direction: .dialled(1), remote: address(9, 9_009), at: at(0.1))
        let effects = machine.received(hello(Self.larger, "B"), on: LinkID(2), at: at(0.2))
        #expect(frames(effects, to: 1).contains(.bye(MeshBye(node: Self.me, reason: .duplicate))))
        #expect(machine.edges(to: Self.larger) == [LinkID(2)])
        #expect(
            !news(effects).contains { if case .connected = $0 { true } else { false } },
            "no news: B was connected before")
        // The other end has said its last.
        let answered = machine.received(
            .mesh(.bye(MeshBye(node: Self.larger, reason: .duplicate))), on: LinkID(1), at: at(0.3))
        #expect(answered.contains(.close(LinkID(1))))
        #expect(news(machine.closed(LinkID(1), .here, at: at(0.4))).isEmpty)
    }

    @Test func theLargerNodeWaitsForTheDecision() throws {
        var machine = machine()
        _ = machine.started([try Endpoint(parsing: "10.0.0.9:9009")], at: at(0))
        _ = connect(&machine, 1, Self.smaller, "A")
        _ = machine.opened(LinkID(2), direction: .dialled(1), remote: address(9, 9_009), at: at(0.1))
        _ = machine.received(hello(Self.smaller, "A"), on: LinkID(2), at: at(0.2))
        #expect(machine.edges(to: Self.smaller) == [LinkID(1), LinkID(2)])
        let effects = machine.received(
            .mesh(.bye(MeshBye(node: Self.smaller, reason: .duplicate))), on: LinkID(1), at: at(0.3))
        #expect(frames(effects, to: 1) == [.bye(MeshBye(node: Self.me, reason: .duplicate))])
        #expect(machine.edges(to: Self.smaller) == [LinkID(2)])
    }

    /// The older connection does not answer any more: the new one takes its place.
    @Test func theDeadOneOfTwoGoes() {
        var machine = machine()
        _ = connect(&machine, 1, Self.larger, "B")
        let effects = connect(&machine, 2, Self.larger, "B", at: 30)
        #expect(frames(effects, to: 1) == [.ping(2)])
        #expect(machine.edges(to: Self.larger) == [LinkID(1), LinkID(2)])
        _ = machine.timePassed(at: at(33))
        #expect(machine.edges(to: Self.larger) == [LinkID(2)])
        // And the other way round: it answers, and stays.
        var lively = self.machine()
        _ = connect(&lively, 1, Self.larger, "B")
        _ = connect(&lively, 2, Self.larger, "B", at: 30)
        _ = lively.received(.mesh(.pong(2)), on: LinkID(1), at: at(30.1))
        #expect(lively.edges(to: Self.larger) == [LinkID(1)])
    }

    @Test func goodbyesAreToldToAll() {
        var machine = machine()
        _ = connect(&machine, 1, Self.smaller, "A")
        _ = connect(&machine, 2, Self.larger, "B")
        let effects = machine.received(
            .mesh(.bye(MeshBye(node: Self.larger, reason: .leaving, version: 4))), on: LinkID(2), at: at(1))
        #expect(news(effects) == [.left("B"), .disconnected(peer: "B", isOriginal: false, .left)])
        #expect(
            frames(effects, to: 1) == [.member(MemberRecord(node: Self.larger, version: 4, name: "B", hasLeft: true))])
    }

    @Test func whoBreaksOffIsLostAfterAMoment() {
        var machine = machine()
        _ = connect(&machine, 1, Self.larger, "B")
        #expect(
            news(machine.closed(LinkID(1), .broken("reset"), at: at(5))) == [
                .disconnected(peer: "B", isOriginal: false, .broken("reset"))
            ])
        #expect(news(machine.timePassed(at: at(6))).isEmpty)
        #expect(news(machine.timePassed(at: at(7))) == [.lost("B")])
        let back = connect(&machine, 2, Self.larger, "B", at: 9)
        #expect(news(back) == [.returned("B"), .connected(peer: "B", isOriginal: false)])
    }

    // MARK: Messages

    @Test func aTypedLineIsSentOncePerDialect() throws {
        var machine = machine()
        for link in 1...3 { _ = connect(&machine, link, NodeID(high: 1, low: UInt64(link)), "m\(link)") }
        _ = original(&machine, 4, says: chat("Walter", "x", time: "t1"))
        _ = original(&machine, 5, says: .plain(OriginalLine(sender: "P0", text: "y", timestamp: "t")))
        _ = original(&machine, 6, says: .test(OriginalLine(sender: "P1", text: "z")))
        _ = machine.opened(LinkID(7), direction: .accepted, remote: address(7), at: at(0.5))
        let effects = try machine.typed("Hello", at: at(1))
        let said = SpokenLine(node: Self.me, sender: "Me", time: at(1).wall, content: .text("Hello", 4))
        let sent = MeshMessage(author: Self.me, sequence: 4, time: at(1).wall, sender: "Me", text: "Hello")
        #expect(
            effects.filter { if case .tell = $0 { false } else { true } } == [
                .keep(sent), .send(.message(sent), to: [LinkID(1), LinkID(2), LinkID(3)]),
                .say(said, to: [LinkID(4), LinkID(7)], in: .json), .say(said, to: [LinkID(5)], in: .plain),
                .say(said, to: [LinkID(6)], in: .test),
            ])
        #expect(news(effects).last == .sent(id: sent.id, members: 3, originals: 4))
    }

    @Test func withNobodyThereItIsSaidSo() throws {
        var machine = machine()
        let effects = try machine.typed("Hello", at: at(1))
        #expect(news(effects).last == .unsent(id: "\(Self.me.hex)-1", isKept: true))
        // Whoever comes is told of it.
        let joined = connect(&machine, 1, Self.larger, "B", at: 2)
        #expect(
            frames(joined, to: 1).first
                == .have(MeshHave(authors: [.init(Self.me, 1)], members: [], wantsAnswer: false)))
        let answer = machine.received(
            .mesh(.want([WantedRange(Self.me, from: 1, through: 1)])), on: LinkID(1), at: at(2.1))
        guard case .message(let message) = frames(answer, to: 1).first else { return #expect(Bool(false)) }
        #expect(message.isCaughtUp && message.text == "Hello")
        #expect(frames(answer, to: 1).last == .page(MeshPage()))
        let acknowledged = machine.received(
            .mesh(.ack([MeshAck(author: Self.me, by: Self.larger, sequence: 1)])), on: LinkID(1), at: at(2.3))
        #expect(news(acknowledged) == [.delivered(id: "\(Self.me.hex)-1", to: "B")])
        #expect(machine.status(last: 5).messages.map(\.shownBy) == [1])
    }

    @Test func tooLongIsSaidWithHowMuch() throws {
        var machine = machine()
        #expect(throws: SayError.empty) { try machine.typed("", at: at(0)) }
        #expect(throws: SayError.tooLong(byCharacters: 4)) {
            try machine.typed(String(repeating: "x", count: 4_100), at: at(0))
        }
        let escapes = String(repeating: "\u{1}", count: 4_000)
        #expect(throws: Never.self) { try machine.typed(escapes, at: at(0)) }
        _ = original(&machine, 1, says: chat("Walter", "x", time: "t1"))
        #expect {
            try machine.typed(escapes, at: at(1))
        } throws: { error in
            if case .tooLongForOriginals(let excess)? = error as? SayError { excess > 1_000 } else { false }
        }
    }

    @Test func aMessageIsShownOnceAndPassedOnToWhoLacksIt() {
        var machine = machine()
        _ = connect(&machine, 1, Self.smaller, "A")
        _ = connect(&machine, 2, Self.larger, "B")
        _ = connect(&machine, 3, Self.third, "C")
        // A and B are connected to each other: B gets from A what A says.
        _ = machine.received(
            .mesh(.member(MemberRecord(node: Self.smaller, version: 1, name: "A", links: [Self.me, Self.larger]))),
            on: LinkID(1), at: at(0.5))
        _ = machine.received(
            .mesh(.member(MemberRecord(node: Self.larger, version: 1, name: "B", links: [Self.me, Self.smaller]))),
            on: LinkID(2), at: at(0.5))
        let said = MeshMessage(author: Self.smaller, sequence: 1, time: at(1).wall, sender: "A", text: "hi")
        let effects = machine.received(.mesh(.message(said)), on: LinkID(1), at: at(1))
        #expect(effects.contains(.send(.message(said), to: [LinkID(3)])))
        #expect(texts(effects) == ["A: hi"])
        #expect(texts(machine.received(.mesh(.message(said)), on: LinkID(2), at: at(1))).isEmpty)
        // Acknowledged soon after, once.
        #expect(
            frames(machine.timePassed(at: at(1.3)), to: 1).contains(
                .ack([MeshAck(author: Self.smaller, by: Self.me, sequence: 1)])))
    }

    @Test func whatIsMissingIsAskedForAndGivenUpOnlyWhenNobodyHasIt() {
        var machine = machine()
        _ = connect(&machine, 1, Self.larger, "B")
        _ = machine.received(.mesh(.message(message(Self.larger, 1, "one"))), on: LinkID(1), at: at(1))
        #expect(
            texts(machine.received(.mesh(.message(message(Self.larger, 3, "three"))), on: LinkID(1), at: at(2))).isEmpty
        )
        let asked = machine.timePassed(at: at(2.3))
        #expect(frames(asked, to: 1).contains(.want([WantedRange(Self.larger, from: 2, through: 2)])))
        let two = machine.received(.mesh(.message(message(Self.larger, 2, "two"))), on: LinkID(1), at: at(2.4))
        #expect(texts(two) == ["B: two", "B: three"])
        _ = machine.received(.mesh(.page(MeshPage())), on: LinkID(1), at: at(2.4))
        // Kept by nobody any more.
        _ = machine.received(.mesh(.message(message(Self.larger, 6, "six"))), on: LinkID(1), at: at(3))
        _ = machine.received(
            .mesh(.have(MeshHave(authors: [.init(Self.larger, 6)], members: [], wantsAnswer: false))), on: LinkID(1),
            at: at(3.1))
        let gone = machine.received(
            .mesh(.page(MeshPage(gone: [WantedRange(Self.larger, from: 4, through: 5)]))), on: LinkID(1), at: at(3.2))
        #expect(news(gone).first == .gap(author: "B", from: 4, through: 5))
        #expect(texts(gone) == ["B: six"])
    }

    @Test func whatSomebodyMissedComesInTheOrderOfTime() throws {
        var machine = machine()
        _ = connect(&machine, 1, Self.larger, "B")
        var expected: [String] = []
        for number in 0..<6 as Range<UInt64> {
            if number % 2 == 0 {
                _ = try machine.typed("mine \(number)", at: at(10 + Double(number)))
                expected.append("mine \(number)")
            } else {
                var heard = message(Self.larger, number / 2 + 1, "theirs \(number)")
                heard.time = at(10 + Double(number)).wall
                _ = machine.received(.mesh(.message(heard)), on: LinkID(1), at: at(10 + Double(number)))
                expected.append("theirs \(number)")
            }
        }
        let effects = machine.received(
            .mesh(.want([WantedRange(Self.me, from: 1, through: 3), WantedRange(Self.larger, from: 1, through: 3)])),
            on: LinkID(1), at: at(20))
        let sent = frames(effects, to: 1).compactMap {
            if case .message(let message) = $0 { message.text } else { nil }
        }
        #expect(sent == expected)
    }

    // MARK: Original programs

    @Test func aLineByTwoWaysIsOne() {
        var machine = machine()
        _ = connect(&machine, 9, Self.larger, "B")
        let first = original(&machine, 1, says: chat("Walter", "hi", time: "t1"))
        #expect(texts(first) == ["Walter: hi"])
        #expect(frames(first, to: 9).count == 1, "passed on into the mesh")
        #expect(texts(original(&machine, 2, says: chat("Walter", "hi", time: "t1"))).isEmpty)
        #expect(texts(machine.received(chat("Walter", "hi", time: "t2"), on: LinkID(1), at: at(1))) == ["Walter: hi"])
        // A copy that another node heard.
        guard case .message(var copy) = frames(first, to: 9)[0] else { return #expect(Bool(false)) }
        copy.author = Self.larger
        copy.sequence = 1
        #expect(texts(machine.received(.mesh(.message(copy)), on: LinkID(9), at: at(1))).isEmpty)
    }

    @Test func withoutATimeOnlyWhatComesElsewhereAtOnceIsACopy() {
        var machine = machine()
        let line = P2PFrame.test(OriginalLine(sender: "P0", text: "again"))
        #expect(texts(original(&machine, 1, says: line)) == ["P0: again"])
        #expect(texts(machine.received(line, on: LinkID(1), at: at(1))) == ["P0: again"], "said twice")
        #expect(texts(original(&machine, 2, says: line, at: 1)).isEmpty, "the first, by another way")
        #expect(texts(original(&machine, 3, says: line, at: 60)) == ["P0: again"], "a minute later it is another")
    }

    @Test func originalsAreGuests() {
        var machine = machine()
        _ = connect(&machine, 9, Self.larger, "B")
        _ = machine.timePassed(at: at(1))
        let said = original(&machine, 1, says: chat("Walter", "hi", time: "t1"), at: 2)
        #expect(news(said).first == .connected(peer: "10.0.0.1:40000", isOriginal: true))
        #expect(news(said).contains(.guestJoined("Walter", at: nil)))
        guard case .member(let record) = frames(machine.timePassed(at: at(3)), to: 9).first else {
            return #expect(Bool(false))
        }
        #expect(record.guests.map(\.name) == ["Walter"])
        let gone = machine.closed(LinkID(1), .closed, at: at(4))
        #expect(
            news(gone) == [
                .disconnected(peer: "Walter (10.0.0.1:40000)", isOriginal: true, .closed),
                .guestLeft("Walter", at: nil),
            ])
    }

    // MARK: People

    @Test func peopleOfOneNameAreToldApart() {
        var machine = machine()
        _ = connect(&machine, 1, NodeID(high: 0x1234_0000_0000_0000, low: 1), "Jesse")
        let second = connect(&machine, 2, NodeID(high: 0xABCD_0000_0000_0000, low: 2), "jesse")
        #expect(news(second).first == .joined("jesse#abcd"))
        #expect(machine.who().map(\.name) == ["Me", "Jesse#1234", "jesse#abcd"])
        #expect(throws: SayError.ambiguousName("Jesse", candidates: ["Jesse#1234", "jesse#abcd"])) {
            try machine.whispered("x", to: "Jesse", at: at(1))
        }
        #expect(throws: Never.self) { try machine.whispered("x", to: "Jesse#1234", at: at(1)) }
        // Who goes is called as last seen; who stays has the name alone again.
        _ = machine.closed(LinkID(2), .closed, at: at(2))
        #expect(news(machine.timePassed(at: at(4))).contains(.lost("jesse#abcd")))
        #expect(machine.who().map(\.name) == ["Me", "Jesse"])
    }

    @Test func whispers() throws {
        var machine = machine()
        _ = connect(&machine, 1, Self.larger, "B")
        #expect(throws: SayError.unknownName("nobody")) { try machine.whispered("x", to: "nobody", at: at(1)) }
        #expect(throws: SayError.oneself) { try machine.whispered("x", to: "me", at: at(1)) }
        let sent = try machine.whispered("psst", to: "B", at: at(1))
        guard case .whisper(let whisper) = frames(sent, to: 1).first else { return #expect(Bool(false)) }
        #expect(whisper.to == Self.larger && whisper.text == "psst")
        #expect(frames(machine.timePassed(at: at(4)), to: 1).contains(.whisper(whisper)), "again, until it is answered")
        let heard = machine.received(
            .mesh(.heard(WhisperReceipt(id: whisper.id, from: Self.larger, to: Self.me, hops: 16))), on: LinkID(1),
            at: at(4.5))
        #expect(news(heard) == [.delivered(id: whisper.id.hex, to: "B")])
        // Nobody answers this one.
        _ = try machine.whispered("hello?", to: "B", at: at(5))
        var failed: [MeshNews] = []
        for second in stride(from: 6.0, to: 25.0, by: 0.5) { failed += news(machine.timePassed(at: at(second))) }
        #expect(failed.count { if case .failed = $0 { true } else { false } } == 1)
    }

    @Test func whispersForOthersArePassedOnAndNotShown() {
        var machine = machine()
        _ = connect(&machine, 1, Self.smaller, "A")
        _ = connect(&machine, 2, Self.larger, "B")
        var whisper = MeshWhisper(
            id: MessageID(high: 1, low: 1), from: Self.smaller, to: Self.larger, hops: 3, time: at(0).wall, sender: "A",
            text: "x")
        let effects = machine.received(.mesh(.whisper(whisper)), on: LinkID(1), at: at(1))
        whisper.hops = 2
        #expect(frames(effects, to: 2) == [.whisper(whisper)])
        #expect(texts(effects).isEmpty)
        whisper.hops = 0
        #expect(frames(machine.received(.mesh(.whisper(whisper)), on: LinkID(1), at: at(1)), to: 2).isEmpty)
        whisper.to = Self.me
        for _ in 0..<2 {
            #expect(
                !frames(machine.received(.mesh(.whisper(whisper)), on: LinkID(1), at: at(1)), to: 1).isEmpty,
                "answered each time")
        }
        #expect(texts(machine.received(.mesh(.whisper(whisper)), on: LinkID(1), at: at(1))).isEmpty, "shown once")
    }

    // MARK: The end

    @Test func quittingSaysGoodbyeOnce() {
        var machine = machine()
        _ = connect(&machine, 1, Self.larger, "B")
        _ = original(&machine, 2, says: chat("Walter", "hi", time: "t1"))
        let effects = machine.quit(at: at(1))
        #expect(frames(effects, to: 1) == [.bye(MeshBye(node: Self.me, reason: .leaving, version: 1))])
        #expect(
            effects.contains(
                .say(
                    SpokenLine(node: Self.me, sender: "Me", time: at(1).wall, content: .left), to: [LinkID(2)],
                    in: .json)))
        #expect(effects.contains(.close(LinkID(1))) && effects.contains(.close(LinkID(2))))
        #expect(machine.quit(at: at(1.1)).isEmpty)
        #expect(news(machine.closed(LinkID(1), .here, at: at(1.2))).isEmpty)
    }

    /// Whatever arrives in whatever order: no trap, and nothing is shown twice.
    @Test(arguments: 0..<12) func nonsenseDoesNoHarm(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var machine = machine()
        let nodes = (0..<4).map { NodeID(high: 1, low: UInt64($0)) } + [Self.me]
        var open: Set<Int> = []
        var shown: Set<String> = []
        var time = 0.0
        func number() -> UInt64 {
            [0, 1, 2, 3, 7, UInt64(Int64.max), .random(in: 0...(.max), using: &random)].randomElement(using: &random)!
        }
        func frame() -> P2PFrame {
            let node = nodes.randomElement(using: &random)!
            let other = nodes.randomElement(using: &random)!
            switch Int.random(in: 0..<16, using: &random) {
            case 0: return hello(node, "n", port: 9_000, isProbe: Bool.random(using: &random))
            case 1, 2:
                return .mesh(
                    .message(
                        MeshMessage(
                            author: node, sequence: number(),
                            time: Timestamp(microseconds: Int64.random(in: .min...(.max), using: &random)), sender: "n",
                            text: "x", isCaughtUp: Bool.random(using: &random))))
            case 3:
                return .mesh(
                    .member(
                        MemberRecord(
                            node: node, version: number(), name: "n", hasLeft: Bool.random(using: &random),
                            links: nodes.shuffled(using: &random))))
            case 4:
                return .mesh(
                    .bye(
                        MeshBye(
                            node: node, reason: Bool.random(using: &random) ? .leaving : .duplicate, version: number()))
                )
            case 5:
                return .mesh(
                    .peers([PeerAddress(node: node, address: address(UInt32.random(in: 0..<50, using: &random)))]))
            case 6: return .mesh(.ping(number()))
            case 7: return .mesh(.pong(number()))
            case 8: return .mesh(.sum(MeshSum(log: number(), members: number())))
            case 9:
                return .mesh(
                    .have(
                        MeshHave(
                            authors: [.init(node, number())], members: [.init(other, number())],
                            wantsAnswer: Bool.random(using: &random))))
            case 10:
                let from = max(1, number())
                return .mesh(.want([WantedRange(node, from: from, through: max(from, number()))]))
            case 11:
                let from = max(1, number())
                return .mesh(
                    .page(
                        MeshPage(
                            gone: [WantedRange(node, from: from, through: max(from, number()))],
                            hasMore: Bool.random(using: &random))))
            case 12: return .mesh(.ack([MeshAck(author: node, by: other, sequence: number())]))
            case 13:
                return .mesh(
                    .whisper(
                        MeshWhisper(
                            id: MessageID(high: 1, low: number()), from: node, to: other,
                            hops: Int.random(in: -1...300, using: &random), time: at(0).wall, sender: "n", text: "w")))
            case 14:
                return .mesh(
                    .heard(WhisperReceipt(id: MessageID(high: 1, low: number()), from: node, to: other, hops: 3)))
            default: return chat("W", "x", time: "\(number())")
            }
        }
        for step in 0..<3_000 {
            time += Double.random(in: 0...2, using: &random)
            let link = Int.random(in: 1...8, using: &random)
            let effects: [MeshEffect]
            if !open.contains(link) {
                open.insert(link)
                effects = machine.opened(
                    LinkID(link), direction: .accepted, remote: address(UInt32(link), 40_000), at: at(time))
            } else if step % 9 == 0 {
                open.remove(link)
                effects = machine.closed(LinkID(link), .closed, at: at(time))
            } else if step % 7 == 0 {
                effects = machine.timePassed(at: at(time))
            } else {
                effects = machine.received(frame(), on: LinkID(link), at: at(time))
            }
            for case .message(let message) in news(effects) {
                #expect(shown.insert(message.id).inserted, "\(message.id)")
            }
            for effect in effects {
                if case .close(let id) = effect { open.remove(id.value); _ = machine.closed(id, .here, at: at(time)) }
                if case .reset(let id) = effect { open.remove(id.value); _ = machine.closed(id, .here, at: at(time)) }
            }
        }
    }
}
