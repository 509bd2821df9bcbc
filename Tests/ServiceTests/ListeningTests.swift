import Net
import TestSupport
import Testing
import Wire

@testable import Service

@Suite struct ListeningTests {
    @Test func onePortOnEveryAddress() async throws {
        try await HubProbe.with { probe in
            let addresses = [IPAddress.loopbackV4, try #require(IPAddress(parsing: "127.0.0.2"))]
            let ports = try await probe.perform { hub in
                try Listening.streams(on: addresses, port: 0, with: hub).map(\.address)
            }
            #expect(ports.map(\.ip) == addresses)
            #expect(ports[0].port == ports[1].port && ports[0].port != 0)
            let other = try await probe.perform { hub in
                try Listening.datagrams(on: addresses, port: ports[0].port, with: hub).map(\.address.port)
            }
            #expect(other == [ports[0].port, ports[0].port], "UDP may have the port that TCP has")
        }
    }

    @Test func withoutAnAddressEveryInterface() async throws {
        try await HubProbe.with { probe in
            let opened = try await probe.perform { try Listening.streams(on: [], port: 0, with: $0) }
            #expect(opened.count == 1 && opened[0].address.ip.isUnspecified)
            let peer = try await RawPeer.connect(to: opened[0].address.port)
            let source = await probe.next { if case .accepted(_, _, let peer) = $0 { peer } else { nil } }
            #expect(source?.ip == .loopbackV4, "IPv4 reaches it, and looks like IPv4")
            await peer.close()
        }
    }

    @Test func aPortThatIsTaken() async throws {
        try await HubProbe.with { probe in
            let port = try await probe.listen()
            let error = await probe.perform { hub -> ListenError? in
                do throws(ListenError) {
                    _ = try Listening.streams(
                        on: [IPAddress(parsing: "127.0.0.3")!, .loopbackV4], port: port, with: hub)
                    return nil
                } catch { return error }
            }
            #expect(
                error?.message.string
                    == "cannot listen on 127.0.0.1:\(port): Address already in use; another program has that port; "
                    + "stop it or choose another port (0 takes any free one)")
            // The address that was free was let go again.
            let free = await probe.perform { hub in
                (try? Listening.streams(on: [IPAddress(parsing: "127.0.0.3")!], port: port, with: hub)) != nil
            }
            #expect(free)
        }
    }
}
