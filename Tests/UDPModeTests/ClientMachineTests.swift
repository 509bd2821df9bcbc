import Testing
import Wire

@testable import UDPMode

@Suite struct ClientMachineTests {
    private static let server = SocketAddress(ip: .loopbackV4, port: 5000)
    private static let secret = MessageID(high: 5, low: 6)
    private static let session: UInt64 = 0x77

    /// A machine on a clock of its own, and what it did.
    private struct Harness {
        var machine: UDPClientMachine
        var now = MonotonicTime(nanoseconds: 1_000_000_000)
        let wall = Timestamp(microseconds: 1_790_000_000_000_000)

        init(secret: MessageID? = nil, limitsRates: Bool = false) {
            machine = UDPClientMachine(
                .init(
                    name: "client", server: ClientMachineTests.server, clientIP: .loopbackV4, clientPort: 5555, run: 9,
                    secret: secret, keepsSecret: true, limitsRates: limitsRates),
                at: now, wall: wall, random: { 4 })
        }

        mutating func receive(
            _ body: UDPMessage.Body, _ set: ((inout UDPExtension) -> Void)? = nil, from: SocketAddress = server
        ) throws -> [UDPClientMachine.Effect] {
            let message = UDPMessage(body, .server(port: 5000, chat: set.map { UDPExtension($0) }))
            return machine.received(try message.encoded()[...], from: from, at: now, wall: wall)
        }

        mutating func receive(
            _ body: UDPMessage.Body, from name: String, _ address: SocketAddress,
            _ set: ((inout UDPExtension) -> Void)? = nil
        ) throws -> [UDPClientMachine.Effect] {
            let metadata = UDPMetadata.client(
                .init(
                    name: name, serverIP: "127.0.0.1", serverPort: 5000, clientPort: address.port,
                    clientIP: address.ip.description, chat: set.map { UDPExtension($0) }))
            return machine.received(try UDPMessage(body, metadata).encoded()[...], from: address, at: now, wall: wall)
        }

        mutating func type(_ line: String) -> [UDPClientMachine.Effect] {
            machine.entered(UDPClientCommand.verb(line), at: now, wall: wall)
        }

        mutating func wait(_ duration: Duration) -> [UDPClientMachine.Effect] {
            let end = now + duration
            var effects: [UDPClientMachine.Effect] = []
            while let due = machine.deadline, due <= end {
                now = max(now, due)
                effects += machine.timedOut(at: now, wall: wall)
            }
            now = end
            return effects
        }

        /// Registered with a server of ours, with these in its table.
        mutating func register(_ others: UDPTableEntry...) throws {
            _ = machine.started()
            _ = try receive(.registrationConfirmation) {
                $0.run = 9; $0.session = session; $0.secret = secret
            }
            let own = entry("client", .loopbackV4, 5555, run: 9)
            _ = try receive(.stateChange([own] + others)) {
                $0.revision = 1; $0.page = 0; $0.pages = 1
            }
        }
    }

    private static func entry(_ name: String, _ ip: IPAddress, _ port: UInt16, run: UInt64? = nil) -> UDPTableEntry {
        UDPTableEntry(
            name: name, clientIP: ip, clientPort: port, senderIP: ip, serverIP: "", serverPort: 0,
            announced: run.map { run in UDPExtension { $0.run = run } })
    }

