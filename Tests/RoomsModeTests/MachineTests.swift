import Delivery
import Testing
import Wire

@testable import RoomsMode

/// Transcripts of the machines: request, compliance, complete; failure at any step ends it.
@Suite struct HandshakeTranscripts {
    private static let join = RoomsRequest(room: "den", .join(name: "Ann", token: nil), isExtended: false)
    private static let list = RoomsRequest(room: "", .list(after: 0), isExtended: true)

    @Test func anOriginalsHandshakeAtTheServer() {
        var machine = ServerHandshakeMachine()
        #expect(machine.connected() == [.startTimer(.seconds(10))])
        let bytes = Self.join.message.encoded
        #expect(machine.received(bytes[..<20]) == [])
        #expect(machine.received(bytes[20...]) == [.cancelTimer, .pauseReading, .perform(Self.join)])
        // What it sends too much is not looked at.
        #expect(machine.received([1, 2, 3]) == [])
        #expect(machine.answered() == [.cancelTimer, .close])
        #expect(machine.received(bytes[...]) == [])
        let late = machine.timedOut() + machine.inputEnded()
        #expect(late == [])
    }

    @Test func oursMayGoOn() {
        var machine = ServerHandshakeMachine()
        let bytes = Self.list.message.encoded
        #expect(machine.received((bytes + bytes.prefix(5))[...]) == [.cancelTimer, .pauseReading, .perform(Self.list)])
        #expect(machine.answered() == [.resumeReading, .startTimer(.seconds(10))])
        #expect(machine.received(bytes[5...]) == [.cancelTimer, .pauseReading, .perform(Self.list)])
        #expect(machine.inputEnded() == [])
        #expect(machine.answered() == [.cancelTimer, .close], "the client has ended its side")
    }

    @Test func whatIsNoRequestEndsIt() {
        func effects(_ change: (inout [UInt8]) -> Void) -> [ServerHandshakeMachine.Effect] {
            var machine = ServerHandshakeMachine()
            var bytes = Self.join.message.encoded
            change(&bytes)
            return machine.received(bytes[...])
        }
        #expect(effects { $0[1] = 9 } == [.cancelTimer, .close], "an operation that does not exist")
        #expect(effects { $0[2] = 1 } == [.cancelTimer, .close], "a compliance in place of a request")
        #expect(effects { $0[6] = 1 } == [.cancelTimer, .close], "2^200 bytes")
        #expect(effects { $0[32] = 0xff } == [.cancelTimer, .close], "a room that is not text")
        var machine = ServerHandshakeMachine()
        _ = machine.received([3, 2, 0])
        #expect(machine.timedOut() == [.cancelTimer, .close])
        #expect(machine.received(Self.join.message.encoded[...]) == [])
        machine = ServerHandshakeMachine()
        _ = machine.received([3, 2, 0])
        #expect(machine.inputEnded() == [.cancelTimer, .close])
    }

    // MARK: - The client

    private func message(
        _ state: TCRPMessage.State, _ payload: String, _ operation: TCRPMessage.Operation = .join,
        extended: Bool = false
    ) -> ArraySlice<UInt8> {
        TCRPMessage(operation, state, room: "den", extended: extended, payload: Array(payload.utf8)).encoded[...]
    }

    private static let token = RoomToken(high: 1, low: 2)

