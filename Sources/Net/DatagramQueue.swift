import CLinux
import Glibc
import Platform
import Wire

/// What a datagram socket sends at the end of this turn, and what the kernel had no room for.
///
/// Datagrams of one turn that go to the same addresses stand in one entry: each address then costs one message of
/// `sendmmsg` for all of them, where they are equal in size, since the kernel cuts the segments (UDP_SEGMENT, udp(7)).
struct DatagramQueue {
    /// Messages of one call.
    static let messagesPerCall = 1_024
    /// Segments that the kernel cuts out of one message at most (UDP_MAX_SEGMENTS).
    static let segments = 64
    /// Bytes of one message at most, below the 65,507 of a UDP payload.
    static let messageBytes = 60_000
    /// Vectors of one call: payloads of all of its messages.
    static let vectorsPerCall = 8_192

    /// Payloads of this turn and the addresses that all of them go to, in the order in which they were sent.
    private struct Entry {
        var addresses: [SocketAddress]
        var pieces: [Slot.Piece]
        /// Who does not get the payload with the same index: its own author.
        var exceptions: [SocketAddress?]
    }

    private var fresh: [Entry] = []

    /// Of earlier turns, in their own memory.
    private var waiting: [(bytes: [UInt8], address: SocketAddress)] = []

    /// Set when the kernel or the network card refuses to cut segments.
    private var cutsSegments = true

    var isWaiting: Bool { !waiting.isEmpty }

    mutating func append(_ piece: Slot.Piece, to address: SocketAddress) {
        if let last = fresh.indices.last, fresh[last].addresses.count == 1, fresh[last].addresses[0] == address {
            fresh[last].pieces.append(piece)
            fresh[last].exceptions.append(nil)
            return
        }
        fresh.append(Entry(addresses: [address], pieces: [piece], exceptions: [nil]))
    }

    mutating func append(_ piece: Slot.Piece, to addresses: [SocketAddress], except: SocketAddress?) {
        if let last = fresh.indices.last, fresh[last].addresses.isSameMemory(as: addresses) {
            fresh[last].pieces.append(piece)
            fresh[last].exceptions.append(except)
            return
        }
        fresh.append(Entry(addresses: addresses, pieces: [piece], exceptions: [except]))
    }

    /// Sends what waits and what is new; keeps what the kernel has no room for, as far as it may wait.
    mutating func flush(descriptor: Int32, family: Int32, arena: UnsafeRawBufferPointer, dropped: inout Int) {
        if !waiting.isEmpty {
            var sent = 0
            for (bytes, address) in waiting {
                guard bytes.withUnsafeBytes({ Self.sendOne(descriptor, family, $0, address) }) else { break }
                sent += 1
            }
            waiting.removeFirst(sent)
        }
        let entries = fresh
        fresh.removeAll(keepingCapacity: true)
        guard waiting.isEmpty else {
            for entry in entries { keep(entry, from: 0, arena, family, &dropped) }
            return
        }
        for index in entries.indices {
            let unsent = send(entries[index], descriptor, family, arena)
            guard let unsent else { continue }
            keep(entries[index], from: unsent, arena, family, &dropped)
            for later in entries[(index + 1)...] { keep(later, from: 0, arena, family, &dropped) }
            return
        }
    }

    /// Copies what an entry still has to send, from one of its addresses on.
    private mutating func keep(
        _ entry: Entry, from first: Int, _ arena: UnsafeRawBufferPointer, _ family: Int32, _ dropped: inout Int
    ) {
        for address in entry.addresses[first...] {
            for (piece, except) in zip(entry.pieces, entry.exceptions) where except != address {
                if waiting.count >= Hub.Limits.datagramsWaiting {
                    dropped += 1
                } else {
                    waiting.append(([UInt8](arena[piece.start..<piece.end]), address))
                }
            }
        }
    }

    /// Sends an entry in as few calls as possible.
    ///
    /// - Returns: the first address whose datagrams the kernel had no room for; nil where all are done with. Of one
    ///   address all or none are repeated; a datagram that is sent twice is what UDP may do by itself.
    private mutating func send(
        _ entry: Entry, _ descriptor: Int32, _ family: Int32, _ arena: UnsafeRawBufferPointer
    ) -> Int? {
        let messages = min(Self.messagesPerCall, entry.addresses.count * entry.pieces.count)
        let vectorCount = min(Self.vectorsPerCall, entry.addresses.count * entry.pieces.count)
        return withUnsafeTemporaryAllocation(of: iovec.self, capacity: vectorCount) { vectors in
            withUnsafeTemporaryAllocation(of: SystemAddress.self, capacity: messages) { names in
                withUnsafeTemporaryAllocation(of: chat_segment_control.self, capacity: messages) { controls in
                    withUnsafeTemporaryAllocation(of: chat_mmsghdr.self, capacity: messages) { headers in
                        var call = Call(
                            headers: headers, names: names, controls: controls, vectors: vectors,
                            descriptor: descriptor, cutsSegments: cutsSegments)
                        defer { cutsSegments = call.cutsSegments }
                        for (index, address) in entry.addresses.enumerated() {
                            guard family == AF_INET6 || address.ip.isV4 else { continue }
                            let name = SystemAddress(address, family: family)
                            for (piece, except) in zip(entry.pieces, entry.exceptions) where except != address {
                                if !call.add(piece, arena, to: name, of: index) {
                                    if let unsent = call.perform() { return unsent }
                                    _ = call.add(piece, arena, to: name, of: index)
                                }
                            }
                            call.endMessage()
                        }
                        return call.perform()
                    }
                }
            }
        }
    }

