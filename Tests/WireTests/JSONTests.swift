import Testing
import Wire

private func parse(_ text: String) throws -> JSON { try JSON(parsing: ArraySlice(text.utf8)) }

private func read<Result>(
    _ text: String, _ body: (inout JSONReader) throws(JSONError) -> Result
) throws(JSONError) -> Result {
    var result: Result?
    try JSONReader.read(ArraySlice(text.utf8)) { reader throws(JSONError) in result = try body(&reader) }
    return result!
}

private func skip(_ bytes: ArraySlice<UInt8>) throws(JSONError) {
    try JSONReader.read(bytes) { reader throws(JSONError) in try reader.skipValue() }
}

/// Documents of RFC 8259 and what they mean.
private let valid: [(String, JSON)] = [
    ("null", nil), (" true ", true), ("false", false), ("0", 0), ("-0", 0), ("-12", -12),
    ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
    ("9223372036854775808", .number(9_223_372_036_854_775_808)),
    ("123456789012345678901234567890", .number(1.2345678901234568e29)),
    ("1.5", 1.5), ("-0.0", .number(-0.0)), ("1e2", .number(100)), ("1E+2", .number(100)), ("25e-1", 2.5),
    ("0.1", 0.1), ("1e-400", .number(0)), ("\"\"", ""), ("\"a\"", "a"), ("[]", []), ("{}", [:]), ("[ ]", []),
    ("{ }", [:]),
    ("\t[1 ,\r\n 2]\n", [1, 2]), ("{\"a\" : [ {} , null ] , \"b\":\"c\"}", ["a": [[:], nil], "b": "c"]),
    ("{\"\":1}", ["": 1]), ("{\"a\":1,\"a\":2}", ["a": 2]), ("{\"\\u0061\":1}", ["a": 1]),
    ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\u{8}\u{C}\n\r\t"), ("\"\\u00e9\\u00C9\"", "éÉ"),
    ("\"\\u0000\"", "\0"),
    ("\"\\ud83d\\ude00\"", "😀"), ("\"\\ud83d\"", "\u{FFFD}"), ("\"\\ude00x\"", "\u{FFFD}x"),
    ("\"\\ud83d\\ud83d\\ude00\"", "\u{FFFD}😀"), ("\"\\ud83d\\n\"", "\u{FFFD}\n"), ("\"\\ud83dA\"", "\u{FFFD}A"),
    ("\"é部😀\u{7F}\"", "é部😀\u{7F}"), ("\"\u{2028}\"", "\u{2028}"), ("\"\u{FFFE}\"", "\u{FFFE}"),
    ("\"12345678\\n12345678\\n\"", "12345678\n12345678\n"), ("[[[[[[[[]]]]]]]]", [[[[[[[[]]]]]]]]),
]

/// What RFC 8259 does not allow, and where that shows.
private let invalid: [(String, JSONError)] = [
    ("", .unexpectedEnd), (" ", .unexpectedEnd), ("nul", .unexpectedEnd),
    ("nulL", .unexpectedByte(0x4C, at: 3)),
    ("True", .unexpectedByte(0x54, at: 0)), ("nullx", .unexpectedByte(0x78, at: 4)),
    ("1 2", .unexpectedByte(0x32, at: 2)),
    ("01", .unexpectedByte(0x31, at: 1)), ("-", .unexpectedEnd), ("-a", .unexpectedByte(0x61, at: 1)),
    ("-01", .unexpectedByte(0x31, at: 2)), ("+1", .unexpectedByte(0x2B, at: 0)),
    (".5", .unexpectedByte(0x2E, at: 0)),
    ("1.", .unexpectedEnd), ("1.e1", .unexpectedByte(0x65, at: 2)), ("1e", .unexpectedEnd), ("1e+", .unexpectedEnd),
    ("0x1", .unexpectedByte(0x78, at: 1)), ("1e400", .numberTooLarge(at: 0)), ("NaN", .unexpectedByte(0x4E, at: 0)),
    ("-Infinity", .unexpectedByte(0x49, at: 1)), ("\"", .unexpectedEnd), ("\"\\", .unexpectedEnd),
    ("\"\\\"", .unexpectedEnd),
    ("\"\n\"", .unexpectedByte(0x0A, at: 1)), ("\"1234567890\u{1F}\"", .unexpectedByte(0x1F, at: 11)),
    ("\"\\x41\"", .invalidEscape(at: 1)), ("\"\\u12\"", .invalidEscape(at: 1)),
    ("\"\\u12g4\"", .invalidEscape(at: 1)),
    ("\"\\'\"", .invalidEscape(at: 1)), ("'a'", .unexpectedByte(0x27, at: 0)), ("[", .unexpectedEnd),
    ("[1", .unexpectedEnd),
    ("[1,", .unexpectedEnd), ("[1,]", .unexpectedByte(0x5D, at: 3)), ("[,1]", .unexpectedByte(0x2C, at: 1)),
    ("[1 2]", .unexpectedByte(0x32, at: 3)), ("[1}", .unexpectedByte(0x7D, at: 2)),
    ("]", .unexpectedByte(0x5D, at: 0)),
    ("{", .unexpectedEnd), ("{\"a\"", .unexpectedEnd), ("{\"a\":", .unexpectedEnd),
    ("{\"a\"}", .unexpectedByte(0x7D, at: 4)),
    ("{\"a\":}", .unexpectedByte(0x7D, at: 5)), ("{\"a\":1,}", .unexpectedByte(0x7D, at: 7)),
    ("{a:1}", .unexpectedByte(0x61, at: 1)),
    ("{1:1}", .unexpectedByte(0x31, at: 1)), ("{\"a\":1]", .unexpectedByte(0x5D, at: 6)),
    ("{,}", .unexpectedByte(0x2C, at: 1)),
    ("[1]]", .unexpectedByte(0x5D, at: 3)), ("\u{FEFF}1", .unexpectedByte(0xEF, at: 0)),
    ("1\0", .unexpectedByte(0, at: 1)),
    ("// c\n1", .unexpectedByte(0x2F, at: 0)), ("\u{A0}1", .unexpectedByte(0xC2, at: 0)),
]

