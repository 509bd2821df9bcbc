import Terminal

/// The colours of names: stable from run to run, and readable on dark and on light backgrounds.
enum NameColors {
    /// Indices of the 6 x 6 x 6 cube of xterm's palette whose contrast (WCAG 2, relative luminance) is at least 3.5
    /// against black and against white; a test computes it.
    static let large: [UInt8] = [27, 28, 30, 62, 64, 67, 94, 98, 100, 128, 130, 132, 134, 161, 163, 166]

    /// For terminals that only have eight colours: neither black nor white nor the red of errors.
    static let small: [UInt8] = [2, 3, 4, 5, 6]

    /// The colour of an identity. The key's hash is FNV-1a, because Swift's own is another in each run.
    static func style(of key: String, isLarge: Bool) -> Style {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let palette = isLarge ? large : small
        // The low bits of FNV alone spread short keys badly.
        return Style(foreground: palette[Int((hash ^ (hash >> 32)) % UInt64(palette.count))], bold: true)
    }
}
