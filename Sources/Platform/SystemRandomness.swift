import Glibc

/// The system's random numbers, good enough for secrets; fetched a block at a time, since a system call for each would cost
/// more than the rest of an id.
///
/// In the place of `SystemRandomNumberGenerator`, which is empty: what takes a generator `inout` is handed the address of
/// nothing there, and ThreadSanitizer, which looks at it, takes the program down.
package struct SystemRandomness: RandomNumberGenerator {
    /// Numbers of one block; getentropy(3) gives 256 bytes at most.
    private static let blockSize = 32

    private var block: [UInt64] = []

    package init() {}

    package mutating func next() -> UInt64 {
        if block.isEmpty {
            block = [UInt64](repeating: 0, count: Self.blockSize)
            let failed = block.withUnsafeMutableBytes { getentropy($0.baseAddress!, $0.count) } != 0
            precondition(!failed, "the system has no random numbers")
        }
        return block.removeLast()
    }
}
