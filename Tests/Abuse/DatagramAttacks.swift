import Glibc
import Wire

let datagramAttacks: [Attack] = [
    Attack(name: "datagrams of nothing", modes: [.udp, .rooms]) { target, pace in
        var random = SplitMix64(seed: 9)
        withSources(64, to: target) { sources in
            while pace.next(perSecond: 5_000) {
                let bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                sources[pace.count % sources.count].send(bytes)
            }
        }
    },
    Attack(name: "giant datagrams and deep JSON", modes: [.udp, .rooms]) { target, pace in
        withSources(16, to: target) { sources in
            while pace.next(perSecond: 1_000) {
                let bytes = pace.count % 2 == 0 ? target.giant : Array(target.deep.prefix(4_000))
                sources[pace.count % sources.count].send(bytes)
            }
        }
    },
    Attack(name: "registrations", modes: [.udp]) { target, pace in
        withSources(64, to: target) { sources in
            while pace.next(perSecond: 500) {
                let source = sources[pace.count % sources.count]
                // One that is registered cannot be told from one that has gone, but by asking it.
                let name = "stranger\(Int.random(in: 0..<1_000_000_000))"
                source.send(target.registration(name, port: source.port))
            }
        }
    },
    Attack(name: "groups, joins and requests", modes: [.udp]) { target, pace in
        withSources(64, to: target) { sources in
            for (index, source) in sources.enumerated() {
                source.send(target.registration("asker\(index)", port: source.port))
            }
            while pace.next(perSecond: 2_000) {
                let index = pace.count % sources.count
                let (type, payload) = [
                    ("create_group", "\"h\(Int.random(in: 0..<1_000_000_000))\""), ("list_groups", "null"),
                    ("join_group", "\"g\""), ("group_message", "{\"message\": \"flood\", \"group\": \"g\"}"),
                    ("list_members", "{\"group\": \"g\"}"), ("leave_group", "\"g\""),
                ][pace.count / sources.count % 6]
                sources[index].send(target.request(type, payload, "asker\(index)", sources[index].port))
            }
            for (index, source) in sources.enumerated() {
                source.send(target.request("deregistration", "null", "asker\(index)", source.port))
            }
        }
    },
    Attack(name: "replays from many ports", modes: [.udp]) { target, pace in
        withSources(64, to: target) { sources in
            let first = sources[0]
            first.send(target.registration("replayed", port: first.port))
            let datagrams = [
                target.registration("replayed", port: first.port),
                target.request("join_group", "\"g\"", "replayed", first.port),
                target.request("group_message", "{\"message\": \"again\", \"group\": \"g\"}", "replayed", first.port),
                target.request("message_ack", "\"replayed\"", "replayed", first.port),
                target.request("client_offline", "\"listener\"", "replayed", first.port),
            ]
            while pace.next(perSecond: 3_000) {
                sources[pace.count % sources.count].send(datagrams[pace.count % datagrams.count])
            }
            first.send(target.request("deregistration", "null", "replayed", first.port))
        }
    },
    Attack(name: "replays from many ports", modes: [.rooms]) { target, pace in
        withSources(64, to: target) { sources in
            guard let token = token(of: target) else { return }
            sources[0].send(target.roomsMessage("lobby", token: token, "__REGISTER__"))
            while pace.next(perSecond: 3_000) {
                sources[pace.count % sources.count].send(target.roomsMessage("lobby", token: token, "again"))
            }
            for source in sources {
                source.send(target.roomsMessage("lobby", token: token, "__LEAVE__"))
            }
        }
    },
]

/// A socket of a stranger's that sends to one target.
private struct Source {
    let descriptor: Int32
    let port: UInt16
    let target: UInt16

    func send(_ bytes: [UInt8]) { RawSocket.send(bytes, to: target, through: descriptor) }
}

/// Sockets with a port each; closed afterwards.
private func withSources(_ count: Int, to target: Target, _ body: ([Source]) -> Void) {
    let sources = (0..<count).compactMap { _ in
        RawSocket.datagrams().map { Source(descriptor: $0.descriptor, port: $0.port, target: target.datagrams) }
    }
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
