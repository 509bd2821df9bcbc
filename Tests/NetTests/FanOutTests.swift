import Platform
import TestSupport
import Testing
import Wire

@testable import Net

/// Payloads for several streams are collected before each stream is told of them; nobody may notice.
@Suite struct FanOutTests {
    private func id(_ slot: UInt32) -> SocketID { SocketID(slot: slot, generation: 1) }

    @Test func itTakesInWhatFollowsForTheSameStreams() {
        let all = [id(1), id(2)]
        var fanOut = FanOut(Slot.Piece(start: 10, end: 20), to: all, except: nil)
        func takes(_ start: Int, _ end: Int, to ids: [SocketID], except: SocketID? = nil) -> Bool {
            fanOut.takes(Slot.Piece(start: start, end: end), to: ids, except: except)
        }
        #expect(takes(20, 25, to: all))
        #expect(fanOut.piece.start == 10 && fanOut.piece.end == 25)
        // Not what stands elsewhere, nor what is for others.
        #expect(!takes(26, 30, to: all))
        #expect(!takes(25, 30, to: all, except: id(2)))
        #expect(!takes(25, 30, to: [id(1), id(3)]))
        #expect(fanOut.piece.end == 25)
        #expect(FanOut().isEmpty && !fanOut.isEmpty)
    }

    /// Streams, and what each is to receive in the end.
    private struct Stream {
        let peer: RawPeer
        let id: SocketID
        var expected: [UInt8] = []
        var isOpen = true
    }

    /// What a turn does; decided before, since it is done on the loop.
    private enum Step {
        case toSome(text: [UInt8], group: Int, except: SocketID?)
        case toOne(text: [UInt8], SocketID)
        case close(SocketID)
        case askWhenDrained(SocketID)
        case countOutbox(SocketID)
    }

    /// Turns of many sends to groups and to one, with closes between them, against a list for each stream.
    @Test(arguments: 1...12) func everybodyGetsWhatWasMeantForThem(seed: Int) async throws {
        try await HubProbe.with { probe in
            var random = SplitMix64(seed: UInt64(seed))
            let port = try await probe.listen()
            var streams: [Stream] = []
            for _ in 0..<8 {
                let peer = try await RawPeer.connect(to: port)
                streams.append(Stream(peer: peer, id: try #require(await probe.accepted())))
            }
            // Groups overlap, and one of them is everybody.
            let groups = [streams.map(\.id), streams.prefix(5).map(\.id), streams.suffix(5).map(\.id)]
            var number = 0
            for _ in 0..<30 {
                var steps: [Step] = []
                for _ in 0..<Int.random(in: 1...12, using: &random) {
                    number += 1
                    let text = Array("\(number) ".utf8)
                    let one = Int.random(in: streams.indices, using: &random)
                    switch Int.random(in: 0..<20, using: &random) {
                    case 0..<12:
                        let group = Int.random(in: groups.indices, using: &random)
                        let except = Bool.random(using: &random) ? nil : streams[one].id
                        steps.append(.toSome(text: text, group: group, except: except))
                        for index in streams.indices
                        where streams[index].isOpen && streams[index].id != except
                            && groups[group].contains(streams[index].id)
                        {
                            streams[index].expected += text
                        }
                    case 12..<16:
                        steps.append(.toOne(text: text, streams[one].id))
                        if streams[one].isOpen { streams[one].expected += text }
                    case 16: steps.append(.askWhenDrained(streams[one].id))
                    case 17, 18: steps.append(.countOutbox(streams[one].id))
                    default:
                        guard streams.count(where: \.isOpen) > 2 else { continue }
                        steps.append(.close(streams[one].id))
                        streams[one].isOpen = false
                    }
                }
                let turn = steps
                await probe.perform { hub in
                    for step in turn {
                        switch step {
                        case .toSome(let text, let group, let except):
                            hub.send(hub.encode { $0.append(contentsOf: text) }, to: groups[group], except: except)
                        case .toOne(let text, let id): hub.send(text, to: id)
                        case .close(let id): hub.close(id)
                        case .askWhenDrained(let id): hub.notifyWhenDrained(id, below: 0)
                        case .countOutbox(let id): _ = hub.outboxCount(id)
                        }
                    }
                }
            }
            for stream in streams where stream.isOpen { await probe.perform { $0.close(stream.id) } }
            for stream in streams {
                #expect(try await stream.peer.receiveToEnd() == stream.expected, "seed \(seed), \(stream.id)")
                await stream.peer.close()
            }
        }
    }

    /// What was sent to several counts at once, although their streams are told of it later.
    @Test func theOutboxCountsIt() async throws {
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            let peer = try await RawPeer.connect(to: port)
            let id = try #require(await probe.accepted())
            let counts = await probe.perform { hub in
                let all = [id]
                return (0..<3).map { _ in
                    hub.send(hub.encode { $0.append(contentsOf: [1, 2, 3]) }, to: all, except: nil)
                    return hub.outboxCount(id)
                }
            }
            #expect(counts == [3, 6, 9])
            #expect(try await peer.receive(9) == [1, 2, 3, 1, 2, 3, 1, 2, 3])
        }
    }

    /// More pieces in a turn than one call takes.
    @Test func thousandsOfPieces() async throws {
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            let peer = try await RawPeer.connect(to: port)
            let id = try #require(await probe.accepted())
            let other = try await RawPeer.connect(to: port)
            let otherID = try #require(await probe.accepted())
            await probe.perform { hub in
                for number in 0..<3_000 {
                    hub.send(Array("\(number) ".utf8), to: id)
                    hub.send([UInt8(ascii: ".")], to: otherID)
                }
                hub.close(id)
                hub.close(otherID)
            }
            let expected = (0..<3_000).map { "\($0) " }.joined()
            #expect(String(decoding: try await peer.receiveToEnd(), as: UTF8.self) == expected)
            #expect(try await other.receiveToEnd() == [UInt8](repeating: UInt8(ascii: "."), count: 3_000))
        }
    }
}
