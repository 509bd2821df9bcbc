import BoardMode
import Console
import Testing
import Wire

@testable import Commands

@Suite struct BoardParsingTests {
    private func board(_ line: String, environment: [String: String] = [:]) throws -> BoardOptions {
        guard case .board(let options, _) = try parse(line, environment: environment) else {
            throw Unexpected(line: line)
        }
        return options
    }

    private func group(_ name: String) throws -> GroupName { try GroupName(validating: name) }

    @Test func serve() throws {
        #expect(try board("board serve") == .serve(BoardServeOptions()))
        var options = BoardServeOptions()
        options.port = 0
        options.groups = [try group("news"), try group("talk")]
        options.visibility = VisibilityRule.none
        options.groupVisibility = [
            .init(group: try group("news"), rule: .all), .init(group: try group("talk"), rule: .last(5)),
        ]
        options.allowsCreation = false
        #expect(
            try board(
                "board serve --port 0 --group news --group talk --visibility none --visibility news=all "
                    + "--visibility talk=last:5 --no-create") == .serve(options))
        #expect(
            try board(
                "board serve",
                environment: [
                    "CHAT_PORT": "0", "CHAT_GROUP": "news talk", "CHAT_VISIBILITY": "none,news=all,talk=last:5",
                    "CHAT_NO_CREATE": "1",
                ]) == .serve(options))
    }

    @Test func connectTakesTheServerInThreeWays() throws {
        let here = Endpoint(SocketAddress(ip: .loopbackV4, port: 6789))
        let there = try Endpoint(parsing: "board.example:7000")
        #expect(try board("board connect") == .connect(server: here))
        #expect(try board("board connect board.example:7000") == .connect(server: there))
        #expect(try board("board connect --server board.example:7000") == .connect(server: there))
        #expect(
            try board("board connect", environment: ["CHAT_SERVER": "board.example:7000"]) == .connect(server: there))
        #expect(try board("board connect [::1]") == .connect(server: try Endpoint(parsing: "[::1]:6789")))
    }

    @Test func errands() throws {
        let here = BoardOptions.defaultServer
        let main = try group("main")
        let subject = try Subject(validating: "hello")
        let post = { (text: BoardTextSource) in
            BoardOptions.post(server: here, group: main, subject: subject, text: text)
        }
        #expect(try board("board post main hello Is anybody here?") == post(.text("Is anybody here?")))
        #expect(try board("board post main hello -") == post(.standardInput))
        #expect(try board("board post main hello") == post(.standardInput))
        #expect(try board("board post main hello -- --json") == post(.text("--json")))
        #expect(try board("board read main") == .read(server: here, group: main, id: nil))
        #expect(try board("board read main 0") == .read(server: here, group: main, id: 0))
        #expect(try board("board groups") == .groups(server: here))
        #expect(try board("board export -") == .exportLog(path: "-"))
        #expect(try board("board import log.ndjson") == .importLog(path: "log.ndjson"))
    }

    @Test func aloneItShowsItsHelp() throws {
        for line in ["board", "board --help", "help board"] {
            guard case .help(["board"]) = try parse(line) else { throw Unexpected(line: line) }
        }
    }

    @Test(arguments: [
        ("board serv", "chat board: 'serv' is no command; did you mean 'chat board serve'?"),
        ("board frobnicate", "chat board: 'frobnicate' is no command; 'chat help board' lists them."),
        ("board --json", "chat board: --json needs a command; 'chat help board' lists them."),
        (
            "board connect --port 7000",
            "chat board connect: '--port' is no option here; 'chat help board connect' lists them."
        ),
        (
            "board connect a b",
            "chat board connect: 'b' is one argument too many; write 'chat board connect [HOST[:PORT]]'."
        ),
        ("board post main", "chat board post: SUBJECT is missing; write 'chat board post GROUP SUBJECT [TEXT ...]'."),
        ("board read main x", "chat board read: ID: 'x' is not an ID; use a number from 0 on."),
        ("board read main -1", "chat board read: '-1' is no option here; 'chat help board read' lists them."),
        (
            "board serve --visibility some",
            "chat board serve: --visibility: 'some' is no rule; use none, all or last:N."
        ),
        ("board serve --visibility =all", "chat board serve: --visibility: The group name is empty."),
        ("board export", "chat board export: FILE is missing; write 'chat board export FILE'."),
    ])
    func mistakesGetASentence(line: String, sentence: String) {
        let error = #expect(throws: UsageError.self) { try parse(line) }
        #expect(error?.message.string == sentence)
    }
}
