import TestSupport
import Testing
import Wire

/// Somebody before a board who tries one thing, and somebody else, a member of the group, who sees what comes of it.
struct BoardScene {
    private let cell: Permission
    private let port: UInt16
    private let number: Int
    /// The person's name, and the group that it is about; the short commands of text are about `main`.
    private let name: String
    private let group: String
    private let observer: RawPeer
    /// Posts of the observer's, by when they were posted: `before` the person came, `then`, while it was a member for the
    /// first time, and `now`. The text of each is its key and the number of the scene.
    private var offsets: [String: Int64] = [:]
    /// How the person speaks; nil for one that uses commands, whose places are in a folder.
    private var person: RawPeer?
    private let folder = TemporaryFolder()
    /// What the person was given to come back by, and what somebody else was.
    private var secret = String(repeating: "0", count: 32)
    private var anothers = ""

    private static let shortWords: Set<String> = ["join", "post", "list", "message", "users", "leave"]

    /// Brings a fresh person into the state of the cell. Whatever nobody may read on a board is there: the groups show
    /// nothing of what was before.
    init(_ cell: Permission, on server: ModeServer) async throws {
        self.cell = cell
        port = server.ports[0]
        number = server.next()
        name = "p\(number)"
        let isShort = cell.way == "text" && Self.shortWords.contains(cell.operation)
        let isMain = isShort || cell.detail == BoardScene.withoutCreation
        group = isMain ? "main" : "g\(number)"
        observer = try await Self.program("o\(number)", port)

        if cell.who == "creator" {
            let creator = try await Self.program(name, port)
            #expect(try await creator.ask(#"{"op":"create","group":"\#("g\(number)")"}"#)["event"] == "answer")
            try await Self.leave(creator)
        } else if !isMain {
            #expect(try await observer.ask(#"{"op":"create","group":"\#(group)"}"#)["event"] == "answer")
        }
        #expect(try await observer.ask(#"{"op":"join","group":"\#(group)"}"#)["event"] == "answer")
        try await post("before")
        let other = try await Self.program("w\(number)", port)
        anothers = try await other.ask(#"{"op":"join","group":"\#(group)"}"#)["resume"]?.string ?? anothers
        try await Self.leave(other)

        switch cell.way {
        case "text": try await enterByText()
        case "JSON": try await enterByJSON()
        default: try await enterByCommand()
        }
        try await post("now")
        _ = try await seen()
        if cell.way == "text", cell.who != "nameless" { try await person?.barrier() }
    }

    static let withoutCreation = " on a server without it"

    // MARK: - States

    private mutating func enterByText() async throws {
        var peer = try await Self.connect(port)
        person = peer
        guard cell.who != "nameless" else { return try await post("then") }
        try await peer.send("\(name)\n")
        _ = try await peer.receive(until: "to enter.\n")
        if let entered { _ = try await peer.type("%groupjoin \(entered)") }
        try await post("then")
        switch cell.who {
        case "former member": _ = try await peer.type("%groupleave \(group)")
        case "returning member", "resumed member":
            try await peer.send("%exit\n")
            _ = try await peer.receiveToEnd()
            peer = try await Self.connect(port)
            try await peer.send("\(name)\n")
            _ = try await peer.receive(until: "to enter.\n")
            if cell.who == "resumed member" { _ = try await peer.type("%groupjoin \(group)") }
        default: break
        }
        person = peer
    }

    private mutating func enterByJSON() async throws {
        guard cell.who != "nameless" else {
            person = try await Self.connect(port)
            return try await post("then")
        }
        var peer = try await Self.program(name, port)
        if let entered {
            secret = try await peer.ask(#"{"op":"join","group":"\#(entered)"}"#)["resume"]?.string ?? secret
        }
        try await post("then")
        switch cell.who {
        case "former member": _ = try await peer.ask(#"{"op":"leave","group":"\#(group)"}"#)
        case "returning member":
            try await Self.leave(peer)
            peer = try await Self.program(name, port)
        case "resumed member":
            try await Self.leave(peer)
            peer = try await Self.program(name, port)
            let joined = try await peer.ask(#"{"op":"join","group":"\#(group)","resume":"\#(secret)"}"#)
            #expect(joined["resumed"] == true)
        default: break
        }
        _ = try await peer.ask(#"{"op":"ping"}"#)
        person = peer
    }

    private mutating func enterByCommand() async throws {
        switch cell.who {
        case "member":
            // At the same time, with another program.
            let peer = try await Self.program(name, port)
            _ = try await peer.ask(#"{"op":"join","group":"\#(group)"}"#)
            person = peer
        case "former member", "resumed member", "member elsewhere":
            #expect(try await run("read", entered!).status == 0)
            try await nameIsFree()
        default: break
        }
        try await post("then")
        guard cell.who == "former member" else { return }
        let client = try ChildProcess(
            ChildProcess.product("chat"), ["board", "connect"] + options, mergesErrors: true, patience: 30_000)
        try await client.write("/leave \(group)\n")
        await client.closeInput()
        let output = try await client.rest()
        #expect(output.contains("successfully left"))
        try await nameIsFree()
    }

    /// The group that the person goes into first.
    private var entered: String? {
        switch cell.who {
        case "member", "former member", "returning member", "resumed member": group
        case "member elsewhere": "general"
        default: nil
        }
    }

    // MARK: - Trying it

    func outcome() async throws -> Outcome {
        switch cell.way {
        case "text": try await tryText()
        case "JSON": try await tryJSON()
        default: try await tryCommand()
        }
    }

    private func tryText() async throws -> Outcome {
        let person = person!
        if cell.operation == "[NOTIFY]" {
            _ = try await say("later")
            let heard: String
            if cell.who == "nameless" {
                try await person.send("\n")
                heard = try await person.receive(until: "username?\n")
            } else {
                heard = try await person.barrier()
            }
            return Outcome(answer: heard, isAnswered: false, hasEffect: heard.contains("later\(number)"))
        }
        let line = try textLine()
        try await person.send(line + "\n")
        if cell.operation == "exit" {
            let answer = String(decoding: try await person.receiveToEnd(), as: UTF8.self)
            return Outcome(answer: answer, isGranted: answer.contains("Disconnecting"), hasEffect: true)
        }
        if cell.operation == "connect", cell.who != "nameless" {
            let answer = try await person.receive(until: "available groups.\n")
            return Outcome(answer: answer, isGranted: true, hasEffect: try await hasEffect(answer))
        }
        if cell.who == "nameless" {
            let answer = try await person.receive(until: "to enter.\n")
            return Outcome(
                answer: answer, isName: answer.hasPrefix("[INFO] Welcome \(line)\n"),
                hasEffect: try await hasEffect(answer))
        }
        if cell.operation == "json" {
            let ready = try await person.object()
            let pong = try await person.ask(#"{"op":"ping"}"#)
            return Outcome(
                answer: "\(ready)", isGranted: ready["event"] == "ready", hasEffect: pong["event"] == "answer")
        }
        let answer = try await person.barrier()
        let error = answer.split(separator: "\n").first { $0.hasPrefix("[ERROR]") }
        return Outcome(
            answer: answer, isGranted: error == nil, code: error.map { Self.code(of: String($0)) },
            hasEffect: try await hasEffect(answer))
    }

    private func textLine() throws -> String {
        switch cell.operation {
        case "groups", "allgroups", "join", "list", "users", "leave", "help", "connect", "json", "exit":
            "%\(cell.operation)"
        case "groupcreate": "%groupcreate n\(number)"
        case "groupjoin", "grouplist", "groupusers", "groupleave": "%\(cell.operation) \(group)"
        case "grouppost": "%grouppost \(group) s said\(number)"
        case "post": "%post s said\(number)"
        case "groupmessage": "%groupmessage \(group) \(offsets[wanted]!)"
        case "message": "%message \(offsets[wanted]!)"
        default: throw Untested(what: cell.testDescription)
        }
    }

    private func tryJSON() async throws -> Outcome {
        let person = person!
        if cell.operation == "message" {
            _ = try await say("later")
            try await person.send(#"{"op":"ping"}"# + "\n")
            var heard = ""
            while true {
                let object = try await person.object()
                if object["event"] != "message" { break }
                heard += "\(object["text"]?.string ?? "")\n"
            }
            return Outcome(answer: heard, isAnswered: false, hasEffect: heard.contains("later\(number)"))
        }
        let answer = try await person.ask(try jsonLine())
        if cell.operation == "join", cell.detail != "" {
            if cell.detail == " by another's secret" { try await anothersPlaceIsKept() }
            // Whoever cannot show that it has a place gets a new one.
            let then = try await person.ask(#"{"op":"read","group":"\#(group)","offset":\#(offsets["then"]!)}"#)
            let isNew = answer["already"] == nil
            return Outcome(
                answer: "\(answer)", isGranted: answer["resumed"] == true || answer["already"] == true,
                code: answer["code"]?.string, hasEffect: isNew && then["event"] == "answer")
        }
        if cell.operation == "exit" { _ = try await person.receiveToEnd() }
        if cell.detail == " by another's secret" { try await anothersPlaceIsKept() }
        return Outcome(
            answer: "\(answer)", isGranted: answer["event"] != "error", code: answer["code"]?.string,
            hasEffect: try await hasEffect(String(decoding: answer.encoded(), as: UTF8.self)))
    }

    private func jsonLine() throws -> String {
        let here = #""op":"\#(cell.operation)","group":"\#(group)""#
        return switch cell.operation {
        case "groups", "ping", "help", "exit": #"{"op":"\#(cell.operation)"}"#
        case "hello": #"{"op":"hello","name":"h\#(number)"}"#
        case "create": #"{"op":"create","group":"n\#(number)"}"#
        case "join" where cell.detail == " by one's secret", "leave" where cell.detail == " by one's secret":
            #"{\#(here),"resume":"\#(secret)"}"#
        case "join" where cell.detail == " by another's secret", "leave" where cell.detail == " by another's secret":
            #"{\#(here),"resume":"\#(anothers)"}"#
        case "join", "leave", "users", "list", "since": "{\(here)}"
        case "post": #"{\#(here),"subject":"s","text":"said\#(number)"}"#
        case "read": #"{\#(here),"offset":\#(offsets[wanted]!)}"#
        default: throw Untested(what: cell.testDescription)
        }
    }

    private func tryCommand() async throws -> Outcome {
        let result =
            switch cell.operation {
            case "groups": try await run("groups")
            case "post": try await run("post", group, "s", "said\(number)")
            case "read": try await run("read", group, "\(offsets[wanted]!)")
            default: throw Untested(what: cell.testDescription)
            }
        let isRefused = result.status == 4
        #expect(isRefused || result.status == 0, "\(result.output)")
        return Outcome(
            answer: result.output, isGranted: !isRefused, code: isRefused ? Self.code(of: result.output) : nil,
            hasEffect: try await hasEffect(result.output))
    }

    // MARK: - What came of it

    /// Which post is to be read.
    private var wanted: String {
        switch cell.detail {
        case " from before one joined": "before"
        case " from before one went away": "then"
        default: "now"
        }
    }

    private func hasEffect(_ answer: String) async throws -> Bool {
        let events = try await seen()
        func isTold(_ event: String) -> Bool {
            events.contains { $0["event"]?.string == event && $0["name"]?.string == name }
        }
        switch cell.operation {
        case "groups", "allgroups": return answer.contains("general")
        case "groupcreate", "create":
            return try await observer.ask(#"{"op":"create","group":"n\#(number)"}"#)["code"]?.string == "group_exists"
        case "groupjoin", "join": return isTold("joined")
        case "leave" where cell.who == "returning member" && cell.way == "JSON":
            // It is in no group: what it has left is its place.
            let joined = try await person!.ask(#"{"op":"join","group":"\#(group)","resume":"\#(secret)"}"#)
            return joined["resumed"] != true
        case "groupleave", "leave": return isTold("left")
        case "grouppost", "post":
            return events.contains { $0["event"] == "message" && $0["text"]?.string == "said\(number)" }
        case "groupusers", "users": return answer.contains("o\(number)")
        case "groupmessage", "message", "read": return answer.contains("\(wanted)\(number)")
        case "grouplist", "list", "since":
            #expect(!answer.contains("before\(number)"), "\(cell.testDescription) shows what was before")
            return answer.contains("now\(number)")
        // Their answer is all that they do.
        case "help", "connect", "ping", "hello", "exit", "json":
            return answer.contains("[INFO] ") && !answer.contains("Welcome") || answer.contains("\"answer\"")
                || answer.contains("\"ready\"")
        default: throw Untested(what: cell.testDescription)
        }
    }

    private func anothersPlaceIsKept() async throws {
        let other = try await Self.program("w\(number)", port)
        let joined = try await other.ask(#"{"op":"join","group":"\#(group)","resume":"\#(anothers)"}"#)
        #expect(joined["resumed"] == true, "\(cell.testDescription) has taken it")
    }

    /// What the observer was told since it was asked last.
    private func seen() async throws -> [JSON] {
        try await observer.send(#"{"op":"ping"}"# + "\n")
        var events: [JSON] = []
        while true {
            let object = try await observer.object()
            if object["op"] == "ping" { return events }
            events.append(object)
        }
    }

    private mutating func post(_ what: String) async throws { offsets[what] = try await say(what) }

    private func say(_ what: String) async throws -> Int64 {
        let text = "\(what)\(number)"
        let answer = try await observer.ask(
            #"{"op":"post","group":"\#(group)","subject":"\#(text)","text":"\#(text)"}"#)
        return try #require(answer["offset"]?.integer)
    }

    /// The code of a refusal that is told in words.
    private static func code(of sentence: String) -> String {
        let codes = [
            "You must join": "not_member", "not currently a member": "not_member", "not found in": "no_such_message",
            "turned off": "not_allowed", "already in use": "name_taken",
        ]
        return codes.first { sentence.contains($0.key) }?.value ?? sentence
    }

    // MARK: - Connections

    private static func connect(_ port: UInt16) async throws -> RawPeer {
        let peer = try await RawPeer.connect(to: port)
        _ = try await peer.receive(until: "What is your username?\n")
        return peer
    }

    /// A program that speaks JSON; one whose last connection is on its way out tries until the name is free.
    private static func program(_ name: String, _ port: UInt16) async throws -> RawPeer {
        let peer = try await connect(port)
        while try await peer.ask(#"{"op":"hello","name":"\#(name)"}"#)["event"] != "ready" {}
        return peer
    }

    private static func leave(_ peer: RawPeer) async throws {
        _ = try await peer.ask(#"{"op":"exit"}"#)
        _ = try await peer.receiveToEnd()
    }

    private func nameIsFree() async throws { try await Self.leave(try await Self.program(name, port)) }

    private var options: [String] { ["--server", "127.0.0.1:\(port)", "--name", name, "--data", folder.path] }

    private func run(_ words: String...) async throws -> (status: Int32, output: String) {
        try await ModeServer.run(["board"] + words + options)
    }
}

/// A row that no test knows.
struct Untested: Error {
    let what: String
}