@Suite struct JSONParserTests {
    @Test(arguments: valid)
    func reads(text: String, value: JSON) throws {
        #expect(try parse(text) == value)
        #expect(try parse("[\(text),\(text)]") == [value, value])
        #expect(try parse("{\"k\":\(text)}")["k"] == value)
        try skip(ArraySlice(text.utf8))
    }

    @Test(arguments: invalid)
    func refuses(text: String, error: JSONError) {
        #expect(throws: error) { try parse(text) }
        #expect(throws: JSONError.self) { try skip(ArraySlice(text.utf8)) }
    }

    @Test func utf8IsChecked() throws {
        let invalid: [[UInt8]] = [
            [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80], [0xE9, 0x83],
            Array("12345678901234567890".utf8) + [0xFE], Array("\\n".utf8) + [0xC3], [0xC3] + Array("\\n".utf8),
        ]
        for bytes in invalid {
            let quoted = [0x22] + bytes + [0x22]
            for text in [quoted, [0x5B] + quoted + [0x5D], [0x7B] + quoted + Array(":1}".utf8)] {
                #expect(throws: JSONError.self) { try JSON(parsing: text[...]) }
                #expect(throws: JSONError.self) { try skip(text[...]) }
            }
        }
    }

    @Test func depthIsLimited() throws {
        let nested = { (depth: Int) in String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        #expect(try parse(nested(32)).array?.count == 1)
        #expect(throws: JSONError.tooDeep(at: 32)) { try parse(nested(33)) }
        #expect(throws: JSONError.tooDeep(at: 32)) { try parse(String(repeating: "[", count: 60_000)) }
        #expect(throws: JSONError.tooDeep(at: 160)) { try parse(String(repeating: "{\"a\":", count: 12_000)) }
        // Depth is where one is, not how many there were.
        #expect(
            try parse("[" + Array(repeating: "[]", count: 1_000).joined(separator: ",") + "]").array?.count == 1_000)
    }

    @Test func placesCountFromTheStartOfASlice() {
        let bytes = Array("xxxx[1,?]".utf8)
        #expect(throws: JSONError.unexpectedByte(0x3F, at: 3)) { try JSON(parsing: bytes[4...]) }
    }

    @Test func largeObjectsKeepTheirOrderAndTheLastOfEqualKeys() throws {
        let members = (0..<2_000).map { "\"k\($0 % 1_000)\":\($0)" }
        let object = try #require(try parse("{" + members.joined(separator: ",") + "}").object)
        #expect(object.keys == (0..<1_000).map { "k\($0)" })
        #expect(object["k0"] == 1_000 && object["k999"] == 1_999 && object["k1000"] == nil)
    }

