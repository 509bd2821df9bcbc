import Terminal

/// What waits to be written to the two streams, in its order.
struct OutputQueue {
    private var chunks: [OutputChunk] = []

    /// Bytes that wait.
    private(set) var count = 0

    var isEmpty: Bool { chunks.isEmpty }

    /// Appends what `body` appends to the bytes of a stream.
    mutating func append(to stream: OutputStream, _ body: (inout [UInt8]) -> Void) {
        if chunks.last?.stream != stream { chunks.append(OutputChunk(stream: stream, bytes: [])) }
        let last = chunks.count - 1
        let before = chunks[last].bytes.count
        body(&chunks[last].bytes)
        count += chunks[last].bytes.count - before
    }

    /// Everything that waits; the queue is empty afterwards.
    mutating func takeAll() -> [OutputChunk] {
        defer {
            chunks = []
            count = 0
        }
        return chunks
    }
}
