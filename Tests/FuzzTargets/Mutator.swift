package import Wire

/// Makes new inputs of old ones: bits flipped, pieces cut, doubled, exchanged and put together.
package struct Mutator {
    /// Bytes of one input.
    package static let longest = 2_048

    /// Bytes that decoders treat in special ways.
    private static let special: [UInt8] = [
        0, 1, 2, 9, 10, 13, 0x1B, 0x20, 0x22, 0x23, 0x25, 0x2C, 0x2D, 0x30, 0x39, 0x3A, 0x5B, 0x5C, 0x5D, 0x65, 0x75,
        0x7B, 0x7D,
        0x7E, 0x7F, 0x80, 0x9B, 0xC2, 0xCC, 0xE2, 0xED, 0xF0, 0xFF,
    ]

    private let corpus: [[UInt8]]

    package init(corpus: [[UInt8]]) { self.corpus = corpus.isEmpty ? [[]] : corpus }

    package mutating func next(using random: inout SplitMix64) -> [UInt8] {
        var input = corpus.randomElement(using: &random)!
        for _ in 0..<Int.random(in: 1...6, using: &random) { mutate(&input, using: &random) }
        return Array(input.prefix(Self.longest))
    }

    private func mutate(_ input: inout [UInt8], using random: inout SplitMix64) {
        let place = Int.random(in: 0...input.count, using: &random)
        let end = min(input.count, place + Int.random(in: 0...12, using: &random))
        switch Int.random(in: 0..<8, using: &random) {
        case 0 where place < input.count: input[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where place < input.count: input[place] = Self.special.randomElement(using: &random)!
        case 2: input.insert(Self.special.randomElement(using: &random)!, at: place)
        case 3: input.removeSubrange(place..<end)
        case 4: input.insert(contentsOf: input[place..<end], at: place)
        case 5: input.insert(contentsOf: (0..<8).map { _ in UInt8.random(in: 0...255, using: &random) }, at: place)
        case 6:
            let other = corpus.randomElement(using: &random)!
            input.replaceSubrange(place..., with: other.suffix(Int.random(in: 0...other.count, using: &random)))
        default: input.removeLast(input.count - place)
        }
    }
}
