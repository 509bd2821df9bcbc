import Delivery
import Wire

/// Addresses: who is dialled and when, and what is passed on of that.
extension MeshMachine {
    /// Whether a connection dialled to this address is of use now.
    private func isWanted(_ entry: AddressBook.Entry) -> Bool {
        guard entry.state == .idle else { return false }
        if entry.needsProbe { return true }
        guard let node = entry.node else { return true }
        if node == me || neighbour(node) != nil { return false }
        guard membership.isReachable(node) else { return true }
        return TopologyRules.wantsNeighbour(having: neighbours.count)
    }

    mutating func reviewDialsSoon() { timers.scheduleIfAbsent(.dials, at: now.monotonic) }

    /// Dials whatever is due, and comes back for the rest.
    mutating func reviewDials() {
        timers.cancel(.dials)
        guard !isQuitting else { return }
        var free = AddressBook.dials - book.dialling
        var next: MonotonicTime?
        for number in book.sortedNumbers {
            guard let entry = book[number], isWanted(entry) else { continue }
            guard entry.retryAt <= now.monotonic else {
                next = next.map { min($0, entry.retryAt) } ?? entry.retryAt
                continue
            }
            guard free > 0 else { continue }
            free -= 1
            // An address whose owner is a neighbour already is dialled only to see who answers.
            let isProbe = entry.node.map { neighbour($0) != nil } ?? false
            book.update(number) { $0.state = .dialling(isProbe: isProbe) }
            effects.append(.dial(number, entry.endpoint))
        }
        if let next { timers.schedule(.dials, at: next) }
    }

    mutating func dialFailed(_ number: Int, reason: SafeText) {
        guard let entry = book[number] else { return }
        book.failed(number, at: now.monotonic, using: &random)
        if entry.needsProbe, entry.failures >= 2 { book.update(number) { $0.needsProbe = false } }
        if entry.source == .typed, entry.failures == 0, !isQuitting {
            tell(.unreachable("\(entry.endpoint)", reason: reason))
        }
        reviewDials()
    }

    mutating func addressClosed(_ number: Int, after lifetime: Duration, wasUnknown: Bool) {
        guard let entry = book[number] else { return }
        if entry.state != .oneself {
            if !wasUnknown, lifetime >= Self.youth {
                book.ended(number, at: now.monotonic, using: &random)
            } else {
                // It answers and hangs up: no reason to try more often than where nobody answers.
                book.failed(number, at: now.monotonic, using: &random)
            }
        }
        reviewDialsSoon()
    }

    /// A neighbour that dialled us says where it listens. Whether that is so is found out before it is passed on.
    mutating func learnAddress(of node: NodeID, at ip: IPAddress, _ port: UInt16) {
        let address = SocketAddress(ip: ip, port: port)
        // Not at once: the newcomer is about to dial the others itself.
        let delay = Duration.milliseconds(Int.random(in: 1_000...3_000, using: &random))
        let endpoint = Endpoint(address)
        let time = after(delay)
        guard
            let number = book.add(endpoint, source: .heard, node: node, dialAt: time, now: now.monotonic),
            let entry = book[number]
        else { return }
        if entry.wasReached, entry.node == node { return }
        book.update(number) {
            $0.node = node
            $0.needsProbe = true
            $0.retryAt = max($0.retryAt, time)
        }
        reviewDialsSoon()
    }

    mutating func heardAddresses(_ peers: [PeerAddress], on id: LinkID) {
        guard let remote = links[id]?.machine.remote else { return }
        for peer in peers.prefix(Self.addressesPerFrame) where peer.node != me && peer.address.port > 0 {
            guard Self.mayCross(peer.address, to: remote) else { continue }
            // Both ends hear of each other at about the same time: the smaller dials, the other only if nothing came.
            let delay = me < peer.node ? 0...100 : 1_000...2_000
            let time = after(.milliseconds(Int.random(in: delay, using: &random)))
            let endpoint = Endpoint(peer.address)
            let isNew = book.number(of: endpoint) == nil
            guard
                let number = book.add(endpoint, source: .heard, node: peer.node, dialAt: time, now: now.monotonic)
            else { continue }
            // Somebody else is there now than the one who was.
            if !isNew, let entry = book[number], entry.state == .idle, entry.node != peer.node {
                book.update(number) {
                    $0.node = peer.node
                    $0.wasReached = false
                    $0.retryAt = time
                }
            }
        }
        reviewDialsSoon()
    }

    /// Tells all neighbours of an address that was just reached.
    mutating func shareAddress(_ number: Int) {
        guard let entry = book[number], let node = entry.node, let address = entry.address else { return }
        let receivers = neighbours.filter { neighbour in
            neighbour.node != node && Self.mayCross(address, to: links[neighbour.link]!.machine.remote)
        }
        guard !receivers.isEmpty else { return }
        effects.append(.send(.peers([PeerAddress(node: node, address: address)]), to: receivers.map(\.link)))
    }

    /// Tells a new neighbour where the others were reached.
    mutating func sendAddresses(to id: LinkID) {
        let remote = links[id]!.machine.remote
        let node = links[id]!.node
        let peers = book.sortedNumbers.compactMap { number -> PeerAddress? in
            guard let entry = book[number], entry.wasReached, let other = entry.node, let address = entry.address,
                other != node, membership.isReachable(other), Self.mayCross(address, to: remote)
            else { return nil }
            return PeerAddress(node: other, address: address)
        }
        guard !peers.isEmpty else { return }
        effects.append(.send(.peers(Array(peers.prefix(Self.addressesPerFrame))), to: [id]))
    }

    /// A loopback address means something else on every other host.
    static func mayCross(_ address: SocketAddress, to remote: SocketAddress) -> Bool {
        if address.ip.isUnspecified { return false }
        return !address.ip.isLoopback || remote.ip.isLoopback
    }
}

/// Which connections a node wants. The whole mesh up to its limit; beyond, any that keep the graph in one piece: whoever
/// is out of reach is always dialled, whoever is in reach only while there is room. A bounded view goes in here.
package enum TopologyRules {
    /// Whether one more connection to somebody who is in reach already is of use.
    package static func wantsNeighbour(having count: Int) -> Bool { count < MeshMachine.fullMesh - 1 }
}
