import Glibc
import Platform
import TestSupport
import Testing
import Wire

/// Real processes over loopback: ours, and doubles of both original programs.
@Suite(.serialized) struct P2PProcessTests {
    /// The three-node scenario of the first original's document.
    @Test func threeNodes() async throws {
        let heisenberg = try await ChatProcess("Heisenberg")
        let jesse = try await ChatProcess("Jesse", peers: [heisenberg.port])
        let salamanca = try await ChatProcess("Salamanca", peers: [heisenberg.port, jesse.port])
        for name in ["Jesse", "Salamanca"] { try await heisenberg.event("joined", ["name": .string(name)]) }
        try await jesse.event("joined", ["name": "Salamanca"])
        try await heisenberg.type("Hello")
        let own = try await heisenberg.shows("Hello")
        #expect(own["own"] == true)
        for peer in [jesse, salamanca] {
            let message = try await peer.shows("Hello")
            #expect(message["sender"] == "Heisenberg" && message["own"] == false)
            #expect(message["time"] == own["time"], "the same time everywhere")
            #expect(message["id"] == own["id"])
        }
        let lines = try await heisenberg.answer(to: "/peers")
        #expect(lines.count == 2)
        // One closes: the others are told and go on.
        salamanca.signal(SIGINT)
        #expect(try await salamanca.end() == 0)
        for peer in [heisenberg, jesse] { try await peer.event("left", ["name": "Salamanca"]) }
        try await jesse.type("still here")
        try await heisenberg.shows("still here")
        #expect(try await heisenberg.quit() == 0)
        try await jesse.event("left", ["name": "Heisenberg"])
        #expect(try await jesse.quit() == 0)
    }

    /// Every peer receives what every other sends; one leaves, and all others are notified. Ours and both originals, each
    /// connected to each as the originals need it.
    @Test func everybodyHearsEverybody() async throws {
        let ours = try await ChatProcess("ours")
        let json = try OriginalPeer(.json, name: "Walter")
        let plain = try OriginalPeer(.plain, name: "P0")
        try await json.connect(to: ours.port)
        try await plain.connect(to: ours.port)
        try await json.say("from json")
        try await plain.say("from plain")
        #expect(try await ours.shows("from json")["sender"] == "Walter")
        #expect(try await ours.shows("from plain")["sender"] == "P0")
        try await ours.type("from ours")
        #expect(try await json.shows("from ours").holds("] ours:\n\tfrom ours"))
        #expect(try await plain.shows("from ours").holds("] ours:\n\tfrom ours"))
        #expect(try await json.shows("ours joined") == "ours joined")
        // The originals are not told what others said: they cannot tell a copy from a second message.
        #expect(await json.count(of: "from plain") == 0)
        await plain.leave()
        try await ours.event("left", ["name": "P0"])
        try await ours.event("disconnected")
        try await ours.type("after")
        _ = try await json.shows("after")
        #expect(try await ours.quit() == 0)
        #expect(try await json.shows("ours left") == "ours left")
        _ = try await json.shows("closed")
    }

    @Test func theTestModeOfThePlainOne() async throws {
        let ours = try await ChatProcess("ours", options: ["--plain"])
        let test = try OriginalPeer(.test, name: "P1")
        try await test.connect(to: ours.port)
        try await test.say("Hello")
        #expect(try await ours.shows("Hello")["sender"] == "P1")
        try await ours.type("number #1")
        #expect(try await test.shows("number") == "ours says number \u{FF03}1")
        #expect(try await ours.quit() == 0)
    }

    /// Piped input is delivered, then the program ends.
    @Test(arguments: ["json", "plain", "ours"]) func aPipedBot(to kind: String) async throws {
        let original = kind == "plain" ? try OriginalPeer(.plain, name: "P0") : try OriginalPeer(.json, name: "W")
        let ours = kind == "ours" ? try await ChatProcess("ours") : nil
        let options = kind == "plain" ? ["--plain"] : []
        let bot = try await ChatProcess("bot", peers: [ours?.port ?? original.port], options: options)
        try await bot.type("hello")
        await bot.endInput()
        if let ours {
            try await ours.shows("hello")
        } else {
            #expect(try await original.shows("hello").holds("] bot:\n\thello"))
        }
        #expect(try await bot.end() == 0)
        try await ours?.event("left", ["name": "bot"])
    }

