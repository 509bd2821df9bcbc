/// An error that the user of the program is told of.
package protocol UserFacingError: Error {
    /// What was wrong and what to do, as a sentence or the part of one behind a colon.
    var message: SafeText { get }

    /// Nothing is wrong for good: the same may succeed later.
    var isTemporary: Bool { get }
}

extension UserFacingError {
    package var isTemporary: Bool { false }
}

extension SafeText {
    /// What the user is told of an error; one that was not made for users is a fault of the program's.
    package init(explaining error: any Error) {
        self = (error as? any UserFacingError)?.message ?? "the program cannot go on"
    }
}