    @Test func mutatedDocumentsNeverTrap() throws {
        var random = SplitMix64(seed: 8)
        let seeds = [
            #"{"type": "chat", "sender": "Heisenberg", "text": "\ud83d\ude00 é \n", "n": [1, -2.5e3, null, true, {"a": {}}]}"#,
            #"{"event":"message","id":"00","offset":12345678901234567890,"text":"部屋","own":false}"#,
        ].map { Array($0.utf8) }
        for _ in 0..<5_000 {
            var bytes = seeds.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(Array("{}[]\",:\\u0e-1".utf8).randomElement(using: &random)!, at: place)
                default: bytes.removeLast(.random(in: 0..<bytes.count / 2, using: &random))
                }
            }
            let tree = try? JSON(parsing: bytes[...])
            let isAccepted = (try? skip(bytes[...])) != nil
            // One grammar, read two ways. A number or string is checked alike by both.
            #expect(isAccepted == (tree != nil))
            if let tree {
                #expect(try JSON(parsing: tree.encoded()[...]) == tree)
                #expect(try JSON(parsing: tree.encoded(style: .python)[...]) == tree)
            }
        }
    }
}

@Suite struct JSONReaderTests {
    @Test func pullsFields() throws {
        let text =
            #" { "type" : "chat" , "n" : -7, "x": [1,{"y":"\u0041"}], "f": 1.0, "b": true, "\u0074ext": "hé", "none": null } "#
        var seen: [String] = []
        try read(text) { reader throws(JSONError) in
            try reader.beginObject()
            while let key = try reader.nextKey() {
                switch key {
                case "type": seen.append(try reader.readString())
                case "n": seen.append("\(try reader.readInteger())")
                case "f": seen.append("\(try reader.readIntegerOrSkip() ?? 0)")
                case "b": seen.append("\(try reader.readBool())")
                case "text": seen.append(try reader.readStringOrSkip() ?? "none")
                case "none": seen.append(try reader.readStringOrSkip() ?? "null")
                default:
                    seen.append("\(key.string) \(try reader.peek())")
                    let value = try reader.readValue()
                    #expect(value == [1, ["y": "A"]])
                }
            }
        }
        #expect(seen == ["chat", "-7", "x array", "1", "true", "hé", "null"])
    }

    /// Names around the lengths at which a key is held in one word, in two, and in memory of its own.
    @Test func keysAreComparedWhole() throws {
        func key(_ name: String, padding: String = "") throws -> JSONReader.Key? {
            try read("{\"\(name)\":1\(padding)}") { reader throws(JSONError) in
                try reader.beginObject()
                let key = try reader.nextKey()
                try reader.skipValue()
                _ = try reader.nextKey()
                return key
            }
        }
        // With and without bytes behind the name that are read along.
        for padding in ["", "                "] {
            for count in 0...40 {
                let name = String("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz".prefix(count))
                #expect(try key(name, padding: padding)?.string == name)
            }
            let one = try #require(try key("a", padding: padding))
            #expect(one == "a" && !(one == "b") && !(one == "aa") && !(one == ""))
            let eight = try #require(try key("abcdefgh", padding: padding))
            #expect(eight == "abcdefgh" && !(eight == "abcdefgi") && !(eight == "abcdefg") && !(eight == "abcdefghi"))
            let nine = try #require(try key("abcdefghi", padding: padding))
            #expect(nine == "abcdefghi" && !(nine == "abcdefghj") && !(nine == "bbcdefghi"))
            let sixteen = try #require(try key("abcdefghijklmnop", padding: padding))
            #expect(sixteen == "abcdefghijklmnop" && !(sixteen == "abcdefghijklmnoq"))
            let seventeen = try #require(try key("abcdefghijklmnopq", padding: padding))
            #expect(seventeen == "abcdefghijklmnopq" && !(seventeen == "abcdefghijklmnopr"))
            #expect(!(seventeen == "abcdefghijklmnop") && !(sixteen == "abcdefghijklmnopq"))
        }
        // A zero byte is part of the name and not its end.
        #expect(try key("a\\u0000").map { $0 == "a" } == false)
        #expect(try key("a\\u0000")?.string == "a\0")
    }