    @Test func aGrantedRequest() {
        var machine = ClientExchangeMachine(Self.join)
        #expect(machine.connected() == [.send(Self.join.message)])
        #expect(machine.received(message(.compliance, "{\"success\": 1}")) == [])
        #expect(
            machine.received(message(.complete, "{\"token\": \"\(Self.token.text)\", \"more\": 1}")) == [
                .finished(
                    .success(.init(.entered(.init(token: Self.token, extended: nil)), isExtended: false)))
            ])
        #expect(machine.inputEnded() == [])
        #expect(machine.timedOut() == [])
    }

    @Test func failureAtAnyStepEndsIt() {
        func outcome(_ steps: (inout ClientExchangeMachine) -> [ClientExchangeMachine.Effect]) -> ClientExchangeMachine
            .Effect?
        {
            var machine = ClientExchangeMachine(Self.join)
            _ = machine.connected()
            let effects = steps(&machine)
            #expect(machine.state == .done && effects.count == 1)
            #expect(machine.received(message(.compliance, "{\"success\": 1}")) == [])
            return effects.first
        }
        #expect(
            outcome { $0.received(message(.compliance, "{\"success\": 0}")) }
                == .finished(.failure(.refused(.noSuchRoom))))
        #expect(
            outcome {
                $0.received(
                    message(.compliance, "{\"success\": 0, \"reason\": \"name_in_use\"}", extended: true))
            } == .finished(.failure(.refused(.nameInUse))))
        for wrong in [
            message(.complete, "{\"success\": 1}"), message(.compliance, "{}"), message(.compliance, "x"),
            message(.compliance, "{\"success\": 1}", .create),
        ] {
            #expect(outcome { $0.received(wrong) } == .finished(.failure(.malformed)))
        }
        let granted = message(.compliance, "{\"success\": 1}")
        for wrong in [granted, message(.complete, "{\"token\": \"\"}"), message(.complete, "[]")] {
            #expect(outcome { $0.received(granted) + $0.received(wrong) } == .finished(.failure(.malformed)))
        }
        #expect(outcome { $0.received(granted) + $0.inputEnded() } == .finished(.failure(.closedEarly)))
        #expect(outcome { $0.timedOut() } == .finished(.failure(.timedOut)))
    }

    // MARK: - Pages

    private static func kept(_ offset: Int64) -> KeptMessage {
        KeptMessage(
            offset: offset, id: MessageID(high: 0, low: UInt64(offset)), author: "A", time: Timestamp(microseconds: 0),
            subject: nil, text: "t")
    }

    private func page(_ offsets: ClosedRange<Int64>, more: Bool) -> ClientExchangeMachine.Outcome {
        .success(
            .init(
                .history(
                    .init(
                        epoch: Epoch(value: 1), start: offsets.lowerBound, end: offsets.upperBound + 1,
                        offset: offsets.upperBound + 1,
                        messages: offsets.map(Self.kept), hasMore: more)), isExtended: true))
    }

    @Test func theLastMessagesInPages() {
        var query = RoomsQueryMachine(.last(5, room: "den", nil))
        #expect(query.first.body == .history(token: nil, .before(nil), limit: 5))
        guard case .ask(let next, let shown) = query.answered(page(7...9, more: true)) else {
            Issue.record("one page is not enough")
            return
        }
        #expect(shown.isEmpty && next.body == .history(token: nil, .before(7), limit: 2))
        #expect(query.answered(page(5...6, more: true)) == .finished(.messages((5...9).map(Self.kept))))
    }

    @Test func allMessagesFromOneOn() {
        var query = RoomsQueryMachine(.from(3, room: "den", Self.token))
        #expect(query.first.body == .history(token: Self.token, .from(3), limit: 1_000))
        guard case .ask(let next, let shown) = query.answered(page(3...4, more: true)) else {
            Issue.record("there is more")
            return
        }
        #expect(shown == [Self.kept(3), Self.kept(4)])
        #expect(next.body == .history(token: Self.token, .from(5), limit: 1_000))
        #expect(query.answered(page(5...5, more: false)) == .finished(.messages([Self.kept(5)])))
        // A server that says there is more and never goes forward is not asked for ever.
        query = RoomsQueryMachine(.from(3, room: "den", nil))
        guard case .finished = query.answered(page(1...2, more: true)) else {
            Issue.record("asked again")
            return
        }
    }

    @Test func anotherAnswerThanTheOneAskedFor() {
        var query = RoomsQueryMachine(.rooms)
        #expect(query.answered(page(1...2, more: false)) == .failed(.malformed))
        #expect(query.answered(.failure(.timedOut)) == .failed(.timedOut))
    }
}

/// What a client makes of offsets that cannot be, or not yet.
@Suite struct ReceiverTranscripts {
    private let now = MonotonicTime(nanoseconds: 1_000_000_000)
    private let epoch = Epoch(value: 1)

    private func message(_ offset: Int64, id: UInt64? = nil) -> RoomReceiverMachine.Message {
        .init(
            offset: offset, id: MessageID(high: 9, low: id ?? UInt64(offset)), sender: "Bob", text: "\(offset)",
            time: nil)
    }

    private func fetched(_ offset: Int64) -> RoomReceiverMachine.Message {
        var message = message(offset)
        message.time = Timestamp(microseconds: 0)
        return message
    }

    /// What a server answers whose room has these messages.
    private func page(_ offsets: Range<Int64>, of kept: [Int64], offset: Int64? = nil) -> RoomsAnswer.HistoryPage {
        .init(
            epoch: epoch, start: offsets.lowerBound, end: offsets.upperBound, offset: offset ?? offsets.upperBound,
            messages: kept.map {
                KeptMessage(
                    offset: $0, id: message($0).id, author: "Bob", time: Timestamp(microseconds: 0), subject: nil,
                    text: "\($0)")
            }, hasMore: false)
    }

