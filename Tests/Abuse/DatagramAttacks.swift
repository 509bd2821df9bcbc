import Glibc
import Wire

let datagramAttacks: [Attack] = [
    Attack(name: "datagrams of nothing", modes: [.udp, .rooms]) { target, pace in
        var random = SplitMix64(seed: 9)
        withSources(64) { sources in
            while pace.next(perSecond: 5_000) {
                let bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                RawSocket.send(bytes, to: target.datagrams, through: sources[pace.count % sources.count].descriptor)
            }
        }
    },
    Attack(name: "giant datagrams and deep JSON", modes: [.udp, .rooms]) { target, pace in
        withSources(16) { sources in
            while pace.next(perSecond: 1_000) {
                let bytes = pace.count % 2 == 0 ? target.giant : Array(target.deep.prefix(4_000))
                RawSocket.send(bytes, to: target.datagrams, through: sources[pace.count % sources.count].descriptor)
            }
        }
    },
    Attack(name: "registrations", modes: [.udp]) { target, pace in
        withSources(64) { sources in
            while pace.next(perSecond: 500) {
                let source = sources[pace.count % sources.count]
                // One that is registered cannot be told from one that has gone, but by asking it.
                let name = "stranger\(Int.random(in: 0..<1_000_000_000))"
                RawSocket.send(
                    target.registration(name, port: source.port), to: target.datagrams, through: source.descriptor)
            }
        }
    },
    Attack(name: "groups, joins and requests", modes: [.udp]) { target, pace in
        withSources(64) { sources in
            for (index, source) in sources.enumerated() {
                RawSocket.send(
                    target.registration("asker\(index)", port: source.port), to: target.datagrams,
                    through: source.descriptor)
            }
            while pace.next(perSecond: 2_000) {
                let index = pace.count % sources.count
                let (type, payload) = [
                    ("create_group", "\"h\(Int.random(in: 0..<1_000_000_000))\""), ("list_groups", "null"),
                    ("join_group", "\"g\""), ("group_message", "{\"message\": \"flood\", \"group\": \"g\"}"),
                    ("list_members", "{\"group\": \"g\"}"), ("leave_group", "\"g\""),
                ][pace.count / sources.count % 6]
                RawSocket.send(
                    target.request(type, payload, "asker\(index)", sources[index].port), to: target.datagrams,
                    through: sources[index].descriptor)
            }
            for (index, source) in sources.enumerated() {
                RawSocket.send(
                    target.request("deregistration", "null", "asker\(index)", source.port), to: target.datagrams,
                    through: source.descriptor)
            }
        }
    },
    Attack(name: "replays from many ports", modes: [.udp]) { target, pace in
        withSources(64) { sources in
            let first = sources[0]
            RawSocket.send(
                target.registration("replayed", port: first.port), to: target.datagrams, through: first.descriptor)
            let datagrams = [
                target.registration("replayed", port: first.port),
                target.request("join_group", "\"g\"", "replayed", first.port),
                target.request("group_message", "{\"message\": \"again\", \"group\": \"g\"}", "replayed", first.port),
                target.request("message_ack", "\"replayed\"", "replayed", first.port),
                target.request("client_offline", "\"listener\"", "replayed", first.port),
            ]
            while pace.next(perSecond: 3_000) {
                RawSocket.send(
                    datagrams[pace.count % datagrams.count], to: target.datagrams,
                    through: sources[pace.count % sources.count].descriptor)
            }
            RawSocket.send(
                target.request("deregistration", "null", "replayed", first.port), to: target.datagrams,
                through: first.descriptor)
        }
    },
    Attack(name: "replays from many ports", modes: [.rooms]) { target, pace in
        withSources(64) { sources in
            guard let token = token(of: target) else { return }
            RawSocket.send(
                target.roomsMessage("lobby", token: token, "__REGISTER__"), to: target.datagrams,
                through: sources[0].descriptor)
            while pace.next(perSecond: 3_000) {
                RawSocket.send(
                    target.roomsMessage("lobby", token: token, "again"), to: target.datagrams,
                    through: sources[pace.count % sources.count].descriptor)
            }
            for source in sources {
                RawSocket.send(
                    target.roomsMessage("lobby", token: token, "__LEAVE__"), to: target.datagrams,
                    through: source.descriptor)
            }
        }
    },
]

/// Sockets with a port each; closed afterwards.
private func withSources(_ count: Int, _ body: ([(descriptor: Int32, port: UInt16)]) -> Void) {
    let sources = (0..<count).compactMap { _ in RawSocket.datagrams() }
    if !sources.isEmpty { body(sources) }
    for source in sources { close(source.descriptor) }
}

/// Enters the lobby as anybody may, and has its token.
private func token(of target: Target) -> String? {
    let descriptor = RawSocket.connect(to: target.streams)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    usleep(10_000)
    RawSocket.write(target.roomsRequest(2, "lobby", "\"replayed\(Int.random(in: 0..<1_000_000))\""), descriptor)
    var answer = ""
    for _ in 0..<200 {
        guard let bytes = RawSocket.read(descriptor) else { break }
        answer += String(decoding: bytes, as: UTF8.self)
        if let start = answer.firstRange(of: "token_")?.lowerBound, answer[start...].contains("}") {
            return String(answer[start...].prefix(38))
        }
        usleep(10_000)
    }
    return nil
}
