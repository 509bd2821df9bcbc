import Wire

/// The table of events in `Protocols.md` ("Events as JSON"), as something that a line can be held against.
package struct EventSchema: Sendable {
    package enum Mistake: Error {
        case document(String)
    }

    private enum Kind: String {
        case string, integer, boolean, strings, state
    }

    private struct Event {
        var always: [String: Kind] = [:]
        var sometimes: [String: Kind] = [:]
        /// Further fields of any name are allowed.
        var isOpen = false
    }

    private let events: [String: Event]
    private let version: Int64

    /// The names of all events.
    package var names: Set<String> { Set(events.keys) }

    package static func ofProtocols() throws -> EventSchema {
        try EventSchema(document: String(decoding: contents(ofProjectFile: "Protocols.md"), as: UTF8.self))
    }

    package init(document: String) throws {
        var events: [String: Event] = [:]
        var isInside = false
        for line in document.split(separator: "\n") {
            if line == "<!-- events -->" { isInside = true }
            if line == "<!-- end of events -->" { isInside = false }
            guard isInside, line.hasPrefix("| `") else { continue }
            let cells = line.split(separator: "|").map { cell in String(cell.drop { $0 == " " }) }
            guard cells.count == 3, let name = Self.quoted(cells[0]) else {
                throw Mistake.document("three columns are needed: \(line)")
            }
            var event = Event()
            event.always = try Self.fields(cells[1])
            event.isOpen = cells[2].hasPrefix("whatever")
            if !event.isOpen { event.sometimes = try Self.fields(cells[2]) }
            events[name] = event
        }
        guard events.count > 10 else { throw Mistake.document("the table of events is not there") }
        self.events = events
        version = 1
    }

    /// The text between the first two back quotes.
    private static func quoted(_ text: String) -> String? {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false)
        return parts.count >= 3 ? String(parts[1]) : nil
    }

    /// A list such as "`name` string, `port` integer".
    private static func fields(_ cell: String) throws -> [String: Kind] {
        var fields: [String: Kind] = [:]
        for part in cell.split(separator: ",") where part.contains("`") {
            let words = part.split(separator: " ")
            guard words.count == 2, let name = quoted(String(words[0])), let kind = Kind(rawValue: String(words[1]))
            else {
                throw Mistake.document("not a field and its kind: \(part)")
            }
            fields[name] = kind
        }
        return fields
    }

    /// What is wrong with a line; nothing where it is an event as documented.
    package func violations(of line: some Sequence<UInt8>) -> [String] {
        let bytes = Array(line)
        func mistake(_ what: String) -> String { "\(what): \(String(decoding: bytes.prefix(200), as: UTF8.self))" }
        guard case .object(let object)? = try? JSON(parsing: bytes[...]) else { return [mistake("no object")] }
        guard let name = object["event"]?.string, let event = events[name] else { return [mistake("no known event")] }
        var violations: [String] = []
        if object["v"]?.integer != version { violations.append(mistake("no version")) }
        if (object["mode"]?.string ?? "").isEmpty { violations.append(mistake("no mode")) }
        if !Self.isTime(object["time"]?.string ?? "") { violations.append(mistake("no time")) }
        let names = object.members.map(\.key)
        if Set(names).count != names.count { violations.append(mistake("a field twice")) }
        for (field, kind) in event.always where object[field].map({ !Self.matches($0, kind) }) ?? true {
            violations.append(mistake("\(field) is no \(kind.rawValue)"))
        }
        for (field, value) in object.members {
            if ["v", "event", "mode", "time"].contains(field) || event.always[field] != nil { continue }
            if let kind = event.sometimes[field] {
                if !Self.matches(value, kind) { violations.append(mistake("\(field) is no \(kind.rawValue)")) }
            } else if !event.isOpen {
                violations.append(mistake("\(field) is not documented"))
            }
        }
        return violations
    }

    private static func matches(_ value: JSON, _ kind: Kind) -> Bool {
        switch kind {
        case .string: value.string != nil
        case .integer: if case .integer = value { true } else { false }
        case .boolean: value.bool != nil
        case .strings: value.array?.allSatisfy { $0.string != nil } ?? false
        case .state:
            ["sent", "accepted", "delivered", "stored", "noanswer", "failed"].contains(value.string ?? "")
        }
    }

    /// `2026-11-20T14:27:31.036Z`
    private static func isTime(_ text: String) -> Bool {
        let pattern = Array("0000-00-00T00:00:00.000Z".utf8)
        let bytes = Array(text.utf8)
        return bytes.count == pattern.count
            && zip(bytes, pattern).allSatisfy { $1 == UInt8(ascii: "0") ? (0x30..<0x3A).contains($0) : $0 == $1 }
    }
}