    private static func sendOne(
        _ descriptor: Int32, _ family: Int32, _ bytes: UnsafeRawBufferPointer, _ address: SocketAddress
    ) -> Bool {
        var name = SystemAddress(address, family: family)
        while true {
            let result = nonblockingCall("sendto") {
                name.withPointer { sendto(descriptor, bytes.baseAddress, bytes.count, System.sendFlags, $0, $1) }
            }
            switch result {
            case .done: return true
            case .wouldBlock: return false
            case .failed(let error):
                if error.code == ECONNREFUSED { continue }
                return !(error.code == ENOBUFS || error.code == ENOMEM)
            }
        }
    }

    /// One call of `sendmmsg` while it is put together.
    private struct Call {
        let headers: UnsafeMutableBufferPointer<chat_mmsghdr>
        let names: UnsafeMutableBufferPointer<SystemAddress>
        let controls: UnsafeMutableBufferPointer<chat_segment_control>
        let vectors: UnsafeMutableBufferPointer<iovec>
        let descriptor: Int32
        var cutsSegments: Bool

        private var messageCount = 0
        private var vectorCount = 0
        /// The message that further payloads may join: its first size, its bytes, and whether a shorter one has ended it.
        private var segment = 0
        private var bytes = 0
        private var isOpen = false
        /// The address of the entry of each message's, for what has to be sent again.
        private var firstIndex = 0
        private var indices: [Int] = []

        init(
            headers: UnsafeMutableBufferPointer<chat_mmsghdr>, names: UnsafeMutableBufferPointer<SystemAddress>,
            controls: UnsafeMutableBufferPointer<chat_segment_control>, vectors: UnsafeMutableBufferPointer<iovec>,
            descriptor: Int32, cutsSegments: Bool
        ) {
            self.headers = headers
            self.names = names
            self.controls = controls
            self.vectors = vectors
            self.descriptor = descriptor
            self.cutsSegments = cutsSegments
            indices.reserveCapacity(headers.count)
        }

        /// Adds a payload, to the message before where the kernel can cut it off there.
        ///
        /// - Returns: false where the call is full.
        mutating func add(
            _ piece: Slot.Piece, _ arena: UnsafeRawBufferPointer, to name: SystemAddress, of index: Int
        ) -> Bool {
            guard vectorCount < vectors.count else { return false }
            let joins =
                isOpen && cutsSegments && piece.count > 0 && piece.count <= segment
                && bytes + piece.count <= DatagramQueue.messageBytes
                && headers[messageCount - 1].header.msg_iovlen < DatagramQueue.segments
            guard joins || messageCount < headers.count else { return false }
            vectors.initializeElement(
                at: vectorCount,
                to: iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: arena.baseAddress.map { $0 + piece.start }),
                    iov_len: piece.count))
            if joins {
                headers[messageCount - 1].header.msg_iovlen += 1
                if headers[messageCount - 1].header.msg_control == nil {
                    controls.initializeElement(at: messageCount - 1, to: chat_make_segment_control(UInt16(segment)))
                    headers[messageCount - 1].header.msg_control =
                        UnsafeMutableRawPointer(controls.baseAddress! + (messageCount - 1))
                    headers[messageCount - 1].header.msg_controllen = chat_segment_control_length()
                }
                bytes += piece.count
                // Only the last segment may be shorter.
                if piece.count < segment { isOpen = false }
            } else {
                names.initializeElement(at: messageCount, to: name)
                var header = chat_mmsghdr()
                header.header.msg_name = UnsafeMutableRawPointer(names.baseAddress! + messageCount)
                header.header.msg_namelen = name.length
                header.header.msg_iov = vectors.baseAddress! + vectorCount
                header.header.msg_iovlen = 1
                headers.initializeElement(at: messageCount, to: header)
                indices.append(index)
                messageCount += 1
                segment = piece.count
                bytes = piece.count
                isOpen = true
            }
            vectorCount += 1
            return true
        }

        /// What follows goes to another address.
        mutating func endMessage() { isOpen = false }

        /// Sends the messages that were added and starts over.
        ///
        /// - Returns: the index of the first address that the kernel had no room for.
        mutating func perform() -> Int? {
            defer {
                messageCount = 0
                vectorCount = 0
                isOpen = false
                indices.removeAll(keepingCapacity: true)
            }
            var sent = 0
            while sent < messageCount {
                let result = nonblockingCall("sendmmsg") {
                    Int(
                        chat_sendmmsg(
                            descriptor, headers.baseAddress! + sent, UInt32(messageCount - sent), System.sendFlags))
                }
                switch result {
                case .done(let number): sent += number
                case .wouldBlock: return indices[sent]
                case .failed(let error):
                    switch error.code {
                    case ENOBUFS, ENOMEM: return indices[sent]
                    // The ICMP error of an earlier datagram, told once and with nothing sent.
                    case ECONNREFUSED: continue
                    case let code
                    where [EINVAL, EIO, EOPNOTSUPP, ENOPROTOOPT].contains(code)
                        && headers[sent].header.msg_control != nil:
                        cutsSegments = false
                        sendSingly(headers[sent].header)
                        sent += 1
                    // Every other error is this datagram's own: no route, too long.
                    default: sent += 1
                    }
                }
            }
            return nil
        }

        /// The way without segmentation, for a message that was put together for it.
        private func sendSingly(_ header: msghdr) {
            for index in 0..<Int(header.msg_iovlen) {
                var single = header
                single.msg_iov = header.msg_iov + index
                single.msg_iovlen = 1
                single.msg_control = nil
                single.msg_controllen = 0
                _ = nonblockingCall("sendmsg") { sendmsg(descriptor, &single, System.sendFlags) }
            }
        }
    }
}
