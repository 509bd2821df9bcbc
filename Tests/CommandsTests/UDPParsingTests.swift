import Console
import Testing
import UDPMode
import Wire

@testable import Commands

@Suite struct UDPParsingTests {
    private func udp(_ line: String) throws -> UDPOptions {
        guard case .udp(let options, _) = try parse(line) else { throw Unexpected(line: line) }
        return options
    }

    private func join(_ host: String, port: UInt16 = 5000, clientPort: UInt16 = 5555) throws -> UDPOptions {
        .join(
            UDPJoinOptions(
                name: try Nickname(validating: "client"), server: try Endpoint(validating: host, port: port),
                clientPort: clientPort))
    }

    @Test func newSpelling() throws {
        #expect(try udp("udp serve 5000") == .serve(port: 5000))
        #expect(try udp("udp serve 0") == .serve(port: 0))
        #expect(try udp("udp join client 127.0.0.1 5000 5555") == join("127.0.0.1"))
        #expect(try udp("udp join client example.net 5000") == join("example.net", clientPort: 0))
        #expect(try udp("udp join client ::1 5000 5555") == join("::1"))
        #expect(try udp("udp join client [::1] 5000 5555") == join("::1"))
    }

    @Test func oldSpelling() throws {
        #expect(try udp("udp -s 5000") == .serve(port: 5000))
        #expect(try udp("udp -c client 127.0.0.1 5000 5555") == join("127.0.0.1"))
        guard case .udp(_, let common) = try parse("udp -s 5000 --memory --bind 127.0.0.1") else {
            throw Unexpected(line: "udp -s")
        }
        #expect(common.memoryOnly && common.bind == [.loopbackV4])
        #expect(!CommandLineInterface.help(["udp"]).contains("\n  -s"))
        #expect(!CommandLineInterface.completions(.bash).contains("udp -s"))
    }

    /// The sentences of the original program, as its document shows them.
    @Test(arguments: [
        ("udp -s not-a-port-number", "Invalid <port>: not-a-port-number; Must be within 1024-65535"),
        ("udp -s 1", "Invalid <port>: 1; Must be within 1024-65535"),
        ("udp -s", "`-s` only accepts <port>"),
        (
            "udp -c client4 0.0.0.0 5000 not-a-port-value",
            "Invalid <client-port>: not-a-port-value; Must be within 1024-65535"
        ),
        (
            "udp -c client4 0.0.0.0 not-a-port-value 5556",
            "Invalid <server-port>: not-a-port-value; Must be within 1024-65535"
        ),
        ("udp -c client4 not-an-ip 5000 5556", "Use only IPv4 addressing"),
        ("udp -c client4 ::1 5000 5556", "Use only IPv4 addressing"),
        ("udp -c", "`-c` only accepts <name> <server-ip> <server-port> <client-port>"),
        ("udp -c client4 127.0.0.1 5000", "`-c` only accepts <name> <server-ip> <server-port> <client-port>"),
    ])
    func oldSpellingAnswersInItsOwnWords(line: String, sentence: String) {
        let error = #expect(throws: UsageError.self) { try parse(line) }
        #expect(error?.message.string == sentence)
    }

    @Test(arguments: [
        (
            "udp join client",
            "chat udp join: SERVER is missing; write 'chat udp join NAME SERVER SERVER-PORT [CLIENT-PORT]'."
        ),
        ("udp join client h 0", "chat udp join: SERVER-PORT: '0' is not a port; use a number from 1 to 65535."),
        (
            "udp join client h 5000 x",
            "chat udp join: CLIENT-PORT: 'x' is not a port; use a number from 0 to 65535 (0 takes a free one)."
        ),
        (
            "udp join client h:5000 5000",
            "chat udp join: SERVER: 'h:5000' is not a host name; use letters, digits, '-' and '.', or an IP address."
        ),
        ("udp serv 5000", "chat udp: 'serv' is no command; did you mean 'chat udp serve'?"),
    ])
    func mistakesGetASentence(line: String, sentence: String) {
        let error = #expect(throws: UsageError.self) { try parse(line) }
        #expect(error?.message.string == sentence)
    }
}
