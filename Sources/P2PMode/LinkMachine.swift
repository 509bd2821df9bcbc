import Delivery
package import Wire

/// One connection: finds out who is at the other end and how it wants to be spoken to, and notices when it falls silent.
///
///     greeting --hello--> member          one of ours: pings, and everything of the extension
///        |  \--a frame without hello, or 1 s of silence--> original
///        |                                  an original program; the shape of its frames decides the dialect
///        `------ both turn into `member` whenever a hello comes, and into `ended` for good
package struct LinkMachine: Sendable {
    // Limits.
    /// An end of ours greets at once; whoever has not by then is an original program.
    package static let greetingTime = Duration.seconds(1)
    /// Between two pings.
    package static let pingInterval = Duration.seconds(60)
    /// Without any frame from one of ours: gone.
    package static let silence = Duration.seconds(120)
    /// How long an original program that says more than is admitted is only slowed down.
    package static let slowedAtMost = Duration.seconds(60)
    /// After so long without a line too many, all is forgiven.
    package static let calm = Duration.seconds(10)
    /// Different lines without a time whose repetitions are counted.
    package static let countedLines = 256

    package enum Direction: Equatable, Sendable {
        case accepted
        /// The number in the address book.
        case dialled(Int)
    }

    package enum State: Equatable, Sendable {
        case greeting
        case original
        case member(NodeID)
        case ended
    }

    package enum Effect: Equatable, Sendable {
        case greet
        case ping(UInt64)
        case pong(UInt64)
        /// One of ours, and who.
        case met(MeshHello)
        /// An original program, as far as can be told.
        case settled
        /// It said something.
        case line(GuestSaid)
        /// A frame of the extension, for the mesh.
        case mesh(MeshFrame)
        /// It says more than is admitted: read no further until `resume`.
        case slowDown
        case resume
        /// Tell it that its lines are refused.
        case warn
        case end(Fault)
    }

    /// Why a connection is given up.
    package enum Fault: Equatable, Sendable {
        case silent
        case flood
        /// Says now that it is somebody else.
        case changedIdentity
    }

    package let direction: Direction
    package let remote: SocketAddress
    package let openedAt: MonotonicTime
    package private(set) var state = State.greeting
    /// How to speak to an original program.
    package private(set) var dialect = Dialect.json
    package private(set) var lastHeard: MonotonicTime
    package private(set) var roundTrip: Duration?

    private let speaksFirst: Bool
    private var hasGreeted = false
    private var pingNumber: UInt64 = 0
    private var pingSentAt: MonotonicTime?
    private var nextPing: MonotonicTime
    /// `nil` without a rate limit.
    private var flood: FloodGuard?
    /// Since when, and when last, it said more than is admitted.
    private var slowedSince: MonotonicTime?
    private var slowedLast: MonotonicTime?
    private var resumeAt: MonotonicTime?
    private var isWarned = false
    private var occurrences: [NodeID: Int] = [:]

    package init(
        direction: Direction, remote: SocketAddress, speaksFirst: Bool, isRateLimited: Bool, at now: MonotonicTime
    ) {
        self.direction = direction
        self.remote = remote
        self.openedAt = now
        self.lastHeard = now
        self.nextPing = now
        self.speaksFirst = speaksFirst
        if !speaksFirst { dialect = .plain }
        if isRateLimited { flood = FloodGuard() }
    }

    package var member: NodeID? {
        if case .member(let node) = state { node } else { nil }
    }

    /// When `timePassed` is to be called next. It may move to a later time without notice; calling early does no harm.
    package var deadline: MonotonicTime? {
        switch state {
        case .greeting: earlier(openedAt.advanced(by: Self.greetingTime), resumeAt)
        case .original: resumeAt
        case .member: min(nextPing, lastHeard.advanced(by: Self.silence))
        case .ended: nil
        }
    }

    // MARK: Events

    package mutating func opened() -> [Effect] {
        guard speaksFirst else { return [] }
        hasGreeted = true
        return [.greet]
    }

    package mutating func heard(_ frame: P2PFrame, at now: MonotonicTime) -> [Effect] {
        if state == .ended { return [] }
        lastHeard = now
        switch frame {
        case .mesh(let frame): return heardMesh(frame, at: now)
        case .chat(let line): return heardLine(line, as: .json, at: now)
        case .plain(let line): return heardLine(line, as: .plain, at: now)
        case .test(let line):
            // Only its test mode never shows the other shape.
            return heardLine(line, as: dialect == .plain && state == .original ? .plain : .test, at: now)
        case .raw(let text):
            return heardLine(OriginalLine(sender: "", text: text), as: nil, at: now)
        }
    }

    package mutating func timePassed(at now: MonotonicTime) -> [Effect] {
        switch state {
        case .ended:
            return []
        case .greeting:
            var effects = resumed(at: now)
            if now >= openedAt.advanced(by: Self.greetingTime) {
                state = .original
                effects.append(.settled)
            }
            return effects
        case .original:
            return resumed(at: now)
        case .member:
            if now >= lastHeard.advanced(by: Self.silence) { return end(.silent) }
            return now >= nextPing ? [ping(at: now)] : []
        }
    }

    /// A ping out of turn, to see whether the other end still lives.
    package mutating func ping(at now: MonotonicTime) -> Effect {
        pingNumber += 1
        pingSentAt = now
        nextPing = now.advanced(by: Self.pingInterval)
        return .ping(pingNumber)
    }

    // MARK: One of ours

    private mutating func heardMesh(_ frame: MeshFrame, at now: MonotonicTime) -> [Effect] {
        switch frame {
        case .hello(let hello):
            switch state {
            case .member(let node):
                return hello.node == node ? [] : end(.changedIdentity)
            case .greeting, .original:
                state = .member(hello.node)
                var effects: [Effect] = hasGreeted ? [] : [.greet]
                hasGreeted = true
                if resumeAt != nil { effects.append(.resume) }
                resumeAt = nil
                effects.append(.met(hello))
                return effects
            case .ended:
                return []
            }
        case .ping(let number):
            return member == nil ? [] : [.pong(number)]
        case .pong(let number):
            guard number == pingNumber, let sent = pingSentAt else { return [] }
            pingSentAt = nil
            roundTrip = now - sent
            return [.mesh(frame)]
        case .unknown:
            return []
        case .message, .member, .bye, .peers, .sum, .have, .want, .page, .ack, .whisper, .heard:
            // Only who has said hello takes part.
            return member == nil ? [] : [.mesh(frame)]
        }
    }

    // MARK: An original

    private mutating func heardLine(_ line: OriginalLine, as spoken: Dialect?, at now: MonotonicTime) -> [Effect] {
        // One of ours has no reason to speak so.
        if member != nil { return [] }
        if let spoken { dialect = spoken }
        var effects: [Effect] = []
        if state == .greeting {
            state = .original
            effects.append(.settled)
        }
        var said = GuestSaid(line, as: spoken, remote: remote)
        if !said.isTimed {
            let key = said.digest
            let count = occurrences[key, default: 0] + 1
            if occurrences.count >= Self.countedLines, occurrences[key] == nil { occurrences = [:] }
            occurrences[key] = count
            said.digest = said.digest(occurrence: count)
        }
        return effects + admit(said, at: now)
    }

    /// Slowed down first, which costs the sender nothing but time; who goes on for long is refused, and then disconnected.
    private mutating func admit(_ said: GuestSaid, at now: MonotonicTime) -> [Effect] {
        guard flood != nil else { return [.line(said)] }
        switch flood!.received(size: said.text.utf8.count, at: now) {
        case .admit:
            if let last = slowedLast, now - last >= Self.calm {
                slowedSince = nil
                slowedLast = nil
                isWarned = false
            }
            return [.line(said)]
        case .slowDown(let delay):
            let since = slowedSince ?? now
            slowedSince = since
            slowedLast = now
            if now - since > Self.slowedAtMost || resumeAt != nil { return [.line(said)] }
            resumeAt = now.advanced(by: delay)
            return [.line(said), .slowDown]
        case .refuse:
            slowedLast = now
            if isWarned { return [] }
            isWarned = true
            return [.warn]
        case .disconnect:
            return end(.flood)
        }
    }

    private mutating func resumed(at now: MonotonicTime) -> [Effect] {
        guard let time = resumeAt, now >= time else { return [] }
        resumeAt = nil
        return [.resume]
    }

    private mutating func end(_ fault: Fault) -> [Effect] {
        state = .ended
        return [.end(fault)]
    }

    private func earlier(_ one: MonotonicTime, _ other: MonotonicTime?) -> MonotonicTime {
        other.map { min(one, $0) } ?? one
    }
}
