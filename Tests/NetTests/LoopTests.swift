import Glibc
import Platform
import TestSupport
import Testing
import Wire

@testable import Net

@Suite struct LoopTests {
    /// Everything that an actor of the loop awaits runs on the loop: there is no hop between threads.
    @Test func noTaskOfOursRunsOffTheLoop() async throws {
        try await HubProbe.with { probe in
            await Checker(probe.loop).run()
        }
    }

    private actor Checker {
        private let loop: EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

        init(_ loop: EventLoop) { self.loop = loop }

        func run() async {
            #expect(loop.isCurrent)
            await Task.yield()
            #expect(loop.isCurrent, "after a yield")
            await plain()
            #expect(loop.isCurrent, "after a plain async function")
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.child() }
                group.addTask(executorPreference: self.loop.tasks) { [loop] in
                    #expect(loop.isCurrent, "a child under the preference")
                    await Task.yield()
                    #expect(loop.isCurrent, "a child under the preference, after a yield")
                }
                await group.waitForAll()
            }
            #expect(loop.isCurrent, "after a group")
            let (stream, continuation) = AsyncStream<Int>.makeStream(bufferingPolicy: .bufferingOldest(4))
            for number in 0..<4 { continuation.yield(number) }
            continuation.finish()
            for await _ in stream { #expect(loop.isCurrent, "in a stream") }
        }

        private func child() { #expect(loop.isCurrent, "a child of the actor") }

        private nonisolated func plain() async {
            #expect(loop.isCurrent, "a plain async function runs where its caller does")
        }
    }

