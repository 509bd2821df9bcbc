import Delivery
import Glibc
import Net
import Platform
import Wire

// How members are let in, until all of them hear each other.
extension LoadGenerator {
    /// Lets the next members begin, not all at once.
    func beginMore() {
        // The first members of rooms open them; the others find them there.
        let limit = options.mode == .rooms && opened < options.groups ? options.groups : members.count
        while begun < limit, begun - max(ready, opened) < Self.atOnce, !isEnding {
            let member = begun
            begun += 1
            members[member].stage = .connecting
            if options.mode == .udp {
                openDatagrams(member)
            } else {
                hub.dial(target, token: member, timeout: Self.patience)
            }
        }
    }

    func openDatagrams(_ member: Int) {
        guard let address else { return }
        do throws(SystemError) {
            let ip = try Hub.localAddress(towards: address)
            let (id, bound) = try hub.bindDatagram(on: SocketAddress(ip: ip, port: 0))
            assign(id, to: member)
            members[member].stage = .signingIn
            let metadata = Traffic.udpMetadata(name: name(member), server: address, client: bound)
            members[member].metadata = metadata
            var writer = ByteWriter()
            let group = groups[options.group(of: member)]
            Traffic.udpRequest("group_message_ack", metadata, to: &writer) { json in
                json.object { $0.member("group", group) }
            }
            members[member].acknowledgement = writer.bytes
            ask(member)
        } catch {
            fail(.system(error))
        }
    }

    var datagramTarget: Endpoint {
        datagramPort.map { target.replacing(port: $0) } ?? target
    }

    /// A member of rooms has its token: from here on it talks by datagrams.
    func entered(_ member: Int, _ token: String) {
        guard !token.isEmpty else { return fail(.refused("a member may not enter the room")) }
        guard let address, members[member].stage == .signingIn else { return }
        do throws(SystemError) {
            let ip = try Hub.localAddress(towards: address)
            let (id, _) = try hub.bindDatagram(on: SocketAddress(ip: ip, port: 0))
            assign(id, to: member)
        } catch {
            return fail(.system(error))
        }
        members[member].metadata = Traffic.ucrpHeader(room: groups[options.group(of: member)], token: token)
        members[member].stage = .joining
        opened += 1
        lastReady = hub.now
        ask(member)
        if opened < members.count { return beginMore() }
        // The first of each room is never told of itself.
        for first in 0..<options.groups { joined(first) }
    }

    /// Says in a room that one is there, so that the others know that they are.
    func probe() {
        for first in 0..<options.groups {
            let header = members[first].metadata
            send(to: first) {
                $0.append(contentsOf: header)
                $0.append(Traffic.probe)
            }
        }
    }

    /// The names of one run do not meet those of another at the same server.
    func name(_ member: Int) -> String { options.server == nil ? "m\(member)" : "m\(getpid())-\(member)" }

    /// Asks, or asks again, for what a member of udp needs next.
    func ask(_ member: Int) {
        if options.mode == .rooms { return register(member) }
        members[member].asked = hub.now
        let group = groups[options.group(of: member)]
        switch members[member].stage {
        case .signingIn: request(member, "registration") { $0.null() }
        case .joining:
            request(member, "create_group") { $0.string(group) }
            request(member, "join_group") { $0.string(group) }
        case .waiting, .connecting, .ready: break
        }
    }

    /// Registers a member of rooms again until it hears something; no answer comes to that.
    func register(_ member: Int) {
        members[member].asked = hub.now
        let header = members[member].metadata
        send(to: member) {
            $0.append(contentsOf: header)
            $0.append("__REGISTER__")
        }
    }

    func request(_ member: Int, _ type: StaticString, _ payload: (inout JSONWriter) -> Void) {
        let metadata = members[member].metadata
        send(to: member) { Traffic.udpRequest(type, metadata, to: &$0, payload: payload) }
    }

    func signedIn(_ member: Int) {
        guard members[member].stage == .signingIn else { return }
        members[member].stage = .joining
        // Whoever only waits has no need of a group, where everybody would be told of everybody.
        guard options.senders > 0 else { return joined(member) }
        switch options.mode {
        case .p2p: joined(member)
        case .board:
            let group = groups[options.group(of: member)]
            send(to: member) { Traffic.boardJoin(group, to: &$0) }
        case .udp: ask(member)
        case .rooms: break
        }
    }

    func joined(_ member: Int) {
        guard members[member].stage == .joining else { return }
        members[member].stage = .ready
        ready += 1
        lastReady = hub.now
        if ready < members.count { return beginMore() }
        if let account = account(), let atStart = result.residentAtStart {
            result.residentPerConnection = Double(account.resident - atStart) / Double(members.count)
        }
        progress("\(members.count) members have joined")
        if options.work == .requests {
            isPreparing = true
            // What they will ask for: the first post of each group.
            let first = MessageText.Mark(sender: 0, sequence: 0, due: MonotonicTime(nanoseconds: 0))
            for (member, group) in groups.enumerated() {
                send(to: member) { Traffic.boardPost(group, { self.text.append(first, to: &$0) }, to: &$0) }
            }
            return
        }
        start()
    }

    func start() {
        isPreparing = false
        if options.senders == 0 { measureFrom() }
        carryOut(workload.started(at: .now()))
        spinner?.resume()
        spinner = nil
    }
}
