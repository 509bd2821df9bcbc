package import Wire

/// What `chat rooms ...` was asked to do, validated where the command line was read.
///
/// `runRooms(_:common:)` carries it out.
package enum RoomsOptions: Sendable, Equatable {
    /// `chat rooms serve`
    case serve(RoomsServeOptions)
    /// `chat rooms create ROOM` and `chat rooms join ROOM`
    case enter(RoomsEnterOptions)
    /// `chat rooms list`
    case list(server: RoomsEndpoint)
    /// `chat rooms history ROOM`
    case history(server: RoomsEndpoint, room: RoomName, RoomsHistorySelection)
    /// `chat rooms export FILE`: the state as the original keeps it; `-` is standard output.
    case exportState(path: String)
    /// `chat rooms import FILE`: a state file of the original; `-` is standard input.
    case importState(path: String)

    /// The ports of a server where none is given.
    package static let defaultTCPPort: UInt16 = 9_090
    package static let defaultUDPPort: UInt16 = 9_091

    /// The server that is meant where none is given.
    package static let defaultServer = RoomsEndpoint(host: "127.0.0.1", tcpPort: defaultTCPPort, udpPort: nil)
    /// The name of the room that is always there.
    package static let defaultLobby = "lobby"
}

package struct RoomsServeOptions: Sendable, Equatable {
    /// `--tcp-port`; 0 takes a free one.
    package var tcpPort: UInt16 = RoomsOptions.defaultTCPPort
    /// `--udp-port`; 0 takes a free one.
    package var udpPort: UInt16 = RoomsOptions.defaultUDPPort
    /// `--lobby NAME`; nil with `--no-lobby`.
    package var lobby: RoomName? = try? RoomName(validating: RoomsOptions.defaultLobby)
    /// `--on-host-leave`
    package var hostLeave = RoomRules.HostLeavePolicy.close

    package init() {}
}

package struct RoomsEnterOptions: Sendable, Equatable {
    package var server: RoomsEndpoint
    package var room: RoomName
    /// True for `create`.
    package var creates: Bool
    /// `--history N`: messages from before that are shown; nil is a few at a terminal and none elsewhere.
    package var history: Int?

    package init(server: RoomsEndpoint, room: RoomName, creates: Bool, history: Int? = nil) {
        self.server = server
        self.room = room
        self.creates = creates
        self.history = history
    }
}

package enum RoomsHistorySelection: Sendable, Equatable {
    /// `--last N`
    case last(Int)
    /// `--from OFFSET`: everything from there on.
    case from(Int64)

    /// Messages where nothing is said.
    package static let defaultCount = 100
}

/// Where to reach a server of rooms: a host, its TCP port, and its UDP port where it is not the one that the server names.
package struct RoomsEndpoint: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let tcpPort: UInt16
    package let udpPort: UInt16?

    init(host: String, tcpPort: UInt16, udpPort: UInt16?) {
        self.host = host
        self.tcpPort = tcpPort
        self.udpPort = udpPort
    }

    /// What is wrong with an endpoint that somebody wrote.
    package struct Mistake: Error, Equatable, Sendable {
        package let message: SafeText
    }

    /// Reads `HOST`, `HOST:TCP` or `HOST:TCP:UDP`; an IPv6 address in brackets.
    package init(parsing text: String) throws(Mistake) {
        // What follows the host: nothing, a port or two.
        let afterHost = text.hasPrefix("[") ? text.firstIndex(of: "]") ?? text.startIndex : text.startIndex
        let parts = text[afterHost...].split(separator: ":", omittingEmptySubsequences: false)
        var rest = text[...]
        var udpPort: UInt16?
        // An address of IPv6 without brackets has its own sentence.
        if parts.count == 3, IPAddress(parsing: text) == nil {
            guard let port = parsePort(parts[2]), port != 0 else {
                throw Mistake(message: "'\(String(parts[2]))' is not a UDP port; use a number from 1 to 65535.")
            }
            udpPort = port
            rest = text.dropLast(parts[2].count + 1)
        }
        do {
            let endpoint = try Endpoint(parsing: String(rest), defaultPort: RoomsOptions.defaultTCPPort)
            self.init(host: endpoint.host, tcpPort: endpoint.port, udpPort: udpPort)
        } catch {
            throw Mistake(message: error.message)
        }
    }

    /// The TCP side.
    package var tcp: Endpoint { try! Endpoint(validating: host, port: tcpPort) }

    package var description: String { tcp.description + (udpPort.map { ":\($0)" } ?? "") }
}
