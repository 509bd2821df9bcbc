import Console
import P2PMode
import Testing
import Wire

@testable import Commands

/// Reads a command line in an environment that holds nothing but what is given.
func parse(_ line: String, environment: [String: String] = [:]) throws(UsageError) -> Invocation {
    try parse(words: line.split(separator: " ").map(String.init), environment: environment)
}

func parse(words: [String], environment: [String: String] = [:]) throws(UsageError) -> Invocation {
    try CommandLineInterface.parse(words, environment: { environment[$0] })
}

/// What a `p2p` command line asks for.
func p2p(_ line: String, environment: [String: String] = [:]) throws -> (options: P2POptions, common: CommonOptions) {
    guard case .p2p(let options, let common) = try parse(line, environment: environment) else {
        throw Unexpected(line: line)
    }
    return (options, common)
}

struct Unexpected: Error {
    let line: String
}

@Suite struct ParsingTests {
    @Test func p2pTakesItsArgumentsAndOptions() throws {
        let (options, common) = try p2p(
            "p2p 9002 127.0.0.1:9001 [::1]:9003 --plain --name Walter --bind 127.0.0.1 --bind=::1 --data d --json "
                + "--color never --log-level debug --no-rate-limit")
        #expect(
            options
                == P2POptions(
                    port: 9002, peers: [try Endpoint(parsing: "127.0.0.1:9001"), try Endpoint(parsing: "[::1]:9003")],
                    plain: true))
        #expect(common.name?.text == "Walter")
        #expect(common.bind == [.loopbackV4, .loopbackV6])
        #expect(common.dataDirectory == "d" && !common.memoryOnly && common.json && !common.rateLimit)
        #expect(common.color == .never && common.logLevel == .debug)
    }

    @Test func defaultsAreThoseOfTheTable() throws {
        let (options, common) = try p2p("p2p 0")
        #expect(options == P2POptions(port: 0))
        #expect(common.name == nil && common.bind.isEmpty && common.dataDirectory == nil)
        #expect(!common.memoryOnly && !common.json && common.rateLimit)
        #expect(common.color == .auto && common.logLevel == .warning)
    }

    @Test func optionsMayStandAnywhereAndTheLastCounts() throws {
        #expect(try p2p("--json p2p --name A 7 --name B h:1").common.name?.text == "B")
        #expect(try p2p("--json p2p --name A 7 --name B h:1").options.peers.count == 1)
        #expect(try p2p("p2p 7 --name=A=B").common.name?.text == "A=B")
        #expect(try p2p("p2p --json -- 7").options.port == 7)
        #expect(throws: UsageError.self) { try parse("p2p -- 7 --json") }
    }

    @Test func environmentStandsBetweenOptionAndDefault() throws {
        let environment = [
            "CHAT_NAME": "Env", "CHAT_BIND": "127.0.0.1, ::1", "CHAT_DATA": "there", "CHAT_JSON": "1",
            "CHAT_COLOR": "always", "CHAT_LOG_LEVEL": "info", "CHAT_NO_RATE_LIMIT": "yes", "CHAT_PLAIN": "off",
        ]
        let fromEnvironment = try p2p("p2p 1", environment: environment)
        #expect(fromEnvironment.common.name?.text == "Env")
        #expect(fromEnvironment.common.bind == [.loopbackV4, .loopbackV6])
        #expect(fromEnvironment.common.dataDirectory == "there" && fromEnvironment.common.json)
        #expect(fromEnvironment.common.color == .always && fromEnvironment.common.logLevel == .info)
        #expect(!fromEnvironment.common.rateLimit && !fromEnvironment.options.plain)
        let overridden = try p2p("p2p 1 --name Option --bind ::1 --color auto --plain", environment: environment)
        #expect(overridden.common.name?.text == "Option" && overridden.common.bind == [.loopbackV6])
        #expect(overridden.common.color == .auto && overridden.options.plain)
        #expect(try p2p("p2p 1", environment: ["CHAT_NAME": "", "CHAT_JSON": ""]).common.name == nil)
    }

    @Test func helpIsFoundWhereverItIsAskedFor() throws {
        for line in ["", "help", "--help", "-h", "--help nonsense", "help --help"] where line != "help --help" {
            guard case .help(let path) = try parse(line) else { throw Unexpected(line: line) }
            #expect(path == [], "for '\(line)'")
        }
        for line in ["help p2p", "p2p --help", "p2p -h", "p2p 1 --bogus --help", "--help p2p", "help p2p --help"] {
            guard case .help(let path) = try parse(line) else { throw Unexpected(line: line) }
            #expect(path == ["p2p"], "for '\(line)'")
        }
        guard case .help(["help"]) = try parse("help help") else { throw Unexpected(line: "help help") }
    }

    @Test func versionAndCompletions() throws {
        for line in ["--version", "-V"] {
            guard case .version = try parse(line) else { throw Unexpected(line: line) }
        }
        guard case .completions(.fish) = try parse("completions fish") else { throw Unexpected(line: "completions") }
    }

    @Test(arguments: [
        ("p3p", "chat: 'p3p' is no command; did you mean 'chat p2p'?"),
        ("frobnicate", "chat: 'frobnicate' is no command; 'chat help' lists them."),
        ("help p3p", "chat help: 'p3p' is no command; did you mean 'chat help p2p'?"),
        ("help p2p x", "chat help: 'x' is no command; 'chat help p2p' lists them."),
        ("--json", "chat: --json needs a command; 'chat help' lists them."),
        ("--frobnicate", "chat: '--frobnicate' is no option here; 'chat help' lists them."),
        ("p2p", "chat p2p: PORT is missing; write 'chat p2p PORT [HOST:PORT ...]'."),
        ("p2p 1 --nmae x", "chat p2p: '--nmae' is no option here; did you mean '--name'?"),
        ("p2p 1 -x", "chat p2p: '-x' is no option here; 'chat help p2p' lists them."),
        ("p2p 1 --name", "chat p2p: --name needs a value: --name NAME."),
        ("p2p 1 --json=yes", "chat p2p: --json takes no value."),
        ("p2p 65536", "chat p2p: PORT: '65536' is not a port; use a number from 0 to 65535 (0 takes a free one)."),
        ("p2p nine", "chat p2p: PORT: 'nine' is not a port; use a number from 0 to 65535 (0 takes a free one)."),
        ("p2p 1 somewhere", "chat p2p: HOST:PORT: 'somewhere' has no port; write HOST:PORT."),
        ("p2p 1 h:0", "chat p2p: HOST:PORT: '0' is not a port; use a number from 1 to 65535."),
        (
            "p2p 1 ::1",
            "chat p2p: HOST:PORT: '::1' is an IPv6 address; put it in brackets, as in [::1]:9001."
        ),
        (
            "p2p 1 --bind localhost",
            "chat p2p: --bind: 'localhost' is not an IP address; use one of this machine, such as 127.0.0.1 or ::1."
        ),
        ("p2p 1 --name=", "chat p2p: --name: The name is empty."),
        (
            "p2p 1 --name \u{202E}x",
            "chat p2p: --name: The name '\\u{202E}x' holds a character that cannot be shown; leave it out."
        ),
        ("p2p 1 --color alway", "chat p2p: --color: 'alway' is none of auto, always and never; did you mean 'always'?"),
        ("p2p 1 --log-level loud", "chat p2p: --log-level: 'loud' is none of error, warning, info and debug."),
        ("p2p 1 --data=", "chat p2p: --data: The name of the folder is empty."),
        ("p2p 1 --data d --memory", "chat p2p: --memory keeps nothing, so --data has no meaning; give one of them."),
        ("completions", "chat completions: SHELL is missing; write 'chat completions SHELL'."),
        ("completions bsh", "chat completions: SHELL: 'bsh' is none of bash, zsh and fish; did you mean 'bash'?"),
        ("completions bash zsh", "chat completions: 'zsh' is one argument too many; write 'chat completions SHELL'."),
        (
            "completions bash --json",
            "chat completions: '--json' is no option here; 'chat help completions' lists them."
        ),
        ("\u{1B}]0;x", "chat: '\\u{1B}]0;x' is no command; 'chat help' lists them."),
    ])
    func mistakesGetASentence(line: String, sentence: String) {
        let error = #expect(throws: UsageError.self) { try parse(line) }
        #expect(error?.message.string == sentence)
    }

    @Test func mistakesInTheEnvironmentNameTheVariable() {
        for (variable, value, sentence) in [
            ("CHAT_COLOR", "red", "chat p2p: CHAT_COLOR: 'red' is none of auto, always and never."),
            ("CHAT_JSON", "maybe", "chat p2p: CHAT_JSON: 'maybe' is neither 1 nor 0."),
            ("CHAT_NAME", " x", "chat p2p: CHAT_NAME: The name begins or ends with a space; leave it out."),
        ] {
            let error = #expect(throws: UsageError.self) { try parse("p2p 1", environment: [variable: value]) }
            #expect(error?.message.string == sentence)
        }
    }

    @Test func randomWordsNeverTrap() {
        var random = SplitMix64(seed: 6)
        let pieces = [
            "p2p", "help", "--", "-", "--name", "--name=", "=", "--json", "-h", "", "1", "a:1", "::", "é", "\u{1B}",
            "--help", "completions", "bash", "--bind", "-c", "-s",
        ]
        for _ in 0..<3_000 {
            let words = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                pieces.randomElement(using: &random)!
                    + (Bool.random(using: &random) ? "" : pieces.randomElement(using: &random)!)
            }
            guard let invocation = try? parse(words: words) else { continue }
            // Help is only ever promised for what has one.
            if case .help(let path) = invocation { #expect(!CommandLineInterface.help(path).isEmpty) }
        }
    }
}
