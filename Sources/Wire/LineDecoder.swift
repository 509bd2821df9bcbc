/// Cuts a byte stream into lines that end in `\n` or `\r\n`.
///
/// Memory is bounded by `limit`: a line that grows longer is reported once, as soon as that is known, and dropped up
/// to and with its newline. Feed one chunk with `append`, then call `next` until it returns `nil`.
package struct LineDecoder: Sendable {
    /// What the stream holds next.
    package enum Line: Equatable, Sendable {
        /// A line without its ending; it shares the memory of the chunk.
        case line(ArraySlice<UInt8>)
        /// A line longer than the limit; its bytes are gone.
        case tooLong
    }

    /// The longest line, in bytes, without its ending.
    package let limit: Int

    private var unread: ArraySlice<UInt8> = []
    /// Whether `unread` is our own copy, so that a chunk of the receiver's is not kept alive by a rest of it.
    private var ownsUnread = false
    /// Bytes at the front of `unread` known to hold no newline, so that a trickle is not searched again and again.
    private var searched = 0
    /// Whether the stream is inside a line that was reported as too long.
    private var isDropping = false

    /// `limit` in bytes, without the line ending.
    package init(limit: Int) {
        precondition(limit > 0, "A line needs a limit of at least one byte.")
        self.limit = limit
    }

    /// Nothing is left of what was received, so that there is no next line.
    package var isEmpty: Bool { unread.isEmpty }

    /// The beginning of a line whose end has not come yet. It is up to date once `next` has returned `nil`.
    package var pending: ArraySlice<UInt8> { unread }

    /// Takes the beginning of a line as it stands, for a peer that ends its lines by silence. What follows begins a
    /// new line.
    package mutating func takePending() -> ArraySlice<UInt8> {
        let bytes = unread
        unread = []
        ownsUnread = false
        searched = 0
        isDropping = false
        return bytes
    }

    /// Adds what was received.
    package mutating func append(_ chunk: ArraySlice<UInt8>) {
        if unread.isEmpty {
            unread = chunk
            ownsUnread = false
            searched = 0
        } else {
            if !ownsUnread { takeOwnership() }
            unread.append(contentsOf: chunk)
        }
    }

    /// The next line; `nil` when more bytes are needed.
    package mutating func next() -> Line? {
        while !unread.isEmpty {
            let found = unread.withUnsafeBufferPointer {
                WordSearch.firstOffset(of: UInt8(ascii: "\n"), in: $0, from: searched)
            }
            guard let found else { return keepRest() }
            let newline = unread.startIndex + found
            var line = unread[unread.startIndex..<newline]
            unread = unread[(newline + 1)...]
            searched = 0
            if isDropping {
                isDropping = false
                continue
            }
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            return line.count > limit ? .tooLong : .line(line)
        }
        return nil
    }

    /// No newline in sight: keeps the beginning of a line, or gives the line up when it can no longer fit.
    private mutating func keepRest() -> Line? {
        // A carriage return that may turn out to belong to the ending does not count.
        let length = unread.last == UInt8(ascii: "\r") ? unread.count - 1 : unread.count
        guard !isDropping, length <= limit else {
            let wasDropping = isDropping
            _ = takePending()
            isDropping = true
            return wasDropping ? nil : .tooLong
        }
        searched = unread.count
        takeOwnership()
        return nil
    }

    private mutating func takeOwnership() {
        if unread.isEmpty {
            unread = []
            ownsUnread = false
        } else if !ownsUnread || unread.startIndex != 0 {
            unread = ArraySlice(Array(unread))
            ownsUnread = true
        }
    }
}
