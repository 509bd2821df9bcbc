import Testing
import Wire

@testable import UDPMode

@Suite struct ServerMachineTests {
    private static let alice = TestClient.original("alice", 5555)
    private static let bob = TestClient.original("bob", 5556)

    private func names(_ message: UDPMessage?) -> [String]? {
        guard case .stateChange(let entries)? = message?.body else { return nil }
        return entries.map(\.name)
    }

    @Test func registersAndTellsEverybody() throws {
        var server = ServerHarness()
        let first = try server.receive(Self.alice.message(.registration), from: Self.alice)
        #expect(first.sent(to: Self.alice).map(\.body.type) == ["registration_confirmation", "state_change"])
        #expect(first.logged == ["Server table updated."])
        let second = try server.receive(Self.bob.message(.registration), from: Self.bob)
        #expect(second.sent(to: Self.bob).map(\.body.type) == ["registration_confirmation", "state_change"])
        #expect(names(second.sent(to: Self.bob).last) == ["bob", "alice"], "itself first")
        #expect(names(second.sent(to: Self.alice).last) == ["alice", "bob"])
        // An original server's metadata and nothing else, since an original asked.
        #expect(second.sent(to: Self.bob).allSatisfy { $0.metadata == .server(port: 5000, chat: nil) })
    }

    @Test func aTakenNameIsRefusedAndARepeatedRegistrationIsNot() throws {
        var server = ServerHarness()
        _ = try server.receive(Self.alice.message(.registration), from: Self.alice)
        let again = try server.receive(Self.alice.message(.registration), from: Self.alice)
        #expect(again.sent(to: Self.alice).map(\.body.type) == ["registration_confirmation", "state_change"])
        #expect(again.logged.isEmpty)
        // The same port, another program: its commands come from another socket.
        var restarted = Self.alice
        restarted.sourcePort = 40_000
        let refused = try server.receive(restarted.message(.registration), from: restarted)
        #expect(refused.sent(to: restarted).first?.body == .registrationError(message: "`alice` already exists!"))
        // Names that differ in case only are the same name.
        let shouting = TestClient.original("ALICE", 6000)
        let other = try server.receive(shouting.message(.registration), from: shouting)
        #expect(other.sent(to: shouting).map(\.body) == [.registrationError(message: "`ALICE` already exists!")])
    }

    /// An original would die of a word that it does not know.
    @Test func theEndIsToldToOurs() throws {
        var server = ServerHarness()
        #expect(server.machine.stopped().isEmpty)
        _ = try server.register(Self.alice)
        let carol = try server.register(.ours("carol", 5557, run: 7))
        let effects = server.machine.stopped()
        #expect(effects.sent(to: carol).map(\.body) == [.stopping])
        #expect(effects.sent(to: Self.alice).isEmpty)
    }