    @Test func namesAreComparedWithLiterals() throws {
        for (text, name) in [
            ("read", "read"), ("", ""), ("re\\u0061d", "read"), ("abcdefgh", "abcdefgh"), ("abcdefghi", "abcdefghi"),
            ("\u{E9}", "\u{E9}"), ("\u{7F}", "\u{7F}"),
            ("a word of more than sixteen bytes", "a word of more than sixteen bytes"),
        ] {
            // With something behind it, and as the last thing there is.
            for tail in [",1,2,3]", "]"] {
                let found = try read("[\"\(text)\"\(tail)") { reader throws(JSONError) in
                    try reader.beginArray()
                    _ = try reader.nextElement()
                    let name = try reader.readNameOrSkip()
                    while try reader.nextElement() { try reader.skipValue() }
                    return name
                }
                #expect(found?.string == name)
            }
        }
        for text in ["5", "null", "{\"read\":1}", "[\"read\"]"] {
            #expect(try read(text) { reader throws(JSONError) in try reader.readNameOrSkip() } == nil)
        }
        for text in ["\"read", "\"", "\"re\u{1}ad\"    ", "\"re\\xd\"     "] {
            #expect(throws: JSONError.self) {
                try read(text) { reader throws(JSONError) in try reader.readNameOrSkip() }
            }
        }
    }

    @Test("Every character of ASCII at every place of a string and a key, between others")
    func everyCharacterEverywhere() throws {
        for value in UInt8.min...0x7F {
            for length in [1, 7, 8, 9, 17] {
                for place in 0..<length {
                    var bytes = Array(repeating: UInt8(ascii: "a"), count: length)
                    bytes[place] = value
                    let text = String(decoding: bytes, as: UTF8.self)
                    var writer = ByteWriter()
                    writer.appendJSON { json in
                        json.object { json in
                            json.key(escaping: text)
                            json.string(text)
                        }
                    }
                    let isPlain = value >= 0x20 && value != 0x22 && value != 0x5C && value != 0x7F
                    #expect((writer.count == 2 * length + 7) == isPlain)
                    #expect(try JSON(parsing: writer.bytes[...]) == .object([text: .string(text)]))
                    // The same without the escape is JSON unless the character ends the string or is a control.
                    let raw = Array("[\"".utf8) + bytes + Array("\"]".utf8)
                    let isJSON = value >= 0x20 && value != 0x22 && value != 0x5C
                    #expect((try? JSON(parsing: raw[...])) == (isJSON ? .array([.string(text)]) : nil))
                }
            }
        }
    }

    @Test func stringsAreReadAsWhatTheyStandFor() throws {
        func count(_ text: String) throws -> Int? {
            try read(text) { reader throws(JSONError) in try reader.readStringOrSkip { $0.count } }
        }
        #expect(try count("\"abc\"") == 3)
        #expect(try count("\"\"") == 0)
        #expect(try count(#""\u0041\n""#) == 2)
        #expect(try count("\"é\"") == 2)
        #expect(try count("[1]") == nil)
        #expect(throws: JSONError.invalidEscape(at: 1)) { try count(#""\x""#) }
    }

    @Test func wrongTypesAreErrorsOrSkipped() throws {
        func integer(_ text: String) throws -> Int64 {
            try read(text) { reader throws(JSONError) in try reader.readInteger() }
        }
        #expect(throws: JSONError.notAnInteger(at: 0)) { try integer("1.5") }
        #expect(throws: JSONError.unexpectedByte(0x22, at: 0)) { try integer("\"x\"") }
        let elements = try read("[\"x\", 5]") { reader throws(JSONError) in
            var elements: [Int64?] = []
            try reader.beginArray()
            while try reader.nextElement() { elements.append(try reader.readIntegerOrSkip()) }
            return elements
        }
        #expect(elements == [nil, 5])
        #expect(throws: JSONError.unexpectedByte(0x37, at: 0)) {
            try read("7") { reader throws(JSONError) in try reader.readString() }
        }
        #expect(try read("7") { reader throws(JSONError) in try reader.readDouble() } == 7)
        #expect(throws: JSONError.unexpectedByte(0x38, at: 2)) { try integer("7 8") }
    }

    @Test func errorsHaveSentences() {
        #expect(
            JSONError.unexpectedByte(0x1B, at: 3).message
                == "The JSON has '\\u{1B}' at byte 3, which cannot stand there.")
        #expect(JSONError.tooDeep(at: 32).message == "The JSON is nested too deep at byte 32.")
    }
}

@Suite struct JSONWriterTests {
    private func text(_ value: JSON, _ style: JSONWriter.Style = .compact) -> String {
        String(decoding: value.encoded(style: style), as: UTF8.self)
    }

    @Test func writesBothStyles() {
        let value: JSON = ["a": [1, nil, true, -2.5, "x\"\\\n\u{1}/"], "é😀": [:], "e": []]
        #expect(text(value) == #"{"a":[1,null,true,-2.5,"x\"\\\n\u0001/"],"é😀":{},"e":[]}"#)
        #expect(
            text(value, .python)
                == #"{"a": [1, null, true, -2.5, "x\"\\\n\u0001/"], "\u00e9\ud83d\ude00": {}, "e": []}"#)
    }

