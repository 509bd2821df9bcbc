/// Where to reach a program, as a person writes it: a host, by name or address, and a port. Nothing is looked up.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A host name or an address, without brackets; an IPv6 address may end in a scope, "fe80::1%eth0".
    package let host: String
    /// Never 0.
    package let port: UInt16

    /// The longest host name, in bytes (RFC 1035, section 2.3.4).
    package static let longestHost = 253
    /// The longest part of a host name between two dots, in bytes (RFC 1035, section 2.3.4).
    package static let longestLabel = 63

    /// A host that is known to be one, with its port.
    package init(validating host: String, port: UInt16) throws(EndpointError) {
        if let problem = Self.problem(ofHost: host) { throw problem }
        guard port != 0 else { throw .port("0") }
        self.host = host
        self.port = port
    }

    package init(_ address: SocketAddress) {
        host = address.scope == 0 ? "\(address.ip)" : "\(address.ip)%\(address.scope)"
        port = address.port
    }

    /// Reads `host:port` or `[v6]:port`, and with a default port also `host` or `[v6]`.
    package init(parsing text: String, defaultPort: UInt16? = nil) throws(EndpointError) {
        let host: Substring
        let portText: Substring?
        if text.hasPrefix("[") {
            guard let bracket = text.firstIndex(of: "]") else { throw .missingBracket(text) }
            host = text[text.index(after: text.startIndex)..<bracket]
            let rest = text[text.index(after: bracket)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw .missingBracket(text) }
            guard Self.isV6(host) else { throw .notIPv6(String(host)) }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            host = parts[0]
            portText = parts.count == 2 ? parts[1] : nil
            if let portText, portText.contains(":") {
                throw Self.isV6(text[...]) ? .unbracketedIPv6(text) : .tooManyColons(text)
            }
        }
        let port: UInt16
        if let portText {
            guard let number = parsePort(portText), number != 0 else { throw .port(String(portText)) }
            port = number
        } else if let defaultPort {
            port = defaultPort
        } else {
            throw host.isEmpty ? .missingHost : .missingPort(text)
        }
        try self.init(validating: String(host), port: port)
    }

    /// The same host with another port, which must not be 0.
    package func replacing(port: UInt16) -> Endpoint {
        precondition(port != 0, "An endpoint has a port that can be reached.")
        return Endpoint(host: host, port: port)
    }

    private init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// "example.net:9001", "[::1]:9001".
    package var description: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// The address and port, where the host is an address and not a name.
    package var socketAddress: SocketAddress? {
        IPAddress(parsing: host).map { SocketAddress(ip: $0, port: port) }
    }

    private static func isV6(_ host: Substring) -> Bool {
        let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard host.utf8.contains(UInt8(ascii: ":")), IPAddress(parsing: parts[0]) != nil else { return false }
        return parts.count == 1 || isScope(parts[1])
    }

    private static func isScope(_ scope: Substring) -> Bool {
        !scope.isEmpty && scope.utf8.count <= 32 && scope.utf8.allSatisfy(isHostByte)
    }

    private static func problem(ofHost host: String) -> EndpointError? {
        if host.isEmpty { return .missingHost }
        if isV6(host[...]) { return nil }
        guard host.utf8.count <= longestHost else { return .hostTooLong }
        guard host.utf8.allSatisfy(isHostByte) else { return .host(host) }
        // What looks like an IPv4 address and is none, such as 127.0.0.256, would be looked up as a name for nothing.
        let labels =
            host.hasSuffix(".")
            ? host.dropLast().split(separator: ".", omittingEmptySubsequences: false)
            : host.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.allSatisfy({ (1...longestLabel).contains($0.utf8.count) && !$0.hasPrefix("-") }) else {
            return .host(host)
        }
        if labels.last!.utf8.allSatisfy({ decimalDigit($0) != nil }), IPAddress(parsing: host) == nil {
            return .address(host)
        }
        return nil
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// The number of a port in decimal, 0...65535, without a sign; `nil` for anything else.
package func parsePort(_ text: some StringProtocol) -> UInt16? {
    guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ decimalDigit($0) != nil }) else { return nil }
    return UInt16(text)
}

/// What is wrong with an endpoint that somebody wrote.
package enum EndpointError: Error, Equatable, Sendable {
    case missingHost
    case missingPort(String)
    case port(String)
    case host(String)
    case address(String)
    case hostTooLong
    case notIPv6(String)
    case missingBracket(String)
    case unbracketedIPv6(String)
    case tooManyColons(String)

    /// One sentence that says what is wrong and what to write instead.
    package var message: SafeText {
        switch self {
        case .missingHost: "The host is missing; write HOST:PORT."
        case .missingPort(let text): "'\(text)' has no port; write HOST:PORT."
        case .port(let text): "'\(text)' is not a port; use a number from 1 to 65535."
        case .host(let text):
            "'\(text)' is not a host name; use letters, digits, '-' and '.', or an IP address."
        case .address(let text): "'\(text)' is not an IPv4 address; use four numbers from 0 to 255."
        case .hostTooLong: "The host name is longer than \(Endpoint.longestHost) bytes."
        case .notIPv6(let text): "'\(text)' is not an IPv6 address; brackets are for IPv6, as in [::1]:9001."
        case .missingBracket(let text): "'\(text)' is not an endpoint; write an IPv6 address as in [::1]:9001."
        case .unbracketedIPv6(let text): "'\(text)' is an IPv6 address; put it in brackets, as in [\(text)]:9001."
        case .tooManyColons(let text): "'\(text)' is not an endpoint; write HOST:PORT."
        }
    }
}
