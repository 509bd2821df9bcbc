import BoardMode
import Glibc
import Platform
import TestSupport
import Testing
import Wire

/// `chat board connect` at a terminal: the name, Tab, and posts from an editor.
@Suite("Board: at a terminal")
struct BoardTerminalTests {
    typealias Server = BoardProcessTests.Server

    let folder = TemporaryFolder()

    /// A server, a program in main that sees what is posted, and a client in main at a terminal whose editor runs the
    /// script `edit` of the folder.
    struct Stage {
        let server: Server
        let watcher: RawPeer
        let terminal: PseudoTerminal
    }

    func stage(_ environment: [String] = [], name: String? = "alice") async throws -> Stage {
        let server = try await Server.start(folder.path(of: "server"))
        let watcher = try await server.program("watcher", in: "main")
        let terminal = try PseudoTerminal(
            ChildProcess.product("chat"),
            ["board", "connect", "127.0.0.1:\(server.port)", "--data", folder.path(of: "client")]
                + (name.map { ["--name", $0] } ?? []),
            environment: ["TERM=xterm-256color", "EDITOR=/bin/sh \(folder.path(of: "edit"))"] + environment,
            columns: 120)
        if name != nil { try await join(terminal) }
        return Stage(server: server, watcher: watcher, terminal: terminal)
    }

    func join(_ terminal: PseudoTerminal) async throws {
        try await terminal.wait { $0.shows("connected to") }
        await terminal.type("/join main\r")
        try await terminal.wait { $0.shows("You have successfully joined group 'main'.") }
    }

    func end(_ stage: Stage) async {
        await stage.terminal.type("\u{3}")
        #expect(await stage.terminal.exitStatus() == 0)
        #expect(await stage.terminal.isCooked)
        #expect(await stage.server.stop() == 0)
    }

    func setEditor(_ script: String) throws {
        try PrivateFile.writeAtomically(Array(script.utf8), to: folder.path(of: "edit"))
    }

    /// What was posted next.
    func posted(_ watcher: RawPeer) async throws -> JSON {
        while true {
            let object = try await watcher.object()
            if object["event"] == "message" { return object }
        }
    }

