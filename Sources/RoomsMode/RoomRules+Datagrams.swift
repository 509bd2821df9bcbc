import Delivery
package import Wire

/// What becomes of a datagram.
extension RoomRules {
    /// Why a datagram was dropped without an answer.
    package enum Drop: Int, Sendable, CaseIterable {
        /// It is no UCRP, or longer than a datagram may be.
        case malformed
        case unknownToken
        case wrongRoom
        /// It comes from another address than the one that was registered.
        case wrongSource
        case notText
        case empty
        case tooFast
        /// Too many messages wait for offsets.
        case congested

        package var words: SafeText {
            switch self {
            case .malformed: "malformed"
            case .unknownToken: "with an unknown token"
            case .wrongRoom: "for another room"
            case .wrongSource: "from an unregistered address"
            case .notText: "not UTF-8"
            case .empty: "empty"
            case .tooFast: "over the rate"
            case .congested: "too many at once"
            }
        }
    }

    /// A message that goes to everybody else in its room.
    package struct Relay: Sendable, Equatable {
        package var room: Int
        package var member: Int
        package var id: MessageID
        package var offset: Int64
        package var text: String
        /// Offsets to take out of the store, so that there are more when these are used up; 0 for none.
        package var reserve: Int64 = 0
    }

    package enum Verdict: Sendable, Equatable {
        case drop(Drop)
        /// A REGISTER or a leave: what follows stands in the effects.
        case done
        /// A ping is answered with a heartbeat.
        case pong(member: Int, id: MessageID)
        case relay(Relay)
        /// The message waits until the store has given offsets; `reserve` as in `Relay`.
        case wait(room: Int, reserve: Int64)
        /// A message that was relayed before, at that offset.
        case repeated(member: Int, id: MessageID, offset: Int64)
        /// The author is told that its message is not taken. With a pause it may be sent again.
        case refuse(member: Int, id: MessageID?, SafeText, retryAfter: Duration?)
        /// The author has been told often enough.
        case expel(member: Int)
    }

    /// Decides about a datagram.
    ///
    /// - Parameters:
    ///   - freshID: makes the id of a message whose author's program makes none.
    ///   - effects: what is to be done before the verdict is carried out is appended here.
    package mutating func received(
        _ datagram: ArraySlice<UInt8>, from path: Path, at now: MonotonicTime, freshID: () -> MessageID,
        effects: inout [Effect]
    ) -> Verdict {
        guard let request = UCRPRequest(datagram) else { return .drop(.malformed) }
        guard let token = RoomToken(request.token), let index = tokens[token] else { return .drop(.unknownToken) }
        guard rooms[members[index]!.room]!.nameBytes.elementsEqual(request.room) else { return .drop(.wrongRoom) }
        switch request.control {
        case .register:
            registered(index, at: path, now, &effects)
            return .done
        case .leave:
            guard members[index]!.path == path else { return .drop(.wrongSource) }
            effects += left(index, at: now)
            return .done
        case nil: break
        }
        if members[index]!.isExtended, request.message.first == 0 {
            guard let submission = UCRPSubmission(request.message) else { return .drop(.malformed) }
            switch submission.kind {
            case .ping:
                registered(index, at: path, now, &effects)
                return .pong(member: index, id: submission.id)
            case .message:
                return said(submission.text, by: index, id: submission.id, from: path, now, freshID, &effects)
            }
        }
        return said(request.message, by: index, id: nil, from: path, now, freshID, &effects)
    }

    private mutating func registered(
        _ index: Int, at path: Path, _ now: MonotonicTime, _ effects: inout [Effect]
    ) {
        let before = members[index]!.path
        guard before != path else { return heard(index, at: now, effects: &effects) }
        bind(index, to: path)
        heard(index, at: now, effects: &effects)
        effects.append(.keep(member: index))
        if before == nil {
            effects.append(.watch(member: index, untilElapsed(index, at: now)))
            effects.append(announceChange(.joined, of: index, except: index))
        }
    }

