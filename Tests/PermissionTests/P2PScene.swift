import P2PMode
import Platform
import TestSupport
import Testing
import Wire

/// Somebody before a node of p2p who tries one thing, and a member who sees what comes of it.
///
/// Nothing tells that nothing will come. So somebody who may do the same does it afterwards: what came of the first has
/// come when what comes of the second has.
struct P2PScene {
    /// One attempt, and what it is known again by.
    private struct Attempt {
        let party: P2PParty
        let number: UInt64
        /// Where the node is to dial, for `peers`.
        let listener: RawListener
        /// Somebody that the node has not heard of.
        let other: NodeID

        var text: String { "attempt \(number)" }
        var id: MessageID { MessageID(high: 11, low: number) }
    }

    private let cell: Permission
    private let observer: P2PParty
    private let person: Attempt
    /// Somebody who may do it: a member, or an original.
    private let control: Attempt
    private let host: NodeID
    /// The text of the observer's first message.
    private let earlier: String

    init(_ cell: Permission, on server: ModeServer) async throws {
        self.cell = cell
        let port = server.ports[0]
        let number = UInt64(server.next())
        observer = try await P2PParty("o\(number)", port: port)
        try await observer.greet()
        host = try #require(await observer.host)
        earlier = "earlier \(number)"
        try await observer.send(
            .message(
                MeshMessage(
                    author: observer.node, sequence: 1, time: Timestamp(microseconds: 1), sender: observer.name,
                    text: earlier)))
        try await observer.settle()
        // The node dials at once what has a larger id than its own, and the others a second later: the control's last.
        person = Attempt(
            party: try await P2PParty("p\(number)", port: port), number: number, listener: try RawListener(),
            other: NodeID(high: .max, low: number))
        control = Attempt(
            party: try await P2PParty("c\(number)", port: port), number: number + 1_000_000,
            listener: try RawListener(), other: NodeID(high: 0, low: number))
        try await enter()
        if cell.way == "original" {
            try await control.party.say("first of \(control.number)", in: .json)
        } else if cell.operation != "hello" {
            try await control.party.greet()
        }
    }

    /// Brings the person into the state of the cell.
    private func enter() async throws {
        let party = person.party
        switch cell.who {
        case "stranger": break
        case "original": try await party.say("first of \(person.number)", in: .json)
        case "member": try await party.greet()
        case "former member":
            try await party.greet()
            try await party.send(.bye(MeshBye(node: party.node, reason: .leaving, version: 9)))
        case "resumed member":
            try await party.greet()
            try await observer.wait(until: party.node, isLinked: true)
            try await party.reconnect()
            try await observer.wait(until: party.node, isLinked: false)
            try await party.greet()
        case "prober": try await party.greet(isProbe: true)
        default: throw Untested(what: cell.testDescription)
        }
        // That somebody has come is told a moment later.
        if cell.operation == "hello", cell.verdict == .already {
            try await observer.wait(until: party.node, isLinked: true)
        }
    }

    // MARK: - Trying it

    func outcome() async throws -> Outcome {
        var outcome = Outcome(answer: "", isAnswered: false, hasEffect: false)
        let isLinkedBefore = cell.operation == "hello" ? await isLinked(person) : false
        do {
            try await carryOut(person)
        } catch is SystemError where cell.who == "former member" {
            // The node has closed the connection upon the goodbye.
        }
        if cell.verdict == .ended {
            try await person.party.waitForEnd()
            outcome.hasEnded = true
        }
        try await carryOut(control)
        try await waitForEffect(of: control)
        // What was read in one turn is told in one, in whichever order it was read.
        try await observer.settle()
        if cell.verdict != .ended { try await person.party.finish() }
        outcome.hasEffect = try await hasEffect(person) && !isLinkedBefore
        outcome.answer = "\(await person.party.heard)"
        return outcome
    }

    private func carryOut(_ attempt: Attempt) async throws {
        let party = attempt.party
        let isPerson = attempt.number == person.number
        switch (cell.operation, cell.detail) {
        case ("chat", ""): try await party.say(attempt.text, in: .json)
        case ("plain", ""): try await party.say(attempt.text, in: .plain)
        case ("test", ""): try await party.say(attempt.text, in: .test)
        case ("text", " of no known shape"): try await party.sayRaw(attempt.text)
        case ("hello", " of another node") where isPerson: try await hello(of: attempt.other, by: party)
        case ("hello", " of the node that hears it") where isPerson: try await hello(of: host, by: party)
        case ("hello", _): try await hello(of: party.node, by: party)
        default: try await party.send(try frame(of: attempt))
        }
    }

