import Glibc

/// The system's random numbers, fetched a block at a time: a system call for each would cost more than the rest of an id.
struct BufferedRandomness: RandomNumberGenerator {
    /// Numbers of one block; getentropy(3) gives 256 bytes at most.
    private static let blockSize = 32

    private var block: [UInt64] = []

    mutating func next() -> UInt64 {
        if block.isEmpty {
            block = [UInt64](repeating: 0, count: Self.blockSize)
            let failed = block.withUnsafeMutableBytes { getentropy($0.baseAddress!, $0.count) } != 0
            precondition(!failed, "the system has no random numbers")
        }
        return block.removeLast()
    }
}
