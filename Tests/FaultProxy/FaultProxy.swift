import CLinux
import Glibc
import Platform
package import Wire

/// A bad network between real processes on loopback, from a seed: streams are split, delayed, reset and ended on one
/// side, datagrams are lost, doubled, overtaken and damaged, and ends are cut apart and joined again.
///
/// It shares nothing with the event loop of the program that it tests: one thread, `poll` and the sockets of the C
/// library.
package final class FaultProxy: Sendable {
    /// A way through the proxy: who connects or sends to its front reaches the target.
    package struct Route: Sendable {
        package enum Transport: Sendable { case stream, datagrams }

        package var transport: Transport
        /// Where the front listens; port 0 for any.
        package var front: SocketAddress
        /// Port 0 stands for the port that the front has got.
        package var target: SocketAddress
        /// Where connections to the target come from; nil leaves it to the kernel.
        package var source: IPAddress?
        /// Who is behind the front and who behind the target, for `cut`.
        package var caller: Int
        package var callee: Int
        /// Reads from the first bytes of a connection, or from a datagram, who the caller is, where any may come to this
        /// front.
        package var identify: (@Sendable ([UInt8]) -> Int?)?
        /// Datagrams that name a port at which their sender is answered: the same datagram with the port that stands for
        /// that one here; nil for one that is not passed on.
        package var rewrite: Rewriting?

        package typealias Rewriting = @Sendable (_ bytes: [UInt8], _ standIn: (UInt16) -> UInt16?) -> [UInt8]?

        package init(
            _ transport: Transport, front: SocketAddress = SocketAddress(ip: .loopbackV4, port: 0),
            to target: SocketAddress, from source: IPAddress? = nil, caller: Int = 0, callee: Int = 0,
            identify: (@Sendable ([UInt8]) -> Int?)? = nil, rewrite: Rewriting? = nil
        ) {
            self.transport = transport
            self.front = front
            self.target = target
            self.source = source
            self.caller = caller
            self.callee = callee
            self.identify = identify
            self.rewrite = rewrite
        }
    }

    /// What it has done so far.
    package struct Account: Sendable, Equatable {
        package var connections = 0
        package var resets = 0
        package var halfCloses = 0
        package var pieces = 0
        package var passed = 0
        package var lost = 0
        package var duplicated = 0
        package var corrupted = 0
    }

    enum Command: Sendable {
        case weather(Weather)
        /// Pairs that are apart; nothing passes between them, and nothing is lost of streams.
        case cut(Set<Pair>)
        case resetAll
        case forgetCallers
        case stop
    }

    struct Pair: Hashable, Sendable {
        let low: Int
        let high: Int

        init(_ one: Int, _ other: Int) {
            low = min(one, other)
            high = max(one, other)
        }
    }

    /// Where each route's front listens, in the order of the routes.
    package let fronts: [SocketAddress]

    private let mailbox: Mailbox
    private let thread: Thread

    /// Opens the fronts and starts.
    package init(seed: UInt64, routes: [Route], weather: Weather = .fair) throws {
        let mailbox = try Mailbox()
        let engine = try Engine(seed: seed, routes: routes, weather: weather, mailbox: mailbox)
        self.mailbox = mailbox
        fronts = engine.fronts
        // The engine belongs to the thread from here on.
        let handedOver = HandedOver(engine: engine)
        thread = try Thread(name: "faults") { handedOver.engine.run() }
    }

    /// A proxy in front of one server of datagrams on this machine.
    package static func datagrams(
        to port: UInt16, seed: UInt64, rewrite: Route.Rewriting? = nil
    ) throws -> FaultProxy {
        let server = SocketAddress(ip: .loopbackV4, port: port)
        return try FaultProxy(seed: seed, routes: [Route(.datagrams, to: server, rewrite: rewrite)])
    }

    deinit { stop() }

    package func setWeather(_ weather: Weather) { mailbox.post(.weather(weather)) }

    /// Sets groups of ends apart: nothing passes from one to another until `join`. Ends in no group reach everybody.
    package func cut(_ groups: [[Int]]) {
        var pairs: Set<Pair> = []
        for (index, group) in groups.enumerated() {
            for other in groups[(index + 1)...] {
                for one in group { for second in other { pairs.insert(Pair(one, second)) } }
            }
        }
        mailbox.post(.cut(pairs))
    }

    package func join() { mailbox.post(.cut([])) }

    /// Every stream that is open now sees a reset at both ends.
    package func resetAll() { mailbox.post(.resetAll) }

    /// Gives whoever sends datagrams another address in the eyes of the target, as an address translator does that has
    /// forgotten them: what the target sends to the old ones is lost.
    package func forgetCallers() { mailbox.post(.forgetCallers) }

    package var account: Account { mailbox.account }

    /// Closes everything; later calls do nothing.
    package func stop() {
        mailbox.post(.stop)
        thread.join()
    }

    /// `@unchecked Sendable`: only the thread that is started with it touches the engine.
    private final class HandedOver: @unchecked Sendable {
        let engine: Engine

        init(engine: Engine) { self.engine = engine }
    }
}

/// What the proxy's thread is told and what it tells.
///
/// `@unchecked Sendable`: all state is behind the lock; the descriptors never change.
final class Mailbox: @unchecked Sendable {
    private let lock = Lock()
    private var commands: [FaultProxy.Command] = []
    private var latest = FaultProxy.Account()
    let wakeReader: Int32
    private let wakeWriter: Int32

    init() throws {
        var pipe: [Int32] = [0, 0]
        try systemCall("pipe2") { pipe2(&pipe, O_CLOEXEC | O_NONBLOCK) }
        wakeReader = pipe[0]
        wakeWriter = pipe[1]
    }

    deinit {
        close(wakeReader)
        close(wakeWriter)
    }

    func post(_ command: FaultProxy.Command) {
        lock.withLock { commands.append(command) }
        var byte: UInt8 = 1
        _ = write(wakeWriter, &byte, 1)
    }

    func take() -> [FaultProxy.Command] {
        lock.withLock {
            defer { commands = [] }
            return commands
        }
    }

    var account: FaultProxy.Account {
        get { lock.withLock { latest } }
        set { lock.withLock { latest = newValue } }
    }
}
