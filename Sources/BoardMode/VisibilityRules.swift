import Wire

/// Which posts a member of a group may see: everything since the member joined, and of what was there before as much as
/// the rule of the group says.
package enum VisibilityRule: Hashable, Sendable {
    /// Nothing that was posted before.
    case none
    /// Everything.
    case all
    /// The last posts before, as many as this. The default is 2.
    case last(Int)

    package static let standard = VisibilityRule.last(2)

    /// Posts that `last:N` may show at most.
    package static let lastLimit = 1_000_000

    /// Reads `none`, `all` or `last:N`, in any case; nil for anything else.
    package init?(parsing text: String) {
        let text = text.lowercased()
        switch text {
        case "none": self = .none
        case "all": self = .all
        default:
            guard text.hasPrefix("last:"), let count = boardOffset(String(text.dropFirst(5))),
                count <= Self.lastLimit
            else { return nil }
            self = count == 0 ? .none : .last(Int(count))
        }
    }

    /// What `init(parsing:)` reads.
    package var text: String {
        switch self {
        case .none: "none"
        case .all: "all"
        case .last(let count): "last:\(count)"
        }
    }

    /// The first offset that somebody may see who joins when the next post gets the offset `next`.
    package func firstVisible(joiningAt next: Int64) -> Int64 {
        switch self {
        case .none: next
        case .all: 0
        case .last(let count): max(0, next - Int64(count))
        }
    }
}
