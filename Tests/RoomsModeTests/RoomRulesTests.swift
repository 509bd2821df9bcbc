import Delivery
import Testing
import Wire

@testable import RoomsMode

/// The rules with a clock and tokens of the test's own.
struct RulesWorld {
    var rules: RoomRules
    var now = MonotonicTime(nanoseconds: 0)
    var effects: [RoomRules.Effect] = []
    private var tokens = SplitMix64(seed: 1)
    private var ids = SplitMix64(seed: 2)

    init(policy: RoomRules.HostLeavePolicy = .close, limitsRate: Bool = false) {
        rules = RoomRules(policy: policy, limitsRate: limitsRate, firstRoster: 100)
    }

    mutating func fresh() -> RoomRules.Fresh {
        RoomRules.Fresh(
            token: .random(using: &tokens), epoch: Epoch(value: 7), now: now, wall: Timestamp(microseconds: 0))
    }

    mutating func create(_ room: String, by name: String, isExtended: Bool = false) throws -> Int {
        let fresh = fresh()
        return try rules.create(room, by: name, isExtended: isExtended, fresh: fresh, effects: &effects).get()
    }

    mutating func join(_ room: String, as name: String, isExtended: Bool = false) throws -> Int {
        let fresh = fresh()
        return try rules.join(room, as: name, isExtended: isExtended, fresh: fresh, effects: &effects).get()
    }

    /// Someone who has joined and registered at a port.
    mutating func member(_ room: String, _ name: String, port: UInt16, isExtended: Bool = false) throws -> Int {
        let member = try join(room, as: name, isExtended: isExtended)
        _ = send(member, "__REGISTER__", port: port)
        return member
    }

    mutating func host(_ room: String, _ name: String, port: UInt16, isExtended: Bool = false) throws -> Int {
        let member = try create(room, by: name, isExtended: isExtended)
        _ = send(member, "__REGISTER__", port: port)
        return member
    }

    static func path(_ port: UInt16) -> RoomRules.Path {
        RoomRules.Path(SocketAddress(ip: .v4(0x7f00_0001), port: port), socket: 0)
    }

    mutating func send(_ member: Int, _ message: String, port: UInt16) -> RoomRules.Verdict {
        send(member, Array(message.utf8), port: port)
    }

    mutating func send(_ member: Int, _ message: [UInt8], port: UInt16, room: String? = nil) -> RoomRules.Verdict {
        let known = rules.members[member]!
        var writer = ByteWriter()
        UCRPRequest.writeHeader(
            room: room.map { Array($0.utf8) } ?? rules.rooms[known.room]!.nameBytes, token: known.token, to: &writer)
        writer.append(contentsOf: message)
        return receive(writer.bytes, port: port)
    }

    mutating func receive(_ datagram: [UInt8], port: UInt16) -> RoomRules.Verdict {
        rules.received(
            datagram[...], from: Self.path(port), at: now, freshID: { MessageID.random(using: &ids) },
            effects: &effects)
    }

    mutating func say(_ member: Int, _ text: String, id: MessageID, port: UInt16) -> RoomRules.Verdict {
        var writer = ByteWriter()
        UCRPSubmission(.message, id: id, text: Array(text.utf8)[...]).write(to: &writer)
        return send(member, writer.bytes, port: port)
    }

    mutating func take() -> [RoomRules.Effect] {
        defer { effects = [] }
        return effects
    }

    /// Lets time pass and carries out what `watch` asked for.
    mutating func wait(_ duration: Duration, watching members: [Int]) {
        now += duration
        for member in members { effects += rules.elapsed(member: member, at: now) }
    }
}

@Suite struct RoomRulesTests {
    // MARK: - Entering

