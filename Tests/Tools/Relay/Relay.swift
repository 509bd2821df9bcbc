import Glibc
import Net
import Platform
import Wire

/// A relay of a few lines on the event loop: what a frame costs here, held against the same relay in C.
///
/// Each frame (u16 big-endian length, payload) goes to every other connection; a frame `P` makes its connection a
/// publisher, which receives nothing.
actor Relay {
    private let loop: EventLoop
    private let hub: Hub
    private var members: [SocketID] = []
    private var rest: [SocketID: [UInt8]] = [:]

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(loop: EventLoop) {
        self.loop = loop
        hub = loop.hub
    }

    /// Passes datagrams on: `J` adds its sender, who is answered `K`; every other one goes to all who were added.
    func runDatagrams(port: UInt16) async throws {
        let (socket, address) = try hub.bindDatagram(on: SocketAddress(ip: .v4(0x7f00_0001), port: port))
        let line = Array("listening on \(address.port)\n".utf8)
        write(1, line, line.count)
        var members: [SocketAddress] = []
        for await turn in hub.turns {
            for case .datagrams(_, let batch) in turn {
                for datagram in batch {
                    if datagram.bytes.elementsEqual([UInt8(ascii: "J")]) {
                        members.append(datagram.source)
                        hub.send(hub.encode { $0.append(UInt8(ascii: "K")) }, to: datagram.source, from: socket)
                    } else {
                        hub.send(hub.encode { $0.append(contentsOf: datagram.bytes) }, to: members, from: socket)
                    }
                }
            }
        }
    }

    func run(port: UInt16) async throws {
        let listener = try hub.listen(on: SocketAddress(ip: .v4(0x7f00_0001), port: port))
        try hub.watchSignals([.interrupt, .terminate, .hangup])
        // Unbuffered, because whoever started it waits for the line.
        let line = Array("listening on \(listener.address.port)\n".utf8)
        write(1, line, line.count)
        await hub.forEachTurn(of: self) { relay, turn in relay.handle(turn) }
    }

    private func handle(_ turn: [NetEvent]) {
        for event in turn {
            switch event {
            case .accepted(let id, _, _): members.append(id)
            case .received(let id, let bytes): received(bytes, from: id)
            case .inputEnded(let id): hub.close(id)
            case .signal: hub.shutdown(grace: .seconds(5))
            case .closed(let id, _):
                rest[id] = nil
                members.removeAll { $0 == id }
            default: break
            }
        }
    }

    /// Passes on all whole frames at once: where one ends does not matter to who receives it.
    private func received(_ chunk: ArraySlice<UInt8>, from id: SocketID) {
        var bytes = chunk
        if let before = rest.removeValue(forKey: id) { bytes = (before + chunk)[...] }
        if bytes.starts(with: [0, 1, UInt8(ascii: "P")]) {
            members.removeAll { $0 == id }
            bytes = bytes.dropFirst(3)
        }
        var end = bytes.startIndex
        while bytes.endIndex - end >= 2 {
            let next = end + 2 + Int(bytes[end]) << 8 + Int(bytes[end + 1])
            if next > bytes.endIndex { break }
            end = next
        }
        if end < bytes.endIndex { rest[id] = Array(bytes[end...]) }
        let frames = bytes[..<end]
        hub.send(hub.encode { $0.append(contentsOf: frames) }, to: members, except: id)
    }
}

@main
struct Main {
    static func main() {
        ProcessSetup.begin()
        exit(MainThread.run(Self.relay))
    }

    private static let relay: @Sendable () async -> Int32 = {
        let arguments = CommandLine.arguments.dropFirst()
        let port = UInt16(arguments.first ?? "0") ?? 0
        let isDatagrams = arguments.last == "udp"
        do {
            let loop = try EventLoop.start(name: "loop")
            let failure = await loop.run { () -> (any Error)? in
                do {
                    let relay = Relay(loop: loop)
                    if isDatagrams { try await relay.runDatagrams(port: port) } else { try await relay.run(port: port) }
                    return nil
                } catch {
                    return error
                }
            }
            loop.stop()
            if let failure { throw failure }
            return 0
        } catch {
            let line = Array("cannot listen: \(error)\n".utf8)
            write(2, line, line.count)
            return 1
        }
    }
}
