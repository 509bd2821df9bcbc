package import Wire

/// One request of a client over TCP and what comes of it: request, compliance, complete; failure at any step ends it.
package struct ClientExchangeMachine: Sendable, Equatable {
    /// How long the server may take for its whole answer, from the connection on.
    package static let answerTimeout: Duration = .seconds(10)
    /// Bytes of one message of an answer: a page of history whose text is all escapes.
    package static let answerLimit = 1 << 20

    package enum State: Sendable, Equatable {
        case connecting
        case awaitingCompliance
        case awaitingComplete(isExtended: Bool)
        case done
    }

    package enum Effect: Sendable, Equatable {
        case send(TCRPMessage)
        /// The exchange is over; the connection is of no more use.
        case finished(Outcome)
    }

    package typealias Outcome = Result<Answer, Failure>

    package struct Answer: Sendable, Equatable {
        package var body: RoomsAnswer
        /// True where the server is one of ours.
        package var isExtended: Bool

        package init(_ body: RoomsAnswer, isExtended: Bool) {
            self.body = body
            self.isExtended = isExtended
        }
    }

    package enum Failure: Error, Sendable, Equatable {
        case refused(RoomsRefusal)
        /// What came is not TCRP, or does not fit the request.
        case malformed
        /// The server has closed the connection before its answer was whole. An original server does so where it does not know
        /// the operation.
        case closedEarly
        case timedOut

        /// What completes "SERVER ": a few words for a sentence.
        package var message: SafeText {
            switch self {
            case .refused(let refusal): refusal.attributed
            case .malformed: "The answer is not that of a rooms server; check the host and the port."
            case .closedEarly: "The server closed the connection without an answer."
            case .timedOut: "The server did not answer in time."
            }
        }
    }

    package let request: RoomsRequest
    package private(set) var state = State.connecting
    private var decoder = TCRPDecoder(limit: answerLimit)

    package init(_ request: RoomsRequest) { self.request = request }

    package mutating func connected() -> [Effect] {
        precondition(state == .connecting, "a request is sent once")
        state = .awaitingCompliance
        return [.send(request.message)]
    }

    package mutating func received(_ bytes: ArraySlice<UInt8>) -> [Effect] {
        guard state != .done else { return [] }
        decoder.append(bytes)
        do {
            while let message = try decoder.next() {
                if let outcome = try take(message) { return finish(outcome) }
            }
            return []
        } catch {
            return finish(.failure(.malformed))
        }
    }

    package mutating func inputEnded() -> [Effect] { finish(.failure(.closedEarly)) }
    package mutating func timedOut() -> [Effect] { finish(.failure(.timedOut)) }

    private mutating func take(_ message: TCRPMessage) throws -> Outcome? {
        guard message.operation == request.operation.rawValue else { return .failure(.malformed) }
        switch state {
        case .connecting, .done: return nil
        case .awaitingCompliance:
            guard message.state == TCRPMessage.State.compliance.rawValue else { return .failure(.malformed) }
            if let refusal = try RoomsAnswerReader.refusal(ofCompliance: message.payload) {
                return .failure(.refused(explained(refusal, isExtended: message.version != 0)))
            }
            state = .awaitingComplete(isExtended: message.version >= TCRPMessage.extendedVersion)
            return nil
        case .awaitingComplete(let isExtended):
            guard message.state == TCRPMessage.State.complete.rawValue else { return .failure(.malformed) }
            let body = try RoomsAnswerReader.answer(
                ofComplete: message.payload, to: request.operation, isExtended: isExtended)
            return .success(Answer(body, isExtended: isExtended))
        }
    }

    /// An original server gives no reason, but has only one for each operation.
    private func explained(_ refusal: RoomsRefusal, isExtended: Bool) -> RoomsRefusal {
        guard !isExtended, case .unexplained = refusal else { return refusal }
        switch request.operation {
        case .create: return .roomExists
        case .join: return .noSuchRoom
        case .list, .history, .leave, .who, .topic: return refusal
        }
    }

    private mutating func finish(_ outcome: Outcome) -> [Effect] {
        guard state != .done else { return [] }
        state = .done
        return [.finished(outcome)]
    }
}