    @Test func aHostCreatesAndOthersJoin() throws {
        var world = RulesWorld()
        let host = try world.create("den", by: "Ann")
        #expect(world.take() == [.watch(member: host, .seconds(60))])
        #expect(world.send(host, "__REGISTER__", port: 1) == .done)
        #expect(
            world.take() == [
                .keep(member: host), .watch(member: host, RoomRules.originalSilence),
                .announce(room: 0, roster: 101, .joined, about: "Ann", except: host),
            ])
        let guest = try world.join("den", as: "Bob")
        #expect(world.rules.listMembers(of: 0, after: 0).members.map(\.name) == ["Ann"], "Bob has not registered")
        _ = world.send(guest, "__REGISTER__", port: 2)
        #expect(world.rules.listMembers(of: 0, after: 0).members.map(\.name) == ["Ann", "Bob"])
        #expect(world.rules.rooms[0]!.host == host)
    }

    @Test func registeringAgainChangesNothing() throws {
        var world = RulesWorld()
        let host = try world.host("den", "Ann", port: 1)
        _ = world.take()
        #expect(world.send(host, "__REGISTER__", port: 1) == .done)
        #expect(world.take() == [])
        #expect(world.rules.rooms[0]!.presentCount == 1)
        #expect(world.send(host, "__REGISTER__", port: 5) == .done)
        #expect(world.take() == [.keep(member: host)])
        #expect(world.rules.members[host]!.path == RulesWorld.path(5))
        #expect(world.rules.rooms[0]!.audiences.map(\.addresses) == [[RulesWorld.path(5).address]])
    }

    @Test(arguments: ["Ann", "ANN", "a\u{200B}nn"])
    func aNameInUseIsRefused(_ name: String) throws {
        var world = RulesWorld()
        _ = try world.host("den", "Ann", port: 1)
        #expect(throws: RoomsRefusal.self) { try world.join("den", as: name) }
        #expect(world.rules.memberCount == 1)
    }

    @Test func roomsAndNamesAreChecked() throws {
        var world = RulesWorld()
        _ = try world.create("den", by: "Ann")
        #expect(throws: RoomsRefusal.roomExists) { try world.create("den", by: "Bob") }
        #expect(throws: RoomsRefusal.roomExists) { try world.create("DEN", by: "Bob") }
        #expect(throws: RoomsRefusal.noSuchRoom) { try world.join("attic", as: "Bob") }
        for name in ["", " ", "a\nb", "\u{1B}[2J", String(repeating: "x", count: 33), "system", "SYSTEM", "a\u{202E}b"]
        {
            #expect(throws: RoomsRefusal.self, "\(name)") { try world.join("den", as: name) }
            #expect(throws: RoomsRefusal.self, "\(name)") { try world.create("attic", by: name) }
        }
        #expect(throws: RoomsRefusal.self) { try world.create("", by: "Bob") }
        #expect(throws: RoomsRefusal.self) { try world.create(String(repeating: "r", count: 65), by: "Bob") }
        #expect(world.rules.roomCount == 1 && world.rules.memberCount == 1)
    }

    @Test func aRoomIsFullAtItsLimit() throws {
        var world = RulesWorld()
        for number in 0..<RoomRules.mostMembers {
            if number == 0 {
                _ = try world.create("den", by: "n0")
            } else {
                _ = try world.join("den", as: "n\(number)")
            }
        }
        #expect(throws: RoomsRefusal.roomIsFull) { try world.join("den", as: "one more") }
    }

    @Test func aTokenGivesThePlaceBack() throws {
        var world = RulesWorld()
        let host = try world.host("den", "Ann", port: 1, isExtended: true)
        let token = world.rules.members[host]!.token
        _ = world.take()
        #expect(
            world.rules.comeBack(to: "den", with: token, isExtended: true, at: world.now, effects: &world.effects)
                == .success(host))
        #expect(world.take() == [.keep(member: host)])
        let stranger = RoomToken(high: token.high, low: token.low ^ 1)
        #expect(
            world.rules.comeBack(to: "den", with: stranger, isExtended: true, at: world.now, effects: &world.effects)
                == .failure(.notAMember))
        _ = try world.host("attic", "Ann", port: 2)
        #expect(
            world.rules.comeBack(to: "attic", with: token, isExtended: true, at: world.now, effects: &world.effects)
                == .failure(.notAMember))
    }

    // MARK: - Leaving

    @Test func theHostsLeaveClosesTheRoom() throws {
        var world = RulesWorld(policy: .close)
        let host = try world.host("den", "Ann", port: 1)
        let hostToken = world.rules.members[host]!.token
        let guest = try world.member("den", "Bob", port: 2)
        let other = try world.member("den", "Cid", port: 3, isExtended: true)
        _ = world.take()
        #expect(world.send(host, "__LEAVE__", port: 1) == .done)
        #expect(
            world.take() == [
                .unwatch(member: host), .forget(hostToken),
                .announce(room: 0, roster: 104, .left, about: "Ann", except: nil),
                .unwatch(member: guest), .unwatch(member: other),
                .expel(
                    [
                        .init(path: RulesWorld.path(2), isExtended: false),
                        .init(path: RulesWorld.path(3), isExtended: true),
                    ], reason: "The host, Ann, has closed the room."),
                .forgetRoom(room: 0, name: "den"),
            ])
        #expect(world.rules.roomCount == 0 && world.rules.memberCount == 0)
        #expect(world.rules.paths.isEmpty)
        // The name is free again.
        _ = try world.create("den", by: "Bob")
    }

    @Test func aMembersLeaveTakesTheMemberOnly() throws {
        var world = RulesWorld()
        _ = try world.host("den", "Ann", port: 1)
        let guest = try world.member("den", "Bob", port: 2)
        let token = world.rules.members[guest]!.token
        _ = world.take()
        #expect(world.send(guest, "__LEAVE__", port: 2) == .done)
        #expect(
            world.take() == [
                .unwatch(member: guest), .forget(token),
                .announce(room: 0, roster: 103, .left, about: "Bob", except: nil),
            ])
        #expect(world.rules.member(of: token) == nil)
        _ = try world.join("den", as: "Bob")
    }

    @Test func theHostsPlaceIsHandedOver() throws {
        var world = RulesWorld(policy: .transfer)
        let host = try world.host("den", "Ann", port: 1)
        let first = try world.member("den", "Bob", port: 2)
        _ = try world.member("den", "Cid", port: 3)
        _ = world.take()
        _ = world.send(host, "__LEAVE__", port: 1)
        #expect(world.rules.rooms[0]!.host == first)
        #expect(
            world.take().suffix(2) == [
                .keep(member: first), .announce(room: 0, roster: 105, .host, about: "Bob", except: nil),
            ])
        _ = world.send(first, "__LEAVE__", port: 2)
        let last = world.rules.rooms[0]!.members[0]
        _ = world.send(last, "__LEAVE__", port: 3)
        #expect(world.rules.roomCount == 0, "nobody is left to be the host")
    }

    @Test func aRoomThatIsKeptGoesAfterADayWithoutMembers() throws {
        var world = RulesWorld(policy: .keep)
        let host = try world.host("den", "Ann", port: 1)
        _ = world.send(host, "__LEAVE__", port: 1)
        #expect(world.rules.rooms[0]!.host == nil)
        #expect(world.take().last == .watchRoom(room: 0, RoomRules.emptiness))
        world.now += RoomRules.emptiness - .seconds(1)
        #expect(world.rules.elapsed(room: 0, at: world.now) == [.watchRoom(room: 0, .seconds(1))])
        _ = try world.member("den", "Bob", port: 2)
        world.now += .seconds(2)
        #expect(world.rules.elapsed(room: 0, at: world.now) == [], "somebody is there")
        let bob = world.rules.rooms[0]!.members[0]
        _ = world.send(bob, "__LEAVE__", port: 2)
        world.now += RoomRules.emptiness
        #expect(world.rules.elapsed(room: 0, at: world.now) == [.forgetRoom(room: 0, name: "den")])
    }

    @Test func theLobbyIsNeverClosed() throws {
        var world = RulesWorld()
        let lobby = world.rules.addLobby(
            try RoomName(validating: "lobby"), epoch: Epoch(value: 1), wall: Timestamp(microseconds: 0))
        let member = try world.member("lobby", "Ann", port: 1)
        _ = world.send(member, "__LEAVE__", port: 1)
        #expect(world.rules.rooms[lobby] != nil)
        #expect(!world.take().contains { if case .watchRoom = $0 { true } else { false } })
        world.now += RoomRules.emptiness * 10
        #expect(world.rules.elapsed(room: lobby, at: world.now) == [])
    }

    // MARK: - Silence

    @Test func whoNeverRegistersLosesThePlace() throws {
        var world = RulesWorld()
        let host = try world.create("den", by: "Ann", isExtended: true)
        _ = world.take()
        world.wait(.seconds(59), watching: [host])
        #expect(world.take() == [.watch(member: host, .seconds(1))])
        world.wait(.seconds(1), watching: [host])
        #expect(world.rules.roomCount == 0, "the host never came")
        #expect(!world.take().contains { if case .announce = $0 { true } else { false } }, "nobody was told of it")
    }

    @Test func aSilentMemberOfOursIsLostAndMayComeBack() throws {
        var world = RulesWorld(policy: .keep)
        let member = try world.host("den", "Ann", port: 1, isExtended: true)
        _ = try world.member("den", "Bob", port: 2)
        _ = world.take()
        world.wait(RoomRules.silence, watching: [member])
        #expect(
            world.take() == [
                .announce(room: 0, roster: 103, .lost, about: "Ann", except: member),
                .watch(member: member, RoomRules.absence),
            ])
        #expect(world.rules.rooms[0]!.presentCount == 1)
        #expect(
            world.rules.listMembers(of: 0, after: 0).members == [
                .init(name: "Ann", isHost: true, isPresent: false), .init(name: "Bob", isHost: false, isPresent: true),
            ])
        #expect(world.send(member, "__REGISTER__", port: 9) == .done)
        #expect(
            world.take() == [
                .watch(member: member, RoomRules.silence),
                .announce(room: 0, roster: 104, .returned, about: "Ann", except: member), .keep(member: member),
            ])
        #expect(world.rules.rooms[0]!.presentCount == 2)
        world.wait(RoomRules.silence + RoomRules.absence, watching: [member, member])
        #expect(world.rules.members[member] == nil)
    }

    @Test func aLostMembersNameIsFree() throws {
        var world = RulesWorld(policy: .keep)
        let member = try world.host("den", "Ann", port: 1, isExtended: true)
        let token = world.rules.members[member]!.token
        _ = try world.member("den", "Bob", port: 2)
        #expect(throws: RoomsRefusal.nameInUse) { try world.join("den", as: "Ann") }
        world.wait(RoomRules.silence, watching: [member])
        _ = try world.join("den", as: "Ann")
        #expect(world.rules.member(of: token) == nil)
    }

    /// ICMP and grace: the host's room is closed, and not before.
    @Test(arguments: [true, false])
    func anUnreachableHostHasItsGrace(_ isExtended: Bool) throws {
        var world = RulesWorld()
        let host = try world.host("den", "Ann", port: 1, isExtended: isExtended)
        _ = try world.member("den", "Bob", port: 2)
        _ = world.take()
        #expect(
            world.rules.unreachable(RulesWorld.path(1), at: world.now) == [.watch(member: host, RoomRules.grace)])
        #expect(world.rules.unreachable(RulesWorld.path(1), at: world.now) == [], "once is enough")
        world.wait(RoomRules.grace - .seconds(1), watching: [host])
        #expect(world.rules.roomCount == 1)
        // It comes back in time.
        _ = world.send(host, "__REGISTER__", port: 1)
        world.wait(.seconds(1), watching: [host])
        #expect(world.rules.roomCount == 1)
        _ = world.rules.unreachable(RulesWorld.path(1), at: world.now)
        _ = world.take()
        world.wait(RoomRules.grace, watching: [host])
        #expect(world.rules.roomCount == 0)
        #expect(
            world.take().contains { if case .expel(let gone, _) = $0 { gone.count >= 1 } else { false } },
            "the members are told")
    }

    @Test func anOriginalThatWasStartedAgainGetsItsNameBack() throws {
        var world = RulesWorld()
        _ = try world.host("den", "Ann", port: 1)
        _ = try world.member("den", "Bob", port: 2)
        #expect(throws: RoomsRefusal.nameInUse) { try world.join("den", as: "Bob") }
        _ = world.rules.unreachable(RulesWorld.path(2), at: world.now)
        _ = try world.join("den", as: "Bob")
        _ = world.rules.unreachable(RulesWorld.path(1), at: world.now)
        #expect(throws: RoomsRefusal.nameInUse, "the host has its grace") { try world.join("den", as: "Ann") }
    }

    // MARK: - Datagrams

    @Test func aMessageIsRelayedInOrder() throws {
        var world = RulesWorld()
        let ann = try world.host("den", "Ann", port: 1)
        let bob = try world.member("den", "Bob", port: 2, isExtended: true)
        for number in 0..<3 {
            guard case .relay(let relay) = world.send(ann, "m\(number)", port: 1) else {
                Issue.record("not relayed")
                return
            }
            #expect(relay.offset == Int64(number) && relay.text == "m\(number)" && relay.member == ann)
        }
        let id = MessageID(high: 1, low: 1)
        #expect(
            world.say(bob, "hi", id: id, port: 2)
                == .relay(.init(room: 0, member: bob, id: id, offset: 3, text: "hi")))
        #expect(world.say(bob, "hi", id: id, port: 2) == .repeated(member: bob, id: id, offset: 3))
    }

    @Test func whatDoesNotAgreeIsDropped() throws {
        var world = RulesWorld()
        let ann = try world.host("den", "Ann", port: 1)
        _ = try world.host("attic", "Bob", port: 2)
        #expect(world.send(ann, Array("hi".utf8), port: 1, room: "attic") == .drop(.wrongRoom))
        #expect(world.send(ann, "hi", port: 7) == .drop(.wrongSource))
        #expect(world.send(ann, "__LEAVE__", port: 7) == .drop(.wrongSource))
        #expect(world.send(ann, "", port: 1) == .drop(.empty))
        #expect(world.send(ann, [0xff, 0xfe], port: 1) == .drop(.notText))
        #expect(world.receive([], port: 1) == .drop(.malformed))
        #expect(world.receive([UInt8](repeating: 0, count: 4_097), port: 1) == .drop(.malformed))
        var writer = ByteWriter()
        UCRPRequest.writeHeader(room: Array("den".utf8), token: RoomToken(high: 1, low: 2), to: &writer)
        #expect(world.receive(writer.bytes + Array("__REGISTER__".utf8), port: 1) == .drop(.unknownToken))
        #expect(world.rules.rooms.compactMap { $0 }.allSatisfy { $0.nextOffset == 0 })
    }

    /// Bytes of UCRP 2 from an original are a text like any other.
    @Test func onlyWhoAskedForItSpeaksUCRP2() throws {
        var world = RulesWorld()
        let ann = try world.host("den", "Ann", port: 1)
        guard case .relay(let relay) = world.say(ann, "hi", id: MessageID(high: 1, low: 1), port: 1) else {
            Issue.record("not relayed")
            return
        }
        #expect(relay.text.utf8.count == UCRPSubmission.headerLength + 2)
    }

    @Test func aTextThatFitsNoDatagramIsRefused() throws {
        var world = RulesWorld()
        let ann = try world.host("den", String(repeating: "é", count: 32), port: 1, isExtended: true)
        let most = UCRPRequest.mostBytes - UCRPDelivery.headerLength - 64
        let id = MessageID(high: 1, low: 1)
        guard case .relay = world.say(ann, String(repeating: "x", count: most), id: id, port: 1) else {
            Issue.record("not relayed")
            return
        }
        #expect(
            world.say(ann, String(repeating: "x", count: most + 5), id: MessageID(high: 1, low: 2), port: 1)
                == .refuse(
                    member: ann, id: MessageID(high: 1, low: 2), "The message is 5 bytes too long; it was not sent.",
                    retryAfter: nil))
    }

    @Test func floodIsSlowedThenRefusedThenEnded() throws {
        var world = RulesWorld(limitsRate: true)
        let ann = try world.host("den", "Ann", port: 1, isExtended: true)
        var counts = (relayed: 0, refused: 0)
        var isExpelled = false
        for number in 0..<100 where !isExpelled {
            switch world.say(ann, "x", id: MessageID(high: 1, low: UInt64(number)), port: 1) {
            case .relay: counts.relayed += 1
            case .refuse(_, _, _, let pause):
                #expect(pause == .milliseconds(500))
                counts.refused += 1
            case .expel: isExpelled = true
            default: Issue.record("something else")
            }
        }
        #expect(counts.relayed == 2 * FloodGuard.burst && counts.refused == FloodGuard.refusals && isExpelled)
    }

    /// Whoever keeps to the pause loses nothing.
    @Test func whoWaitsWhenToldToIsNeverPutOut() throws {
        var world = RulesWorld(limitsRate: true)
        let ann = try world.host("den", "Ann", port: 1, isExtended: true)
        var relayed = 0
        var tries = 0
        while relayed < 200 {
            tries += 1
            #expect(tries < 1_000)
            switch world.say(ann, "x", id: MessageID(high: 1, low: UInt64(relayed)), port: 1) {
            case .relay: relayed += 1
            case .refuse(_, _, _, let pause): world.now += pause ?? .zero
            default: Issue.record("something else")
            }
        }
    }

    // MARK: - Offsets

    @Test func offsetsAreAskedForInTimeAndMessagesWaitForThem() throws {
        var world = RulesWorld()
        let ann = try world.host("den", "Ann", port: 1)
        var asked: [Int64] = []
        for number in 0..<RoomRules.firstBlock {
            guard case .relay(let relay) = world.send(ann, "m\(number)", port: 1) else {
                Issue.record("not relayed")
                return
            }
            if relay.reserve > 0 { asked.append(relay.offset) }
        }
        #expect(asked == [RoomRules.firstBlock / 2], "asked once, when half was used")
        #expect(world.send(ann, "waits", port: 1) == .wait(room: 0, reserve: 0))
        #expect(world.send(ann, "too", port: 1) == .wait(room: 0, reserve: 0))
        let relayed = world.rules.reserved(upTo: 5_000, in: 0)
        #expect(relayed.map(\.text) == ["waits", "too"])
        #expect(relayed.map(\.offset) == [RoomRules.firstBlock, RoomRules.firstBlock + 1])
    }

    @Test func onlySoManyMessagesWait() throws {
        var world = RulesWorld()
        let ann = try world.host("den", "Ann", port: 1)
        for _ in 0..<RoomRules.firstBlock { _ = world.send(ann, "x", port: 1) }
        for _ in 0..<RoomRules.mostWaiting { #expect(world.send(ann, "x", port: 1) == .wait(room: 0, reserve: 0)) }
        #expect(world.send(ann, "x", port: 1) == .drop(.congested))
        world.rules.reservationFailed(in: 0)
        // The block was used up before the store answered: the next one is larger.
        #expect(world.send(ann, "x", port: 1) == .drop(.congested))
        #expect(world.rules.rooms[0]!.isReserving == false || world.rules.rooms[0]!.block > RoomRules.firstBlock)
    }

    // MARK: - Pages and topics

    @Test func listsComeInPages() throws {
        var world = RulesWorld()
        for number in 0..<12 { _ = try world.host("room \(number)", "Ann", port: UInt16(number + 1)) }
        var names: [String] = []
        var after: Int64? = 0
        while let place = after {
            let page = world.rules.listRooms(after: place, limit: 5)
            names += page.rooms.map(\.name)
            after = page.next
        }
        #expect(names == (0..<12).map { "room \($0)" })
    }

    @Test func theTopicIsTheHosts() throws {
        var world = RulesWorld()
        let ann = try world.host("den", "Ann", port: 1)
        let bob = try world.member("den", "Bob", port: 2)
        let (annToken, bobToken) = (world.rules.members[ann]!.token, world.rules.members[bob]!.token)
        _ = world.take()
        #expect(world.rules.setTopic("tea", of: "den", by: bobToken, effects: &world.effects) == .failure(.notAllowed))
        #expect(
            world.rules.setTopic("tea", of: "attic", by: annToken, effects: &world.effects) == .failure(.notAMember))
        #expect(world.rules.setTopic("tea", of: "den", by: annToken, effects: &world.effects) == .success(0))
        #expect(world.take() == [.announce(room: 0, roster: 102, .topic("tea"), about: "Ann", except: nil)])
        #expect(throws: RoomsRefusal.self) {
            try world.rules.setTopic("a\nb", of: "den", by: annToken, effects: &world.effects).get()
        }
        #expect(world.rules.rooms[0]!.topic == "tea")
    }

    @Test func membersReadTheirRoomAndEverybodyTheLobby() throws {
        var world = RulesWorld()
        let ann = try world.host("den", "Ann", port: 1)
        let bob = try world.host("attic", "Bob", port: 2)
        let lobby = world.rules.addLobby(
            try RoomName(validating: "lobby"), epoch: Epoch(value: 1), wall: Timestamp(microseconds: 0))
        let (annToken, bobToken) = (world.rules.members[ann]!.token, world.rules.members[bob]!.token)
        #expect(world.rules.mayRead(0, with: annToken))
        #expect(!world.rules.mayRead(0, with: bobToken))
        #expect(!world.rules.mayRead(0, with: nil))
        #expect(world.rules.mayRead(lobby, with: nil))
        _ = world.send(ann, "__LEAVE__", port: 1)
        #expect(!world.rules.mayRead(1, with: annToken))
    }

    /// Whatever is done in whatever order, the tables agree with each other.
    @Test(arguments: 0..<30)
    func theTablesAgree(_ seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var world = RulesWorld(policy: RoomRules.HostLeavePolicy.allCases[seed % 3], limitsRate: seed % 2 == 0)
        _ = world.rules.addLobby(
            try RoomName(validating: "lobby"), epoch: Epoch(value: 1), wall: Timestamp(microseconds: 0))
        let rooms = ["lobby", "a", "b", "c"]
        for _ in 0..<600 {
            world.now += .milliseconds(Int64.random(in: 0...40_000, using: &random))
            let room = rooms.randomElement(using: &random)!
            let name = "n\(Int.random(in: 0..<8, using: &random))"
            let isExtended = Bool.random(using: &random)
            let present = world.rules.members.indices.filter { world.rules.members[$0] != nil }
            let port = UInt16.random(in: 1...6, using: &random)
            switch Int.random(in: 0..<9, using: &random) {
            case 0: _ = try? world.create(room, by: name, isExtended: isExtended)
            case 1: _ = try? world.join(room, as: name, isExtended: isExtended)
            case 2, 3:
                if let member = present.randomElement(using: &random) {
                    _ = world.send(member, "__REGISTER__", port: port)
                }
            case 4:
                if let member = present.randomElement(using: &random) {
                    _ = world.send(member, "__LEAVE__", port: world.rules.members[member]!.path?.address.port ?? 1)
                }
            case 5: world.effects += world.rules.unreachable(RulesWorld.path(port), at: world.now)
            case 6:
                for member in present { world.effects += world.rules.elapsed(member: member, at: world.now) }
                for room in world.rules.rooms.indices {
                    world.effects += world.rules.elapsed(room: room, at: world.now)
                }
            case 7:
                if let member = present.randomElement(using: &random) {
                    _ = world.rules.comeBack(
                        to: world.rules.rooms[world.rules.members[member]!.room]!.name,
                        with: world.rules.members[member]!.token, isExtended: isExtended, at: world.now,
                        effects: &world.effects)
                }
            default:
                if let member = present.randomElement(using: &random) {
                    _ = world.send(member, "hello", port: world.rules.members[member]!.path?.address.port ?? 1)
                }
            }
            check(world.rules)
        }
    }

    private func check(_ rules: RoomRules) {
        var counted = 0
        for (index, room) in rules.rooms.enumerated() {
            guard let room else { continue }
            #expect(rules.roomsByName[room.name] == index)
            counted += room.members.count
            let present = room.members.filter { rules.members[$0]!.isPresent }
            #expect(room.presentCount == present.count)
            let addresses = room.audiences.flatMap { audience in audience.addresses }
            #expect(addresses.count == present.count)
            for audience in room.audiences {
                let wanted = present.filter { rules.members[$0]!.isExtended == audience.isExtended }
                #expect(
                    audience.addresses.map(\.port).sorted()
                        == wanted.map { rules.members[$0]!.path!.address.port }.sorted())
            }
            if let host = room.host { #expect(room.members.contains(host)) }
            for member in room.members { #expect(rules.members[member]?.room == index) }
        }
        #expect(counted == rules.memberCount)
        let numbers = rules.roomOrder.map { rules.rooms[$0]!.number }
        #expect(numbers == numbers.sorted() && numbers.count == rules.roomCount)
        #expect(rules.paths.values.reduce(0) { $0 + $1.count } == rules.members.count { $0?.path != nil })
        #expect(rules.room(named: "lobby") != nil)
    }
}
