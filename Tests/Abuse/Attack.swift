import Glibc
package import Platform

/// One way to make a server's life hard, as a stranger on this machine can.
package struct Attack: Sendable {
    package let name: String
    package let modes: Set<Mode>
    /// Runs on a thread of its own until the pace says that it is over; leaves no socket behind.
    let body: @Sendable (Target, Pace) -> Void

    package static func all(of mode: Mode) -> [Attack] {
        (streamAttacks + datagramAttacks).filter { $0.modes.contains(mode) }
    }

    /// Begins; the thread ends when the pace does.
    package func begin(on target: Target, _ pace: Pace) throws -> Thread {
        let body = body
        return try Thread(name: "attack") { body(target, pace) }
    }
}

/// The connections of an attacker.
struct Crowd {
    private(set) var descriptors: [Int32] = []

    mutating func add(_ descriptor: Int32) { if descriptor >= 0 { descriptors.append(descriptor) } }

    /// Does something with the next connection in turn; one that is over is replaced.
    mutating func each(_ number: Int, renew: () -> Int32, _ body: (Int32) -> Bool) {
        guard !descriptors.isEmpty else { return }
        let index = number % descriptors.count
        if body(descriptors[index]) { return }
        close(descriptors[index])
        let fresh = renew()
        if fresh >= 0 { descriptors[index] = fresh } else { descriptors.remove(at: index) }
    }

    func closeAll() { for descriptor in descriptors { close(descriptor) } }
}

private let overStreams: Set<Mode> = [.p2p, .board, .rooms]

private let streamAttacks: [Attack] = [
    // Connections that say nothing: in the thousands, for as long as it goes on.
    Attack(name: "half-open connections", modes: overStreams) { target, pace in
        var crowd = Crowd()
        while crowd.descriptors.count < 3_000, pace.next(perSecond: 2_000) {
            crowd.add(RawSocket.connect(to: target.streams))
        }
        pace.waitForEnd()
        crowd.closeAll()
    },
    Attack(name: "trickled handshakes", modes: overStreams) { target, pace in
        var crowd = Crowd()
        for _ in 0..<300 { crowd.add(RawSocket.connect(to: target.streams)) }
        var places: [Int32: Int] = [:]
        while pace.next(perSecond: 2_000) {
            crowd.each(pace.count, renew: { RawSocket.connect(to: target.streams) }) { descriptor in
                let opening = target.opening(Int(descriptor))
                let place = places[descriptor, default: 0]
                // The last byte never comes.
                guard place + 1 < opening.count else { return RawSocket.read(descriptor) != nil }
                places[descriptor] = place + 1
                guard RawSocket.write([opening[place]], descriptor) else {
                    places[descriptor] = nil
                    return false
                }
                return true
            }
        }
        crowd.closeAll()
    },
    Attack(name: "connection churn", modes: overStreams) { target, pace in
        while pace.next(perSecond: 1_000) {
            let descriptor = RawSocket.connect(to: target.streams)
            guard descriptor >= 0 else { continue }
            let opening = target.opening(pace.count)
            if pace.count % 3 > 0 {
                RawSocket.write(Array(opening.prefix(opening.count * (pace.count % 3) / 2)), descriptor)
            }
            if pace.count % 2 == 0 { RawSocket.reset(descriptor) } else { close(descriptor) }
        }
    },
    Attack(name: "message flood", modes: overStreams) { target, pace in
        var crowd = Crowd()
        func dial() -> Int32 {
            let descriptor = RawSocket.connect(to: target.streams)
            // On a connection that is still being made nothing can be written.
            usleep(1_000)
            if descriptor >= 0, target.mode != .rooms { RawSocket.write(target.opening(pace.count), descriptor) }
            return descriptor
        }
        for _ in 0..<20 { crowd.add(dial()) }
        while pace.next(perSecond: 5_000) {
            crowd.each(pace.count, renew: dial) { descriptor in
                RawSocket.write(target.line(pace.count), descriptor) && RawSocket.read(descriptor) != nil
            }
        }
        crowd.closeAll()
    },
    Attack(name: "names, groups and rooms", modes: overStreams) { target, pace in
        while pace.next(perSecond: 300) {
            let descriptor = RawSocket.connect(to: target.streams)
            guard descriptor >= 0 else { continue }
            usleep(500)
            let number = Int.random(in: 0..<1_000_000_000)
            if target.mode != .rooms { RawSocket.write(target.opening(number), descriptor) }
            RawSocket.write(target.creation(number), descriptor)
            usleep(500)
            _ = RawSocket.read(descriptor)
            close(descriptor)
        }
    },
    bombardment("giant frames and lengths", perSecond: 500) { $0.giant },
    Attack(name: "clients that never read", modes: overStreams) { target, pace in
        var crowd = Crowd()
        func dial() -> Int32 {
            let descriptor = RawSocket.connect(to: target.streams, receiveBuffer: 2_048)
            usleep(1_000)
            if descriptor >= 0, target.mode != .rooms { RawSocket.write(target.opening(pace.count), descriptor) }
            return descriptor
        }
        for _ in 0..<50 { crowd.add(dial()) }
        while pace.next(perSecond: 2_000) {
            crowd.each(pace.count, renew: dial) { RawSocket.write(target.question(pace.count), $0) }
        }
        crowd.closeAll()
    },
    bombardment("deep JSON", perSecond: 1_000) { $0.deep },
]

/// The same bytes again and again, over a few connections; one that is over is replaced.
private func bombardment(
    _ name: String, perSecond: Int, _ bytes: @escaping @Sendable (Target) -> [UInt8]
) -> Attack {
    Attack(name: name, modes: overStreams) { target, pace in
        var crowd = Crowd()
        for _ in 0..<20 { crowd.add(RawSocket.connect(to: target.streams)) }
        while pace.next(perSecond: perSecond) {
            crowd.each(pace.count, renew: { RawSocket.connect(to: target.streams) }) { descriptor in
                RawSocket.write(bytes(target), descriptor) && RawSocket.read(descriptor) != nil
            }
        }
        crowd.closeAll()
    }
}
