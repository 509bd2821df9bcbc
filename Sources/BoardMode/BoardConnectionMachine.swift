import Delivery
package import Wire

/// How the answer to a request is spelled.
package enum BoardReply: Equatable, Sendable {
    case text
    /// The answer repeats both.
    case json(operation: String, id: JSON)
}

/// One connection of the server: its name, its dialect, and one request after the other (Protocols.md, "board").
///
///     naming ── a name that is free ──> in session ── exit, end of input ──> closed
///
/// Answers come in the order of the requests. Posts of one connection may be under way together, because the store
/// answers them in order; anything else waits for what is under way.
package struct BoardConnectionMachine: Sendable {
    /// How long a person may take to type a name.
    package static let namingTime: Duration = .seconds(300)
    /// Silence after which an end that has sent a `ping` is taken for gone.
    package static let idleTime: Duration = .seconds(120)
    /// Commands of a connection without line ends that wait for their turn; further ones are refused.
    package static let waitingCommands = 64
    /// Refused commands after which such a connection is closed.
    package static let refusedCommands = 256
    /// Posts of a connection that are under way together.
    package static let postsUnderWay = 256

    package enum Timer: UInt8, Sendable, CaseIterable { case silence, naming, throttle, idle }

    package enum Effect: Equatable, Sendable {
        /// Ask for the name.
        case prompt
        /// See whether the name is free; answer with `nameAccepted` or `nameTaken` at once.
        case claim(Nickname)
        case answer(BoardAnswer, BoardReply)
        /// The name of a person is taken: say so, and ask again.
        case nameTaken
        /// Carry it out; answer with `answered` when its answer is on the way.
        case perform(BoardRequest, BoardReply)
        case event(BoardEvent)
        /// From here on the connection reads and writes JSON.
        case useJSON
        case schedule(Timer, Duration)
        case cancel(Timer)
        case pauseReading
        case resumeReading
        /// Close when what was sent has left.
        case close
    }

    /// Why a connection waits although a request of its has come.
    package enum Hold: Hashable, Sendable {
        /// It posts faster than its rate.
        case rate
        /// So much waits for it that nothing further is answered until it has read.
        case outbox
        /// Too much waits for the disk.
        case storage
    }

    package enum Dialect: Hashable, Sendable { case text, json }

    private enum State: Equatable {
        case naming
        case session
        case closed
    }

    private var state = State.naming
    package private(set) var dialect = Dialect.text
    private var input = BoardInputMachine()

    /// Pieces of a connection without line ends that wait: unlike lines, they would run into one another if they were
    /// left in the kernel's buffer.
    private var waiting: [BoardInputMachine.Piece] = []
    /// Commands that were refused because too many waited, and those of them that nobody was told of yet.
    private var refused = 0
    private var refusedUntold = 0

    /// A request whose turn has not come.
    private var held: (request: BoardRequest, reply: BoardReply)?
    /// Requests that were handed out and not answered yet.
    private var underWay = 0
    /// True while all of those are posts.
    private var onlyPostsUnderWay = true
    /// How the name that is being claimed was given; nil while none is.
    private var claiming: BoardReply?

    private var bucket: TokenBucket?
    private var holds: Set<Hold> = []
    private var isPaused = false
    private var inputHasEnded = false

    /// When bytes came last.
    private var lastHeard: MonotonicTime
    private var watchesIdle = false

    /// - Parameter limitsRate: false lets everybody send as fast as they like (`--no-rate-limit`).
    package init(at now: MonotonicTime, limitsRate: Bool) {
        lastHeard = now
        bucket = limitsRate ? TokenBucket(burst: FloodGuard.burst, perSecond: FloodGuard.perSecond) : nil
    }

    /// The name of whoever is, or was, in session; nil before.
    package private(set) var name: Nickname?

    /// True from the last request on.
    package var isClosed: Bool { state == .closed }

    // MARK: - Events

    package mutating func connected() -> [Effect] { [.prompt, .schedule(.naming, Self.namingTime)] }

    package mutating func received(_ bytes: ArraySlice<UInt8>, at now: MonotonicTime) -> [Effect] {
        guard state != .closed else { return [] }
        lastHeard = now
        let waitedForSilence = input.waitsForSilence
        input.received(bytes)
        var effects: [Effect] = []
        if input.waitsForSilence {
            effects.append(.schedule(.silence, BoardInputMachine.silence))
        } else if waitedForSilence {
            effects.append(.cancel(.silence))
        }
        collectWaiting(&effects)
        advance(at: now, &effects)
        return effects
    }

    package mutating func inputEnded(at now: MonotonicTime) -> [Effect] {
        guard state != .closed, !inputHasEnded else { return [] }
        input.inputEnded()
        inputHasEnded = true
        var effects: [Effect] = []
        collectWaiting(&effects)
        advance(at: now, &effects)
        return effects
    }

    package mutating func elapsed(_ timer: Timer, at now: MonotonicTime) -> [Effect] {
        guard state != .closed else { return [] }
        var effects: [Effect] = []
        switch timer {
        case .silence:
            input.silenceElapsed()
            collectWaiting(&effects)
        case .naming:
            guard state == .naming else { break }
            return close(.closing("No name was given in 5 minutes; goodbye."))
        case .throttle: holds.remove(.rate)
        case .idle:
            let silence = now - lastHeard
            if silence >= Self.idleTime { return close(.closing("Nothing was heard for 120 seconds; goodbye.")) }
            effects.append(.schedule(.idle, Self.idleTime - silence))
        }
        advance(at: now, &effects)
        return effects
    }

    /// The name of the last `claim` is this connection's from now on.
    package mutating func nameAccepted(_ name: Nickname, at now: MonotonicTime) -> [Effect] {
        guard let reply = claiming else { preconditionFailure("a name was accepted that nobody claimed") }
        claiming = nil
        state = .session
        self.name = name
        var effects: [Effect] = [.cancel(.naming), .answer(.ready(name: name.text), reply)]
        advance(at: now, &effects)
        return effects
    }

    /// Somebody else has the name of the last `claim`.
    package mutating func nameRefused(at now: MonotonicTime) -> [Effect] {
        guard let reply = claiming else { preconditionFailure("a name was refused that nobody claimed") }
        claiming = nil
        var effects: [Effect] =
            reply == .text
            ? [.nameTaken]
            : [.answer(.refused(BoardRefusal(.nameTaken, "Username already in use. Please try another.")), reply)]
        advance(at: now, &effects)
        return effects
    }

    /// One request that was handed out has its answer.
    package mutating func answered(at now: MonotonicTime) -> [Effect] {
        precondition(underWay > 0, "an answer without a request")
        underWay -= 1
        if underWay == 0 { onlyPostsUnderWay = true }
        var effects: [Effect] = []
        // Who waits for its answer has mostly said nothing since: then there is nothing to go on with.
        if !isAtRest { advance(at: now, &effects) }
        return effects
    }

    /// Nothing further is carried out until the hold is released.
    package mutating func hold(_ reason: Hold) { holds.insert(reason) }

    package mutating func release(_ reason: Hold, at now: MonotonicTime) -> [Effect] {
        guard holds.remove(reason) != nil else { return [] }
        var effects: [Effect] = []
        advance(at: now, &effects)
        return effects
    }

    /// The server wants the connection to end.
    package mutating func close(_ event: BoardEvent) -> [Effect] {
        guard state != .closed else { return [] }
        state = .closed
        return [.event(event)] + Timer.allCases.map { .cancel($0) } + [.close]
    }

    /// Nothing waits and nothing holds the connection up.
    private var isAtRest: Bool {
        held == nil && input.isEmpty && waiting.isEmpty && refusedUntold == 0 && holds.isEmpty && !isPaused
            && !inputHasEnded
    }

    // MARK: - One thing after the other

    /// Takes the pieces of a connection without line ends as they come.
    private mutating func collectWaiting(_ effects: inout [Effect]) {
        guard input.framing != .line else { return }
        while let piece = input.next() {
            if waiting.count < Self.waitingCommands {
                waiting.append(piece)
            } else {
                refused += 1
                refusedUntold += 1
            }
        }
        if refused > Self.refusedCommands { effects += close(.closing("Too many commands at once; goodbye.")) }
    }

    /// Carries out what has come, as far as it may be now.
    private mutating func advance(at now: MonotonicTime, _ effects: inout [Effect]) {
        while state != .closed, claiming == nil, holds.isEmpty {
            guard let (request, reply) = held.take() ?? nextRequest(&effects) else { break }
            guard underWay == 0 || (onlyPostsUnderWay && request.isPost && underWay < Self.postsUnderWay) else {
                held = (request, reply)
                break
            }
            if request.isCounted, bucket != nil {
                if let delay = bucket?.delay(at: now), delay > .zero {
                    holds.insert(.rate)
                    effects.append(.schedule(.throttle, delay))
                    held = (request, reply)
                    break
                }
                _ = bucket?.take(at: now)
            }
            carryOut(request, reply, &effects)
        }
        guard state != .closed else { return }
        if inputHasEnded, held == nil, claiming == nil, holds.isEmpty, underWay == 0 {
            // Everything that had come was answered.
            state = .closed
            effects += Timer.allCases.map { .cancel($0) }
            effects.append(.close)
            return
        }
        // What waits in the kernel slows the sender down. Without line ends it would become one command there.
        let shouldPause = input.framing == .line && (held != nil || !holds.isEmpty)
        if shouldPause != isPaused {
            isPaused = shouldPause
            effects.append(shouldPause ? .pauseReading : .resumeReading)
        }
    }

    private mutating func carryOut(
        _ request: consuming BoardRequest, _ reply: consuming BoardReply, _ effects: inout [Effect]
    ) {
        // Handed on as they are, not copied.
        let (request, reply) = (request, reply)
        switch request {
        case .unknown(let line): effects.append(.answer(.unknown(line), reply))
        case .invalid(let refusal): effects.append(.answer(.refused(refusal), reply))
        case .connect: effects.append(.answer(.alreadyConnected, reply))
        case .help: effects.append(.answer(.help, reply))
        case .ping:
            effects.append(.answer(.pong, reply))
            // Who pings has agreed to: it is gone when it falls silent.
            if !watchesIdle {
                watchesIdle = true
                effects.append(.schedule(.idle, Self.idleTime))
            }
        case .exit:
            state = .closed
            effects.append(.answer(.goodbye, reply))
            effects += Timer.allCases.map { .cancel($0) }
            effects.append(.close)
        case .upgrade:
            guard let name else { preconditionFailure("an upgrade before the name") }
            useJSON(&effects)
            effects.append(.answer(.ready(name: name.text), .json(operation: "json", id: .null)))
        case .groups, .join, .leave, .post, .users, .read, .list, .since, .create:
            underWay += 1
            onlyPostsUnderWay = onlyPostsUnderWay && request.isPost
            effects.append(.perform(request, reply))
        }
    }

    private mutating func useJSON(_ effects: inout [Effect]) {
        dialect = .json
        effects.append(.useJSON)
        if input.waitsForSilence { effects.append(.cancel(.silence)) }
        input.useLines()
    }

    // MARK: - Reading

    private mutating func nextPiece() -> BoardInputMachine.Piece? {
        waiting.isEmpty ? input.next() : waiting.removeFirst()
    }

    /// The next request of the session; what is said before the name is dealt with here.
    private mutating func nextRequest(_ effects: inout [Effect]) -> (BoardRequest, BoardReply)? {
        while claiming == nil {
            guard let piece = nextPiece() else {
                guard refusedUntold > 0 else { return nil }
                let count = refusedUntold
                refusedUntold = 0
                let refusal = BoardRefusal(.tooMany, "\(count) commands were not carried out: too many at once.")
                return (.invalid(refusal), .text)
            }
            switch piece {
            case .tooLong(let limit):
                let refusal = BoardRefusal(.tooLong, "The command is too long; it may have \(limit) bytes.")
                return (.invalid(refusal), dialect == .json ? .json(operation: "", id: .null) : .text)
            case .command(let bytes):
                if state == .naming {
                    if let request = naming(bytes, &effects) { return request }
                } else if dialect == .json {
                    let (reply, content) = BoardJSONRequest(parsing: bytes).parts()
                    switch content {
                    case .request(let content): return (content, reply)
                    case .hello:
                        return (.invalid(BoardRefusal(.badRequest, "This connection has a name already.")), reply)
                    }
                } else if let request = BoardRequest(text: String(decoding: bytes, as: UTF8.self)) {
                    return (request, .text)
                }
            }
        }
        return nil
    }

    /// What is said before the name.
    private mutating func naming(_ bytes: ArraySlice<UInt8>, _ effects: inout [Effect]) -> (BoardRequest, BoardReply)? {
        let text = String(decoding: bytes, as: UTF8.self).trimmed
        if dialect == .json || text.first == "{" {
            if dialect == .text { useJSON(&effects) }
            let (reply, content) = BoardJSONRequest(parsing: bytes).parts()
            switch content {
            case .request(.invalid(let refusal)): return (.invalid(refusal), reply)
            case .request(.exit): return (.exit, reply)
            case .request:
                return (.invalid(BoardRefusal(.badRequest, "Begin with {\"op\": \"hello\", \"name\": ...}.")), reply)
            case .hello(let name):
                do {
                    claim(try Nickname(validating: name), reply, &effects)
                } catch {
                    return (.invalid(BoardRefusal(.badName, error.message)), reply)
                }
            }
        } else if text.isEmpty {
            effects.append(.prompt)
        } else if text.lowercased() == "%exit" {
            return (.exit, .text)
        } else {
            do {
                claim(try Nickname(validating: String(text)), .text, &effects)
            } catch {
                effects.append(.answer(.refused(BoardRefusal(.badName, error.message)), .text))
                effects.append(.prompt)
            }
        }
        return nil
    }

    private mutating func claim(_ name: Nickname, _ reply: BoardReply, _ effects: inout [Effect]) {
        claiming = reply
        effects.append(.claim(name))
    }
}

extension BoardRequest {
    /// Posts may be under way together.
    var isPost: Bool { if case .post = self { true } else { false } }

    /// What others are told of counts against the rate of its author.
    var isCounted: Bool {
        switch self {
        case .post, .join, .leave, .create: true
        case .groups, .users, .read, .list, .since, .connect, .help, .ping, .exit, .upgrade, .unknown, .invalid: false
        }
    }
}