    private func hello(of node: NodeID, by party: P2PParty) async throws {
        try await party.send(.hello(MeshHello(node: node, name: party.name, port: 0)))
    }

    private func frame(of attempt: Attempt) throws -> MeshFrame {
        let node = attempt.party.node
        switch (cell.operation, cell.detail) {
        case ("message", ""), ("message", " of another's"):
            return .message(
                MeshMessage(
                    author: cell.detail == "" ? node : attempt.other, sequence: 1, time: Timestamp(microseconds: 1),
                    sender: attempt.party.name, text: attempt.text))
        case ("member", ""):
            return .member(MemberRecord(node: node, version: 50, name: attempt.text, links: [host]))
        case ("bye", ""): return .bye(MeshBye(node: node, reason: .leaving, version: attempt.number))
        case ("peers", ""):
            let address = SocketAddress(ip: .loopbackV4, port: attempt.listener.port)
            return .peers([PeerAddress(node: attempt.other, address: address)])
        case ("sum", ""): return .sum(MeshSum(log: attempt.number, members: attempt.number))
        case ("have", ""):
            return .have(MeshHave(authors: [.init(attempt.other, 3)], members: [], wantsAnswer: false))
        case ("want", ""): return .want([WantedRange(observer.node, from: 1, through: 1)])
        case ("page", " that nobody has asked for"):
            return .page(MeshPage(gone: [WantedRange(observer.node, from: 1, through: 1)]))
        case ("ack", ""): return .ack([MeshAck(author: observer.node, by: node, sequence: 1)])
        case ("whisper", ""):
            // As if from the observer, which its receipt goes back to.
            return .whisper(
                MeshWhisper(
                    id: attempt.id, from: observer.node, to: host, hops: 16, time: Timestamp(microseconds: 1),
                    sender: observer.name, text: attempt.text))
        case ("whisper", " to another"):
            return .whisper(
                MeshWhisper(
                    id: attempt.id, from: node, to: observer.node, hops: 16, time: Timestamp(microseconds: 1),
                    sender: attempt.party.name, text: attempt.text))
        case ("heard", ""):
            return .heard(WhisperReceipt(id: attempt.id, from: node, to: observer.node, hops: 16))
        case ("ping", ""): return .ping(attempt.number)
        case ("pong", ""): return .pong(attempt.number)
        default: throw Untested(what: cell.testDescription)
        }
    }

    // MARK: - What comes of it

    private func isLinked(_ attempt: Attempt) async -> Bool { await observer.links.contains(attempt.party.node) }

    private func hasEffect(_ attempt: Attempt) async throws -> Bool {
        switch cell.operation {
        case "hello": await isLinked(attempt)
        case "peers": try await attempt.listener.isDialled
        // Nobody has asked for these.
        case "page", "pong": false
        default: await (isToldToObserver ? observer : attempt.party).heard.contains { isEffect($0, of: attempt) }
        }
    }

    private func waitForEffect(of attempt: Attempt) async throws {
        switch cell.operation {
        case "hello": try await observer.wait(until: attempt.party.node, isLinked: true)
        case "peers": _ = try await attempt.listener.accept()
        case "page", "pong": try await attempt.party.settle()
        default:
            try await (isToldToObserver ? observer : attempt.party).wait { isEffect($0, of: attempt) }
        }
    }

    /// Others are answered to who tries it.
    private var isToldToObserver: Bool { !["ping", "sum", "have", "want"].contains(cell.operation) }

    private func isEffect(_ frame: MeshFrame, of attempt: Attempt) -> Bool {
        switch (cell.operation, frame) {
        case ("chat", .message(let message)), ("plain", .message(let message)), ("test", .message(let message)),
            ("text", .message(let message)), ("message", .message(let message)):
            message.text == attempt.text
        case ("member", .member(let record)): record.name == attempt.text
        case ("bye", .member(let record)):
            record.node == attempt.party.node && record.hasLeft && record.version == attempt.number
        case ("sum", .have(let have)): have.wantsAnswer
        case ("have", .want(let ranges)): ranges.contains { $0.author == attempt.other }
        case ("want", .message(let message)): message.text == earlier && message.isCaughtUp
        case ("ack", .ack(let acks)): acks.contains { $0.by == attempt.party.node }
        case ("whisper", .whisper(let whisper)): whisper.id == attempt.id
        case ("whisper", .heard(let receipt)): receipt.id == attempt.id && receipt.from == host
        case ("heard", .heard(let receipt)): receipt.id == attempt.id
        case ("ping", .pong(let number)): number == attempt.number
        default: false
        }
    }
}
