// Without Foundation there is no search for a part of a string that is not a regular expression.

extension String {
    /// Whether a text stands anywhere in this one, byte for byte.
    package func holds(_ text: String) -> Bool { Array(utf8).holds(Array(text.utf8)) }
}

extension [UInt8] {
    package func holds(_ part: [UInt8]) -> Bool { end(of: part) != nil }

    /// Where the first occurrence of a part ends.
    package func end(of part: [UInt8]) -> Int? {
        guard let first = part.first else { return startIndex }
        var start = startIndex
        while let found = self[start...].firstIndex(of: first), found + part.count <= count {
            if self[found..<(found + part.count)].elementsEqual(part) { return found + part.count }
            start = found + 1
        }
        return nil
    }
}
