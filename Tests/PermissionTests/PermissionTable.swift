import TestSupport
import Testing

/// What becomes of something that somebody tries, as a cell of the tables in `Protocols.md` ("Permissions") says it.
enum Verdict: Equatable, Sendable {
    /// It is done.
    case allowed
    /// It is answered like something that is done, and changes nothing, because it was so before.
    case already
    /// Nothing happens, and the answer says so; with this code, where the cell has one.
    case refused(String?)
    /// Nothing happens, and nobody is answered.
    case dropped
    /// Nothing happens, and the connection ends.
    case ended
    /// The words are taken for the name of who says them.
    case name

    init?(cell: String) {
        switch cell {
        case "allowed": self = .allowed
        case "already": self = .already
        case "dropped": self = .dropped
        case "ended": self = .ended
        case "a name": self = .name
        case "refused": self = .refused(nil)
        default:
            guard cell.hasPrefix("refused `"), cell.hasSuffix("`") else { return nil }
            self = .refused(String(cell.dropFirst(9).dropLast()))
        }
    }
}

/// One thing that somebody tries, by one way.
struct Permission: Sendable, CustomTestStringConvertible {
    let mode: String
    /// Text, JSON, a version of a protocol, a command.
    let way: String
    /// The operation as the protocol calls it.
    let operation: String
    /// What stands behind it in its row: which case of the operation is meant.
    let detail: String
    let who: String
    let verdict: Verdict

    var testDescription: String { "\(mode), \(way): \(operation)\(detail) by a \(who)" }
}

/// The tables of `Protocols.md` between `<!-- permissions -->` and `<!-- end of permissions -->`, one for each mode.
struct PermissionTable: Sendable {
    struct Mistake: Error, CustomStringConvertible {
        let line: Int
        let sentence: String
        var description: String { "Protocols.md, line \(line): \(sentence)" }
    }

    /// All cells but those that say that there is no such case (`–`), and those.
    private(set) var cells: [Permission] = []
    private(set) var blanks: [(mode: String, way: String, operation: String, who: String)] = []
    /// The columns of each mode.
    private(set) var columns: [String: [String]] = [:]

    static func ofProtocols() throws -> PermissionTable {
        try PermissionTable(document: String(decoding: contents(ofProjectFile: "Protocols.md"), as: UTF8.self))
    }

    /// The cells of a mode; none where the document cannot be read, which a test of its own says.
    static func cells(of mode: String) -> [Permission] {
        ((try? ofProtocols())?.cells ?? []).filter { $0.mode == mode }
    }

    init(document: String) throws(Mistake) {
        var isInside = false
        var mode: String?
        for (index, line) in document.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line == "<!-- permissions -->" { isInside = true }
            if line == "<!-- end of permissions -->" { isInside = false }
            guard isInside else { continue }
            if line.hasPrefix("### Permissions: ") { mode = String(line.dropFirst(17)) }
            guard line.hasPrefix("|"), !line.hasPrefix("|-") else { continue }
            guard let mode else { throw Mistake(line: index + 1, sentence: "a table without a heading") }
            let fields = line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false).map {
                String($0.trimmingSpaces)
            }
            if columns[mode] == nil {
                guard fields.prefix(2) == ["operation", "way"], Set(fields).count == fields.count else {
                    throw Mistake(line: index + 1, sentence: "the columns are operation, way, and each who once")
                }
                columns[mode] = Array(fields.dropFirst(2))
            } else {
                try read(fields, mode, line: index + 1)
            }
        }
    }

    private mutating func read(_ fields: [String], _ mode: String, line: Int) throws(Mistake) {
        let columns = columns[mode]!
        guard fields.count == columns.count + 2 else {
            throw Mistake(line: line, sentence: "\(fields.count) cells for \(columns.count + 2) columns")
        }
        for way in fields[1].split(separator: ",").map({ String($0.trimmingSpaces) }) {
            for operation in fields[0].split(separator: ",").map({ $0.trimmingSpaces }) {
                let parts = operation.split(separator: "`", omittingEmptySubsequences: false)
                guard parts.count == 3, parts[0].isEmpty else {
                    throw Mistake(line: line, sentence: "'\(operation)' does not begin with an `operation`")
                }
                for (who, cell) in zip(columns, fields.dropFirst(2)) {
                    if cell == "–" {
                        blanks.append((mode, way, String(parts[1]), who))
                        continue
                    }
                    guard let verdict = Verdict(cell: cell) else {
                        throw Mistake(line: line, sentence: "'\(cell)' is no verdict")
                    }
                    cells.append(
                        Permission(
                            mode: mode, way: way, operation: String(parts[1]), detail: String(parts[2]), who: who,
                            verdict: verdict))
                }
            }
        }
    }
}

extension Substring {
    var trimmingSpaces: Substring {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return text
    }
}

/// What somebody was told, and what came of it: all that a verdict speaks of.
struct Outcome: Sendable {
    /// The answer as it came, for a failure that has to be explained.
    var answer: String
    /// True where the answer says that it was done.
    var isGranted = false
    /// True where there was an answer at all.
    var isAnswered = true
    /// The code of a refusal.
    var code: String?
    /// The words were taken for a name.
    var isName = false
    /// The connection was ended for it.
    var hasEnded = false
    /// Something is otherwise than before, or something was seen that others may not see.
    var hasEffect: Bool

    /// Holds it against the verdict of the document.
    func check(_ cell: Permission) {
        func expect(_ holds: Bool, _ what: String) {
            #expect(holds, "\(cell.testDescription) is \(cell.verdict), but \(what): \(answer)")
        }
        switch cell.verdict {
        case .allowed:
            expect(isGranted || !isAnswered, "the answer does not say so")
            expect(hasEffect, "nothing came of it")
        case .already:
            expect(isGranted || !isAnswered, "the answer does not say so")
            expect(!hasEffect, "something came of it")
        case .refused(let code):
            expect(isAnswered && !isGranted && !isName, "the answer does not say so")
            expect(code == nil || self.code == code, "the answer says '\(self.code ?? "nothing")'")
            expect(!hasEffect, "something came of it")
        case .dropped:
            expect(!isAnswered, "there was an answer")
            expect(!hasEffect, "something came of it")
        case .ended:
            expect(hasEnded, "the connection stays")
            expect(!hasEffect, "something came of it")
        case .name:
            expect(isName, "they were not")
            expect(!hasEffect, "something came of it")
        }
    }
}
