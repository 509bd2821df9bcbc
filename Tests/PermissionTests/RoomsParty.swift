import RoomsMode
import TestSupport
import Testing
import Wire

/// Somebody before a server of rooms, spoken by hand: an original, or one of ours.
struct RoomsParty {
    let server: ModeServer
    let name: String
    var isOurs: Bool
    var socket: DatagramPeer
    var room: String
    /// What it was given by its room; one that nobody was given before.
    var token = RoomToken(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))

    init(_ name: String, isOurs: Bool, room: String, server: ModeServer) throws {
        self.name = name
        self.isOurs = isOurs
        self.room = room
        self.server = server
        socket = try DatagramPeer()
    }

    // MARK: - TCRP

    /// What came back for a request.
    struct Answer {
        /// Nil where the connection was closed without one.
        let isGranted: Bool?
        let reason: String?
        /// The payload of the complete.
        let complete: JSON?

        var text: String {
            isGranted == nil ? "" : "\(isGranted!) \(reason ?? "") \(complete.map { "\($0)" } ?? "")"
        }
    }

    /// Asks something over a connection of its own.
    func ask(_ operation: TCRPMessage.Operation, room: String? = nil, _ payload: JSON) async throws -> Answer {
        let message = TCRPMessage(
            operation, .request, room: room ?? self.room, extended: isOurs, payload: payload.encoded())
        let peer = try await RawPeer.connect(to: server.ports[0])
        try await peer.send(message.encoded)
        await peer.endOutput()
        var decoder = TCRPDecoder(limit: 1 << 20)
        decoder.append(try await peer.receiveToEnd()[...])
        guard let compliance = try decoder.next() else { return Answer(isGranted: nil, reason: nil, complete: nil) }
        let complete = try #require(try decoder.next())
        #expect(compliance.state == TCRPMessage.State.compliance.rawValue)
        let said = try JSON(parsing: compliance.payload[...])
        return Answer(
            isGranted: said["success"] == 1, reason: said["reason"]?.string,
            complete: try JSON(parsing: complete.payload[...]))
    }

    /// Creates its room, or enters it; its address is not known yet.
    mutating func enter(creates: Bool = false) async throws {
        let answer = try await ask(creates ? .create : .join, .string(name))
        token = try #require(answer.complete?["token"]?.string.flatMap { RoomToken($0) }, "\(answer)")
    }

    func leave() async { await send(Array("__LEAVE__".utf8)) }

    // MARK: - UCRP

    func datagram(_ message: [UInt8], room: String? = nil) -> [UInt8] {
        var writer = ByteWriter()
        UCRPRequest.writeHeader(room: Array((room ?? self.room).utf8), token: token, to: &writer)
        writer.append(contentsOf: message)
        return writer.bytes
    }

    func send(_ message: [UInt8], room: String? = nil, from other: DatagramPeer? = nil) async {
        await (other ?? socket).send(datagram(message, room: room), to: server.ports[1])
    }

    static func submission(_ kind: UCRPSubmission.Kind, _ id: MessageID, _ text: String = "") -> [UInt8] {
        var writer = ByteWriter()
        UCRPSubmission(kind, id: id, text: Array(text.utf8)[...]).write(to: &writer)
        return writer.bytes
    }

    /// All that one of ours has heard when the server has answered a ping of its, which it takes after what came before.
    func marked() async throws -> [[UInt8]] {
        let id = MessageID(high: 0, low: .random(in: 1 ... .max))
        await send(Self.submission(.ping, id))
        var heard: [[UInt8]] = []
        while true {
            let datagram = try await socket.receive()
            if let delivery = UCRPDelivery(datagram[...]), delivery.kind == .heartbeat, delivery.id.low == id.low {
                return heard
            }
            heard.append(datagram)
        }
    }
}
