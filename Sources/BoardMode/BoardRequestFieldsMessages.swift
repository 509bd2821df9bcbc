import Wire

/// The members of a request that some operation has a use for. Of equal keys the last counts; all others are checked and
/// dropped, without a tree of them.
struct BoardRequestFields {
    /// What a member is, as far as any operation tells kinds apart.
    enum Value: Equatable {
        /// There is no such member, or it is null.
        case missing
        case string(String)
        /// Written without fraction and exponent, of 64 bits.
        case integer(Int64)
        case other

        var string: String? {
            if case .string(let text) = self { text } else { nil }
        }
    }

    /// What `op` names.
    enum OperationName: Equatable {
        /// There is no such member, or it is no string.
        case missing
        case known(BoardJSONRequest.Operation)
        case unknown(String)

        /// What an answer repeats.
        var text: String {
            switch self {
            case .missing: ""
            case .known(let operation): operation.rawValue
            case .unknown(let name): name
            }
        }
    }

    private(set) var operation = OperationName.missing
    private(set) var id = Value.missing
    private(set) var group = Value.missing
    private(set) var name = Value.missing
    private(set) var subject = Value.missing
    private(set) var text = Value.missing
    private(set) var offset = Value.missing
    private(set) var resume = Value.missing
    private(set) var after = Value.missing
    private(set) var before = Value.missing
    private(set) var epoch = Value.missing
    private(set) var limit = Value.missing
    private(set) var visibility = Value.missing

    /// Reads one value, by the rules of `JSON(parsing:)`; what is no object has no members.
    ///
    /// Into fields that are there, because an initializer that throws hands over a copy of them all.
    mutating func read(_ line: ArraySlice<UInt8>) throws(JSONError) {
        try JSONReader.read(line) { reader throws(JSONError) in
            if try reader.peek() == .object { try read(&reader) } else { try reader.skipValue() }
        }
    }

    private mutating func read(_ reader: inout JSONReader) throws(JSONError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "op": operation = try OperationName(&reader)
            case "id": id = try Value(&reader)
            case "group": group = try Value(&reader)
            case "name": name = try Value(&reader)
            case "subject": subject = try Value(&reader)
            case "text": text = try Value(&reader)
            case "offset": offset = try Value(&reader)
            case "resume": resume = try Value(&reader)
            case "after": after = try Value(&reader)
            case "before": before = try Value(&reader)
            case "epoch": epoch = try Value(&reader)
            case "limit": limit = try Value(&reader)
            case "visibility": visibility = try Value(&reader)
            default: try reader.skipValue()
            }
        }
    }
}

extension BoardRequestFields.OperationName {
    /// Reads the value that comes next.
    fileprivate init(_ reader: inout JSONReader) throws(JSONError) {
        guard let name = try reader.readNameOrSkip() else {
            self = .missing
            return
        }
        self = BoardJSONRequest.Operation(name).map { .known($0) } ?? .unknown(name.string)
    }
}

extension BoardRequestFields.Value {
    /// Reads the value that comes next.
    fileprivate init(_ reader: inout JSONReader) throws(JSONError) {
        switch try reader.peek() {
        case .null:
            try reader.readNull()
            self = .missing
        case .string: self = .string(try reader.readString())
        case .number:
            if case .integer(let value) = try reader.readValue() { self = .integer(value) } else { self = .other }
        case .bool, .array, .object:
            try reader.skipValue()
            self = .other
        }
    }
}
