import CLinux
import Glibc
import PlainSockets
import Wire

/// Sockets of an attacker: never waiting, and never minding what goes wrong.
enum RawSocket {
    private static func address(_ port: UInt16) -> SocketAddress { SocketAddress(ip: .loopbackV4, port: port) }

    /// A connection that is being made; -1 where there is none to be had.
    static func connect(to port: UInt16, receiveBuffer: Int32? = nil) -> Int32 {
        PlainSocket.dialled(address(port), receiveBuffer: receiveBuffer) ?? -1
    }

    /// A socket for datagrams, and the port that it has.
    static func datagrams() -> (descriptor: Int32, port: UInt16)? {
        guard let descriptor = try? PlainSocket.bound(.datagrams) else { return nil }
        return (descriptor, PlainSocket.address(of: descriptor).port)
    }

    static func send(_ bytes: [UInt8], to port: UInt16, through descriptor: Int32) {
        PlainSocket.send(bytes, to: address(port), through: descriptor)
    }

    /// Writes what the kernel takes.
    ///
    /// - Returns: false where the connection is over.
    @discardableResult
    static func write(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) >= 0 || chat_errno() == EAGAIN
    }

    /// What has come; nil where the connection is over.
    static func read(_ descriptor: Int32) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 { return Array(buffer[..<count]) }
        return count < 0 && chat_errno() == EAGAIN ? [] : nil
    }

    /// Closes; the other end sees a reset.
    static func reset(_ descriptor: Int32) { PlainSocket.reset(descriptor) }
}