    /// The loop that has the sockets waits for a pipe, too: no line changes threads on its way.
    @Test func aPipeIsReadWithoutAThread() async throws {
        let node = try await ChatProcess("node")
        #expect(try await node.answer(to: "/peers") == ["No peers connected."])
        var names: [String] = []
        let folder = try #require(opendir("/proc/\(node.pid)/task"))
        while let entry = readdir(folder) {
            let task = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard Int(task) != nil else { continue }
            let name = try PrivateFile.read("/proc/\(node.pid)/task/\(task)/comm", limit: 100) ?? []
            names.append(String(decoding: name.dropLast(), as: UTF8.self))
        }
        closedir(folder)
        #expect(names.contains("p2p") && !names.contains("console-in"), "\(names)")
        #expect(try await node.quit() == 0)
    }

    @Test func whatReachesNobodyEndsWithStatus2() async throws {
        let bot = try await ChatProcess("bot")
        try await bot.type("hello")
        await bot.endInput()
        try await bot.event("delivery", ["state": "failed"])
        #expect(try await bot.end() == 2)
    }

    /// A peer that is not up yet is dialled again until it is.
    @Test func aPeerThatComesLater() async throws {
        let early = try await ChatProcess("early")
        let port = early.port
        #expect(try await early.quit() == 0)
        let waiting = try await ChatProcess("waiting", peers: [port])
        try await waiting.event("notice")
        let late = try await ChatProcess("late", port: port)
        try await waiting.event("joined", ["name": "late"])
        try await late.event("joined", ["name": "waiting"])
        #expect(try await waiting.quit() == 0)
        #expect(try await late.quit() == 0)
    }

    // MARK: The mesh