    @Test func escapesWhatMayNotBeShown() {
        #expect(
            text("\u{7F}\u{80}\u{9F}\u{A0}\u{1B}\u{8}\u{C}\r\t") == "\"\\u007f\\u0080\\u009f\u{A0}\\u001b\\b\\f\\r\\t\""
        )
        #expect(text("\u{7F}\u{80}\u{A0}\u{FFFF}", .python) == "\"\u{7F}\\u0080\\u00a0\\uffff\"")
    }

    @Test func stringsMayBeWrittenInParts() {
        var writer = ByteWriter()
        writer.appendJSON(style: .python) {
            $0.array {
                $0.string {
                    $0.append("[")
                    $0.appendPlain { $0.append(pythonISO: Timestamp(microseconds: 7), utcOffset: 0) }
                    $0.append("] \"é\":\n")
                }
                $0.string { _ in }
            }
        }
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == #"["[1970-01-01T00:00:00.000007] \"\u00e9\":\n", ""]"#)
    }

    @Test func writesTheExtremes() {
        #expect(text([.integer(.min), .integer(.max), 0]) == "[-9223372036854775808,9223372036854775807,0]")
        #expect(text([.number(.infinity), .number(.nan), 1e16, 0.1]) == "[null,null,1e+16,0.1]")
    }

    @Test func writesWithoutATree() throws {
        var writer = ByteWriter()
        writer.append(7)
        writer.appendJSON(style: .python) { json in
            json.object {
                $0.member("type", "chat")
                $0.member("n", 5 as UInt16)
                $0.member("own", false)
                $0.member("text", SafeText(untrusted: "\u{1B}"))
                $0.member("id", MessageID(high: 1, low: 2))
                $0.member("tree", ["a": 1])
                $0.key("list")
                $0.array {
                    $0.array { _ in }
                    $0.null()
                    $0.number(0.5)
                    $0.encoded("{}".utf8)
                    $0.object {
                        $0.key(escaping: "k\""); $0.integer(-1)
                    }
                }
                $0.key("time")
                $0.plainString { $0.append(rfc3339: Timestamp(microseconds: 0)) }
            }
        }
        #expect(
            String(decoding: writer.bytes[1...], as: UTF8.self)
                == #"{"type": "chat", "n": 5, "own": false, "text": "\\u{1B}", "id": "00000000000000010000000000000002", "tree": {"a": 1}, "list": [[], null, 0.5, {}, {"k\"": -1}], "time": "1970-01-01T00:00:00.000Z"}"#
        )
        #expect(try JSON(parsing: writer.bytes[1...])["list"]?.array?.count == 5)
    }

    @Test func randomTextSurvives() throws {
        var random = SplitMix64(seed: 12)
        for _ in 0..<5_000 {
            var scalars = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let limit: UInt32 = [0x7F, 0x100, 0x800, 0x10FFFF].randomElement(using: &random)!
                scalars.append(Unicode.Scalar(UInt32.random(in: 0...limit, using: &random)) ?? "?")
            }
            let text = String(scalars)
            for style in [JSONWriter.Style.compact, .python] {
                let bytes = JSON.string(text).encoded(style: style)
                #expect(try JSON(parsing: bytes[...]).string?.unicodeScalars.elementsEqual(scalars) == true)
                #expect(style == .compact || bytes.allSatisfy { $0 < 0x80 })
                #expect(!bytes.contains { $0 < 0x20 })
            }
        }
    }

    @Test func objectsKeepOrderButEqualityDoesNotCare() {
        var object: JSONObject = ["b": 1, "a": 2]
        #expect(object == ["a": 2, "b": 1])
        object["b"] = 3
        object["c"] = 4
        #expect(object.keys == ["b", "a", "c"])
        object["b"] = nil
        #expect(object.keys == ["a", "c"] && object.count == 2 && !object.isEmpty)
        #expect(JSON.object(object) != ["a": 2])
    }

    @Test func accessorsGiveNothingOfAnotherType() {
        #expect(JSON.string("1").integer == nil && JSON.integer(1).string == nil && JSON.null.isNull)
        #expect(JSON.number(3).integer == 3 && JSON.number(3.5).integer == nil && JSON.number(1e300).integer == nil)
        #expect(JSON.number(9_223_372_036_854_775_808).integer == nil && JSON.integer(2).double == 2)
        #expect((["a": ["b": true]] as JSON)["a"]?["b"]?.bool == true && (5 as JSON)["a"] == nil)
    }
}
