import Delivery
import Net
import Store
import TestSupport
import Testing
import Wire

@testable import RoomsMode

/// Two rooms and five members: once against the manager's turns, and once over real sockets.
@Suite(.timeLimit(.minutes(1))) struct RoomManagerTests {
    @Test func twoRoomsAndFiveMembersByTurns() async throws {
        try await RecordedStage.with { try await Self.scenario($0) }
    }

    @Test func twoRoomsAndFiveMembersOverLoopback() async throws {
        try await LoopbackStage.with { try await Self.scenario($0) }
    }

    private static func scenario(_ stage: some RoomsStage) async throws {
        // Den: a host of an original program, one of ours and another original. Attic: ours, and an original.
        let ann = try await StagePerson.enter(stage, "den", "Ann", creates: true)
        let bob = try await StagePerson.enter(stage, "den", "Bob", extended: true)
        #expect(try await ann.line() == "system: Bob has joined the room.")
        let cid = try await StagePerson.enter(stage, "den", "Cid")
        #expect(try await ann.line() == "system: Cid has joined the room.")
        #expect(try await bob.next(.event).sentence == "Cid: joined")
        let dot = try await StagePerson.enter(stage, "attic", "Dot", creates: true, extended: true)
        let eve = try await StagePerson.enter(stage, "attic", "Eve")
        #expect(try await dot.next(.event).sentence == "Eve: joined")

        // What is said in a room is heard by everybody else in it, and by nobody in the other.
        try await ann.say("hello")
        #expect(try await cid.line() == "Ann: hello")
        let hello = try await bob.next(.message)
        #expect(hello.sentence == "Ann: hello" && hello.offset == 0)
        try await dot.submit(.message, MessageID(high: 1, low: 1), "up here")
        #expect(try await eve.line() == "Dot: up here")
        let ack = try await dot.next(.ack)
        #expect(ack.id == MessageID(high: 1, low: 1) && ack.offset == 0)

        // A repeated one is acknowledged again and relayed once.
        try await bob.submit(.message, MessageID(high: 2, low: 1), "one")
        #expect(try await bob.next(.ack).offset == 1)
        try await bob.submit(.message, MessageID(high: 2, low: 1), "one")
        #expect(try await bob.next(.ack).offset == 1)
        try await bob.submit(.message, MessageID(high: 2, low: 2), "two")
        #expect(try await bob.next(.ack).offset == 2)
        for person in [ann, cid] {
            #expect(try await person.line() == "Bob: one")
            #expect(try await person.line() == "Bob: two")
        }

        // The lists, and the history for members.
        let asBob = RoomsRequest(
            room: "den", .history(token: bob.token, .before(nil), limit: 10), isExtended: true)
        guard case .history(let page) = try await stage.ask(asBob).get().body else { throw StageFailure.unexpected }
        #expect(page.messages.map(\.text) == ["hello", "one", "two"])
        #expect(page.messages.map(\.author) == ["Ann", "Bob", "Bob"])
        let asDot = RoomsRequest(
            room: "den", .history(token: dot.token, .before(nil), limit: 10), isExtended: true)
        #expect(try await stage.ask(asDot) == .failure(.refused(.notAMember)))
        let list = RoomsRequest(room: "", .list(after: 0), isExtended: true)
        guard case .rooms(let rooms) = try await stage.ask(list).get().body else { throw StageFailure.unexpected }
        #expect(rooms.rooms.map(\.name) == ["lobby", "den", "attic"])
        #expect(rooms.rooms.map(\.members) == [0, 3, 2])

        // A name in use is refused, and a place comes back to who has the token.
        let thief = RoomsRequest(room: "den", .join(name: "ANN", token: nil), isExtended: false)
        #expect(try await Self.isRefused(stage.ask(thief)))
        let back = RoomsRequest(room: "den", .join(name: "Bob", token: bob.token), isExtended: true)
        guard case .entered(let entered) = try await stage.ask(back).get().body else { throw StageFailure.unexpected }
        #expect(entered.token == bob.token && entered.extended?.offset == 3)

        // A member leaves; then the host, and the room is closed.
        try await cid.say("__LEAVE__")
        #expect(try await ann.line() == "system: Cid has left the room.")
        #expect(try await bob.next(.event).sentence == "Cid: left")
        try await ann.say("__LEAVE__")
        #expect(
            String(decoding: try await bob.next(.closed).text, as: UTF8.self) == "The host, Ann, has closed the room.")
        #expect(try await stage.ask(asBob) == .failure(.refused(.noSuchRoom)))

        // The other room goes on; its host leaves over TCP.
        try await eve.say("still here")
        #expect(try await dot.next(.message).sentence == "Eve: still here")
        let leave = RoomsRequest(room: "attic", .leave(token: dot.token), isExtended: true)
        #expect(try await stage.ask(leave).get().body == .left)
        #expect(try await eve.line() == "__ROOM_CLOSED__")
        guard case .rooms(let left) = try await stage.ask(list).get().body else { throw StageFailure.unexpected }
        #expect(left.rooms.map(\.name) == ["lobby"])
    }

    private static func isRefused(_ outcome: ClientExchangeMachine.Outcome) -> Bool {
        if case .failure(.refused) = outcome { true } else { false }
    }

    /// One encode for all who get the same bytes, and none for a room where nobody else is.
    @Test func oneEncodeAMessageAndDialect() async throws {
        try await RecordedStage.with { stage in
            let ann = try await StagePerson.enter(stage, "lobby", "Ann")
            var originals: [StagePerson] = []
            for number in 0..<20 {
                originals.append(try await StagePerson.enter(stage, "lobby", "o\(number)"))
            }
            _ = stage.outbound.takeSent()
            var before = stage.outbound.encodes
            try await ann.say("to originals")
            #expect(stage.outbound.encodes - before == 1)
            #expect(stage.outbound.takeSent().count == 20)
            for number in 0..<20 {
                _ = try await StagePerson.enter(stage, "lobby", "e\(number)", extended: true)
            }
            _ = stage.outbound.takeSent()
            before = stage.outbound.encodes
            try await ann.say("to all")
            #expect(stage.outbound.encodes - before == 2)
            #expect(stage.outbound.takeSent().count == 40)
        }
    }

    /// Who never asked for more is never sent more.
    @Test func originalsGetTheirOwnBytesOnly() async throws {
        try await RecordedStage.with { stage in
            let ann = try await StagePerson.enter(stage, "lobby", "Ann")
            let bob = try await StagePerson.enter(stage, "lobby", "Bob", extended: true)
            _ = stage.outbound.takeSent()
            try await bob.submit(.message, MessageID(high: 1, low: 1), "grüße")
            #expect(try await stage.receive(ann.number) == [3] + Array("Bobgrüße".utf8))
            _ = try await bob.next(.ack)
            let request = RoomsRequest(room: "lobby", .topic(token: bob.token, "tea"), isExtended: true)
            _ = try await stage.ask(request)
            #expect(try await stage.receive(ann.number) == [6] + Array("systemBob set the topic: tea".utf8))
            try await ann.send([])
            try await ann.send([0xff, 0xfe])
            await stage.manager.handle([.timer(RoomsTimer.heartbeat(0).packed)])
            let toAnn = stage.outbound.takeSent().filter {
                if case .datagram(RecordedStage.address(ann.number), _, _) = $0 { true } else { false }
            }
            #expect(toAnn.isEmpty)
        }
    }

    /// Nothing that a stranger sends as a datagram is answered.
    @Test func strangersGetNoAnswer() async throws {
        try await RecordedStage.with { stage in
            let ann = try await StagePerson.enter(stage, "lobby", "Ann", extended: true)
            _ = stage.outbound.takeSent()
            var random = SplitMix64(seed: 11)
            let stranger = try await stage.open()
            for number in 0..<2_000 {
                var writer = ByteWriter()
                switch number % 4 {
                case 0:
                    UCRPRequest.writeHeader(room: Array("lobby".utf8), token: .random(using: &random), to: &writer)
                    writer.append(UCRPRequest.Control.register.literal)
                case 1:
                    UCRPRequest.writeHeader(room: Array("den".utf8), token: ann.token, to: &writer)
                    writer.append(UCRPRequest.Control.register.literal)
                case 2: writer.append(contentsOf: (0..<60).map { _ in UInt8.random(in: 0...255, using: &random) })
                default: writer.append(contentsOf: ann.datagram(Array("from elsewhere".utf8)))
                }
                try await stage.send(writer.bytes, from: stranger)
            }
            #expect(stage.outbound.takeSent().isEmpty)
            let drops = await stage.manager.drops
            #expect(drops.reduce(0, +) == 2_000)
            #expect(drops[RoomRules.Drop.unknownToken.rawValue] >= 500)
            #expect(drops[RoomRules.Drop.wrongRoom.rawValue] == 500)
            #expect(drops[RoomRules.Drop.wrongSource.rawValue] == 500)
            #expect(await stage.manager.rules.memberCount == 1)
        }
    }

    /// A full disk: the relay goes on, nothing is acknowledged and nobody is let in; with room again, what was said is
    /// kept after all, and acknowledged.
    @Test func aFullDiskStopsAcknowledgementsAndNotTheRelay() async throws {
        let folder = TemporaryFolder()
        try await RecordedStage.with(path: folder.path(of: "rooms.db")) { stage in
            let ann = try await StagePerson.enter(stage, "lobby", "Ann", extended: true)
            let bob = try await StagePerson.enter(stage, "lobby", "Bob")
            try await stage.store.limitPages(to: 1)
            let text = String(repeating: "x", count: 4_000)
            for number in 0..<20 {
                try await ann.submit(.message, MessageID(high: 0, low: UInt64(number)), text)
                #expect(try await bob.line() == "Ann: " + text)
            }
            while await !stage.manager.isStuck { await Task.yield() }
            let late = RoomsRequest(room: "lobby", .join(name: "Cid", token: nil), isExtended: true)
            #expect(try await stage.ask(late) == .failure(.refused(.storage)))
            try await stage.store.limitPages(to: 1_000_000)
            await stage.manager.handle([.timer(RoomsTimer.storage.packed)])
            var acknowledged: Set<MessageID> = []
            while acknowledged.count < 20 { acknowledged.insert(try await ann.next(.ack).id) }
            let request = RoomsRequest(
                room: "lobby", .history(token: nil, .before(nil), limit: 100), isExtended: true)
            guard case .history(let page) = try await stage.ask(request).get().body else {
                throw StageFailure.unexpected
            }
            // A page holds 64 KiB.
            #expect(page.hasMore && page.messages.count > 10)
            #expect(page.messages.map(\.id.low) == (0..<20).suffix(page.messages.count).map { UInt64($0) })
        }
    }
}

extension RoomManager {
    /// A commit has failed, and what was in it waits.
    fileprivate var isStuck: Bool { failure != nil && !retries.isEmpty }
}