    @Test func icmpFreesAName() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        _ = try server.register(Self.bob)
        let gone = server.finish(server.machine.becameUnreachable(Self.alice.path.address, at: server.now))
        #expect(gone.logged == ["Server table updated."])
        #expect(names(gone.sent(to: Self.bob).last) == ["bob"])
        let successor = TestClient.original("alice", 7000)
        _ = try server.register(successor)
    }

    @Test func deregisters() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        _ = try server.register(Self.bob)
        let effects = try server.receive(Self.alice.message(.deregistration), from: Self.alice)
        #expect(effects.sent(to: Self.alice).map(\.body) == [.deregistrationConfirmation])
        #expect(effects.logged == ["Server table updated. (removed alice)"])
        #expect(names(effects.sent(to: Self.bob).last) == ["bob"])
        // The original's server dies of a second one.
        let again = try server.receive(Self.alice.message(.deregistration), from: Self.alice)
        #expect(again.bodies == [.deregistrationConfirmation])
    }

    @Test func groupsAsInTheDocument() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        _ = try server.register(Self.bob)
        func ask(_ client: TestClient, _ body: UDPMessage.Body) throws -> (UDPMessage.Body?, [String]) {
            _ = server.wait(.seconds(2))
            let effects = try server.receive(client.message(body), from: client)
            return (effects.sent(to: client).last?.body, effects.logged)
        }
        var answer = try ask(Self.alice, .createGroup("group-name"))
        #expect(answer.0 == .createGroupAck("group-name"))
        #expect(answer.1 == ["Client alice created group `group-name` successfully!"])
        answer = try ask(Self.alice, .createGroup("group-name"))
        #expect(answer.0 == .createGroupError(message: "Group `group-name` already exists."))
        #expect(answer.1 == ["Client alice creating group `group-name` failed, group already exists"])
        answer = try ask(Self.alice, .listGroups)
        #expect(answer.0 == .listGroupsAck(["group-name"]))
        #expect(answer.1 == ["Client alice requested listing groups, current groups:", "group-name"])
        answer = try ask(Self.bob, .joinGroup("nope"))
        #expect(answer.0 == .joinGroupError(message: "Group `nope` does not exist."))
        #expect(answer.1 == ["Client bob joining group `nope` failed, group does not exist"])
        answer = try ask(Self.bob, .joinGroup("group-name"))
        #expect(answer.0 == .joinGroupAck("group-name"))
        #expect(answer.1 == ["Client bob joined group `group-name`"])
        answer = try ask(Self.alice, .listMembers(group: "group-name"))
        #expect(answer.0 == .membersList([]), "the creator is not joined, and who is not in it learns nothing")
        _ = try ask(Self.alice, .joinGroup("group-name"))
        answer = try ask(Self.alice, .listMembers(group: "group-name"))
        #expect(answer.0 == .membersList(["bob", "alice"]))
        #expect(answer.1 == ["Client alice requested listing members of group group-name", "bob", "alice"])
        answer = try ask(Self.alice, .leaveGroup("group-name"))
        #expect(answer.0 == .leaveGroupAck)
        #expect(answer.1 == ["Client alice left group group-name"])
        answer = try ask(Self.alice, .leaveGroup("group-name"))
        #expect(answer.0 == .leaveGroupAck, "the original's server dies of this")
        #expect(answer.1 == [])
    }

    @Test func aRepeatedRequestGetsTheFirstAnswerAgain() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        _ = try server.receive(Self.alice.message(.createGroup("g")), from: Self.alice)
        _ = server.wait(.milliseconds(500))
        let again = try server.receive(Self.alice.message(.createGroup("g")), from: Self.alice)
        #expect(again.bodies == [.createGroupAck("g")])
        #expect(again.logged.isEmpty)
        // Ours says which request it is: the id decides, and no time passes.
        let carol = try server.register(TestClient.ours("carol", 6001))
        let id = MessageID(high: 1, low: 1)
        for body in [UDPMessage.Body.createGroup("h"), .createGroup("h")] {
            let effects = try server.receive(carol.message(body) { $0.id = id }, from: carol)
            #expect(effects.sent(to: carol).map(\.body) == [.createGroupAck("h")])
            #expect(effects.sent(to: carol).first?.metadata.chat?.id == id)
        }
        let other = try server.receive(
            carol.message(.createGroup("h")) { $0.id = MessageID(high: 1, low: 2) }, from: carol)
        #expect(other.bodies == [.createGroupError(message: "Group `h` already exists.")])
    }

    @Test func groupMessagesReachTheOthersAndTheSilentAreRemoved() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        _ = try server.register(Self.bob)
        for (client, body) in [
            (Self.alice, UDPMessage.Body.createGroup("g")), (Self.alice, .joinGroup("g")), (Self.bob, .joinGroup("g")),
        ] { _ = try server.receive(client.message(body), from: client) }
        let effects = try server.receive(
            Self.alice.message(.groupMessage(text: "hey there :)", group: "g")), from: Self.alice)
        #expect(effects.sent(to: Self.alice).map(\.body) == [.groupMessageAck(group: nil)])
        #expect(effects.sent(to: Self.bob).map(\.body) == [.groupRelay(text: "hey there :)", sender: "alice")])
        #expect(effects.bodies.first == .groupMessageAck(group: nil), "the acknowledgement comes first")
        #expect(effects.logged == ["Client alice sent group message: hey there :)"])
        let ack = try server.receive(Self.bob.message(.groupMessageAck(group: "g")), from: Self.bob)
        #expect(ack.logged == ["Client bob acked group message"])
        #expect(server.wait(.seconds(10)).isEmpty)
        // A retransmission is acknowledged and has no second effect.
        let text = UDPMessage.Body.groupMessage(text: "again", group: "g")
        _ = try server.receive(Self.alice.message(text), from: Self.alice)
        _ = server.wait(.milliseconds(500))
        let repeated = try server.receive(Self.alice.message(text), from: Self.alice)
        #expect(repeated.bodies == [.groupMessageAck(group: nil)])
        // Bob does not answer: five more sends, half a second apart, and he is out.
        let silence = server.wait(.milliseconds(2_400))
        #expect(
            silence.sent(to: Self.bob).map(\.body)
                == Array(repeating: .groupRelay(text: "again", sender: "alice"), count: 4))
        #expect(server.wait(.milliseconds(500)).logged == ["Client bob not responsive, removed from group g"])
        // But he is still there: when he speaks, he is in again.
        let back = try server.receive(Self.bob.message(.groupMessage(text: "hm?", group: "g")), from: Self.bob)
        #expect(back.logged == ["Client bob joined group `g`", "Client bob sent group message: hm?"])
        #expect(back.sent(to: Self.alice).map(\.body) == [.groupRelay(text: "hm?", sender: "bob")])
    }

    @Test func strangersLearnNothing() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        _ = try server.receive(Self.alice.message(.createGroup("secret-group")), from: Self.alice)
        let stranger = TestClient.original("mallory", 7000)
        for body in [
            UDPMessage.Body.listGroups, .joinGroup("secret-group"), .listMembers(group: "secret-group"),
            .groupMessage(text: "x", group: "secret-group"), .clientOffline(name: "alice"), .leaveGroup("secret-group"),
            .createGroup("mine"), .storeMessage(to: "alice", id: MessageID(high: 1, low: 1), text: "x"), .tableRequest,
            .introduce(name: "alice"),
        ] {
            let message = stranger.message(body)
            let effects = try server.receive(message, from: stranger)
            #expect(effects.bodies == [.registrationError(message: "You are not registered.")])
            for case .send(let answer, _) in effects {
                #expect(try answer.encoded().count <= message.encoded().count + 64)
            }
        }
        for body in [UDPMessage.Body.groupMessageAck(group: "g"), .pong, .message(text: "x"), .messageAck(name: "x")] {
            #expect(try server.receive(stranger.message(body), from: stranger).isEmpty)
        }
        // Somebody else's name from another host or port is a stranger too.
        var forged = Self.alice
        forged.ip = .v4(0x0a00_0001)
        #expect(
            try server.receive(forged.message(.listGroups), from: forged).bodies
                == [.registrationError(message: "You are not registered.")])
        #expect(server.machine.table.count == 1)
    }

    @Test func answersToOneAddressAreBounded() throws {
        var server = ServerHarness()
        var answers = 0
        for port in UInt16(2_000)..<3_000 {
            var stranger = TestClient.original("m\(port)", port)
            stranger.ip = .v4(0x0a00_0001)
            answers += try server.receive(stranger.message(.listGroups), from: stranger).count
        }
        #expect(answers == UDPSourceLimiter.burst)
        // Another address is answered as before.
        var other = TestClient.original("n", 2_000)
        other.ip = .v4(0x0a00_0002)
        #expect(try server.receive(other.message(.listGroups), from: other).count == 1)
        // And an address holds so many registrations.
        _ = server.wait(.seconds(3_600))
        var registered = 0
        for port in UInt16(2_000)..<2_040 {
            _ = server.wait(.seconds(1))
            var client = TestClient.original("r\(port)", port)
            client.ip = .v4(0x0a00_0001)
            let effects = try server.receive(client.message(.registration), from: client)
            if effects.sent(to: client).first?.body == .registrationConfirmation { registered += 1 }
        }
        #expect(registered == 16)
    }

    @Test func theTableOfAnOriginalFitsADatagram() throws {
        var server = ServerHarness()
        let first = try server.register(TestClient.original("first", 1_500))
        for number in 0..<60 {
            _ = try server.register(TestClient.original("client-number-\(number)", UInt16(2_000 + number)))
        }
        let last = TestClient.original("last", 1_501)
        // So many are told a few at a time.
        let effects = try server.receive(last.message(.registration), from: last) + server.wait(.seconds(1))
        for client in [first, last] {
            let table = try #require(effects.sent(to: client).last)
            #expect(try table.encoded().count <= UDPMessage.datagramLimit)
            #expect(names(table)?.first == client.name)
            #expect((names(table)?.count ?? 0) >= 20)
        }
        // An end of ours gets all of it, in pages.
        let ours = try server.register(TestClient.ours("ours", 1_502))
        let pages = try server.receive(ours.message(.tableRequest), from: ours).sent(to: ours)
        #expect(pages.count > 2)
        #expect(pages.flatMap { names($0) ?? [] }.count == 63)
        #expect(try pages.allSatisfy { try $0.encoded().count <= UDPMessage.datagramLimit })
        #expect(pages.map(\.metadata.chat?.page) == Array(0..<pages.count))
        // One that is going to write to an original is made known to it.
        let introduced = try server.receive(ours.message(.introduce(name: "first")), from: ours)
        #expect(names(introduced.sent(to: first).first)?.prefix(2) == ["first", "ours"])
        #expect(introduced.sent(to: ours).map(\.body) == [.introduceAck(name: "first")])
    }

    /// Where nobody listens any more, nobody does under any name.
    @Test func allNamesOfAPortThatIsClosedAreGone() throws {
        var server = ServerHarness()
        let names = try (0..<4).map { try server.register(TestClient.original("name\($0)", 1_500)) }
        let other = try server.register(TestClient.original("other", 1_501))
        let effects = server.finish(server.machine.becameUnreachable(names[0].path.address, at: server.now))
        #expect(server.machine.table.published.map(\.entry.name) == ["other"])
        #expect(effects.sent(to: other).count == 1, "the others are told once")
        #expect(server.machine.becameUnreachable(names[0].path.address, at: server.now) == [])
    }

    /// The whole table is far larger than what asks for it.
    @Test func theWholeTableIsNotHadAtAnyRate() throws {
        var server = ServerHarness()
        let ours = try server.register(TestClient.ours("ours", 1_502))
        func tables() throws -> Int {
            try server.receive(ours.message(.tableRequest), from: ours).sent(to: ours)
                .count { if case .stateChange = $0.body { true } else { false } }
        }
        // One was had with the registration.
        var had = 1
        for _ in 0..<UDPRegistration.tableBurst * 2 { had += try tables() }
        #expect(had == UDPRegistration.tableBurst)
        #expect(server.machine.overRate == UDPRegistration.tableBurst + 1)
        // Who repeats a request as a client does is answered before it gives up.
        for _ in 0..<10 {
            _ = server.wait(.milliseconds(500))
            #expect(try tables() == 1)
        }
    }

    /// A table for each of many originals whenever anybody comes would let who registers spend the server's time: where
    /// there are many, a few are told at a time, and who came last is told last.
    @Test func manyOriginalsAreToldAFewAtATime() throws {
        var server = ServerHarness()
        func told(_ effects: [UDPServerMachine.Effect]) -> [UInt16] {
            effects.flatMap { effect -> [UInt16] in
                guard case .send(let message, let paths) = effect, case .stateChange = message.body else { return [] }
                return paths.map(\.address.port)
            }
        }
        func original(_ number: Int) -> TestClient { .original("o\(number)", UInt16(6_000 + number)) }
        let prompt = UDPServerMachine.promptOriginals
        var sent = 0
        for number in 1...100 {
            sent += told(try server.receive(original(number).message(.registration), from: original(number))).count
        }
        #expect(sent == prompt * (prompt + 1) / 2 + prompt, "each of the first ones tells all, the next one as many")

        // The first round ends with the one who began it, and a second one follows for whoever came meanwhile.
        var order: [UInt16] = []
        for _ in 0..<1_000 {
            let some = told(server.wait(UDPServerMachine.pausePerOriginal))
            #expect(some.count <= prompt)
            order += some
        }
        #expect(order == [UInt16(6_000 + prompt + 1)] + (1...100).map { UInt16(6_000 + $0) })

        // It was long ago: the next one is told of at once, itself last.
        let late = try server.receive(original(101).message(.registration), from: original(101))
        #expect(late.sent(to: original(101)).map(\.body.type) == ["registration_confirmation"])
        #expect(told(late) == (1...prompt).map { UInt16(6_000 + $0) })
        // Who goes is told nothing more, and who stays that it has gone.
        _ = try server.receive(original(50).message(.deregistration), from: original(50))
        let rest = told(server.wait(.seconds(1)))
        #expect(rest.count == (100 - prompt) + 100)
        #expect(!rest.contains(6_050))
    }

    @Test func oursAreToldOnlyWhatChanged() throws {
        var server = ServerHarness()
        let carol = try server.register(TestClient.ours("carol", 6_001))
        let effects = try server.receive(Self.alice.message(.registration), from: Self.alice)
        let change = try #require(effects.sent(to: carol).first)
        #expect(names(change) == ["alice"])
        #expect(change.metadata.chat?.revision == 2)
        #expect(change.metadata.chat?.from == 1)
        let gone = try server.receive(Self.alice.message(.deregistration), from: Self.alice)
        #expect(gone.sent(to: carol).first?.metadata.chat?.gone == ["alice"])
        #expect(gone.sent(to: carol).first?.metadata.chat?.from == 2)
    }

    @Test func oursMustShowThatItReceives() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        let ghost = TestClient.ours("ghost", 6_666)
        let effects = try server.receive(ghost.message(.registration), from: ghost)
        #expect(effects.sent(to: Self.alice).isEmpty)
        for case .send(let answer, _) in effects {
            #expect(try answer.encoded().count <= ghost.message(.registration).encoded().count + 64)
        }
        #expect(server.wait(UDPServerMachine.provisionalLifetime).sent(to: Self.alice).isEmpty)
        #expect(server.machine.table.count == 1)
    }

    @Test func aSecretReclaimsTheName() throws {
        var server = ServerHarness()
        let before = try server.register(TestClient.ours("carol", 6_001, run: 1))
        var after = TestClient.ours("carol", 6_002, run: 2)
        let refused = try server.receive(after.message(.registration), from: after).sent(to: after)
        #expect(refused.map(\.body) == [.registrationError(message: "`carol` already exists!")])
        #expect(refused.first?.metadata.chat?.reclaim == true)
        #expect(refused.first?.metadata.chat?.secret == nil)
        let wrong = try server.receive(
            after.message(.registration) { $0.secret = MessageID(high: 1, low: 1) }, from: after)
        #expect(wrong.sent(to: after).map(\.body) == [.registrationError(message: "`carol` already exists!")])
        #expect(wrong.sent(to: after).first?.metadata.chat?.reclaim == false)
        let asked = try server.receive(after.message(.registration) { $0.secret = before.secret }, from: after)
        #expect(asked.bodies == [.ping], "the program that has the name is asked first")
        #expect(
            try server.receive(before.message(.pong), from: before).sent(to: after).map(\.body)
                == [.registrationError(message: "`carol` already exists!")])
        _ = try server.receive(after.message(.registration) { $0.secret = before.secret }, from: after)
        let right = server.wait(.seconds(2))
        #expect(right.sent(to: after).map(\.body).contains(.registrationConfirmation))
        after.session = right.sent(to: after).first { $0.body == .registrationConfirmation }?.metadata.chat?.session
        #expect(after.session != before.session)
        // What the old run still sends is a stranger's.
        let old = try server.receive(before.message(.ping), from: before)
        #expect(old.sent(to: before).first?.metadata.chat?.registered == false)
        #expect(
            try server.receive(after.message(.ping), from: after).sent(to: after).first?.metadata.chat?.registered
                == true)
    }

    @Test func whoIsSaidToBeOfflineIsAskedFirst() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        let carol = try server.register(TestClient.ours("carol", 6_001))
        // An original cannot be asked.
        let bob = try server.register(Self.bob)
        let gone = try server.receive(Self.alice.message(.clientOffline(name: "bob")), from: Self.alice)
        #expect(names(gone.sent(to: Self.alice).first { $0.body.type == "state_change" }) == ["alice", "carol"])
        #expect(gone.sent(to: Self.alice).contains { $0.body == .clientOfflineAck(name: "bob") })
        #expect(gone.sent(to: bob).isEmpty)
        // Carol answers, so she stays.
        let asked = try server.receive(Self.alice.message(.clientOffline(name: "carol")), from: Self.alice)
        #expect(asked.bodies == [.ping])
        let denied = try server.receive(carol.message(.pong), from: carol)
        #expect(denied.sent(to: Self.alice).map(\.body) == [.clientOfflineAck(name: "carol")])
        #expect(server.machine.table["carol"] != nil)
        // Now she does not.
        _ = try server.receive(Self.alice.message(.clientOffline(name: "carol")), from: Self.alice)
        let removed = server.wait(.milliseconds(2_000))
        #expect(removed.logged == ["Server table updated."])
        #expect(removed.sent(to: Self.alice).contains { $0.body == .clientOfflineAck(name: "carol") })
        #expect(server.machine.table["carol"] == nil)
        // A repeated one is answered, where the original's server dies.
        let again = try server.receive(Self.alice.message(.clientOffline(name: "carol")), from: Self.alice)
        #expect(again.bodies == [.clientOfflineAck(name: "carol")])
    }

    @Test func silentOnesGo() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        let carol = try server.register(TestClient.ours("carol", 6_001))
        _ = server.wait(.seconds(100))
        _ = try server.receive(carol.message(.ping), from: carol)
        #expect(server.wait(.seconds(119)).isEmpty)
        #expect(server.wait(.seconds(1)).logged == ["Server table updated."])
        #expect(server.machine.table["carol"] == nil)
        _ = server.wait(.seconds(24 * 3_600))
        #expect(server.machine.table.count == 0)
    }

    @Test func hostileDatagramsChangeNothing() throws {
        var server = ServerHarness()
        _ = try server.register(Self.alice)
        let carol = try server.register(TestClient.ours("carol", 6_001))
        var random = SplitMix64(seed: 12)
        let seeds =
            try UDPMessageTests.everything.map { try $0.encoded() }
            + [carol.message(.groupMessage(text: "x", group: "g")) { $0.sequence = 1 }].map { try $0.encoded() }
        for _ in 0..<1_500 {
            var bytes = seeds.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let source = [Self.alice, carol, Self.bob].randomElement(using: &random)!.source
            _ = server.receive(bytes, from: source)
            _ = server.wait(.milliseconds(50))
        }
        #expect(server.receive(Array(repeating: 0x5b, count: 4_096), from: carol.source).isEmpty)
        #expect(server.receive(Array(repeating: 0x20, count: 5_000), from: carol.source).isEmpty)
    }
}
