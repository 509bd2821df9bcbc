import Testing
import Wire

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"), ("::ffff:192.0.2.128", "192.0.2.128"),
        ("::FFFF:c000:280", "192.0.2.128"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("fe80::1", "fe80::1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ])
    func parsesAndWritesTheCanonicalForm(text: String, canonical: String) throws {
        let address = try #require(IPAddress(parsing: text))
        #expect(address.description == canonical)
        #expect(IPAddress(parsing: canonical) == address)
        #expect(IPAddress(bytes: address.mappedBytes[...]) == address)
    }

    @Test(arguments: [
        "", ".", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.-4", "1..2.3", "1.2.3.4 ", "0x7f.0.0.1", ":",
        ":::",
        "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1%eth0", "[::1]", "1:2:3:4:5:6:7::8",
        "::1.2.3.4:5", "1.2.3.4::", "٣.1.1.1", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1.2.3.4567",
    ])
    func refusesEverythingElse(text: String) {
        #expect(IPAddress(parsing: text) == nil)
    }

    @Test func kindsOfAddresses() throws {
        let parse = { (text: String) in try #require(IPAddress(parsing: text)) }
        #expect(try parse("127.3.2.1").isLoopback && parse("::1").isLoopback && parse("::ffff:127.0.0.1").isLoopback)
        #expect(try !parse("128.0.0.1").isLoopback && !parse("::2").isLoopback)
        #expect(try parse("0.0.0.0").isUnspecified && parse("::").isUnspecified && !parse("::1").isUnspecified)
        #expect(try parse("fe80::1").isLinkLocal && parse("169.254.1.1").isLinkLocal && !parse("fec0::1").isLinkLocal)
        #expect(try parse("224.0.0.1").isMulticast && parse("ff02::1").isMulticast && !parse("10.0.0.1").isMulticast)
        #expect(IPAddress.v4(0x7F00_0001) == .loopbackV4 && IPAddress.loopbackV4.v4 == 0x7F00_0001)
        #expect(IPAddress.loopbackV6.v4 == nil && IPAddress.loopbackV6.isV6)
        #expect(try parse("2001:db8:1:2:3::4").limitKey == parse("2001:db8:1:2::"))
        #expect(try parse("10.1.2.3").limitKey == parse("10.1.2.3"))
    }

    @Test func socketAddresses() throws {
        #expect(SocketAddress(ip: .loopbackV4, port: 5).description == "127.0.0.1:5")
        #expect(SocketAddress(ip: .loopbackV6, port: 5).description == "[::1]:5")
        let linkLocal = try #require(IPAddress(parsing: "fe80::1"))
        #expect(SocketAddress(ip: linkLocal, port: 5, scope: 2).description == "[fe80::1%2]:5")
    }

    @Test func randomTextNeverTraps() {
        var random = SplitMix64(seed: 1)
        let alphabet = Array("0123456789abcdf:.%[]")
        for _ in 0..<3_000 {
            let text = String(
                (0..<Int.random(in: 0...20, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
            if let address = IPAddress(parsing: text) { #expect(IPAddress(parsing: address.description) == address) }
            if let endpoint = try? Endpoint(parsing: text, defaultPort: 1) {
                #expect(try! Endpoint(parsing: endpoint.description) == endpoint)
            }
        }
    }
}

@Suite struct EndpointTests {
    @Test(arguments: [
        ("127.0.0.1:9001", "127.0.0.1:9001"), ("localhost:1", "localhost:1"), ("[::1]:65535", "[::1]:65535"),
        ("example.net", "example.net:6789"), ("[::1]", "[::1]:6789"), ("my_host-1.lan.:80", "my_host-1.lan.:80"),
        ("[fe80::1%eth0]:7", "[fe80::1%eth0]:7"), ("10.0.0.1", "10.0.0.1:6789"), ("h:007", "h:7"),
    ])
    func parses(text: String, canonical: String) throws {
        #expect(try Endpoint(parsing: text, defaultPort: 6789).description == canonical)
    }

    @Test func saysWhatIsWrong() {
        let sentences: [(String, SafeText)] = [
            ("", "The host is missing; write HOST:PORT."),
            (":9001", "The host is missing; write HOST:PORT."),
            ("localhost", "'localhost' has no port; write HOST:PORT."),
            ("[::1]", "'[::1]' has no port; write HOST:PORT."),
            ("localhost:", "'' is not a port; use a number from 1 to 65535."),
            ("localhost:0", "'0' is not a port; use a number from 1 to 65535."),
            ("localhost:65536", "'65536' is not a port; use a number from 1 to 65535."),
            ("localhost:+1", "'+1' is not a port; use a number from 1 to 65535."),
            ("localhost:http", "'http' is not a port; use a number from 1 to 65535."),
            ("::1", "'::1' is an IPv6 address; put it in brackets, as in [::1]:9001."),
            ("a:b:c", "'a:b:c' is not an endpoint; write HOST:PORT."),
            ("[::1", "'[::1' is not an endpoint; write an IPv6 address as in [::1]:9001."),
            ("[::1]9001", "'[::1]9001' is not an endpoint; write an IPv6 address as in [::1]:9001."),
            ("[localhost]:1", "'localhost' is not an IPv6 address; brackets are for IPv6, as in [::1]:9001."),
            ("127.0.0.256:1", "'127.0.0.256' is not an IPv4 address; use four numbers from 0 to 255."),
            ("127.1:1", "'127.1' is not an IPv4 address; use four numbers from 0 to 255."),
            (
                "ex ample:1",
                "'ex ample' is not a host name; use letters, digits, '-' and '.', or an IP address."
            ),
            (
                "a..b:1",
                "'a..b' is not a host name; use letters, digits, '-' and '.', or an IP address."
            ),
            (
                "\u{1B}]0;x\u{7}:1",
                "'\\u{1B}]0;x\\u{7}' is not a host name; use letters, digits, '-' and '.', or an IP address."
            ),
            (String(repeating: "a.", count: 130) + ":1", "The host name is longer than 253 bytes."),
        ]
        for (text, sentence) in sentences {
            do {
                let endpoint = try Endpoint(parsing: text)
                Issue.record("'\(text)' became \(endpoint)")
            } catch {
                #expect(error.message == sentence, "for '\(text)'")
            }
        }
    }

    @Test func knowsAddressesFromNames() throws {
        let address = SocketAddress(ip: .loopbackV6, port: 9)
        #expect(try Endpoint(parsing: "[::1]:9").socketAddress == address)
        #expect(Endpoint(address).description == "[::1]:9")
        #expect(try Endpoint(parsing: "localhost:9").socketAddress == nil)
        #expect(try Endpoint(parsing: "[::1]:9").replacing(port: 10).description == "[::1]:10")
    }
}