    private mutating func said(
        _ bytes: ArraySlice<UInt8>, by index: Int, id: MessageID?, from path: Path, _ now: MonotonicTime,
        _ freshID: () -> MessageID, _ effects: inout [Effect]
    ) -> Verdict {
        guard members[index]!.path == path else { return .drop(.wrongSource) }
        heard(index, at: now, effects: &effects)
        guard !bytes.isEmpty else { return .drop(.empty) }
        let room = members[index]!.room
        guard let text = String(validating: bytes, as: UTF8.self) else { return .drop(.notText) }
        if let id, let offset = rooms[room]!.recent[id] {
            return .repeated(member: index, id: id, offset: offset)
        }
        if let excess = excess(bytes.count, of: index, isExtended: id != nil) {
            return .refuse(
                member: index, id: id, "The message is \(excess) bytes too long; it was not sent.", retryAfter: nil)
        }
        if limitsRate {
            if members[index]!.bucket.take(at: now) {
                members[index]!.refusals = 0
            } else {
                members[index]!.refusals += 1
                if members[index]!.refusals > FloodGuard.refusals { return .expel(member: index) }
                // A program of ours waits as long as it is told and tries again; an original is told once, and not of
                // each message.
                if id == nil && members[index]!.refusals > 1 { return .drop(.tooFast) }
                return .refuse(
                    member: index, id: id, "You are sending too fast; this message was not sent. Wait a moment.",
                    retryAfter: members[index]!.bucket.delay(at: now))
            }
        }
        let id = id ?? freshID()
        let reserve = offsetsToReserve(room)
        guard rooms[room]!.nextOffset < rooms[room]!.reservedEnd else {
            if rooms[room]!.waiting.contains(where: { $0.id == id }) { return .wait(room: room, reserve: reserve) }
            guard rooms[room]!.waiting.count < Self.mostWaiting else { return .drop(.congested) }
            rooms[room]!.waiting.append(Waiting(member: index, token: members[index]!.token, id: id, text: text))
            return .wait(room: room, reserve: reserve)
        }
        return .relay(relay(text, id: id, by: index, in: room, reserve: reserve))
    }

    /// Bytes that a text has too many for the datagrams that would carry it.
    private func excess(_ count: Int, of index: Int, isExtended: Bool) -> Int? {
        let name = members[index]!.nameBytes.count
        // To members of ours a text that fits no datagram of UCRP 2 goes by the history.
        let header = isExtended ? UCRPDelivery.headerLength + name : 1 + name
        let excess = header + count - UCRPRequest.mostBytes
        return excess > 0 ? excess : nil
    }

    private mutating func relay(
        _ text: String, id: MessageID, by member: Int, in room: Int, reserve: Int64
    ) -> Relay {
        let offset = rooms[room]!.nextOffset
        rooms[room]!.nextOffset += 1
        rooms[room]!.recent.insert(id, at: offset)
        return Relay(room: room, member: member, id: id, offset: offset, text: text, reserve: reserve)
    }

    /// Forgets that a message was relayed, because it could not be kept.
    package mutating func forget(_ id: MessageID, in room: Int) { rooms[room]?.recent.remove(id) }

    // MARK: - Offsets

    /// How many offsets are to be asked for now. They are asked for when half of a block is left, so that under an
    /// ordinary load nothing ever waits.
    private mutating func offsetsToReserve(_ room: Int) -> Int64 {
        let left = rooms[room]!.reservedEnd - rooms[room]!.nextOffset
        guard !rooms[room]!.isReserving, left <= rooms[room]!.block / 2 else { return 0 }
        if left == 0 { rooms[room]!.block = min(rooms[room]!.block * 2, Self.largestBlock) }
        rooms[room]!.isReserving = true
        return rooms[room]!.block
    }

    /// The store has given offsets up to that one, not included.
    ///
    /// - Returns: what had waited for them.
    package mutating func reserved(upTo end: Int64, in room: Int) -> [Relay] {
        guard rooms[room] != nil else { return [] }
        rooms[room]!.isReserving = false
        rooms[room]!.reservedEnd = max(end, rooms[room]!.reservedEnd)
        let waiting = rooms[room]!.waiting
        rooms[room]!.waiting = []
        return waiting.compactMap { item in
            // Its author may have gone, and the slot may be another's.
            guard members[item.member]?.token == item.token else { return nil }
            guard rooms[room]!.nextOffset < rooms[room]!.reservedEnd else { return nil }
            return relay(item.text, id: item.id, by: item.member, in: room, reserve: 0)
        }
    }

    /// The store could not give any.
    package mutating func reservationFailed(in room: Int) {
        guard rooms[room] != nil else { return }
        rooms[room]!.isReserving = false
    }
}
