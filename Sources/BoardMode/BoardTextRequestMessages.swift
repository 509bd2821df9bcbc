import Wire

/// Commands as people type them, and as the original's client sends them (Protocols.md, "board, text").
///
///     [%]word arguments...
///
/// The command word is the first word, in any case, without any `%` in it.
extension BoardRequest {
    /// The group that the short commands mean.
    package static let mainGroup = "main"

    /// Reads one command.
    ///
    /// - Parameter line: without its line end; spaces around it do not count.
    /// - Returns: nil for a blank line.
    package init?(text line: String) {
        var words = Words(line)
        guard let first = words.next() else { return nil }
        guard let command = Self.commands[Self.commandName(first)], let request = command(&words) else {
            self = .unknown(words.line)
            return
        }
        self = request
    }

    /// The word in lower case, without any `%`.
    private static func commandName(_ word: String) -> String {
        let bytes = word.utf8
        guard bytes.count <= 15, bytes.allSatisfy({ $0 < 0x80 }) else { return word.filter { $0 != "%" }.lowercased() }
        // So short that it needs no memory.
        return String(unsafeUninitializedCapacity: bytes.count) { buffer in
            var count = 0
            for byte in bytes where byte != UInt8(ascii: "%") {
                buffer[count] = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
                count += 1
            }
            return count
        }
    }

    /// Reads the rest of a command; nil where the count of words is wrong.
    private typealias Parser = @Sendable (inout Words) -> BoardRequest?

    /// Every command word.
    package static var commandWords: [String] { commands.keys.sorted() }

    private static let commands: [String: Parser] = [
        "groups": { _ in .groups(after: nil, all: false) },
        "allgroups": { words in
            switch words.count {
            case 0: .groups(after: nil, all: true)
            case 2 where words.take("after"): words.next().map { .groups(after: $0, all: true) }
            default: nil
            }
        },
        "groupjoin": { words in words.only().map { .join(group: $0, resume: nil) } },
        "join": { _ in .join(group: mainGroup, resume: nil) },
        "grouppost": { words in
            guard let group = words.next() else { return nil }
            return post(to: group, &words)
        },
        "post": { words in post(to: mainGroup, &words) },
        "groupusers": { words in words.only().map { .users(group: $0) } },
        "users": { _ in .users(group: mainGroup) },
        "groupleave": { words in words.only().map { .leave(group: $0) } },
        "leave": { _ in .leave(group: mainGroup) },
        "groupmessage": { words in
            guard words.count == 2, let group = words.next(), let id = words.next() else { return nil }
            return .read(group: group, PostName(typed: id))
        },
        "message": { words in words.only().map { .read(group: mainGroup, PostName(typed: $0)) } },
        "grouplist": { words in
            guard let group = words.next() else { return nil }
            return list(group, &words)
        },
        "list": { words in list(mainGroup, &words) },
        "groupcreate": { words in
            let count = words.count
            guard count == 1 || count == 2, let group = words.next() else { return nil }
            guard count == 2, let rule = words.next() else { return .create(group: group, visibility: nil) }
            return VisibilityRule(parsing: rule).map { .create(group: group, visibility: $0) }
        },
        "connect": { _ in .connect },
        "help": { _ in .help },
        "exit": { _ in .exit },
        "json": { words in words.count == 0 ? .upgrade : nil },
    ]

    private static func post(to group: String, _ words: inout Words) -> BoardRequest? {
        guard let subject = words.nextQuoted() else { return nil }
        let text = words.rest
        guard !text.isEmpty else { return nil }
        do {
            return .post(group: group, try BoardPostRules.draft(id: nil, subject: subject, text: text))
        } catch {
            return .invalid(error)
        }
    }

    private static func list(_ group: String, _ words: inout Words) -> BoardRequest? {
        switch words.count {
        case 0: .list(group: group, before: nil)
        case 2 where words.take("before"):
            words.next().flatMap { boardOffset($0) }.map { .list(group: group, before: $0) }
        default: nil
        }
    }
}

/// Reads an ID as it is shown: decimal digits without a sign or a zero in front; nil for anything else.
package func boardOffset(_ typed: String) -> Int64? {
    guard let value = Int64(typed), value >= 0, String(value) == typed else { return nil }
    return value
}

/// A line cut into words at white space.
struct Words {
    /// The line without the spaces around it.
    let line: String
    private var remaining: Substring

    init(_ line: String) {
        self.line = String(line.trimmed)
        remaining = self.line[...]
    }

    /// What no word was taken of, with its inner spaces.
    var rest: String { String(remaining) }

    /// Words that are left.
    var count: Int {
        var rest = self
        var count = 0
        while rest.skip() { count += 1 }
        return count
    }

    mutating func next() -> String? {
        let before = remaining
        guard skip() else { return nil }
        return String(before[..<before.firstSpace])
    }

    /// Passes over the next word.
    private mutating func skip() -> Bool {
        guard !remaining.isEmpty else { return false }
        remaining = remaining[remaining.firstSpace...].trimmed
        return true
    }

    /// The next word where it is the only one left.
    mutating func only() -> String? { count == 1 ? next() : nil }

    /// Takes the next word where it is this one, in any case.
    mutating func take(_ word: String) -> Bool {
        let before = self
        if next()?.lowercased() == word { return true }
        self = before
        return false
    }

    /// The next word, or what stands between quotes: `"two words"`. The closing quote is one that white space or the end
    /// follows; without one, the opening quote is a plain character.
    mutating func nextQuoted() -> String? {
        guard remaining.first == "\"" else { return next() }
        let start = remaining.index(after: remaining.startIndex)
        var index = start
        while let quote = remaining[index...].firstIndex(of: "\"") {
            let after = remaining.index(after: quote)
            if after == remaining.endIndex || remaining[after].isWhitespace {
                guard quote > start else { return next() }
                let quoted = String(remaining[start..<quote])
                remaining = remaining[after...].trimmed
                return quoted
            }
            index = after
        }
        return next()
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: Substring { self[...].trimmed }
}

extension Substring {
    /// Without white space at both ends.
    var trimmed: Substring {
        let utf8 = utf8
        // Bytes of ASCII answer for themselves: a character that begins with white space is white space.
        var first = utf8.startIndex
        while first < utf8.endIndex, utf8[first].isASCIISpace { first = utf8.index(after: first) }
        guard first < utf8.endIndex else { return self[endIndex...] }
        if utf8[first] < 0x80, let last = utf8.last, last < 0x80, !last.isASCIISpace { return self[first...] }
        guard let first = firstIndex(where: { !$0.isWhitespace }) else { return self[endIndex...] }
        let last = lastIndex(where: { !$0.isWhitespace })!
        return self[first...last]
    }

    /// Where the first white space stands, or the end.
    var firstSpace: Index {
        let utf8 = utf8
        var index = utf8.startIndex
        while index < utf8.endIndex {
            if utf8[index].isASCIISpace { return index }
            guard utf8[index] < 0x80 else { return firstIndex(where: \.isWhitespace) ?? endIndex }
            index = utf8.index(after: index)
        }
        return endIndex
    }
}

extension UInt8 {
    /// What `Character.isWhitespace` says of a character of ASCII.
    fileprivate var isASCIISpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}
