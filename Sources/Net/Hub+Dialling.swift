import CLinux
import Glibc
import Platform
package import Wire

/// A dial under way: the addresses of its name, and the attempts that run beside each other (RFC 8305, section 5).
struct Dial {
    /// What the consumer calls it.
    let token: Int
    /// Addresses that have not been tried, in order.
    var untried: [SocketAddress] = []
    /// Attempts that have begun.
    var attempts: [(id: SocketID, address: SocketAddress)] = []
    /// What the last attempt that failed said.
    var lastError: DialError = .unresolved("the name has no address")
}

extension Hub {
    package func dial(_ endpoint: Endpoint, token: Int, timeout: Duration) {
        checkThread()
        precondition(dialsByToken[token] == nil, "two dials under way have the same token")
        let dial = nextDial
        nextDial += 1
        dials[dial] = Dial(token: token)
        dialsByToken[token] = dial
        schedule(.dialTimeout(dial: dial), at: now + timeout)
        if let ip = IPAddress(parsing: endpoint.host) {
            resolved(dial, .success([SocketAddress(ip: ip, port: endpoint.port)]))
            return
        }
        resolver.resolve(host: endpoint.host, port: endpoint.port) { [loop] result in
            loop.post(.resolved(dial: dial, result))
        }
    }

    package func cancelDial(token: Int) {
        checkThread()
        guard let dial = dialsByToken[token] else { return }
        forget(dial)
    }

    func received(_ message: LoopMessage) {
        switch message {
        case .resolved(let dial, let result): resolved(dial, result)
        case .lookedUp(let token, let result): lookedUp(token, result)
        }
    }

    package func resolve(_ endpoint: Endpoint, token: Int) {
        checkThread()
        precondition(lookUps.insert(token).inserted, "two look-ups under way have the same token")
        if let ip = IPAddress(parsing: endpoint.host) {
            lookedUp(token, .success([SocketAddress(ip: ip, port: endpoint.port)]))
            return
        }
        schedule(.lookUpTimeout(token: token), at: now + Limits.lookUp)
        resolver.resolve(host: endpoint.host, port: endpoint.port) { [loop] result in
            loop.post(.lookedUp(token: token, result))
        }
    }

    func lookedUp(_ token: Int, _ result: Result<[SocketAddress], DialError>) {
        guard lookUps.remove(token) != nil else { return }
        cancel(.lookUpTimeout(token: token))
        append(.resolved(token: token, result))
    }

    private func resolved(_ dial: UInt64, _ result: Result<[SocketAddress], DialError>) {
        // A dial that was cancelled or timed out while its name was looked up.
        guard dials[dial] != nil else { return }
        switch result {
        case .success(let addresses): dials[dial]!.untried = addresses
        case .failure(let error): dials[dial]!.lastError = error
        }
        startNextAttempt(of: dial)
    }

    /// Tries the next address; without one left, and with no attempt under way, the dial has failed.
    func startNextAttempt(of dial: UInt64) {
        guard var state = dials[dial] else { return }
        while !state.untried.isEmpty {
            let address = state.untried.removeFirst()
            do throws(SystemError) {
                let descriptor = try Sockets.connecting(to: address)
                let id = addSlot(descriptor: descriptor, kind: .connecting)
                slots[Int(id.slot)].dial = dial
                updateInterest(id.slot)
                state.attempts.append((id, address))
                if !state.untried.isEmpty {
                    schedule(.nextAttempt(dial: dial), at: now + Limits.connectionAttemptDelay)
                }
                dials[dial] = state
                return
            } catch {
                state.lastError = .failed(error)
            }
        }
        dials[dial] = state
        if state.attempts.isEmpty { failed(dial, state.lastError) }
    }

    func connectionAttemptEnded(_ id: SocketID) {
        let slot = Int(id.slot)
        let dial = slots[slot].dial
        guard let state = dials[dial], let position = state.attempts.firstIndex(where: { $0.id == id }) else {
            preconditionFailure("a connection attempt belongs to no dial")
        }
        let address = state.attempts[position].address
        dials[dial]!.attempts.remove(at: position)
        if let error = Sockets.pendingError(of: slots[slot].descriptor) {
            release(id.slot)
            dials[dial]!.lastError = .failed(error)
            startNextAttempt(of: dial)
            return
        }
        slots[slot].kind = .stream
        slots[slot].dial = 0
        openStreams += 1
        forget(dial)
        updateInterest(id.slot)
        append(.connected(id, token: state.token, peer: address))
    }

    func dialTimedOut(_ dial: UInt64) { failed(dial, .timedOut) }

    private func failed(_ dial: UInt64, _ error: DialError) {
        guard let token = dials[dial]?.token else { return }
        forget(dial)
        append(.dialFailed(token: token, error))
    }

    /// Ends a dial and the attempts that are still under way.
    private func forget(_ dial: UInt64) {
        guard let state = dials.removeValue(forKey: dial) else { return }
        dialsByToken[state.token] = nil
        cancel(.dialTimeout(dial: dial))
        cancel(.nextAttempt(dial: dial))
        for attempt in state.attempts { release(attempt.id.slot) }
    }
}
