import Wire

/// Something that reads bytes of strangers, and what must hold of it whatever the bytes are.
///
/// The same targets run in the test suite, over seeds and their mutations, and under libFuzzer, guided by coverage
/// (`Tests/README.md`).
package struct FuzzTarget: Sendable, CustomStringConvertible {
    /// A promise that an input broke.
    package struct Violation: Error, CustomStringConvertible {
        package let description: String

        package init(_ sentence: String) { description = sentence }
    }

    package let name: String

    /// Well-formed inputs, which mutations start from.
    package let seeds: [[UInt8]]

    /// Reads an input. A trap is a failure as well.
    package let run: @Sendable ([UInt8]) throws -> Void

    package init(_ name: String, seeds: [[UInt8]], run: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.name = name
        self.seeds = seeds
        self.run = run
    }

    package init(_ name: String, seeds: [String], run: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.init(name, seeds: seeds.map { Array($0.utf8) }, run: run)
    }

    package var description: String { name }

    /// All of them.
    package static let all: [FuzzTarget] = wire + p2p + board + udp + rooms + terminal

    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// Throws where a promise does not hold.
func expect(_ holds: Bool, _ sentence: @autoclosure () -> String) throws {
    if !holds { throw FuzzTarget.Violation(sentence()) }
}

/// Pieces of an input, cut in ways that the input itself decides, so that coverage can guide the cuts too.
func pieces(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    guard let first = bytes.first else { return [] }
    var result: [ArraySlice<UInt8>] = []
    var random = SplitMix64(seed: UInt64(first) &+ UInt64(bytes.count) << 8)
    var rest = bytes[...]
    while !rest.isEmpty {
        let piece = rest.prefix(Int.random(in: 1...17, using: &random))
        result.append(piece)
        rest = rest[piece.endIndex...]
    }
    return result
}

/// One byte after the other.
func bytewise(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] { bytes.indices.map { bytes[$0...$0] } }

/// What is gathered must be the same however the bytes were cut.
func expectSameHoweverCut<Result: Equatable>(_ bytes: [UInt8], _ gather: ([ArraySlice<UInt8>]) -> Result) throws {
    let whole = gather([bytes[...]])
    try expect(gather(bytewise(bytes)) == whole, "byte by byte it reads something else")
    try expect(gather(pieces(bytes)) == whole, "in pieces it reads something else")
}