    /// Waits for the next fetch and answers it.
    private func answer(
        _ machine: inout RoomReceiverMachine, _ page: RoomsAnswer.HistoryPage
    ) throws -> [RoomReceiverMachine.Effect] {
        let due = try #require(machine.deadline)
        #expect(machine.timedOut(at: due) == [.fetch(from: machine.next)])
        return machine.fetched(page, at: due)
    }

    /// One damaged datagram must not make everything look old that comes after it.
    @Test(arguments: [6, 1_000, 1 << 39] as [Int64], ["message", "acknowledgement", "heartbeat"])
    func anOffsetThatTheHistoryDoesNotKnowIsForgotten(_ far: Int64, _ kind: String) throws {
        var machine = RoomReceiverMachine(epoch: epoch, next: 5)
        switch kind {
        case "message": #expect(machine.received(message(far), at: now) == [])
        case "acknowledgement":
            let id = message(far).id
            #expect(machine.acknowledged(id, offset: far, at: now) == [.confirmed(id, offset: far)])
        default: #expect(machine.heard(next: far + 1, at: now) == [])
        }
        for _ in 0..<RoomReceiverMachine.mostDenials {
            #expect(!machine.isComplete)
            #expect(try answer(&machine, page(5..<5, of: [])) == [])
        }
        #expect(machine.isComplete && machine.deadline == nil)
        for offset in 5...7 as ClosedRange<Int64> {
            #expect(
                machine.received(message(offset, id: 100 + UInt64(offset)), at: now)
                    == [.deliver(message(offset, id: 100 + UInt64(offset)), isCaughtUp: false)])
        }
    }

    /// What is only being committed is waited for: the server says that it exists.
    @Test func whatIsBeingCommittedIsNotForgotten() throws {
        var machine = RoomReceiverMachine(epoch: epoch, next: 5)
        #expect(machine.received(message(6), at: now) == [])
        for _ in 0..<RoomReceiverMachine.mostDenials + 1 {
            #expect(try answer(&machine, page(5..<5, of: [], offset: 7)) == [])
            #expect(!machine.isComplete)
        }
        #expect(
            try answer(&machine, page(5..<6, of: [5], offset: 7)) == [
                .deliver(fetched(5), isCaughtUp: false), .deliver(message(6), isCaughtUp: false),
            ])
    }

    /// A page may be older than a message that has come meanwhile: one alone proves nothing.
    @Test func aPageThatIsOlderThanTheNews() throws {
        var machine = RoomReceiverMachine(epoch: epoch, next: 5)
        #expect(machine.received(message(6), at: now) == [])
        #expect(try answer(&machine, page(5..<5, of: [])) == [])
        #expect(!machine.isComplete)
        #expect(
            machine.received(message(5), at: now) == [
                .deliver(message(5), isCaughtUp: false), .deliver(message(6), isCaughtUp: false),
            ])
        #expect(machine.isComplete)
    }

    /// A server that was killed has passed offsets over: what is far ahead is there, and comes with the history.
    @Test func whatIsFarAheadIndeedComesWithTheHistory() throws {
        let far = 5 + 60_000 as Int64
        var machine = RoomReceiverMachine(epoch: epoch, next: 5)
        #expect(machine.received(message(far), at: now) == [])
        #expect(
            try answer(&machine, page(5..<(far + 1), of: [far])) == [.deliver(fetched(far), isCaughtUp: false)])
        #expect(machine.isComplete && machine.next == far + 1)
        #expect(machine.received(message(far + 1), at: now) == [.deliver(message(far + 1), isCaughtUp: false)])
    }

    /// Two messages cannot stand at one offset: neither is believed, the history is asked.
    @Test func twoMessagesAtOneOffset() throws {
        var machine = RoomReceiverMachine(epoch: epoch, next: 5)
        #expect(machine.received(message(6, id: 77), at: now) == [])
        #expect(machine.received(message(6), at: now) == [])
        #expect(machine.received(message(5), at: now) == [.deliver(message(5), isCaughtUp: false)])
        #expect(!machine.isComplete)
        #expect(try answer(&machine, page(6..<7, of: [6])) == [.deliver(fetched(6), isCaughtUp: false)])
        #expect(machine.isComplete)
    }
}

/// Transcripts of a client's session.
@Suite struct SessionTranscripts {
    private static let token = RoomToken(high: 5, low: 6)
    private let now = MonotonicTime(nanoseconds: 1_000_000_000)

    private func session(
        creates: Bool = false, membership: RoomSessionMachine.Membership? = nil
    ) throws -> RoomSessionMachine {
        RoomSessionMachine(
            room: try RoomName(validating: "den"), name: try Nickname(validating: "Ann"), creates: creates,
            membership: membership, context: 0, seed: 1)
    }

