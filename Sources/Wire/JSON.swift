/// One JSON value (RFC 8259).
package enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    /// A number written without fraction and exponent that fits 64 bits.
    case integer(Int64)
    /// Any other number; always finite.
    case number(Double)
    case string(String)
    case array([JSON])
    case object(JSONObject)

    /// How deep arrays and objects may be nested by default.
    package static let mostDepth = 32

    /// Reads exactly one value: strictly RFC 8259, UTF-8 checked. Half a surrogate pair becomes U+FFFD, of equal keys
    /// the last wins, and anything but whitespace behind the value is an error.
    package init(parsing bytes: ArraySlice<UInt8>, maximumDepth: Int = mostDepth) throws(JSONError) {
        self = .null
        try JSONReader.read(bytes, maximumDepth: maximumDepth) { reader throws(JSONError) in
            self = try reader.readValue()
        }
    }

    package var isNull: Bool { self == .null }

    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The number as an integer; also of 3.0, which some writers make of 3.
    package var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .number(let value): Self.exactInteger(value)
        case .null, .bool, .string, .array, .object: nil
        }
    }

    /// Not `Int64(exactly:)`, which needs the C mathematics library.
    private static func exactInteger(_ value: Double) -> Int64? {
        guard value >= -0x1p63, value < 0x1p63 else { return nil }
        let integer = Int64(value)
        return Double(integer) == value ? integer : nil
    }

    /// Any number.
    package var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        case .null, .bool, .string, .array, .object: nil
        }
    }

    package var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    package var array: [JSON]? {
        if case .array(let value) = self { value } else { nil }
    }

    package var object: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }

    /// The value of `key`, where this is an object that has it.
    package subscript(key: String) -> JSON? {
        object?[key]
    }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(nilLiteral: ()) { self = .null }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(stringLiteral value: String) { self = .string(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(dictionaryLiteral members: (String, JSON)...) { self = .object(JSONObject(members)) }
}

/// The members of an object in the order in which they were written. Two objects with the same members are equal,
/// whatever the order.
package struct JSONObject: Sendable {
    /// Beyond this many members keys are found by an index, so that an object of thousands costs its sender alone.
    private static let mostSearched = 16

    package private(set) var members: [(key: String, value: JSON)] = []
    /// Places in `members`, once there are more than `mostSearched`.
    private var places: [String: Int] = [:]

    package init() {}

    /// Of equal keys the last wins.
    package init(_ members: some Sequence<(String, JSON)>) {
        for (key, value) in members { self[key] = value }
    }

    package var count: Int { members.count }
    package var isEmpty: Bool { members.isEmpty }
    package var keys: [String] { members.map(\.key) }

    /// Setting a key that is there changes its value and keeps its place; setting `nil` removes it.
    package subscript(key: String) -> JSON? {
        get { place(of: key).map { members[$0].value } }
        set {
            switch (place(of: key), newValue) {
            case (let place?, let value?):
                members[place].value = value
            case (nil, let value?):
                members.append((key, value))
                if !places.isEmpty { places[key] = members.count - 1 } else { indexIfLarge() }
            case (let place?, nil):
                members.remove(at: place)
                places = [:]
                indexIfLarge()
            case (nil, nil):
                break
            }
        }
    }

    private func place(of key: String) -> Int? {
        places.isEmpty ? members.firstIndex { $0.key == key } : places[key]
    }

    private mutating func indexIfLarge() {
        guard members.count > Self.mostSearched else { return }
        for (place, member) in members.enumerated() { places[member.key] = place }
    }
}

extension JSONObject: Equatable, ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral members: (String, JSON)...) {
        self.init(members)
    }

    package static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.count == right.count && left.members.allSatisfy { right[$0.key] == $0.value }
    }
}
