import Glibc
import RoomsMode
import TestSupport
import Testing
import Wire

/// Somebody before a server of rooms who tries one thing, and a member of the room who sees what comes of it.
struct RoomsScene {
    private let cell: Permission
    private let server: ModeServer
    private let number: Int
    private let room: String
    private var person: RoomsParty
    /// One of ours: the host, unless the person is, or a member of the lobby.
    private var observer: RoomsParty
    /// One of ours in the lobby, who is there whatever becomes of the room: the server takes its questions after what was
    /// sent before.
    private var witness: RoomsParty
    /// An address that nobody has registered.
    private let stray: DatagramPeer
    /// Of a person that uses commands: where its place is kept, and its program.
    private let folder = TemporaryFolder()
    private var program: ChildProcess?

    /// Brings a fresh person into the state of the cell.
    init(_ cell: Permission, on server: ModeServer) async throws {
        self.cell = cell
        self.server = server
        number = server.next()
        room = cell.detail == " of the lobby" ? "lobby" : "r\(number)"
        let isOurs = ["TCRP 2", "UCRP 2"].contains(cell.way)
        person = try RoomsParty("p\(number)", isOurs: isOurs, room: room, server: server)
        observer = try RoomsParty("o\(number)", isOurs: true, room: room, server: server)
        witness = try RoomsParty("w\(number)", isOurs: true, room: "lobby", server: server)
        stray = try DatagramPeer()
        try await witness.enter()
        _ = try await witness.marked()
        let isHost = cell.who == "host"
        if isHost { try await enter() }
        try await observer.enter(creates: !isHost && room != "lobby")
        _ = try await observer.marked()
        try await say("words", waits: true)
        if !isHost { try await enter() }
        _ = try await witness.marked()
        for socket in [person.socket, observer.socket] { _ = await socket.arrived() }
    }

    // MARK: - States

