/// What completion found for the text before the cursor.
package struct Completions: Equatable, Sendable {
    /// How many clusters before the cursor the candidates replace.
    package var replacing: Int

    /// In the order in which they are offered, each as it is inserted, with what follows it (a space, `: `).
    package var candidates: [String]

    package init(replacing: Int, candidates: [String]) {
        self.replacing = replacing
        self.candidates = candidates
    }

    package static let none = Completions(replacing: 0, candidates: [])
}
