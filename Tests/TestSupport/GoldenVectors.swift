import Glibc
import Wire

/// The byte vectors of `Protocols.md`, by name, so that the document and the codecs cannot disagree.
///
/// A vector is a fenced block whose info string is `golden NAME`. Its tokens stand one after the other:
///
///     01 1a7b      bytes in hexadecimal, spaced as one likes
///     "text"       the UTF-8 of a text; \n \r \t \" \\ \0 stand for themselves
///     00*27        what is before the star (hexadecimal or text), 27 times
///     # words      a comment up to the end of the line
package struct GoldenVectors: Sendable {
    /// What is wrong with the document: the line, counted from 1, and a sentence.
    package struct Mistake: Error, Equatable, CustomStringConvertible {
        package let line: Int
        package let sentence: String
        package var description: String { "Protocols.md, line \(line): \(sentence)" }
    }

    private var vectors: [String: [UInt8]] = [:]
    /// All names, in the order of the document.
    package private(set) var names: [String] = []

    /// The vectors of the project's `Protocols.md`.
    package static func ofProtocols() throws -> GoldenVectors {
        try GoldenVectors(document: String(decoding: contents(ofProjectFile: "Protocols.md"), as: UTF8.self))
    }

    /// The vectors of a document in Markdown.
    package init(document: String) throws(Mistake) {
        var open: (name: String, bytes: [UInt8])?
        for (index, line) in document.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let number = index + 1
            if var vector = open {
                if line == "```" {
                    try keep(vector, line: number)
                    open = nil
                } else {
                    vector.bytes += try Self.bytes(of: line, line: number)
                    open = vector
                }
            } else if line.hasPrefix("```golden") {
                let words = line.split(separator: " ")
                guard words.count == 2, words[0] == "```golden" else {
                    throw Mistake(line: number, sentence: "a golden block is opened by '```golden NAME'")
                }
                open = (String(words[1]), [])
            }
        }
        if let open {
            throw Mistake(line: document.split(separator: "\n").count, sentence: "the block \(open.name) is not closed")
        }
    }

    /// The bytes of a vector; `nil` where the document has none of that name.
    package subscript(name: String) -> [UInt8]? { vectors[name] }

    /// The names that begin with `prefix`, so that a mode can assert that it tests every vector of its section.
    package func names(prefix: String) -> [String] {
        names.filter { $0.hasPrefix(prefix) }
    }

    private mutating func keep(_ vector: (name: String, bytes: [UInt8]), line: Int) throws(Mistake) {
        guard !vector.bytes.isEmpty else { throw Mistake(line: line, sentence: "the block \(vector.name) is empty") }
        guard vectors.updateValue(vector.bytes, forKey: vector.name) == nil else {
            throw Mistake(line: line, sentence: "there are two blocks \(vector.name)")
        }
        names.append(vector.name)
    }

    private static func bytes(of line: Substring, line number: Int) throws(Mistake) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = line
        while let first = rest.first {
            if first == " " {
                rest.removeFirst()
                continue
            }
            if first == "#" { break }
            let token = first == "\"" ? try takeText(&rest, line: number) : try takeHexadecimal(&rest, line: number)
            bytes += try repeated(token, by: &rest, line: number)
        }
        return bytes
    }

    private static func takeHexadecimal(_ rest: inout Substring, line: Int) throws(Mistake) -> [UInt8] {
        let digits = rest.prefix { $0 != " " && $0 != "*" && $0 != "#" && $0 != "\"" }
        guard !digits.isEmpty, let bytes = Wire.bytes(hexadecimal: digits) else {
            throw Mistake(line: line, sentence: "'\(digits)' is neither hexadecimal nor text in quotes")
        }
        rest.removeFirst(digits.count)
        return bytes
    }

    private static func takeText(_ rest: inout Substring, line: Int) throws(Mistake) -> [UInt8] {
        rest.removeFirst()
        var text = ""
        while let character = rest.popFirst() {
            switch character {
            case "\"": return Array(text.utf8)
            case "\\":
                let escapes: [Character: Character] = [
                    "n": "\n", "r": "\r", "t": "\t", "\"": "\"", "\\": "\\", "0": "\0",
                ]
                guard let escaped = rest.popFirst().flatMap({ escapes[$0] }) else {
                    throw Mistake(line: line, sentence: "an escape that does not exist")
                }
                text.append(escaped)
            default: text.append(character)
            }
        }
        throw Mistake(line: line, sentence: "a text is not closed")
    }

    private static func repeated(
        _ token: [UInt8], by rest: inout Substring, line: Int
    ) throws(Mistake) -> [UInt8] {
        guard rest.first == "*" else { return token }
        rest.removeFirst()
        let digits = rest.prefix { $0.isNumber }
        guard let count = Int(digits), (1...65_536).contains(count) else {
            throw Mistake(line: line, sentence: "a star needs a number of times behind it")
        }
        rest.removeFirst(digits.count)
        return Array(repeatElement(token, count: count).joined())
    }
}

/// Where a file of the project lies, by its path from the top folder.
package func path(ofProjectFile path: String) -> String {
    // Tests/TestSupport/GoldenVectors.swift
    let folder = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    return folder.joined(separator: "/") + "/" + path
}

/// What a file of the project holds, by its path from the top folder.
package func contents(ofProjectFile file: String) -> [UInt8] {
    let file = path(ofProjectFile: file)
    guard let stream = fopen(file, "r") else { fatalError("cannot read \(file)") }
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&buffer, 1, buffer.count, stream)
        if count == 0 { return bytes }
        bytes += buffer[..<count]
    }
}
