package import Wire

/// What `chat board ...` was asked to do, validated where the command line was read.
///
/// `runBoard(_:common:)` carries it out.
package enum BoardOptions: Sendable, Equatable {
    /// `chat board serve`
    case serve(BoardServeOptions)
    /// `chat board connect [HOST[:PORT]]`
    case connect(server: Endpoint)
    /// `chat board post GROUP SUBJECT [TEXT or -]`
    case post(server: Endpoint, group: GroupName, subject: Subject, text: BoardTextSource)
    /// `chat board read GROUP [ID]`
    case read(server: Endpoint, group: GroupName, id: Int64?)
    /// `chat board groups`
    case groups(server: Endpoint)
    /// `chat board export FILE`; `-` is standard output.
    case exportLog(path: String)
    /// `chat board import FILE`; `-` is standard input.
    case importLog(path: String)

    /// The port of a board where none is given.
    package static let defaultPort: UInt16 = 6789

    /// The server that is meant where none is given.
    package static let defaultServer = Endpoint(SocketAddress(ip: .v4(0x7F00_0001), port: defaultPort))
}

package struct BoardServeOptions: Sendable, Equatable {
    /// A rule for one group.
    package struct GroupVisibility: Sendable, Equatable {
        package let group: GroupName
        package let rule: VisibilityRule

        package init(group: GroupName, rule: VisibilityRule) {
            self.group = group
            self.rule = rule
        }
    }

    /// `--port`; 0 takes a free one.
    package var port: UInt16 = BoardOptions.defaultPort
    /// `--group`, may repeat: groups beside the five that are always there.
    package var groups: [GroupName] = []
    /// `--visibility RULE`: of groups without a rule of their own. Nil leaves what they have.
    package var visibility: VisibilityRule?
    /// `--visibility GROUP=RULE`, may repeat.
    package var groupVisibility: [GroupVisibility] = []
    /// False with `--no-create`: `%groupcreate` is refused.
    package var allowsCreation = true

    package init() {}
}

/// Where the text of a post comes from.
package enum BoardTextSource: Sendable, Equatable {
    case text(String)
    /// `-`, or no text at all where the input is no terminal.
    case standardInput
}
