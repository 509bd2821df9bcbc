import Testing
import Wire

@testable import UDPMode

/// What could not be delivered, kept for who holds the secret.
@Suite struct ServerMailTests {
    private static let id = MessageID(high: 3, low: 4)

    /// carol keeps her secret and is away; dave is there.
    private func withCarolAway() throws -> (ServerHarness, carol: TestClient, dave: TestClient) {
        var server = ServerHarness()
        var carol = TestClient.ours("carol", 6_001)
        let confirmation = try server.receive(carol.message(.registration) { $0.keep = true }, from: carol)
        carol.session = confirmation.sent(to: carol).first?.metadata.chat?.session
        carol.secret = confirmation.sent(to: carol).first?.metadata.chat?.secret
        _ = try server.receive(carol.message(.tableRequest), from: carol)
        let dave = try server.register(TestClient.ours("dave", 6_002, run: 2))
        _ = try server.receive(carol.message(.deregistration) { $0.keep = true }, from: carol)
        #expect(server.machine.table["carol"] == nil)
        return (server, carol, dave)
    }

    @Test func storesForWhoHoldsASecretAndHandsOver() throws {
        var (server, carol, dave) = try withCarolAway()
        let stored = try server.receive(
            dave.message(.storeMessage(to: "carol", id: Self.id, text: "call me")), from: dave)
        #expect(stored.sent(to: dave).map(\.body) == [.storeMessageAck(id: Self.id)])
        #expect(stored.logged == ["Message from dave stored for carol"])
        // Once more: the same answer, stored once.
        let again = try server.receive(
            dave.message(.storeMessage(to: "carol", id: Self.id, text: "call me")), from: dave)
        #expect(again.bodies == [.storeMessageAck(id: Self.id)])
        #expect(server.machine.mailboxes.waiting(for: "carol", 9).count == 1)
        // Another program cannot have the name, nor the message.
        let thief = TestClient.original("carol", 6_003)
        #expect(
            try server.receive(thief.message(.registration), from: thief).bodies
                == [.registrationError(message: "`carol` already exists!")])
        // She is back, with her secret, at another port.
        carol.port = 6_005
        carol.sourcePort = 6_005
        carol.run = 9
        let back = try server.receive(
            carol.message(.registration) {
                $0.secret = carol.secret; $0.keep = true
            }, from: carol)
        carol.session = back.sent(to: carol).first?.metadata.chat?.session
        #expect(back.sent(to: carol).first?.metadata.chat?.secret == carol.secret)
        let table = try server.receive(carol.message(.tableRequest), from: carol)
        let message = UDPMessage.Body.storedMessage(
            from: "dave", id: Self.id, text: "call me", time: server.wall)
        #expect(table.sent(to: carol).map(\.body).contains(message))
        // Not acknowledged: again, and then not before she is heard.
        #expect(server.wait(.milliseconds(2_500)).sent(to: carol).map(\.body) == Array(repeating: message, count: 5))
        #expect(server.wait(.seconds(60)).sent(to: carol).isEmpty)
        #expect(try server.receive(carol.message(.ping), from: carol).sent(to: carol).map(\.body).contains(message))
        let done = try server.receive(carol.message(.storedMessageAck(id: Self.id)), from: carol)
        #expect(done.logged == ["Stored message handed over to carol"])
        #expect(server.records.last == .discard(id: Self.id, to: "carol"))
        #expect(server.wait(.seconds(30)).isEmpty)
    }

    @Test func answersOnlyWhatIsCommitted() throws {
        var (server, _, dave) = try withCarolAway()
        server.commits = false
        let request = dave.message(.storeMessage(to: "carol", id: Self.id, text: "x"))
        #expect(try server.receive(request, from: dave).bodies.isEmpty)
        #expect(try server.receive(request, from: dave).bodies.isEmpty)
        let record = try #require(server.records.last)
        let failed = server.machine.failed(record, at: server.now)
        #expect(
            failed.bodies == [
                .storeMessageError(id: Self.id, message: "The server cannot store messages at the moment.")
            ])
        #expect(server.machine.mailboxes.waiting(for: "carol", 9).isEmpty)
        // There is room again.
        server.commits = true
        #expect(try server.receive(request, from: dave).bodies == [.storeMessageAck(id: Self.id)])
    }

    @Test func refusesWhatItCannotKeep() throws {
        var (server, _, dave) = try withCarolAway()
        func store(_ name: String, _ text: String, _ number: UInt64) throws -> [UDPMessage.Body] {
            _ = server.wait(.milliseconds(600))
            _ = try server.receive(dave.message(.ping), from: dave)
            return try server.receive(
                dave.message(.storeMessage(to: name, id: MessageID(high: 9, low: number), text: text)), from: dave
            ).bodies
        }
        let nobody = try store("nobody", "x", 0)
        #expect(
            nobody == [
                .storeMessageError(
                    id: MessageID(high: 9, low: 0), message: "The server keeps no messages for `nobody`.")
            ])
        for number in 1...UInt64(UDPMailboxes.messageLimit) {
            #expect(try store("carol", "x", number) == [.storeMessageAck(id: MessageID(high: 9, low: number))])
        }
        #expect(
            try store("carol", "x", 999)
                == [.storeMessageError(id: MessageID(high: 9, low: 999), message: "The mailbox of `carol` is full.")])
    }

    @Test func deregisteringGivesTheNameUp() throws {
        var server = ServerHarness()
        var carol = TestClient.ours("carol", 6_001)
        let confirmation = try server.receive(carol.message(.registration) { $0.keep = true }, from: carol)
        carol.session = confirmation.sent(to: carol).first?.metadata.chat?.session
        _ = try server.receive(carol.message(.deregistration), from: carol)
        #expect(server.records.last == .dropName(key: "carol"))
        _ = try server.register(TestClient.original("carol", 6_009))
    }

    @Test func namesAndMessagesExpire() throws {
        var (server, _, dave) = try withCarolAway()
        _ = try server.receive(dave.message(.storeMessage(to: "carol", id: Self.id, text: "x")), from: dave)
        _ = server.wait(.seconds(7 * 24 * 3_600 + 7_200))
        #expect(server.records.last == .dropName(key: "carol"))
        #expect(server.machine.mailboxes.count == 0)
        _ = try server.register(TestClient.original("carol", 6_010))
    }

    @Test func floodsAreSlowedDown() throws {
        var server = ServerHarness()
        let dave = try server.register(TestClient.ours("dave", 6_002, run: 2))
        for body in [UDPMessage.Body.createGroup("g"), .joinGroup("g")] {
            _ = try server.receive(
                dave.message(body) { $0.id = MessageID(high: 8, low: UInt64(body.type.count)) }, from: dave)
        }
        var answers: [UDPMessage] = []
        for sequence in UInt64(0)..<15 {
            answers += try server.receive(
                dave.message(.groupMessage(text: "\(sequence)", group: "g")) {
                    $0.id = MessageID(high: 7, low: sequence)
                    $0.sequence = sequence
                    $0.base = 0
                }, from: dave
            ).sent(to: dave).filter { $0.body.type != "group_message" }
        }
        #expect(
            answers.map(\.body) == Array(repeating: .groupMessageAck(group: nil), count: 10)
                + Array(repeating: .slowDown, count: 5))
        #expect(answers.last?.metadata.chat?.wait == 500)
        #expect(answers.last?.metadata.chat?.sequence == 14)
    }
}