    @Test func aRequestIsSentSixTimesAndThenTheServerIsGone() throws {
        var client = Harness()
        _ = client.machine.started()
        _ = try client.receive(.registrationConfirmation)
        _ = try client.receive(.stateChange([Self.entry("client", .loopbackV4, 5555, run: 9)]))
        #expect(client.type("list_groups").sends == [.listGroups])
        #expect(client.wait(.milliseconds(499)).isEmpty)
        for _ in 2...6 { #expect(client.wait(.milliseconds(500)).sends == [.listGroups]) }
        let gone = client.wait(.milliseconds(500))
        #expect(gone.events == [.serverNotResponding, .exiting])
        #expect(gone.last == .end(.serverGone))
        #expect(client.type("list_groups").isEmpty)
    }

    /// A server of ours takes a repeated request for what it is; ICMP says when nobody is there at all.
    @Test func aServerOfOursGetsASecondRound() throws {
        var client = Harness()
        try client.register()
        var other = client
        #expect(client.type("list_groups").sends == [.listGroups])
        for _ in 2...12 { #expect(client.wait(.milliseconds(500)).sends == [.listGroups]) }
        #expect(client.wait(.milliseconds(500)).last == .end(.serverGone))
        _ = other.type("list_groups")
        #expect(other.machine.becameUnreachable(Self.server, at: other.now).isEmpty)
        #expect(other.wait(.milliseconds(2_500)).sends == Array(repeating: .listGroups, count: 5))
        #expect(other.wait(.milliseconds(500)).events == [.serverNotResponding, .exiting])
        #expect(other.machine.isEnded)
    }

    /// The word may come twice; it is said once, and again when the next server of that address ends.
    @Test func aServerThatEndsIsWaitedFor() throws {
        var client = Harness()
        try client.register()
        #expect(try client.receive(.stopping, { _ in }).events == [.serverStopping])
        #expect(try client.receive(.stopping, { _ in }).events.isEmpty)
        let recalled = try client.receive(.pong) { $0.registered = false }
        #expect(recalled.sends == [.registration])
        _ = try client.receive(.registrationConfirmation) {
            $0.run = 9; $0.session = 0x78; $0.secret = Self.secret
        }
        #expect(try client.receive(.stopping, { _ in }).events == [.serverStopping])
        // An original knows no such word.
        var other = Harness()
        _ = other.machine.started()
        _ = try other.receive(.registrationConfirmation)
        #expect(try other.receive(.stopping).events.isEmpty)
    }

    /// The original's server dies of a message to a group with a member that has deregistered.
    @Test func anOriginalServerIsLeftInTheRightOrder() throws {
        var client = Harness()
        _ = client.machine.started()
        _ = try client.receive(.registrationConfirmation)
        _ = try client.receive(.stateChange([Self.entry("client", .loopbackV4, 5555, run: 9)]))
        _ = client.type("join_group g")
        _ = try client.receive(.joinGroupAck("g"))
        #expect(client.type("dereg client").sends == [.leaveGroup("g")])
        // While no answer has come it is repeated, and not a moment longer.
        #expect(client.wait(.milliseconds(500)).sends == [.leaveGroup("g")])
        #expect(try client.receive(.leaveGroupAck).sends == [.deregistration])
        let end = try client.receive(.deregistrationConfirmation)
        #expect(end.events == [.offline])
        #expect(end.last == .end(.ended))
        #expect(client.wait(.seconds(5)).isEmpty)
    }

    /// A request that was under way when the server was started anew is asked again of the next one.
    @Test func aRequestOutlivesItsServer() throws {
        var client = Harness()
        try client.register()
        #expect(client.type("list_groups").sends == [.listGroups])
        #expect(try client.receive(.pong) { $0.registered = false }.sends == [.registration])
        let back = try client.receive(.registrationConfirmation) {
            $0.run = 9
            $0.session = 8
        }
        #expect(back.sends == [.listGroups])
        let id = try #require(client.machine.request?.id)
        let answered = try client.receive(.listGroupsAck(["g"])) { $0.id = id }
        #expect(answered.events == [.groups(["g"])])
        #expect(answered.sends == [.tableRequest])
    }

    @Test func aSilentPeerMakesOneAskWhetherOneIsStillRegistered() throws {
        let bob = SocketAddress(ip: .loopbackV4, port: 6000)
        var client = Harness()
        try client.register(Self.entry("bob", bob.ip, 6000, run: 3))
        #expect(client.type("send bob hi").sends == [.message(text: "hi")])
        #expect(client.wait(.milliseconds(600)).sends == [.ping, .message(text: "hi")])
        // The server was started anew: registered again, and the message is still on its way.
        let again = try client.receive(.pong) { $0.registered = false }
        #expect(again.sends == [.registration])
        _ = try client.receive(.registrationConfirmation) {
            $0.run = 9
            $0.session = 8
        }
        let acknowledged = try client.receive(.messageAck(name: "bob"), from: "bob", bob) {
            $0.run = 3
            $0.sequence = 0
        }
        #expect(acknowledged.events.count == 1)
    }

    /// What was under way to a group when its server ended is said again to the next one, and shown by nobody twice.
    @Test func aGroupMessageOutlivesItsServer() throws {
        var client = Harness()
        try client.register()
        _ = client.type("join_group g")
        let joinID = try #require(client.machine.request?.id)
        _ = try client.receive(.joinGroupAck("g")) {
            $0.id = joinID
            $0.next = 4
        }
        #expect(client.type("send_group x").sends == [.groupMessage(text: "x", group: "g")])
        func relay(_ offset: UInt64) throws -> [UDPClientEvent] {
            try client.receive(.groupRelay(text: "y", sender: "bob")) {
                $0.id = MessageID(high: 2, low: 2)
                $0.group = "g"
                $0.offset = offset
            }.events
        }
        #expect(try relay(4).count == 1)
        _ = try client.receive(.pong) { $0.registered = false }
        #expect(client.wait(.milliseconds(400)).sends.isEmpty, "nothing to a group that one is not back in")
        let back = try client.receive(.registrationConfirmation) {
            $0.run = 9
            $0.session = 8
        }
        #expect(back.sends == [.joinGroup("g")])
        let rejoinID = try #require(client.machine.request?.id)
        let restored = try client.receive(.joinGroupAck("g")) {
            $0.id = rejoinID
            $0.next = 0
        }
        #expect(restored.events == [.groupRestored("g")])
        #expect(client.wait(.milliseconds(10)).sends.contains(.groupMessage(text: "x", group: "g")))
        #expect(try relay(0).isEmpty, "relayed once more by the new server")
    }

    @Test func toAnOriginalServerItWritesWhatAnOriginalWrites() throws {
        var client = Harness()
        _ = client.machine.started()
        _ = try client.receive(.registrationConfirmation)
        guard case .send(let message, let address)? = client.type("create_group g").first else {
            Issue.record("nothing was sent")
            return
        }
        #expect(address == Self.server)
        #expect(message.metadata.chat == nil)
        // Its answers carry no id: the type decides, and an answer to something else does not.
        #expect(try client.receive(.joinGroupAck("g")).isEmpty)
        #expect(try client.receive(.createGroupAck("g")).events == [.groupCreated("g")])
        // Datagrams that are not the server's are nobody's.
        _ = client.type("list_groups")
        let stranger = SocketAddress(ip: .loopbackV4, port: 5001)
        #expect(try client.receive(.listGroupsAck(["x"]), from: stranger).isEmpty)
        #expect(try client.receive(.listGroupsAck(["g"])).events == [.groups(["g"])])
    }

    @Test func theSecretGoesOnlyToAServerThatHasAnnouncedItself() throws {
        func secrets(_ effects: [UDPClientMachine.Effect]) -> [MessageID] {
            effects.compactMap { if case .send(let message, _) = $0 { message.metadata.chat?.secret } else { nil } }
        }
        var client = Harness(secret: Self.secret)
        #expect(secrets(client.machine.started()) == [])
        // An original's refusal is final; one of a server of ours, which says that the name may be reclaimed, is not.
        var other = client
        #expect(try other.receive(.registrationError(message: "`client` already exists!")).last == .end(.refused))
        let reclaimed = try client.receive(.registrationError(message: "`client` already exists!")) {
            $0.reclaim = true
        }
        #expect(secrets(reclaimed) == [Self.secret])
        // Said once more of the first registration: the answer to the second one is still to come.
        #expect(
            try client.receive(.registrationError(message: "`client` already exists!")) { $0.reclaim = true }.isEmpty)
        let refused = try client.receive(.registrationError(message: "`client` already exists!")) { $0.reclaim = false }
        #expect(refused.last == .end(.refused))
    }

    @Test func forgedMessagesAreNotShown() throws {
        let bob = SocketAddress(ip: .v4(0x0a00_0002), port: 6000)
        var client = Harness()
        try client.register(Self.entry("bob", bob.ip, 6000, run: 3), Self.entry("old", .v4(0x0a00_0003), 6001))
        func numbered(_ set: inout UDPExtension) {
            set.run = 3
            set.id = MessageID(high: 1, low: 1)
            set.sequence = 0
            set.base = 0
            set.to = "client"
        }
        var elsewhere = bob
        elsewhere.ip = .v4(0x0a00_0009)
        #expect(try client.receive(.message(text: "x"), from: "bob", elsewhere, numbered).events.isEmpty)
        #expect(
            try client.receive(.message(text: "x"), from: "bob", bob) {
                numbered(&$0); $0.run = 4
            }.events.isEmpty)
        #expect(
            try client.receive(.message(text: "x"), from: "bob", bob) {
                numbered(&$0); $0.to = "who"
            }.isEmpty)
        #expect(try client.receive(.message(text: "x"), from: "old", bob).isEmpty)
        #expect(try client.receive(.message(text: "x"), from: "nobody", bob).isEmpty)
        let shown = try client.receive(.message(text: "x"), from: "bob", bob, numbered)
        #expect(shown.events.count == 1 && shown.sends == [.messageAck(name: "client")])
        // Once more: acknowledged, not shown.
        let again = try client.receive(.message(text: "x"), from: "bob", bob, numbered)
        #expect(again.events.isEmpty && again.sends == [.messageAck(name: "client")])
    }

    @Test func directMessagesOfAFloodAreSlowedDown() throws {
        let bob = SocketAddress(ip: .loopbackV4, port: 6000)
        var client = Harness(limitsRates: true)
        try client.register(Self.entry("bob", bob.ip, 6000, run: 3))
        var answers: [UDPMessage.Body] = []
        for sequence in UInt64(0)..<12 {
            answers += try client.receive(.message(text: "\(sequence)"), from: "bob", bob) {
                $0.run = 3
                $0.id = MessageID(high: 1, low: sequence)
                $0.sequence = sequence
                $0.base = 0
                $0.to = "client"
            }.sends
        }
        #expect(answers == Array(repeating: .messageAck(name: "client"), count: 10) + [.slowDown, .slowDown])
    }

    @Test func whereAnotherClientIs() {
        let near = IPAddress.v4(0xc0a8_0102)
        let far = IPAddress.v4(0x0808_0808)
        func address(_ client: IPAddress?, _ sender: IPAddress?, server: IPAddress) -> IPAddress? {
            var entry = Self.entry("x", near, 1_234)
            entry.clientIP = client
            entry.senderIP = sender
            return UDPClientMachine.address(of: entry, seenFrom: server)?.ip
        }
        #expect(address(near, near, server: far) == near)
        #expect(address(.loopbackV4, .loopbackV4, server: .loopbackV4) == .loopbackV4)
        // It registered with a server on its own host: others find it where they find the server.
        #expect(address(.loopbackV4, .loopbackV4, server: far) == far)
        #expect(address(.anyV4, near, server: far) == near)
        #expect(address(.loopbackV4, near, server: far) == near)
        #expect(address(.loopbackV6, .loopbackV6, server: .loopbackV4) == .loopbackV6)
        #expect(address(nil, nil, server: far) == nil)
    }

    @Test func namesMayHoldSpaces() throws {
        var client = Harness()
        try client.register(
            Self.entry("bob", .loopbackV4, 6000, run: 3), Self.entry("bob the builder", .loopbackV4, 6001, run: 4))
        func receivers(_ line: String) -> [String] {
            client.type(line).compactMap { if case .show(.own(_, let name)) = $0 { name } else { nil } }
        }
        #expect(receivers("send bob hello") == ["bob"])
        #expect(receivers("send bob the builder hello") == ["bob the builder"])
        #expect(receivers("send BOB the hello") == ["bob"])
    }

    @Test func aLostChangeOfTheTableIsNoticed() throws {
        var client = Harness()
        try client.register()
        let change = try client.receive(.stateChange([Self.entry("bob", .loopbackV4, 6000)])) {
            $0.from = 2
            $0.revision = 3
        }
        #expect(change.sends == [.tableRequest])
        // The same by a later number in any answer.
        var other = Harness()
        try other.register()
        #expect(
            try other.receive(.pong) {
                $0.registered = true; $0.revision = 7
            }.sends == [.tableRequest])
        // Two pages, the second first.
        let bob = Self.entry("bob", .loopbackV4, 6000)
        let own = Self.entry("client", .loopbackV4, 5555, run: 9)
        #expect(
            try client.receive(.stateChange([bob])) {
                $0.revision = 3; $0.page = 1; $0.pages = 2
            }.events.isEmpty)
        #expect(
            try client.receive(.stateChange([own])) {
                $0.revision = 3; $0.page = 0; $0.pages = 2
            }.events
                == [.tableUpdated(joined: ["bob"], left: [])])
    }

    /// A receiver that drops out of the table and comes back, the same program, would take numbers that begin anew for
    /// repetitions: acknowledge them, and show nothing.
    @Test func numbersGoOnForWhoComesBack() throws {
        let bob = SocketAddress(ip: .loopbackV4, port: 6000)
        let entry = Self.entry("bob", bob.ip, bob.port, run: 3)
        var client = Harness()
        try client.register(entry)
        func numbers(_ effects: [UDPClientMachine.Effect]) -> [UInt64?] {
            effects.compactMap {
                if case .send(let message, bob) = $0 { message.metadata.client?.chat?.sequence } else { nil }
            }
        }
        #expect(numbers(client.type("send bob one")) == [0])
        _ = try client.receive(.messageAck(name: "bob"), from: "bob", bob) {
            $0.run = 3; $0.sequence = 0
        }
        let gone = try client.receive(.stateChange([])) {
            $0.from = 1; $0.revision = 2; $0.gone = ["bob"]
        }
        #expect(gone.events == [.tableUpdated(joined: [], left: ["bob"])])
        _ = try client.receive(.stateChange([entry])) {
            $0.from = 2; $0.revision = 3
        }
        #expect(numbers(client.type("send bob two")) == [1])
    }

    @Test func aSecondInterruptWaitsForNobody() throws {
        var client = Harness()
        try client.register(Self.entry("bob", .loopbackV4, 6000, run: 3))
        _ = client.type("send bob are you there?")
        let first = client.machine.interrupted(at: client.now)
        #expect(first.events == [.finishing(1)])
        let second = client.machine.interrupted(at: client.now)
        #expect(second.sends == [.deregistration], "said once, and nobody waits for the answer")
        #expect(second.last == .end(.interrupted))
    }
}

extension [UDPClientMachine.Effect] {
    fileprivate var sends: [UDPMessage.Body] {
        compactMap { if case .send(let message, _) = $0 { message.body } else { nil } }
    }

    fileprivate var events: [UDPClientEvent] {
        compactMap { if case .show(let event) = $0 { event } else { nil } }
    }
}