    /// Each of five is given one address. All say something; one is killed and comes back on its port without any address,
    /// is heard again, and has what was said while it was away.
    @Test func fiveWithOneAddressEach() async throws {
        var peers: [ChatProcess] = []
        for index in 0..<5 {
            peers.append(try await ChatProcess("p\(index)", peers: index == 0 ? [] : [peers[index - 1].port]))
        }
        for peer in peers {
            try await peer.answer(to: "/who") { $0.count == 5 }
            // One address was enough: everybody is connected to everybody.
            try await peer.answer(to: "/peers") { $0.count == 4 && $0.allSatisfy { $0.holds("mesh") } }
        }
        for (index, peer) in peers.enumerated() {
            for number in 0..<3 { try await peer.type("p\(index) says \(number)") }
        }
        for peer in peers {
            for index in 0..<5 { for number in 0..<3 { try await peer.shows("p\(index) says \(number)") } }
        }
        let killed = peers.remove(at: 2)
        #expect(await killed.kill() == 128 + SIGKILL)
        for peer in peers { try await peer.event("lost", ["name": "p2"]) }
        try await peers[0].type("while p2 is away")
        for peer in peers { try await peer.shows("while p2 is away") }
        let returned = try await ChatProcess("p2", port: killed.port)
        for peer in peers { try await peer.event("joined", ["name": "p2"]) }
        let missed = try await returned.shows("while p2 is away")
        #expect(missed["caught_up"] == true)
        try await returned.type("back again")
        for peer in peers { try await peer.shows("back again") }
        for peer in peers + [returned] { #expect(try await peer.quit() == 0) }
        for peer in peers {
            #expect(await peer.counts.values.allSatisfy { $0 == 1 }, "nothing was shown twice")
            for index in 0..<5 {
                let texts = await peer.texts(from: "p\(index)").filter { $0.holds("says") }
                #expect(texts == (0..<3).map { "p\(index) says \($0)" })
            }
        }
    }

    /// Both dial each other at once, and each by two names: one connection stays, the same at both ends.
    @Test func duplicateEdges() async throws {
        let first = try await ChatProcess("first")
        let port = first.port
        #expect(try await first.quit() == 0)
        let one = try await ChatProcess("one", peers: [], options: [])
        let other = try await ChatProcess(
            "other", port: port, peers: [one.port, one.port], options: ["--bind", "127.0.0.1", "--bind", "127.0.0.2"])
        let third = try await ChatProcess("third", peers: [port, one.port])
        for peer in [one, other, third] {
            try await peer.answer(to: "/peers") { $0.count == 2 }
        }
        for peer in [one, other, third] { try await peer.type("from \(peer.name)") }
        for peer in [one, other, third] {
            for name in ["one", "other", "third"] { try await peer.shows("from \(name)") }
        }
        for peer in [one, other, third] { #expect(try await peer.quit() == 0) }
        for peer in [one, other, third] { #expect(await peer.counts.values.allSatisfy { $0 == 1 }) }
    }

    /// A and C listen where nobody finds them, and are connected to B only: what they say goes through B.
    @Test func threeInALine() async throws {
        let middle = try await ChatProcess("B", options: ["--bind", "127.0.0.1"])
        let left = try await ChatProcess("A", peers: [middle.port], options: ["--bind", "127.0.0.2"])
        let right = try await ChatProcess("C", peers: [middle.port], options: ["--bind", "127.0.0.3"])
        try await left.event("joined", ["name": "C"])
        try await right.event("joined", ["name": "A"])
        try await left.type("from A")
        try await right.shows("from A")
        try await right.type("from C")
        try await left.shows("from C")
        #expect(try await left.answer(to: "/peers").count == 1)
        try await left.answer(to: "/who") { $0.contains { $0.holds("C") && $0.holds("2") && $0.holds("B") } }
        try await left.type("/msg C between us")
        #expect(try await right.shows("between us")["to"] == "C")
        try await left.event("delivery", ["state": "delivered", "to": "C"])
        // B passed it on and did not show it.
        #expect(try await middle.quit() == 0)
        #expect(await middle.counts["between us"] == nil)
        for peer in [left, right] { try await peer.event("left", ["name": "B"]) }
        try await left.event("lost", ["name": "C"])
        #expect(try await left.quit() == 0)
        #expect(try await right.quit() == 0)
    }

    /// Originals at different nodes: what they say is heard in the whole mesh once, also from one that is connected to both.
    @Test func originalsAtDifferentNodes() async throws {
        let a = try await ChatProcess("a")
        let b = try await ChatProcess("b", peers: [a.port])
        try await a.event("joined", ["name": "b"])
        let json = try OriginalPeer(.json, name: "Walter")
        let plain = try OriginalPeer(.plain, name: "P0")
        try await json.connect(to: a.port)
        try await plain.connect(to: b.port)
        try await json.say("at a")
        try await b.shows("at a")
        try await a.shows("at a")
        try await plain.say("at b")
        try await a.shows("at b")
        // Told everywhere, and listed with the node it talks to.
        try await b.event("joined", ["name": "Walter"])
        try await b.answer(to: "/who") { $0.contains { $0.holds("a") && $0.holds("Walter") } }
        // The same one at both: its lines come by two ways.
        try await json.connect(to: b.port)
        for number in 0..<5 { try await json.say("both \(number)") }
        for peer in [a, b] { for number in 0..<5 { try await peer.shows("both \(number)") } }
        try await a.type("typed at a")
        _ = try await json.shows("typed at a")
        try await b.shows("typed at a")
        try await b.type("typed at b")
        #expect(try await plain.shows("typed at b").holds("] b:\n\ttyped at b"))
        #expect(await plain.count(of: "typed at a") == 0, "an original hears only what was typed at its node")
        for peer in [a, b] { #expect(try await peer.quit() == 0) }
        for peer in [a, b] { #expect(await peer.counts.values.allSatisfy { $0 == 1 }) }
    }

    /// SIGTERM is a goodbye as well, and two signals are no more than one.
    @Test func signals() async throws {
        let stays = try await ChatProcess("stays")
        let goes = try await ChatProcess("goes", peers: [stays.port])
        try await stays.event("joined", ["name": "goes"])
        goes.signal(SIGTERM)
        goes.signal(SIGTERM)
        #expect(try await goes.end() == 0)
        try await stays.event("left", ["name": "goes"])
        #expect(try await stays.quit() == 0)
    }
}
