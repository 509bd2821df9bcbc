extension KeyDecoder {
    /// The key of a C0 byte or DEL.
    static func controlKey(_ byte: UInt8, hasMeta: Bool) -> Key {
        switch byte {
        // Enter sends CR in raw mode; scripts and Ctrl+J send LF.
        case 0x0D, 0x0A: return hasMeta ? .lineBreak : .enter
        case 0x09: return hasMeta ? .unknown : .tab
        case 0x08, 0x7F: return hasMeta ? .metaBackspace : .backspace
        default:
            // Ctrl and a letter are the letter's five low bits.
            let letter = Character(Unicode.Scalar(byte | 0x40)).lowercased()
            return hasMeta ? .unknown : .control(Character(letter))
        }
    }

    /// The key of a control sequence (CSI) or of a single shift (SS3).
    static func key(final: UInt8, parameters: [UInt8], introducer: UInt8, hasMeta: Bool) -> Key {
        // The Linux console's function keys and private answers mean nothing here.
        if let first = parameters.first, !(0x30..<0x3A).contains(first), first != UInt8(ascii: ";") { return .unknown }
        let numbers = parameters.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
            .map { Int(String(decoding: $0, as: UTF8.self)) ?? 0 }
        // xterm: CSI 1 ; m A, where m is 1 plus shift 1, alt 2, ctrl 4.
        let modifiers = numbers.count > 1 ? max(0, numbers[1] - 1) : 0
        let byWord = modifiers & 6 != 0 || hasMeta
        switch final {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        case UInt8(ascii: "C"): return byWord ? .wordRight : .right
        case UInt8(ascii: "D"): return byWord ? .wordLeft : .left
        case UInt8(ascii: "H"): return .home
        case UInt8(ascii: "F"): return .end
        case UInt8(ascii: "Z"): return .backTab
        case UInt8(ascii: "M") where introducer == UInt8(ascii: "O"): return .enter
        case UInt8(ascii: "~"): return tildeKey(numbers, byWord: byWord)
        // Terminals that report every key by its code: CSI code ; modifiers u.
        case UInt8(ascii: "u"): return codeKey(numbers.first ?? 0, modifiers: modifiers)
        default: return .unknown
        }
    }

    private static func tildeKey(_ numbers: [Int], byWord: Bool) -> Key {
        switch numbers.first ?? 0 {
        case 1, 7: .home
        case 4, 8: .end
        case 3: byWord ? .meta("d") : .delete
        case 5: .pageUp
        case 6: .pageDown
        // xterm's modifyOtherKeys: CSI 27 ; modifiers ; code ~
        case 27 where numbers.count == 3: codeKey(numbers[2], modifiers: max(0, numbers[1] - 1))
        default: .unknown
        }
    }

    private static func codeKey(_ code: Int, modifiers: Int) -> Key {
        switch code {
        // Shift or Alt with Enter asks for a line break.
        case 13: return modifiers & 3 != 0 ? .lineBreak : .enter
        case 9: return modifiers & 1 != 0 ? .backTab : .tab
        case 27: return .escape
        case 8, 127: return modifiers & 6 != 0 ? .metaBackspace : .backspace
        default: break
        }
        guard let scalar = Unicode.Scalar(UInt32(clamping: code)), scalar.properties.generalCategory != .control else {
            return .unknown
        }
        let character = Character(scalar)
        if modifiers & 4 != 0 { return .control(Character(character.lowercased())) }
        if modifiers & 2 != 0 { return .meta(character) }
        return .text(String(character))
    }
}