    /// Connections that say nothing wake nobody.
    @Test func idleSocketsCauseNoWakeups() async throws {
        ProcessSetup.raiseDescriptorLimit()
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            var descriptors: [Int32] = []
            for _ in 0..<1_000 {
                descriptors.append(try Sockets.connecting(to: SocketAddress(ip: .v4(0x7f00_0001), port: port)))
                _ = await probe.accepted()
            }
            let before = await probe.perform { $0.wakeups }
            // A timer of the loop bounds the idle time and is itself no readiness.
            await probe.perform { $0.schedule(1, after: .milliseconds(300)) }
            _ = await probe.next { if case .timer(1) = $0 { true } else { nil } }
            let after = await probe.perform { $0.wakeups }
            // Every call of this test from another thread wakes the loop once; a socket does not.
            #expect(after - before <= 4, "woken \(after - before) times by a thousand idle sockets")
            for descriptor in descriptors { close(descriptor) }
        }
    }

    @Test func timersComeInOrderAndCanBeMoved() async throws {
        try await HubProbe.with { probe in
            await probe.perform { hub in
                hub.schedule(3, after: .milliseconds(30))
                hub.schedule(1, after: .milliseconds(60))
                hub.schedule(2, after: .milliseconds(20))
                hub.schedule(4, after: .milliseconds(5))
                hub.cancelTimer(4)
                hub.schedule(1, after: .milliseconds(10))
            }
            var order: [UInt64] = []
            for _ in 0..<3 {
                order.append(try #require(await probe.next { if case .timer(let token) = $0 { token } else { nil } }))
            }
            #expect(order == [1, 2, 3])
        }
    }

    @Test func datagramsComeWithTheirSource() async throws {
        try await HubProbe.with { probe in
            let any = SocketAddress(ip: .v4(0x7f00_0001), port: 0)
            let (a, aAddress) = try await probe.perform { try $0.bindDatagram(on: any) }
            let (b, bAddress) = try await probe.perform { try $0.bindDatagram(on: any) }
            // More than fit into one call, to two recipients, from one encode each.
            await probe.perform { hub in
                for number in 0..<200 {
                    let payload = hub.encode { $0.append(UInt8(number)) }
                    hub.send(payload, to: [bAddress, aAddress], from: a)
                }
                hub.send(
                    hub.encode { $0.append(contentsOf: [UInt8](repeating: 1, count: 5_000)) }, to: bAddress, from: a)
            }
            for id in [a, b] {
                var numbers: [UInt8] = []
                while numbers.count < 200 {
                    let batch = await probe.next { event -> [Datagram]? in
                        if case .datagrams(id, let batch) = event { batch } else { nil }
                    }
                    for datagram in try #require(batch) {
                        #expect(datagram.source == aAddress)
                        if datagram.bytes.count == 1 {
                            numbers.append(datagram.bytes.first!)
                        } else {
                            #expect(datagram.bytes.count == Hub.Limits.datagram + 1, "cut to one byte too many")
                        }
                    }
                }
                #expect(numbers == Array(0..<200))
            }
        }
    }

    /// Datagrams of equal and of unequal sizes, empty ones among them, with and without their author: what the kernel cuts
    /// out of one message is what was sent, in order.
    @Test func joinedDatagramsComeApart() async throws {
        try await HubProbe.with { probe in
            let any = SocketAddress(ip: .v4(0x7f00_0001), port: 0)
            let (sender, _) = try await probe.perform { try $0.bindDatagram(on: any) }
            let receivers = try await probe.perform { hub in try (0..<3).map { _ in try hub.bindDatagram(on: any) } }
            let addresses = receivers.map(\.address)
            let sizes =
                [10, 10, 10, 4, 10, 10, 20, 20, 20, 0, 0, 5, 3_000, 3_000, 3_000] + [Int](repeating: 1_200, count: 70)
            await probe.perform { hub in
                for (number, size) in sizes.enumerated() {
                    let payload = hub.encode { $0.append(contentsOf: [UInt8](repeating: UInt8(number), count: size)) }
                    let author = number % 4 == 3 ? nil : addresses[number % 4 % 3]
                    hub.send(payload, to: addresses, except: author, from: sender)
                }
            }
            for (index, receiver) in receivers.enumerated() {
                let expected = sizes.enumerated().filter { number, _ in number % 4 == 3 || number % 4 % 3 != index }
                var received: [ArraySlice<UInt8>] = []
                while received.count < expected.count {
                    let batch = await probe.next { event -> [Datagram]? in
                        if case .datagrams(receiver.id, let batch) = event { batch } else { nil }
                    }
                    received += try #require(batch).map(\.bytes)
                }
                #expect(received.map(\.count) == expected.map(\.element))
                #expect(
                    zip(received, expected).allSatisfy { bytes, sent in bytes.allSatisfy { $0 == UInt8(sent.offset) } })
            }
        }
    }

    @Test func nobodyListensAtAnAddress() async throws {
        try await HubProbe.with { probe in
            let any = SocketAddress(ip: .v4(0x7f00_0001), port: 0)
            let (a, _) = try await probe.perform { try $0.bindDatagram(on: any) }
            let gone = try await probe.perform { hub -> SocketAddress in
                let (b, address) = try hub.bindDatagram(on: any)
                hub.close(b)
                return address
            }
            await probe.perform { hub in hub.send(hub.encode { $0.append(7) }, to: gone, from: a) }
            let address = await probe.next { event -> SocketAddress? in
                if case .unreachable(a, let address) = event { address } else { nil }
            }
            #expect(address == gone)
        }
    }

    /// An IPv6 socket for all addresses speaks IPv4 too, and IPv4 addresses look like what they are.
    @Test func dualStack() async throws {
        try await HubProbe.with { probe in
            let every = SocketAddress(ip: .v6(high: 0, low: 0), port: 0)
            let opened = try? await probe.perform { try $0.bindDatagram(on: every) }
            // A machine without IPv6 has nothing to show here.
            guard let (wide, address) = opened else { return }
            let (narrow, narrowAddress) = try await probe.perform {
                try $0.bindDatagram(on: SocketAddress(ip: .v4(0x7f00_0001), port: 0))
            }
            await probe.perform { hub in
                hub.send(
                    hub.encode { $0.append(1) }, to: SocketAddress(ip: .v4(0x7f00_0001), port: address.port),
                    from: narrow)
                hub.send(hub.encode { $0.append(2) }, to: narrowAddress, from: wide)
            }
            let source = await probe.next { event -> SocketAddress? in
                if case .datagrams(wide, let batch) = event { batch.first?.source } else { nil }
            }
            #expect(source == narrowAddress)
            let answer = await probe.next { event -> UInt8? in
                if case .datagrams(narrow, let batch) = event { batch.first?.bytes.first } else { nil }
            }
            #expect(answer == 2)
        }
    }

    @Test func namesAreLookedUpOffTheLoop() async throws {
        try await HubProbe.with { probe in
            try await probe.perform {
                $0.resolve(try Endpoint(validating: "localhost", port: 7), token: 1)
                $0.resolve(try Endpoint(validating: "127.0.0.9", port: 8), token: 2)
                $0.resolve(try Endpoint(validating: "no-such-host.invalid", port: 9), token: 3)
            }
            func answer(_ token: Int) async throws -> Result<[SocketAddress], DialError> {
                try #require(await probe.next { if case .resolved(token, let result) = $0 { result } else { nil } })
            }
            let local = try await answer(1).get()
            #expect(local.allSatisfy { $0.ip.isLoopback && $0.port == 7 } && !local.isEmpty)
            #expect(try await answer(2).get().map(\.description) == ["127.0.0.9:8"])
            let failure = try await answer(3)
            #expect(throws: DialError.self) { try failure.get() }
        }
    }
}
