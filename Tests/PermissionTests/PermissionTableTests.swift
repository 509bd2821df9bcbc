import BoardMode
import RoomsMode
import TestSupport
import Testing
import UDPMode
import Wire

@testable import Commands

/// The tables of `Protocols.md` have a row for everything that can be tried.
@Suite struct PermissionTableTests {
    let table: PermissionTable

    init() throws { table = try PermissionTable.ofProtocols() }

    /// The operations that a mode has a row for, by a way; every row has a cell for everybody.
    private func operations(_ mode: String, _ way: String) -> Set<String> {
        Set(table.cells.filter { $0.mode == mode && $0.way == way }.map(\.operation))
    }

    @Test func modes() {
        #expect(Set(table.columns.keys) == ["p2p", "board", "udp", "rooms"])
        let people = ["stranger", "member", "former member", "resumed member"]
        for (mode, columns) in table.columns {
            #expect(Set(people).isSubset(of: columns), "\(mode)")
            // There is one conversation, and it is nobody's.
            guard mode != "p2p" else { continue }
            #expect(columns.contains("member elsewhere"), "\(mode)")
            #expect(columns.contains(mode == "rooms" ? "host" : "creator"), "\(mode)")
        }
        #expect(
            Set(table.cells.map { "\($0.mode) \($0.way)" }) == [
                "p2p original", "p2p ours", "board text", "board JSON", "board command", "udp original", "udp ours",
                "udp wrong session",
                "rooms TCRP", "rooms TCRP 2", "rooms UCRP", "rooms UCRP 2", "rooms command",
            ])
    }

    /// No case stands there twice, perhaps with two verdicts.
    @Test func casesAreNamedOnce() {
        var seen: Set<String> = []
        for cell in table.cells { #expect(seen.insert(cell.testDescription).inserted, "\(cell.testDescription)") }
    }

    /// Only what cannot be is left blank.
    @Test func blanks() {
        for blank in table.blanks {
            let isKnown =
                switch (blank.mode, blank.way, blank.who) {
                // There is no other before one has said who one is.
                case ("p2p", "ours", "stranger"), ("p2p", "ours", "original"): blank.operation == "hello"
                // A command has a name from the start, and has entered when it is a member.
                case ("board", "command", "nameless"), ("rooms", "command", "entered"): true
                // It joins again by itself.
                case ("board", "command", "returning member"): true
                // Nobody has created a group where nobody may, and the lobby is nobody's.
                case ("board", _, "creator"): ["groupcreate", "create"].contains(blank.operation)
                case ("rooms", _, "host"): ["topic", "history", "who"].contains(blank.operation)
                default: false
                }
            #expect(isKnown, "\(blank)")
        }
    }

    /// Every kind of frame that the document shows the bytes of.
    @Test func everyFrameOfP2P() throws {
        let vectors = try GoldenVectors.ofProtocols()
        let kinds = try vectors.names(prefix: "p2p.mesh.").map { name in
            let frame = try JSON(parsing: try #require(vectors[name]).dropFirst(2))
            return try #require(frame["chat"]?["kind"]?.string)
        }
        #expect(operations("p2p", "ours") == Set(kinds))
        #expect(operations("p2p", "original") == ["chat", "plain", "test", "text"])
    }

    @Test func everyOperationOfABoard() {
        #expect(operations("board", "text") == Set(BoardRequest.commandWords + ["[NOTIFY]"]))
        #expect(
            operations("board", "JSON") == Set(BoardJSONRequest.Operation.allCases.map(\.rawValue) + ["message"]))
    }

    @Test(arguments: ["original", "ours", "wrong session"])
    func everyTypeOfADatagram(way: String) {
        #expect(operations("udp", way) == Set(UDPMessage.Kind.allCases.map(\.rawValue)))
    }

    @Test func everyOperationOfRooms() {
        let operations = Set(TCRPMessage.Operation.allCases.map { "\($0)" })
        #expect(self.operations("rooms", "TCRP") == operations)
        #expect(self.operations("rooms", "TCRP 2") == operations)
        let controls = Set(UCRPRequest.Control.allCases.map { "\($0.literal)" })
        #expect(self.operations("rooms", "UCRP") == controls.union(["message"]))
        #expect(
            self.operations("rooms", "UCRP 2") == controls.union(UCRPSubmission.Kind.allCases.map { "\($0)" }))
    }

    /// The commands of one shot; the others serve, take part for as long as they run, or work on files.
    @Test func everyCommand() {
        let others: Set = ["serve", "connect", "create", "join", "import", "export"]
        #expect(operations("board", "command") == Set(BoardCommand.spec.listed.map(\.name)).subtracting(others))
        #expect(operations("rooms", "command") == Set(RoomsCommand.spec.listed.map(\.name)).subtracting(others))
        // Nothing of udp can be asked by a command that ends by itself.
        #expect(Set(UDPCommand.spec.listed.map(\.name)).subtracting(others).isEmpty)
    }
}
