/// The name that was probably meant, for a word that is none: at most two slips away (a letter missing, too many,
/// wrong, or two swapped), or begun and not finished. Nil where nothing is near or the word is too short to tell.
package func nearestName(to word: String, among names: some Sequence<String>) -> String? {
    let word = Array(word.lowercased())
    guard !word.isEmpty, word.count <= 64 else { return nil }
    let allowed = word.count <= 2 ? 1 : 2
    var best: (name: String, distance: Int)?
    for name in names {
        let letters = Array(name.lowercased())
        guard letters.count <= 64 else { continue }
        var distance = slips(from: word, to: letters)
        // Begun and not finished: as near as one slip, however much is missing.
        if word.count >= 2, letters.starts(with: word) { distance = min(distance, 1) }
        // A word that shares nothing but its length is no slip of the name.
        guard distance <= allowed, distance < max(word.count, letters.count) else { continue }
        if best == nil || distance < best!.distance { best = (name, distance) }
    }
    return best?.name
}

/// Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
private func slips(from: [Character], to: [Character]) -> Int {
    if from.isEmpty || to.isEmpty { return max(from.count, to.count) }
    var beforeLast = [Int](repeating: 0, count: to.count + 1)
    var last = Array(0...to.count)
    var row = last
    for i in 1...from.count {
        row[0] = i
        for j in 1...to.count {
            let replaced = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1)
            row[j] = min(last[j] + 1, row[j - 1] + 1, replaced)
            if i > 1, j > 1, from[i - 1] == to[j - 2], from[i - 2] == to[j - 1] {
                row[j] = min(row[j], beforeLast[j - 2] + 1)
            }
        }
        beforeLast = last
        last = row
    }
    return last[to.count]
}
