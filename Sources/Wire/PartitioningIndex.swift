extension RandomAccessCollection {
    /// Where the elements that satisfy `belongsInSecond` begin, found by halving; `endIndex` where none does.
    ///
    /// - Parameter belongsInSecond: false of a first part of the collection and true of all that follows.
    @inlinable
    package func partitioningIndex(where belongsInSecond: (Element) -> Bool) -> Index {
        var (start, length) = (startIndex, count)
        while length > 0 {
            let half = length / 2
            let middle = index(start, offsetBy: half)
            if belongsInSecond(self[middle]) {
                length = half
            } else {
                start = index(after: middle)
                length -= half + 1
            }
        }
        return start
    }
}