    /// The drafts that are kept.
    var drafts: [String] {
        guard let folder = opendir(folder.path(of: "client") + "/state") else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix("board-draft-") { names.append(name) }
        }
        return names
    }

    @Test(
        "/compose posts what the editor leaves, with its lines; what happens meanwhile waits, and nothing is left behind"
    )
    func compose() async throws {
        let stage = try await stage()
        try setEditor(
            """
            cat "$1"; echo EDITING
            while [ ! -e \(folder.path(of: "go")) ]; do sleep 0.02; done
            printf 'Subject: The minutes\\n\\nOne\\n  two\\r\\n\\nthree\\n\\n' > "$1"
            """)
        await stage.terminal.type("/compose MAIN Draft\r")
        // The editor begins with the subject, and has the terminal as it was.
        try await stage.terminal.wait { $0.shows("EDITING") }
        #expect(await stage.terminal.screen.shows("Subject: Draft"))
        #expect(await stage.terminal.isCooked)
        _ = try await stage.watcher.ask(#"{"op":"post","group":"main","subject":"s","text":"said meanwhile"}"#)
        try PrivateFile.writeAtomically([], to: folder.path(of: "go"))
        try await stage.terminal.wait {
            $0.shows("Message posted to group 'main' with ID: 1") && $0.shows("said meanwhile")
                && $0.isAtPrompt
        }
        let lines = await stage.terminal.screen.lines
        let editing = try #require(lines.firstIndex { $0.hasSuffix("EDITING") })
        let meanwhile = try #require(lines.firstIndex { $0.contains("said meanwhile") })
        #expect(editing < meanwhile, "nothing is written into the editor's screen")
        #expect(await !stage.terminal.isCooked)
        let message = try await posted(stage.watcher)
        #expect(message["subject"] == "The minutes")
        #expect(message["text"] == "One\n  two\n\nthree")
        await end(stage)
        #expect(drafts == [])
    }

    @Test("An editor that writes nothing, leaves no text, fails or is missing posts nothing, and each is said")
    func nothingPosted() async throws {
        let stage = try await stage(["VISUAL="])
        func compose(_ script: String, _ sentence: String) async throws {
            try setEditor(script)
            await stage.terminal.type("/compose main\r")
            try await stage.terminal.wait { $0.shows(sentence) && $0.isAtPrompt }
        }
        try await compose("true", "nothing was written, and nothing was posted")
        try await compose(#"printf 'Subject: s\n\n  \n' > "$1""#, "there is no text below the subject")
        #expect(drafts == [])
        try await compose("exit 3", "ended with status 3; nothing was posted")
        try await compose("kill -9 $$", "was ended by signal 9; nothing was posted")
        #expect(drafts == [], "what nobody wrote in is not kept")
        try await compose(#"echo no subject > "$1""#, "The first line must be 'Subject: ...'")
        #expect(drafts.count == 1)
        await stage.terminal.type("/compose nowhere\r")
        try await stage.terminal.wait { $0.shows("You must join group 'nowhere' before posting") }
        // Nothing was posted at all: the first post gets the first ID.
        #expect(
            try await stage.watcher.ask(#"{"op":"post","group":"main","subject":"s","text":"t"}"#)["offset"] == 0)
        await end(stage)
    }

    @Test("An editor that is not installed is named, and so is the way out")
    func missing() async throws {
        let stage = try await stage(["VISUAL=/nowhere/editor -x"])
        await stage.terminal.type("/compose main\r")
        try await stage.terminal.wait {
            $0.shows("The editor '/nowhere/editor -x' was not found; VISUAL or EDITOR must name one")
        }
        await end(stage)
        #expect(drafts == [])
    }

    @Test("What could not be posted is kept, and the next /compose goes on with it")
    func kept() async throws {
        let stage = try await stage()
        try setEditor(#"(printf 'Subject: long\n\n'; head -c 16400 /dev/zero | tr '\0' x) > "$1""#)
        await stage.terminal.type("/compose main\r")
        try await stage.terminal.wait { $0.shows("The text is 16 bytes too long") && $0.shows("your text is kept in") }
        #expect(drafts.count == 1)
        // As it is, it is not posted; shorter, it is.
        try setEditor("true")
        await stage.terminal.type("/compose main\r")
        try await stage.terminal.wait { $0.shows("nothing was written, and nothing was posted") }
        #expect(drafts.count == 1)
        try setEditor(#"head -c 1000 "$1" > "$1.new"; mv "$1.new" "$1""#)
        await stage.terminal.type("/compose main\r")
        try await stage.terminal.wait { $0.shows("Message posted to group 'main' with ID: 0") }
        let message = try await posted(stage.watcher)
        #expect(message["subject"] == "long" && message["text"]?.string?.utf8.count == 985)
        await end(stage)
        #expect(drafts == [])
    }

    @Test("A draft whose post the server did not answer is still there after the end")
    func unanswered() async throws {
        let stage = try await stage()
        stage.server.process.send(SIGKILL)
        #expect(await stage.server.process.exitStatus() == 128 + SIGKILL)
        try await stage.terminal.wait { $0.shows("disconnected from") }
        try setEditor(#"printf 'Subject: s\n\nnever lost\n' > "$1""#)
        await stage.terminal.type("/compose main\r")
        try await stage.terminal.wait { $0.shows("this will be posted when the connection is back") }
        await stage.terminal.type("\u{3}")
        #expect(await stage.terminal.exitStatus() == 0)
        #expect(drafts.count == 1)
        let text = try #require(
            try PrivateFile.read(folder.path(of: "client") + "/state/" + (drafts.first ?? ""), limit: 1_000))
        #expect(String(decoding: text, as: UTF8.self).hasSuffix("never lost\n"))
    }

    @Test("SIGTERM while an editor runs ends the editor first, and the terminal is given back")
    func terminated() async throws {
        let stage = try await stage()
        try setEditor("echo EDITING; exec sleep 600")
        await stage.terminal.type("/compose main\r")
        try await stage.terminal.wait { $0.shows("EDITING") }
        // Ctrl+C in an editor is the editor's.
        stage.terminal.send(SIGINT)
        stage.terminal.send(SIGTERM)
        #expect(await stage.terminal.exitStatus() == 0)
        #expect(await stage.terminal.isCooked)
        #expect(await stage.terminal.screen.shows("was ended by signal 15; nothing was posted"))
        #expect(await stage.server.stop() == 0)
    }

    @Test("The name is asked for; Tab knows commands, groups and people")
    func nameAndCompletion() async throws {
        let stage = try await stage(name: nil)
        try await stage.terminal.wait { $0.shows("Your name:") }
        await stage.terminal.type("alice\r")
        try await join(stage.terminal)
        let ask = #"{"op":"users","group":"main"}"#
        #expect(try await stage.watcher.ask(ask)["users"] == ["watcher", "alice"])
        await stage.terminal.type("%groupj\tsub_\t")
        try await stage.terminal.wait { $0.shows("> %groupjoin sub_1") }
        await stage.terminal.type("\t")
        try await stage.terminal.wait { $0.shows("> %groupjoin sub_2") }
        await stage.terminal.type("\u{3}/ignore wat\t")
        try await stage.terminal.wait { $0.shows("> /ignore watcher") }
        // A group that somebody creates while one is here is known as soon as one has asked for the list.
        _ = try await stage.watcher.ask(#"{"op":"create","group":"zebra"}"#)
        await stage.terminal.type("\u{3}/groups\r")
        try await stage.terminal.wait { $0.shows("sub_3, zebra") }
        await stage.terminal.type("/join z\t")
        try await stage.terminal.wait { $0.shows("> /join zebra") }
        await stage.terminal.type("\u{3}")
        await end(stage)
    }

    @Test("A narrower window shows the line being typed whole, while posts arrive")
    func resized() async throws {
        let stage = try await stage()
        let typed = "a line that is being typed and is longer than the narrow window will be, so that it wraps"
        await stage.terminal.type(typed)
        try await stage.terminal.wait { $0.shows("> \(typed)") }
        await stage.terminal.resize(columns: 40, rows: 20)
        _ = try await stage.watcher.ask(#"{"op":"post","group":"main","subject":"s","text":"while typing"}"#)
        try await stage.terminal.wait { screen in
            screen.shows("while typing") && screen.text.joined().contains(typed)
        }
        await stage.terminal.type("\u{3}")
        await end(stage)
    }
}

extension ScreenModel {
    /// Whether a line, however many rows it takes, holds a text.
    fileprivate func shows(_ text: String) -> Bool { lines.contains { $0.contains(text) } }

    /// Whether the last row that holds anything is the prompt.
    fileprivate var isAtPrompt: Bool { text.last { !$0.isEmpty }?.hasPrefix(">") ?? false }
}
