/// Why bytes are not the JSON that was wanted. Places count bytes from the start of what was given.
package enum JSONError: Error, Equatable, Sendable {
    case unexpectedEnd
    case unexpectedByte(UInt8, at: Int)
    case invalidUTF8(at: Int)
    case invalidEscape(at: Int)
    case tooDeep(at: Int)
    /// A number that no `Double` can hold.
    case numberTooLarge(at: Int)
    /// A number where an integer of 64 bits was wanted.
    case notAnInteger(at: Int)

    package var message: SafeText {
        switch self {
        case .unexpectedEnd: "The JSON ends too early."
        case .unexpectedByte(let byte, let place):
            "The JSON has '\(SafeText(untrustedBytes: CollectionOfOne(byte)))' at byte \(place), which cannot stand there."
        case .invalidUTF8(let place): "The JSON is not UTF-8 at byte \(place)."
        case .invalidEscape(let place): "The JSON has an escape that does not exist at byte \(place)."
        case .tooDeep(let place): "The JSON is nested too deep at byte \(place)."
        case .numberTooLarge(let place): "The JSON has a number that is too large at byte \(place)."
        case .notAnInteger(let place): "The JSON has a number at byte \(place) where an integer is needed."
        }
    }
}
