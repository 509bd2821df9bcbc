/// What was typed, as far as the line editor cares.
package enum Key: Hashable, Sendable {
    /// Printable text: a run of what arrived together.
    case text(String)
    /// What stood between the brackets of a bracketed paste, with line breaks as `\n`.
    case paste(String)

    case enter
    /// Alt+Enter: a line break in the text.
    case lineBreak
    case tab
    case backTab
    case backspace
    case delete
    case left
    case right
    case up
    case down
    case wordLeft
    case wordRight
    case home
    case end
    case pageUp
    case pageDown
    case escape
    /// Alt+Backspace.
    case metaBackspace

    /// Ctrl and a letter, in lower case, or one of `@ [ \ ] ^ _`.
    case control(Character)
    /// Alt and a character.
    case meta(Character)

    /// A sequence that is complete and means nothing here.
    case unknown
}
