import Wire

/// Tells commands from parts of lines: cuts what a connection sends into commands (Protocols.md, "board, text").
///
///     undecided ── a newline ──────────────────────> line       a command ends with a newline, and with nothing else
///         └────── bytes, then 200 ms of silence ──> segment    silence ends a command too
///
/// The original's client sends a command as one segment without an end; people at netcat and programs send lines.
package struct BoardInputMachine: Sendable {
    /// Silence after which what has come without a newline is a command.
    package static let silence: Duration = .milliseconds(200)
    /// Bytes of a command that silence ends; what the original's server reads at once.
    package static let segmentLimit = 4_096
    /// Bytes of a line.
    package static let lineLimit = 65_536

    package enum Framing: Hashable, Sendable { case undecided, line, segment }

    /// A command that is complete.
    package enum Piece: Equatable, Sendable {
        case command(ArraySlice<UInt8>)
        /// It was longer than this many bytes and has been passed over.
        case tooLong(limit: Int)
    }

    package private(set) var framing = Framing.undecided
    private var decoder = LineDecoder(limit: lineLimit)

    /// What silence or the end of the input has completed, to come before what is decoded next.
    private var completed: Piece?

    /// True while the rest of a command that was too long is passed over, up to a newline or silence.
    private var isDropping = false

    package init() {}

    /// True while silence would complete a command: `silenceElapsed` is to be called 200 ms after the last bytes.
    package var waitsForSilence: Bool { framing != .line && (isDropping || !decoder.pending.isEmpty) }

    /// Nothing is left of what has come, so that there is no next piece.
    var isEmpty: Bool { completed == nil && decoder.isEmpty }

    /// Bytes have come. Take the pieces with `next()`, all of them, before more is fed.
    package mutating func received(_ bytes: ArraySlice<UInt8>) {
        if framing != .line, bytes.contains(UInt8(ascii: "\n")) {
            isDropping = false
            if framing == .undecided { framing = .line }
        }
        decoder.append(bytes)
    }

    /// The next complete command; nil where there is none.
    package mutating func next() -> Piece? {
        if let piece = completed {
            completed = nil
            return piece
        }
        switch decoder.next() {
        case .line(let line): return .command(line)
        case .tooLong:
            isDropping = framing != .line
            return .tooLong(limit: Self.lineLimit)
        case nil: return nil
        }
    }

    /// Nothing has come for 200 ms.
    package mutating func silenceElapsed() {
        guard waitsForSilence else { return }
        framing = .segment
        if isDropping {
            // It was answered when it grew too long.
            isDropping = false
            _ = decoder.takePending()
        } else {
            completePending()
        }
    }

    /// Nothing will come any more. What a line connection has begun is no command; elsewhere the end is silence enough.
    package mutating func inputEnded() {
        if framing != .line, !decoder.pending.isEmpty { completePending() }
    }

    /// From here on only a newline ends a command, as in JSON.
    package mutating func useLines() { framing = .line }

    private mutating func completePending() {
        let pending = decoder.takePending()
        completed = pending.count > Self.segmentLimit ? .tooLong(limit: Self.segmentLimit) : .command(pending)
    }
}
