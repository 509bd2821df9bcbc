import CLinux
import Glibc
import Platform
import Wire

/// Looks names up on threads of its own, because the system's resolver can only block.
///
/// `@unchecked Sendable`: everything that changes is read and written under `lock`.
final class Resolver: @unchecked Sendable {
    /// Threads at most; a name server that does not answer holds one of them for as long as the system waits for it.
    static let threads = 4

    /// Names that wait at most; one more is refused.
    static let waiting = 1_000

    private struct Request {
        let host: String
        let port: UInt16
        let answer: @Sendable (Result<[SocketAddress], DialError>) -> Void
    }

    private let lock = Lock()
    private var requests: [Request] = []
    private var idle = 0
    private var started = 0
    private var stopping = false

    /// Looks a name up and answers on a thread of the resolver.
    func resolve(
        host: String, port: UInt16, answer: @escaping @Sendable (Result<[SocketAddress], DialError>) -> Void
    ) {
        let refused: Bool = lock.withLock {
            guard requests.count < Self.waiting else { return true }
            requests.append(Request(host: host, port: port, answer: answer))
            if idle == 0 && started < Self.threads {
                // The thread is never joined: one that waits for a dead name server must not keep the program alive.
                if (try? Thread(name: "resolver", { [self] in work() })) != nil { started += 1 }
            }
            if started == 0 {
                requests.removeLast()
                return true
            }
            lock.signal()
            return false
        }
        if refused { answer(.failure(.resolverBusy)) }
    }

    /// Lets the threads end once they are free.
    func stop() {
        lock.withLock {
            stopping = true
            requests = []
            lock.broadcast()
        }
    }

    private func work() {
        while true {
            lock.acquire()
            idle += 1
            while requests.isEmpty && !stopping { lock.wait() }
            idle -= 1
            if stopping {
                lock.release()
                return
            }
            let request = requests.removeFirst()
            lock.release()
            request.answer(Self.lookUp(host: request.host, port: request.port))
        }
    }

    /// The addresses of a name in the order of RFC 6724, which is the system's, families interleaved (RFC 8305, 4).
    private static func lookUp(host: String, port: UInt16) -> Result<[SocketAddress], DialError> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            return .failure(.unresolved(SafeText(untrusted: String(cString: gai_strerror(code)))))
        }
        defer { freeaddrinfo(list) }
        var first: [SocketAddress] = []
        var second: [SocketAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let raw = entry.pointee.ai_addr else { continue }
            var system = SystemAddress()
            system.length = min(entry.pointee.ai_addrlen, SystemAddress.capacity)
            withUnsafeMutableBytes(of: &system.storage) {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: raw, count: Int(system.length)))
            }
            guard let found = system.socketAddress else { continue }
            let address = SocketAddress(ip: found.ip, port: port, scope: found.scope)
            if first.isEmpty || first[0].ip.family == address.ip.family {
                if !first.contains(address) { first.append(address) }
            } else if !second.contains(address) {
                second.append(address)
            }
        }
        var addresses: [SocketAddress] = []
        for index in 0..<max(first.count, second.count) {
            if index < first.count { addresses.append(first[index]) }
            if index < second.count { addresses.append(second[index]) }
        }
        return addresses.isEmpty ? .failure(.unresolved("the name has no address")) : .success(addresses)
    }
}
