import Wire

/// One connection to the server: a request, its two answers, and the end.
///
/// A connection of ours may go on with further requests of our own operations; everything else is closed after the
/// answer, as the original server does.
package struct ServerHandshakeMachine: Sendable, Equatable {
    /// How long a request may take to arrive, from the moment when the server is ready for it.
    package static let requestTimeout: Duration = .seconds(10)
    /// Bytes of a request: header, room name and payload.
    package static let requestLimit = 4_096
    /// Requests of one connection.
    package static let requestsPerConnection = 10_000

    package enum State: Sendable, Equatable {
        case awaitingRequest
        /// A request was handed out; what comes meanwhile waits, in the kernel but for the rest of one read.
        case answering(RoomsRequest)
        case closed
    }

    package enum Effect: Sendable, Equatable {
        case perform(RoomsRequest)
        case startTimer(Duration)
        case cancelTimer
        case pauseReading
        case resumeReading
        /// Close after what was sent has left.
        case close
    }

    package private(set) var state = State.awaitingRequest
    private var decoder = TCRPDecoder(limit: requestLimit)
    private var requests = 0
    private var inputHasEnded = false

    package init() {}

    package func connected() -> [Effect] { [.startTimer(Self.requestTimeout)] }

    package mutating func received(_ bytes: ArraySlice<UInt8>) -> [Effect] {
        switch state {
        case .closed: return []
        case .answering:
            decoder.append(bytes)
            return []
        case .awaitingRequest:
            decoder.append(bytes)
            return readRequest()
        }
    }

    /// The client has ended its side: it still gets the answer to what it asked.
    package mutating func inputEnded() -> [Effect] {
        inputHasEnded = true
        switch state {
        case .awaitingRequest: return close()
        case .answering, .closed: return []
        }
    }

    /// The answer was sent.
    package mutating func answered() -> [Effect] {
        guard case .answering(let request) = state else { return [] }
        let goesOn = request.isExtended && !request.operation.isOriginal && requests < Self.requestsPerConnection
        guard goesOn, !inputHasEnded || decoder.pendingCount > 0 else { return close() }
        state = .awaitingRequest
        let effects = readRequest()
        // Nothing whole is there: the client has its time again.
        guard effects.isEmpty else { return effects }
        return inputHasEnded ? close() : [.resumeReading, .startTimer(Self.requestTimeout)]
    }

    package mutating func timedOut() -> [Effect] {
        switch state {
        case .awaitingRequest: close()
        case .answering, .closed: []
        }
    }

    private mutating func readRequest() -> [Effect] {
        do {
            guard let message = try decoder.next() else { return [] }
            let request = try RoomsRequest(message)
            requests += 1
            state = .answering(request)
            return [.cancelTimer, .pauseReading, .perform(request)]
        } catch {
            // Too long, or not a request: closed without an answer, as the original does.
            return close()
        }
    }

    private mutating func close() -> [Effect] {
        state = .closed
        decoder = TCRPDecoder(limit: Self.requestLimit)
        return [.cancelTimer, .close]
    }
}
