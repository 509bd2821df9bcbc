package import Delivery
package import Wire

/// A question to a server of rooms whose answer may come in several pages.
package struct RoomsQueryMachine: Sendable {
    package enum Question: Sendable, Equatable {
        case rooms
        case members(room: String, RoomToken?)
        /// The last messages of a room.
        case last(Int, room: String, RoomToken?)
        /// All messages of a room from an offset on.
        case from(Int64, room: String, RoomToken?)
        case topic(String, room: String, RoomToken)
    }

    /// What the next page has brought.
    package enum Result: Sendable, Equatable {
        case rooms([RoomsAnswer.Room])
        case members([RoomsAnswer.Member])
        case messages([KeptMessage])
        case topicSet
    }

    package enum Step: Sendable, Equatable {
        /// One more page is needed. Messages that are shown in the order in which they come need not wait for it.
        case ask(RoomsRequest, [KeptMessage])
        case finished(Result)
        case failed(ClientExchangeMachine.Failure)
    }

    /// Messages of a page, and entries that are taken in all; more is not what a person reads.
    package static let pageMessages = 1_000
    package static let mostEntries = 100_000

    package let question: Question
    private var rooms: [RoomsAnswer.Room] = []
    private var members: [RoomsAnswer.Member] = []
    /// Of the last messages, newest first.
    private var messages: [KeptMessage] = []

    package init(_ question: Question) { self.question = question }

    /// The first request.
    package var first: RoomsRequest {
        switch question {
        case .rooms: RoomsRequest(room: "", .list(after: 0), isExtended: true)
        case .members(let room, let token): RoomsRequest(room: room, .who(token: token, after: 0), isExtended: true)
        case .last(let count, let room, let token): before(nil, count, room, token)
        case .from(let offset, let room, let token): from(offset, room, token)
        case .topic(let topic, let room, let token):
            RoomsRequest(room: room, .topic(token: token, topic), isExtended: true)
        }
    }

    private func before(_ offset: Int64?, _ count: Int, _ room: String, _ token: RoomToken?) -> RoomsRequest {
        RoomsRequest(
            room: room, .history(token: token, .before(offset), limit: max(1, min(count, Self.pageMessages))),
            isExtended: true)
    }

    private func from(_ offset: Int64, _ room: String, _ token: RoomToken?) -> RoomsRequest {
        RoomsRequest(
            room: room, .history(token: token, .from(offset), limit: Self.pageMessages), isExtended: true)
    }

    /// A page has come, or none has.
    package mutating func answered(_ outcome: ClientExchangeMachine.Outcome) -> Step {
        switch outcome {
        case .failure(let failure): return .failed(failure)
        case .success(let answer): return take(answer.body)
        }
    }

    private mutating func take(_ body: RoomsAnswer) -> Step {
        switch (question, body) {
        case (.rooms, .rooms(let page)):
            rooms += page.rooms
            guard let next = page.next, rooms.count < Self.mostEntries, !page.rooms.isEmpty else {
                return .finished(.rooms(rooms))
            }
            return .ask(RoomsRequest(room: "", .list(after: next), isExtended: true), [])
        case (.members(let room, let token), .members(let page)):
            members += page.members
            guard let next = page.next, members.count < Self.mostEntries, !page.members.isEmpty else {
                return .finished(.members(members))
            }
            return .ask(RoomsRequest(room: room, .who(token: token, after: next), isExtended: true), [])
        case (.last(let count, let room, let token), .history(let page)):
            messages += page.messages.reversed().prefix(max(0, count - messages.count))
            guard page.hasMore, messages.count < count, page.start < page.end else {
                return .finished(.messages(messages.reversed()))
            }
            return .ask(before(page.start, count - messages.count, room, token), [])
        case (.from(let offset, let room, let token), .history(let page)):
            // A server that does not go forward would be asked for ever.
            guard page.hasMore, page.end > max(offset, page.start) else { return .finished(.messages(page.messages)) }
            return .ask(from(page.end, room, token), page.messages)
        case (.topic, .topicSet): return .finished(.topicSet)
        case (.rooms, _), (.members, _), (.last, _), (.from, _), (.topic, _): return .failed(.malformed)
        }
    }
}

extension ClientExchangeMachine.Failure {
    /// The sentence for an operation of our own, which the program that came before does not know.
    package var queryMessage: SafeText {
        switch self {
        case .closedEarly: "The server does not answer that; it is perhaps the program that came before."
        case .refused, .malformed, .timedOut: message
        }
    }
}
