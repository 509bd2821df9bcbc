import Testing
import Wire

@testable import BoardMode

/// The members of a request are read one after the other; a tree of the same line is the yardstick.
@Suite("Board: members of a request")
struct BoardRequestFieldsTests {
    private static func members(of fields: BoardRequestFields) -> [(name: String, value: BoardRequestFields.Value)] {
        [
            ("id", fields.id), ("group", fields.group), ("name", fields.name),
            ("subject", fields.subject), ("text", fields.text), ("offset", fields.offset), ("resume", fields.resume),
            ("after", fields.after), ("before", fields.before), ("epoch", fields.epoch), ("limit", fields.limit),
            ("visibility", fields.visibility),
        ]
    }

    /// What a member of a tree means to a request.
    private static func meaning(_ json: JSON?) -> BoardRequestFields.Value {
        switch json {
        case nil, .null?: .missing
        case .string(let text)?: .string(text)
        case .integer(let value)?: .integer(value)
        default: .other
        }
    }

    /// Holds what was read against the tree: the same lines are refused, for the same reason, and all members agree.
    private static func expectAgreement(_ line: [UInt8]) {
        let comment: Comment = "\(String(decoding: line, as: UTF8.self))"
        do throws(JSONError) {
            let tree = try JSON(parsing: line[...]).object ?? [:]
            do throws(JSONError) {
                var fields = BoardRequestFields()
                try fields.read(line[...])
                #expect(fields.operation.text == tree["op"]?.string ?? "", comment)
                for member in members(of: fields) {
                    #expect(member.value == meaning(tree[member.name]), comment)
                }
            } catch {
                Issue.record("refused: \(error), \(comment)")
            }
        } catch {
            #expect(throws: error, comment) {
                var fields = BoardRequestFields()
                try fields.read(line[...])
            }
        }
    }

    @Test(
        "Every kind of value, members twice, and what is no object",
        arguments: [
            #"{"op":"post","id":5,"group":"main","subject":"s","text":"t\u00e9"}"#,
            #" { "op" : "read" , "offset" : -3 , "group" : null } "#,
            #"{"op":1,"op":"ping"}"#, #"{"op":"ping","op":null}"#, #"{"op":"ping","op":[]}"#, #"{"o\u0070":"ping"}"#,
            #"{"offset":3.0,"limit":1e2,"before":9223372036854775808,"id":-9223372036854775808}"#,
            #"{"group":true,"name":false,"subject":{"text":"x"},"text":["text"],"resume":{},"after":1}"#,
            #"{"epoch":"0123456789abcdef","visibility":"last:3","else":{"op":"ping","deep":[[[[]]]]}}"#,
            #"{"a member of more than sixteen bytes":1,"visibilit":1,"visibilityx":2,"":3}"#,
            "{}", "[]", "[1,2]", "5", "\"op\"", "null", "true", "", " ", "{", "{\"op\"", "{\"op\":}", "{\"op\":\"x\",}",
            "{} x", #"{"op":"\x"}"#, #"{"else":"\x"}"#, #"{"op":01}"#, #"{"else":1e999}"#,
        ])
    func examples(line: String) {
        Self.expectAgreement(Array(line.utf8))
    }

    @Test("Bytes that are not UTF-8, and depth beyond the limit")
    func limits() {
        for member in ["op", "else"] {
            Self.expectAgreement(Array("{\"\(member)\":\"".utf8) + [0xC3] + Array("\"}".utf8))
            Self.expectAgreement(Array("{\"".utf8) + [0xFF] + Array("\(member)\":1}".utf8))
            for depth in [JSON.mostDepth - 1, JSON.mostDepth] {
                let nested = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
                Self.expectAgreement(Array("{\"\(member)\":\(nested)}".utf8))
            }
        }
    }

    @Test("Mutated lines mean the same either way")
    func mutations() {
        var random = SplitMix64(seed: 17)
        let seeds = [
            #"{"op":"post","id":"000000000000fedc0000000000000009","group":"main","subject":"s","text":"t\u00e9é"}"#,
            #"{"op":"since","group":"main","epoch":"0123456789abcdef","offset":9223372036854775807,"limit":10}"#,
            #"{"op":"create","group":"den","visibility":"last:3","id":[1,{"op":null}],"before":-2.5e3,"after":true}"#,
        ].map { Array($0.utf8) }
        let inserted = Array("{}[]\",:\\u0e-1.n\u{E9}".utf8)
        for _ in 0..<20_000 {
            var bytes = seeds.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(inserted.randomElement(using: &random)!, at: place)
                // A member again, or part of one.
                default:
                    let end = min(bytes.count, place + Int.random(in: 1...30, using: &random))
                    bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: bytes.indices, using: &random))
                }
            }
            Self.expectAgreement(bytes)
        }
    }
}