    private mutating func enter() async throws {
        if cell.way == "command" { return try await enterByCommand() }
        switch cell.who {
        case "entered": try await person.enter()
        case "member": try await join()
        case "host": try await join(creates: true)
        case "former member":
            try await join()
            await person.leave()
        case "resumed member":
            try await join()
            person.socket = try DatagramPeer()
            if person.isOurs { #expect(try await comeBack().isGranted == true) }
            await register()
        case "member elsewhere":
            person.room = "e\(number)"
            try await join(creates: true)
            person.room = room
        default: break
        }
        _ = try await witness.marked()
    }

    private mutating func join(creates: Bool = false) async throws {
        try await person.enter(creates: creates)
        await register()
    }

    private func register() async { await person.send(Array("__REGISTER__".utf8)) }

    private func comeBack() async throws -> RoomsParty.Answer {
        try await person.ask(.join, ["name": .string(person.name), "token": .string(person.token.text)])
    }

    private mutating func enterByCommand() async throws {
        switch cell.who {
        case "member", "former member", "resumed member": try await start("join", room)
        case "host": try await start("create", room)
        case "member elsewhere": try await start("create", "e\(number)")
        default: break
        }
        switch cell.who {
        case "former member":
            try await program!.write("/leave\n")
            #expect(await program!.exitStatus() == 0)
        case "resumed member":
            // No goodbye: the place is kept.
            program!.send(SIGHUP)
            #expect(await program!.exitStatus() == 0)
            try await start("join", room)
        default: break
        }
    }

    private mutating func start(_ verb: String, _ room: String) async throws {
        let program = try ChildProcess(
            ChildProcess.product("chat"), ["rooms", verb, room, "--json"] + options, patience: 30_000)
        _ = try await program.line(containing: "\"ready\"")
        self.program = program
    }

    private var address: [String] { ["--server", "127.0.0.1:\(server.ports[0]):\(server.ports[1])"] }
    private var options: [String] { address + ["--name", person.name, "--data", folder.path] }

    // MARK: - Trying it

    func outcome() async throws -> Outcome {
        let outcome: Outcome
        switch cell.way {
        case "TCRP", "TCRP 2": outcome = try await askIt()
        case "UCRP", "UCRP 2": outcome = try await sendIt()
        default: outcome = try await runIt()
        }
        await program?.closeInput()
        for party in [person, observer, witness] { await party.leave() }
        return outcome
    }

    private func askIt() async throws -> Outcome {
        guard let operation = TCRPMessage.Operation.allCases.first(where: { "\($0)" == cell.operation }) else {
            throw Untested(what: cell.testDescription)
        }
        let token = JSON.string(person.token.text)
        let before = try await standing()
        let answer: RoomsParty.Answer
        switch operation {
        case .create where cell.detail == " of one that is there":
            answer = try await person.ask(.create, .string(person.name))
        case .create: answer = try await person.ask(.create, room: "n\(number)", .string(person.name))
        case .join where cell.detail == " with one's token": answer = try await comeBack()
        case .join: answer = try await person.ask(.join, .string(person.name))
        case .list: answer = try await person.ask(.list, room: "", ["after": 0])
        case .history where room == "lobby": answer = try await person.ask(.history, ["limit": 9])
        case .who where room == "lobby": answer = try await person.ask(.who, ["after": 0])
        case .history: answer = try await person.ask(.history, ["token": token, "limit": 9])
        case .who: answer = try await person.ask(.who, ["token": token, "after": 0])
        case .leave: answer = try await person.ask(.leave, ["token": token])
        case .topic: answer = try await person.ask(.topic, ["token": token, "topic": .string("t\(number)")])
        }
        var hasEffect = try await standing() != before
        let given = answer.complete?["token"]?.string.flatMap { RoomToken($0) }
        switch operation {
        case .create, .join:
            // What is given is a place.
            if let given {
                var place = person
                place.token = given
                if cell.operation == "create", cell.detail == "" { place.room = "n\(number)" }
                place.isOurs = true
                hasEffect = try await place.isMember()
                if cell.detail == " with one's token" { hasEffect = hasEffect && given == person.token }
                await place.leave()
            }
        case .list, .history, .who: hasEffect = answer.text.contains(shown)
        case .leave, .topic: break
        }
        return Outcome(
            answer: answer.text, isGranted: answer.isGranted == true, isAnswered: answer.isGranted != nil,
            code: answer.reason, hasEffect: hasEffect)
    }

    /// What is in the answer of who may see it.
    private var shown: String {
        switch cell.operation {
        case "list": "lobby"
        case "who": observer.name
        default: "words \(number)"
        }
    }

    private func sendIt() async throws -> Outcome {
        let isStray = cell.detail == " from another address"
        let sender = isStray ? stray : person.socket
        let before = try await standing()
        let heardBefore = try await hears(sender, "first")
        let id = MessageID(high: 9, low: .random(in: 1 ... .max))
        switch (cell.operation, person.isOurs) {
        case ("message", _) where cell.detail == " of another's": break
        case ("message", false): await person.send(Array("mine \(number)".utf8), from: sender)
        case ("message", true):
            await person.send(RoomsParty.submission(.message, id, "mine \(number)"), from: sender)
        case ("ping", true): await person.send(RoomsParty.submission(.ping, id), from: sender)
        case ("__REGISTER__", _), ("__LEAVE__", _): await person.send(Array(cell.operation.utf8), from: sender)
        default: throw Untested(what: cell.testDescription)
        }
        _ = try await witness.marked()
        var answers = await answers(person.socket, id) + answers(stray, id)
        if cell.operation == "message", cell.detail == "", person.isOurs, cell.verdict == .allowed {
            // It comes when the message is on the disk.
            while answers.isEmpty { answers = Self.answers([try await person.socket.receive()], id) }
        }
        let isTold = await observer.socket.arrived().contains { $0.contains("mine \(number)") }
        let after = try await standing()
        var hasEffect = before != after || isTold
        switch cell.operation {
        case "message" where cell.detail == " of another's": hasEffect = heardBefore
        case "__REGISTER__": hasEffect = try await hears(sender, "second") != heardBefore
        case "ping": hasEffect = try await hears(sender, "second") && !answers.isEmpty
        default: break
        }
        return Outcome(
            answer: "\(answers)", isGranted: !answers.isEmpty, isAnswered: !answers.isEmpty, hasEffect: hasEffect)
    }

    /// True where what the observer says now comes to a socket.
    private func hears(_ socket: DatagramPeer, _ what: String) async throws -> Bool {
        try await say(what)
        return await socket.arrived().contains { $0.contains("\(what) \(number)") }
    }

    /// What the server answers by: not what it tells everybody.
    private func answers(_ socket: DatagramPeer, _ id: MessageID) async -> [String] {
        Self.answers(await socket.arrived(), id)
    }

    private static func answers(_ datagrams: [[UInt8]], _ id: MessageID) -> [String] {
        datagrams.compactMap { datagram in
            if let delivery = UCRPDelivery(datagram[...]) {
                return delivery.id.low == id.low ? "\(delivery.kind)" : nil
            }
            guard case .message(let sender, let text)? = UCRPPlainDelivery(datagram[...]),
                sender.elementsEqual("system".utf8)
            else { return nil }
            return String(decoding: text, as: UTF8.self)
        }
    }

    private func runIt() async throws -> Outcome {
        let words =
            switch cell.operation {
            case "list": ["list"] + address
            case "history": ["history", room] + options
            default: throw Untested(what: cell.testDescription)
            }
        let result = try await ModeServer.run(["rooms"] + words)
        #expect(result.status == 0 || result.status == 4, "\(result.output)")
        return Outcome(
            answer: result.output, isGranted: result.status == 0,
            code: result.output.contains("Only members of the room") ? "not_a_member" : result.output,
            hasEffect: result.output.contains(shown))
    }

    // MARK: - What came of it

    /// Who is in the room, what it is called, and whether the person has a place there.
    private func standing() async throws -> String {
        let members = try await observer.ask(.who, ["token": .string(observer.token.text), "after": 0])
        let place = try await observer.ask(
            .join, ["name": .string(observer.name), "token": .string(observer.token.text)])
        var person = person
        person.isOurs = true
        return "\(members.complete?["members"] ?? .null) \(place.complete?["topic"] ?? .null) "
            + "\(try await person.isMember())"
    }

    /// The observer says something; it has left for everybody when this returns.
    private func say(_ what: String, waits: Bool = false) async throws {
        let id = MessageID(high: 1, low: .random(in: 1 ... .max))
        await observer.send(RoomsParty.submission(.message, id, "\(what) \(number)"))
        guard waits else {
            _ = try await witness.marked()
            return
        }
        while Self.answers([try await observer.socket.receive()], id).isEmpty {}
    }
}

extension RoomsParty {
    /// True where its token is that of a member of its room.
    func isMember() async throws -> Bool {
        try await ask(.history, ["token": .string(token.text), "limit": 1]).isGranted == true
    }
}

extension [UInt8] {
    fileprivate func contains(_ text: String) -> Bool { firstRange(of: Array(text.utf8)) != nil }
}
