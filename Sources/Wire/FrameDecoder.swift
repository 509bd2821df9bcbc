/// Cuts a byte stream into frames.
///
///     +--------+--------+----------------------------------+
///     | length, u16be   | payload, `length` bytes          |
///     +--------+--------+----------------------------------+
///
/// Any split of the stream gives the same frames. Memory is bounded by the format itself: an unfinished frame is
/// 65,537 bytes at most. Feed one chunk with `append`, then call `next` until it returns `nil`.
@usableFromInline
package struct FrameDecoder: Sendable {
    /// The longest payload that the length field can state, in bytes.
    @usableFromInline
    package static let longestPayload = 65_535
    /// The length field, in bytes.
    @usableFromInline
    package static let headerLength = 2

    /// What has not been taken yet: a received chunk itself, or a copy of an unfinished frame.
    private var unread: ArraySlice<UInt8> = []
    /// Whether `unread` is our own copy, so that a chunk of the receiver's is not kept alive by a rest of it.
    private var ownsUnread = false

    package init() {}

    /// Bytes of a frame that is not complete yet: not zero at the end of a stream means that it was cut.
    package var pendingCount: Int { unread.count }

    /// Adds what was received.
    package mutating func append(_ chunk: ArraySlice<UInt8>) {
        if unread.isEmpty {
            unread = chunk
            ownsUnread = false
        } else {
            if !ownsUnread { takeOwnership() }
            unread.append(contentsOf: chunk)
        }
    }

    /// The next complete payload, which may be empty; `nil` when more bytes are needed.
    ///
    /// The slice shares the memory of the chunk: copy what is kept beyond the turn.
    package mutating func next() -> ArraySlice<UInt8>? {
        guard unread.count >= Self.headerLength else {
            takeOwnership()
            return nil
        }
        let start = unread.startIndex
        let length = Int(unread[start]) << 8 | Int(unread[start + 1])
        guard unread.count >= Self.headerLength + length else {
            takeOwnership()
            return nil
        }
        let payload = unread[start + Self.headerLength..<start + Self.headerLength + length]
        unread = unread.dropFirst(Self.headerLength + length)
        return payload
    }

    /// Copies an unfinished frame once; the bytes that follow are appended to the copy in place, so that a stream
    /// that trickles costs no more than one that does not.
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

/// Why a frame cannot be written.
@usableFromInline
package enum FrameError: Error, Equatable, Sendable {
    /// The payload is longer than the length field can state, by that many bytes.
    case tooLong(by: Int)

    package var message: SafeText {
        switch self {
        case .tooLong(let excess): "The message is \(excess) bytes too long for one frame."
        }
    }
}

extension ByteWriter {
    /// Appends one frame with what `body` writes as its payload. When that is too long, nothing is appended.
    @inlinable
    package mutating func appendFrame(writing body: (inout ByteWriter) -> Void) throws(FrameError) {
        let start = count
        appendUInt16(0)
        body(&self)
        let length = count - start - FrameDecoder.headerLength
        guard length <= FrameDecoder.longestPayload else {
            truncate(to: start)
            throw .tooLong(by: length - FrameDecoder.longestPayload)
        }
        overwriteUInt16(UInt16(length), at: start)
    }

    /// Appends one frame with `payload`. When that is too long, nothing is appended.
    @inlinable
    package mutating func appendFrame(_ payload: some Collection<UInt8>) throws(FrameError) {
        let length = payload.count
        guard length <= FrameDecoder.longestPayload else {
            throw .tooLong(by: length - FrameDecoder.longestPayload)
        }
        appendUInt16(UInt16(length))
        append(contentsOf: payload)
    }
}
