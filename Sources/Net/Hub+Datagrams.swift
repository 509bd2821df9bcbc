import CLinux
import Glibc
package import Platform
package import Wire

/// Memory for one call that receives many datagrams; exists for as long as the hub has a datagram socket.
final class DatagramBatch {
    static let capacity = Hub.Limits.datagramsPerCall
    /// One byte more than a datagram may have, so that a longer one is recognised.
    static let size = Hub.Limits.datagram + 1

    let headers = UnsafeMutablePointer<chat_mmsghdr>.allocate(capacity: capacity)
    let addresses = UnsafeMutablePointer<SystemAddress>.allocate(capacity: capacity)
    private let vectors = UnsafeMutablePointer<iovec>.allocate(capacity: capacity)
    private let memory = UnsafeMutableRawPointer.allocate(byteCount: capacity * size, alignment: 16)

    init() {
        for index in 0..<Self.capacity {
            (addresses + index).initialize(to: SystemAddress())
            (vectors + index).initialize(to: iovec(iov_base: memory + index * Self.size, iov_len: Self.size))
            var header = chat_mmsghdr()
            header.header.msg_iov = vectors + index
            header.header.msg_iovlen = 1
            header.header.msg_name = UnsafeMutableRawPointer(addresses + index)
            (headers + index).initialize(to: header)
        }
    }

    deinit {
        headers.deallocate()
        addresses.deallocate()
        vectors.deallocate()
        memory.deallocate()
    }

    /// Makes the batch ready for another call, which overwrites the lengths.
    func prepare() {
        for index in 0..<Self.capacity { headers[index].header.msg_namelen = SystemAddress.capacity }
    }

    func payload(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: memory + index * Self.size, count: min(Int(headers[index].length), Self.size))
    }
}

extension Hub {
    /// The address of this host under which another one sees its datagrams, unless it is translated on the way.
    package static func localAddress(towards address: SocketAddress) throws(SystemError) -> IPAddress {
        try Sockets.localAddress(towards: address)
    }

    package func bindDatagram(on address: SocketAddress) throws(SystemError) -> (id: SocketID, address: SocketAddress) {
        checkThread()
        let (descriptor, bound) = try Sockets.datagram(on: address)
        let id = addSlot(descriptor: descriptor, kind: .datagram)
        slots[Int(id.slot)].family = address.ip.family
        if receiveBatch == nil { receiveBatch = DatagramBatch() }
        outgoing[id.slot] = DatagramQueue()
        updateInterest(id.slot)
        return (id, bound)
    }

    func receiveDatagrams(_ id: SocketID) {
        guard let batch = receiveBatch else { return }
        let descriptor = slots[Int(id.slot)].descriptor
        var received: [(source: SocketAddress, range: Range<Int>)] = []
        for _ in 0..<Limits.datagramCallsPerTurn {
            batch.prepare()
            let result = nonblockingCall("recvmmsg") {
                Int(chat_recvmmsg(descriptor, batch.headers, UInt32(DatagramBatch.capacity), System.receiveFlags, nil))
            }
            // An ICMP error of an earlier send can come up here; the next call goes on.
            if case .failed = result { continue }
            guard case .done(let count) = result else { break }
            for index in 0..<count {
                guard let source = batch.addresses[index].socketAddress else { continue }
                let start = bytes.count
                bytes.append(contentsOf: batch.payload(index))
                received.append((source, start..<bytes.count))
            }
            if count < DatagramBatch.capacity || bytes.count >= Limits.readPerTurn { break }
        }
        if !received.isEmpty { pending.append(.datagrams(id, received)) }
    }

    package func send(_ payload: Payload, to address: SocketAddress, from socket: SocketID) {
        checkThread()
        check(payload)
        guard let slot = slot(of: socket), slots[slot].kind == .datagram, canReach(address, from: slot) else { return }
        outgoing[socket.slot]!.append(Slot.Piece(start: payload.start, end: payload.end), to: address)
        markDirty(socket.slot)
    }

    package func send(
        _ payload: Payload, to addresses: [SocketAddress], except: SocketAddress?, from socket: SocketID
    ) {
        checkThread()
        check(payload)
        guard let slot = slot(of: socket), slots[slot].kind == .datagram, !addresses.isEmpty else { return }
        outgoing[socket.slot]!.append(
            Slot.Piece(start: payload.start, end: payload.end), to: addresses, except: except)
        markDirty(socket.slot)
    }

    /// An IPv4 socket cannot send to IPv6; such a datagram is lost, as on any network.
    private func canReach(_ address: SocketAddress, from slot: Int) -> Bool {
        slots[slot].family == AF_INET6 || address.ip.isV4
    }

    func flushDatagrams(_ index: UInt32) {
        guard var queue = outgoing.removeValue(forKey: index) else { return }
        let slot = Int(index)
        arena.bytes.withUnsafeBytes { memory in
            queue.flush(
                descriptor: slots[slot].descriptor, family: slots[slot].family, arena: memory,
                dropped: &droppedDatagrams)
        }
        outgoing[index] = queue
        updateInterest(index)
    }

    /// Reads ICMP errors and the addresses that they are about.
    func readErrorQueue(_ id: SocketID) {
        let descriptor = slots[Int(id.slot)].descriptor
        var system = SystemAddress()
        while true {
            system.length = SystemAddress.capacity
            var code: Int32 = 0
            let found = system.withPointer { chat_read_error_queue(descriptor, $0, &$1, &code) }
            if found == 0 { return }
            if code == ECONNREFUSED, let address = system.socketAddress { append(.unreachable(id, address)) }
        }
    }
}