    private func granted(extended: Bool, offset: Int64 = 0) -> ClientExchangeMachine.Outcome {
        .success(
            .init(
                .entered(
                    .init(
                        token: Self.token,
                        extended: extended
                            ? .init(
                                udpPort: 9, epoch: Epoch(value: 7), offset: offset, roster: 1, isHost: false, topic: "")
                            : nil)), isExtended: extended))
    }

    private func datagram(_ message: [UInt8]) -> RoomSessionMachine.Effect {
        var writer = ByteWriter()
        UCRPRequest.writeHeader(room: Array("den".utf8), token: Self.token, to: &writer)
        writer.append(contentsOf: message)
        return .send(writer.bytes)
    }

    /// At an original server: REGISTER, the text as it is, and LEAVE. Nothing of ours.
    @Test func anOriginalServer() throws {
        var machine = try session(creates: true)
        #expect(
            machine.started(at: now) == [
                .exchange(.enter, RoomsRequest(room: "den", .create(name: "Ann"), isExtended: true))
            ])
        #expect(
            machine.exchanged(.enter, granted(extended: false), at: now) == [
                .news(.entered(isHost: true, topic: "", isResumed: false, isExtended: false)), .news(.ready),
                datagram(Array("__REGISTER__".utf8)),
            ])
        let id = MessageID(high: 0, low: 1)
        #expect(
            try machine.said("hello", id: id, at: now) == [datagram(Array("hello".utf8)), .news(.sent(id))])
        #expect(throws: RoomSessionMachine.TextError.reserved) {
            var copy = machine
            return try copy.said("__LEAVE__", id: id, at: now)
        }
        #expect(
            machine.received([3] + Array("Bobhi".utf8), at: now) == [.news(.plainMessage(sender: "Bob", text: "hi"))])
        #expect(machine.received([2] + Array("\"B".utf8) + [0xff], at: now) == [], "not text")
        #expect(machine.left(at: now) == [datagram(Array("__LEAVE__".utf8)), .forget, .news(.ended(nil))])
        #expect(machine.deadline == nil)
    }

    @Test func aServerOfOurs() throws {
        var machine = try session()
        _ = machine.started(at: now)
        let effects = machine.exchanged(.enter, granted(extended: true, offset: 4), at: now)
        #expect(effects.first == .news(.entered(isHost: false, topic: "", isResumed: false, isExtended: true)))
        #expect(
            effects.contains(
                .remember(.init(token: Self.token, epoch: Epoch(value: 7), next: 4, udpPort: 9))))
        // Ready when a datagram has come back.
        var writer = ByteWriter()
        UCRPDelivery(.heartbeat, offset: 4, id: MessageID(high: 1, low: 3)).write(to: &writer)
        #expect(machine.received(writer.bytes[...], at: now).contains(.news(.ready)))
        let id = MessageID(high: 0, low: 1)
        var submission = ByteWriter()
        UCRPSubmission(.message, id: id, text: Array("hello".utf8)[...]).write(to: &submission)
        #expect(
            try machine.said("hello", id: id, at: now) == [.news(.sent(id)), datagram(submission.bytes)])
        writer.removeAll()
        UCRPDelivery(.ack, offset: 4, id: id).write(to: &writer)
        let acknowledged = machine.received(writer.bytes[...], at: now)
        #expect(acknowledged.contains(.news(.accepted(id, offset: 4, late: false))))
        #expect(machine.pendingCount == 0)
        #expect(
            machine.left(at: now) == [
                .exchange(.leave, RoomsRequest(room: "den", .leave(token: Self.token), isExtended: true))
            ])
        #expect(machine.exchanged(.leave, nil, at: now) == [.forget, .news(.ended(nil))])
    }

    @Test func aPlaceThatIsGoneIsAskedForAnew() throws {
        let place = RoomSessionMachine.Membership(token: Self.token, epoch: Epoch(value: 7), next: 3, udpPort: 9)
        var machine = try session(membership: place)
        #expect(
            machine.started(at: now) == [
                .exchange(.enter, RoomsRequest(room: "den", .join(name: "Ann", token: Self.token), isExtended: true))
            ])
        #expect(
            machine.exchanged(.enter, .failure(.refused(.notAMember)), at: now) == [
                .forget,
                .exchange(.enter, RoomsRequest(room: "den", .join(name: "Ann", token: nil), isExtended: true)),
            ])
        #expect(
            machine.exchanged(.enter, .failure(.refused(.nameInUse)), at: now) == [
                .forget, .news(.ended(.refused(.nameInUse))),
            ])
    }
}
