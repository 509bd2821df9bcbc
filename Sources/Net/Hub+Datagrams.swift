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

/// What a datagram socket sends at the end of this turn, and what the kernel had no room for.
struct DatagramQueue {
    /// Of this turn: parts of the arena.
    var fresh: [(piece: Slot.Piece, address: SystemAddress)] = []
    /// Of earlier turns, in their own memory.
    var waiting: [(bytes: [UInt8], address: SystemAddress)] = []
    var isWaiting: Bool { !waiting.isEmpty }
}

extension Hub {
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
        guard let slot = slot(of: socket), slots[slot].kind == .datagram else { return }
        guard canReach(address, from: slot) else { return }
        outgoing[socket.slot]!.fresh.append(
            (Slot.Piece(start: payload.start, end: payload.end), SystemAddress(address, family: slots[slot].family)))
        markDirty(socket.slot)
    }

    package func send(_ payload: Payload, to addresses: [SocketAddress], from socket: SocketID) {
        checkThread()
        check(payload)
        guard let slot = slot(of: socket), slots[slot].kind == .datagram else { return }
        let family = slots[slot].family
        let piece = Slot.Piece(start: payload.start, end: payload.end)
        for address in addresses where canReach(address, from: slot) {
            outgoing[socket.slot]!.fresh.append((piece, SystemAddress(address, family: family)))
        }
        markDirty(socket.slot)
    }

    /// An IPv4 socket cannot send to IPv6; such a datagram is lost, as on any network.
    private func canReach(_ address: SocketAddress, from slot: Int) -> Bool {
        slots[slot].family == AF_INET6 || address.ip.family == AF_INET
    }

    func flushDatagrams(_ index: UInt32) {
        guard var queue = outgoing.removeValue(forKey: index) else { return }
        let descriptor = slots[Int(index)].descriptor
        if queue.isWaiting {
            let sent = queue.waiting.withUnsafeBufferPointer { waiting in
                sendBatch(descriptor, count: waiting.count) { index, body in
                    waiting[index].bytes.withUnsafeBytes { body($0, waiting[index].address) }
                }
            }
            queue.waiting.removeFirst(sent)
        }
        var sent = 0
        if !queue.isWaiting && !queue.fresh.isEmpty {
            sent = arena.bytes.withUnsafeBytes { memory in
                queue.fresh.withUnsafeBufferPointer { fresh in
                    sendBatch(descriptor, count: fresh.count) { index, body in
                        let piece = fresh[index].piece
                        body(UnsafeRawBufferPointer(rebasing: memory[piece.start..<piece.end]), fresh[index].address)
                    }
                }
            }
        }
        for item in queue.fresh[sent...] {
            if queue.waiting.count >= Limits.datagramsWaiting {
                droppedDatagrams += queue.fresh.count - sent
                break
            }
            let bytes = arena.bytes.withUnsafeBytes { [UInt8]($0[item.piece.start..<item.piece.end]) }
            queue.waiting.append((bytes, item.address))
            sent += 1
        }
        queue.fresh.removeAll(keepingCapacity: queue.fresh.count <= 65_536)
        outgoing[index] = queue
        updateInterest(index)
    }

    /// Sends datagrams in as few calls as possible.
    ///
    /// - Returns: how many of them are done with: sent, or refused by the kernel for a reason of their own.
    private func sendBatch(
        _ descriptor: Int32, count: Int,
        _ item: (Int, (UnsafeRawBufferPointer, SystemAddress) -> Void) -> Void
    ) -> Int {
        let capacity = min(count, 1_024)
        return withUnsafeTemporaryAllocation(of: chat_mmsghdr.self, capacity: capacity) { headers in
            withUnsafeTemporaryAllocation(of: iovec.self, capacity: capacity) { vectors in
                withUnsafeTemporaryAllocation(of: SystemAddress.self, capacity: capacity) { addresses in
                    var done = 0
                    while done < count {
                        let size = min(capacity, count - done)
                        for index in 0..<size {
                            item(done + index) { bytes, address in
                                addresses.initializeElement(at: index, to: address)
                                vectors.initializeElement(
                                    at: index,
                                    to: iovec(
                                        iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress),
                                        iov_len: bytes.count))
                            }
                            var header = chat_mmsghdr()
                            header.header.msg_name = UnsafeMutableRawPointer(addresses.baseAddress! + index)
                            header.header.msg_namelen = addresses[index].length
                            header.header.msg_iov = vectors.baseAddress! + index
                            header.header.msg_iovlen = 1
                            headers.initializeElement(at: index, to: header)
                        }
                        var sent = 0
                        while sent < size {
                            let result = nonblockingCall("sendmmsg") {
                                Int(
                                    chat_sendmmsg(
                                        descriptor, headers.baseAddress! + sent, UInt32(size - sent),
                                        System.sendFlags))
                            }
                            switch result {
                            case .done(let number): sent += number
                            case .wouldBlock: return done + sent
                            case .failed(let error):
                                if error.code == ENOBUFS || error.code == ENOMEM { return done + sent }
                                // ECONNREFUSED is the ICMP error of an earlier datagram, told once and with nothing
                                // sent; every other error is this datagram's own (no route, too long).
                                if error.code != ECONNREFUSED { sent += 1 }
                            }
                        }
                        done += size
                    }
                    return done
                }
            }
        }
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
