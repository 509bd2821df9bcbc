import Glibc
import Wire

/// The text of a message of the load: a mark that says whose and which it is and when it was due, and a filler that
/// follows from both, so that whoever receives it can check every byte.
///
///     ~b 0007 0000002a 00000d18c2e2a6f3 mnopq...        (without the spaces)
///        sender (4), sequence (8), due time in nanoseconds (16), hexadecimal
struct MessageText: Sendable {
    /// Bytes of a mark.
    static let length = 30

    struct Mark: Equatable, Sendable {
        var sender: Int
        var sequence: UInt32
        var due: MonotonicTime
    }

    enum Reading: Equatable, Sendable {
        /// No message of the load.
        case none
        case whole(Mark)
        /// It has a mark, and what follows is not what was sent.
        case damaged
    }

    /// Bytes of the text.
    let size: Int
    /// The filler of every text is a part of this.
    private let pattern: [UInt8]
    private static let letters = 26
    private static let digits = Array("0123456789abcdef".utf8)

    /// - Parameter size: at least `length`.
    init(size: Int) {
        precondition(size >= Self.length, "a text too short for its mark")
        self.size = size
        pattern = (0..<(size + Self.letters)).map { UInt8(ascii: "a") + UInt8($0 % Self.letters) }
    }

    /// Appends the text of a message: plain ASCII, nothing that any format has to escape.
    func append(_ mark: Mark, to writer: inout ByteWriter) {
        writer.append(UInt8(ascii: "~"))
        writer.append(UInt8(ascii: "b"))
        Self.append(UInt64(mark.sender), 4, to: &writer)
        Self.append(UInt64(mark.sequence), 8, to: &writer)
        Self.append(UInt64(bitPattern: mark.due.nanoseconds), 16, to: &writer)
        let start = Self.start(mark)
        writer.append(contentsOf: pattern[start..<(start + size - Self.length)])
    }

    /// Looks for the text of a message in what was received.
    func read(_ frame: UnsafeRawBufferPointer) -> Reading {
        // Nothing that stands around a text holds a tilde.
        guard let base = frame.baseAddress, let found = memchr(base, Int32(UInt8(ascii: "~")), frame.count) else {
            return .none
        }
        let offset = UnsafeRawPointer(found) - base
        guard frame.count - offset >= size, (base + offset + 1).load(as: UInt8.self) == UInt8(ascii: "b"),
            let sender = Self.number(base + offset + 2, 4),
            let sequence = Self.number(base + offset + 6, 8), let due = Self.number(base + offset + 14, 16)
        else { return .damaged }
        let mark = Mark(
            sender: Int(sender), sequence: UInt32(sequence), due: MonotonicTime(nanoseconds: Int64(bitPattern: due)))
        let isWhole = pattern.withUnsafeBytes { pattern in
            memcmp(base + offset + Self.length, pattern.baseAddress! + Self.start(mark), size - Self.length) == 0
        }
        return isWhole ? .whole(mark) : .damaged
    }

    private static func start(_ mark: Mark) -> Int { (mark.sender &* 7 &+ Int(mark.sequence)) % letters }

    private static func append(_ value: UInt64, _ count: Int, to writer: inout ByteWriter) {
        for place in stride(from: (count - 1) * 4, through: 0, by: -4) {
            writer.append(digits[Int(value >> UInt64(place) & 15)])
        }
    }

    private static func number(_ start: UnsafeRawPointer, _ count: Int) -> UInt64? {
        var value: UInt64 = 0
        for index in 0..<count {
            let byte = (start + index).load(as: UInt8.self)
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: return nil
            }
            value = value << 4 | UInt64(digit)
        }
        return value
    }
}
