// Normalisation to NFC is part of the standard library, which compares strings by it, and has no other door yet.
@_spi(_Unicode) import Swift

/// What two names share that count as the same: upper and lower case, canonically equivalent spellings (NFC) and
/// invisible joiners make no difference.
///
/// Upper case first: it maps what has no lower-case form of its own to the letters it stands for ("ß" to "SS").
package func nameKey(_ name: String) -> String {
    var key = String.UnicodeScalarView()
    for scalar in name.uppercased().lowercased()._nfc where !scalar.properties.isDefaultIgnorableCodePoint {
        key.append(scalar)
    }
    return String(key)
}

/// A name that only arrives and may be anything: cut to 32 characters and 64 bytes, and escaped, for display. Never
/// for identity: two different names may look alike here.
package func displayName(_ untrusted: String) -> SafeText {
    let mostCharacters = Nickname.mostCharacters
    let mostBytes = Nickname.mostBytes
    if untrusted.isEmpty { return "(no name)" }
    // Bytes first, so that the work is bounded however long the text or one of its clusters is.
    var cut = String(untrusted.unicodeScalars.prefix(mostBytes))
    while cut.utf8.count > mostBytes { cut.unicodeScalars.removeLast() }
    if cut.count > mostCharacters { cut = String(cut.prefix(mostCharacters)) }
    let shown = SafeText(untrusted: cut)
    return cut.utf8.count == untrusted.utf8.count ? shown : shown + "…"
}
