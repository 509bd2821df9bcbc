/// How one command of the program is put before an attacker.
///
/// Every command that `CommandTree` lists has one, or says why nobody's text can reach it. A command that has none makes
/// `HostileInputTests.everyCommandIsPluggedIn` fail.
enum ModePlug: Sendable {
    /// Runs the command with a face, lets an attacker say everything that `HostileText` has on every way that leads into
    /// it, waits until the last of it was shown, ends it, and answers with all that it has written.
    case attacked(@Sendable (Face) async throws -> [UInt8])

    /// Nothing of a stranger's is read. The sentence says why.
    case untouched(String)

    /// All commands, by their words behind `chat`. A new mode adds a table of its own here.
    static let all: [String: ModePlug] = [
        P2PPlugs.table, BoardPlugs.table, UDPPlugs.table, RoomsPlugs.table, BenchPlugs.table, otherCommands,
    ]
    .reduce(into: [:]) { all, table in all.merge(table) { _, new in new } }

    private static let otherCommands: [String: ModePlug] = [
        "help": .untouched("it prints tables of its own and reads nothing"),
        "completions": .untouched("it prints a script of its own and reads nothing"),
    ]
}

/// What the last thing said by an attacker holds, so that a test knows that all the others were shown before.
let endMark = "MARK-END"
