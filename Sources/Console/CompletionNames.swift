/// The names that Tab offers for the arguments of commands and at the begin of a line.
package struct CompletionNames: Sendable, Equatable {
    /// Everybody who is here. Those who spoke are offered first, the last one first; the console knows them itself.
    package var members: [String]
    package var groups: [String]
    package var rooms: [String]

    package init(members: [String] = [], groups: [String] = [], rooms: [String] = []) {
        self.members = members
        self.groups = groups
        self.rooms = rooms
    }
}
