package import Wire

/// What a server says of a request in words of its own.
package enum UDPServerWords {
    /// The sentences of the original's server, with a name in the middle.
    private static let known = [
        ("Group `", "` already exists."), ("Group `", "` does not exist."), ("`", "` already exists!"),
    ]

    /// A server's sentence as its client's user reads it: as it is where it is one that the originals' users know, with the
    /// name in it held by its marks, and else said to be the server's, since it could be anything.
    package static func attributed(_ text: String) -> SafeText {
        let isKnown = known.contains { start, end in
            guard text.hasPrefix(start), text.hasSuffix(end), text.utf8.count > start.utf8.count + end.utf8.count else {
                return false
            }
            return !text.dropFirst(start.count).dropLast(end.count).utf8.contains(UInt8(ascii: "`"))
        }
        return isKnown ? "\(text)" : "server: \(text)"
    }
}
