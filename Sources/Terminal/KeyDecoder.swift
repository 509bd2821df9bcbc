/// Turns the bytes of a terminal into keys.
///
/// Whatever the split of the bytes, the keys are the same, except where a lone ESC is told from the begin of a
/// sequence: then `timedOut()` decides, and when to call it is the caller's business (`isWaitingForMore`).
///
/// Sequences after ECMA-48 (CSI, SS3, and the strings OSC, DCS, APC, PM, SOS, which terminals send as answers and which
/// are swallowed), xterm's modified cursor keys, and the bracketed paste of xterm (CSI 200 ~ ... CSI 201 ~).
package struct KeyDecoder: Sendable {
    /// Bytes of one paste; what exceeds them is dropped, and `pasteWasCut` says so.
    package static let pasteLimit = 65_536

    /// Bytes of one control sequence or control string; a longer one is no answer of a terminal.
    static let sequenceLimit = 256

    private enum State: Equatable {
        case ground
        case escape
        /// After ESC ESC: the second one gives the next key its Alt.
        case control(introducer: UInt8)
        case string(endsWithEscape: Bool)
        case paste
    }

    private var state = State.ground

    /// Alt, from an ESC before the sequence's own.
    private var hasMeta = false

    /// Parameter bytes of a control sequence, or the incomplete UTF-8 of the ground state.
    private var pending: [UInt8] = []

    /// Bytes of the control string so far, which are counted and not kept.
    private var stringCount = 0

    private var pasted: [UInt8] = []

    /// The last paste was longer than the limit. Reset by the next one.
    package private(set) var pasteWasCut = false

    package init() {}

    /// True while an ESC, a sequence or a character has begun and not ended: after a pause, call `timedOut()`.
    /// Never true inside a paste, which has an end of its own.
    package var isWaitingForMore: Bool {
        switch state {
        case .ground: !pending.isEmpty
        case .escape, .control, .string: true
        case .paste: false
        }
    }

    /// Takes bytes and returns the keys that they complete.
    package mutating func received(_ bytes: some Sequence<UInt8>) -> [Key] {
        var keys: [Key] = []
        var text: [UInt8] = []
        for byte in bytes { take(byte, &keys, &text) }
        flush(&text, into: &keys)
        return keys
    }

    /// Nothing followed for a while: what has begun is all there will be.
    package mutating func timedOut() -> [Key] {
        defer { reset() }
        switch state {
        case .escape: return [.escape]
        case .ground where !pending.isEmpty: return [.unknown]
        // ESC [ and ESC O alone are Alt+[ and Alt+O.
        case .control(let introducer) where pending.isEmpty: return [.meta(Character(Unicode.Scalar(introducer)))]
        case .control, .string: return [.unknown]
        case .ground, .paste: return []
        }
    }

    private mutating func reset() {
        guard state != .paste else { return }
        state = .ground
        hasMeta = false
        pending = []
    }

    // MARK: One byte

    private mutating func take(_ byte: UInt8, _ keys: inout [Key], _ text: inout [UInt8]) {
        switch state {
        case .ground: takeGround(byte, &keys, &text)
        case .escape: takeAfterEscape(byte, &keys, &text)
        case .control(let introducer): takeControl(byte, introducer, &keys)
        case .string(let endsWithEscape): takeString(byte, endsWithEscape)
        case .paste: takePasted(byte, &keys)
        }
    }

    private mutating func takeGround(_ byte: UInt8, _ keys: inout [Key], _ text: inout [UInt8]) {
        if !pending.isEmpty {
            if byte & 0xC0 == 0x80 {
                pending.append(byte)
                if pending.count == Self.sequenceLength(pending[0]) {
                    take(character: pending, &keys, &text)
                    pending.removeAll(keepingCapacity: true)
                }
                return
            }
            // Not UTF-8; the character that was begun is lost and this byte begins anew.
            pending.removeAll(keepingCapacity: true)
            hasMeta = false
        }
        switch byte {
        case 0x1B:
            flush(&text, into: &keys)
            state = .escape
        case 0..<0x20, 0x7F:
            flush(&text, into: &keys)
            keys.append(Self.controlKey(byte, hasMeta: hasMeta))
            hasMeta = false
        case 0x20..<0x7F: take(character: [byte], &keys, &text)
        default:
            if Self.sequenceLength(byte) > 1 { pending.append(byte) }
        }
    }

    /// A whole character in UTF-8.
    private mutating func take(character: [UInt8], _ keys: inout [Key], _ text: inout [UInt8]) {
        guard let string = String(validating: character, as: UTF8.self) else { return }
        if hasMeta {
            hasMeta = false
            flush(&text, into: &keys)
            keys.append(.meta(Character(string)))
        } else if string.unicodeScalars.first!.properties.generalCategory == .control {
            // C1 controls as characters: no key sends them.
            return
        } else {
            text.append(contentsOf: character)
        }
    }

    private mutating func takeAfterEscape(_ byte: UInt8, _ keys: inout [Key], _ text: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "["), UInt8(ascii: "O"):
            state = .control(introducer: byte)
            pending.removeAll(keepingCapacity: true)
        case UInt8(ascii: "]"), UInt8(ascii: "P"), UInt8(ascii: "_"), UInt8(ascii: "^"), UInt8(ascii: "X"):
            // Alt with one of these is typed by nobody who sends the rest of a string within the pause.
            state = .string(endsWithEscape: false)
            stringCount = 0
        case 0x1B:
            // ESC ESC [ A: some terminals send Alt+Up so. ESC ESC alone is the key twice.
            if hasMeta { keys.append(.escape) }
            hasMeta = true
        default:
            state = .ground
            hasMeta = true
            takeGround(byte, &keys, &text)
        }
    }

    private mutating func takeControl(_ byte: UInt8, _ introducer: UInt8, _ keys: inout [Key]) {
        switch byte {
        case 0x20..<0x40 where pending.count < Self.sequenceLimit: pending.append(byte)
        case 0x40..<0x7F:
            if introducer == UInt8(ascii: "["), byte == UInt8(ascii: "["), pending.isEmpty {
                // The Linux console's function keys: CSI [ A. The letter belongs to it.
                pending.append(byte)
                return
            }
            let key = Self.key(final: byte, parameters: pending, introducer: introducer, hasMeta: hasMeta)
            let isPaste = introducer == UInt8(ascii: "[") && byte == UInt8(ascii: "~") && pending == Array("200".utf8)
            reset()
            if isPaste {
                state = .paste
                pasted = []
                pasteWasCut = false
            } else {
                keys.append(key)
            }
        case 0x1B:
            // The sequence was cut off and another begins.
            reset()
            state = .escape
        default:
            reset()
            keys.append(.unknown)
        }
    }

    private mutating func takeString(_ byte: UInt8, _ endsWithEscape: Bool) {
        stringCount += 1
        // Ended by BEL or ST (ESC \); an answer that never ends must not swallow what is typed for ever.
        if byte == 0x07 || (endsWithEscape && byte == UInt8(ascii: "\\")) || stringCount > Self.sequenceLimit {
            reset()
        } else {
            state = .string(endsWithEscape: byte == 0x1B)
        }
    }

    private mutating func takePasted(_ byte: UInt8, _ keys: inout [Key]) {
        pasted.append(byte)
        if byte == UInt8(ascii: "~"), pasted.suffix(6).elementsEqual(Self.pasteEnd) {
            pasted.removeLast(6)
            if pasted.count > Self.pasteLimit {
                pasteWasCut = true
                pasted.removeLast(pasted.count - Self.pasteLimit)
            }
            keys.append(.paste(Self.cleaned(pasted)))
            pasted = []
            state = .ground
        } else if pasted.count > Self.pasteLimit + 6 {
            pasteWasCut = true
            // The end must still be found: the last bytes stay, the ones before them give way.
            pasted.remove(at: Self.pasteLimit)
        }
    }

    private static let pasteEnd: [UInt8] = [0x1B] + Array("[201~".utf8)

    /// Pasted text as it may stand in the editor: UTF-8, line breaks as `\n`, no control characters but tab.
    private static func cleaned(_ bytes: [UInt8]) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in String(decoding: bytes, as: UTF8.self).replacingLineBreaks().unicodeScalars
        where scalar == "\n" || scalar == "\t" || scalar.properties.generalCategory != .control {
            scalars.append(scalar)
        }
        return String(scalars)
    }

    private func flush(_ text: inout [UInt8], into keys: inout [Key]) {
        guard !text.isEmpty else { return }
        keys.append(.text(String(decoding: text, as: UTF8.self)))
        text.removeAll(keepingCapacity: true)
    }

    /// How many bytes the character has that begins with this one; 0 where none begins so.
    private static func sequenceLength(_ byte: UInt8) -> Int {
        switch byte {
        case 0..<0x80: 1
        case 0xC2..<0xE0: 2
        case 0xE0..<0xF0: 3
        case 0xF0..<0xF5: 4
        default: 0
        }
    }
}

extension String {
    /// CR and CR LF as `\n`.
    package func replacingLineBreaks() -> String {
        guard utf8.contains(UInt8(ascii: "\r")) else { return self }
        var result: [UInt8] = []
        var lastWasReturn = false
        for byte in utf8 {
            if byte == UInt8(ascii: "\r") {
                result.append(UInt8(ascii: "\n"))
            } else if byte != UInt8(ascii: "\n") || !lastWasReturn {
                result.append(byte)
            }
            lastWasReturn = byte == UInt8(ascii: "\r")
        }
        return String(decoding: result, as: UTF8.self)
    }
}
