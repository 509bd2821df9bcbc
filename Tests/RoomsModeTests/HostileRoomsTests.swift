import Delivery
import Glibc
import Net
import PlainSockets
import Platform
import TestSupport
import Testing
import Wire

@testable import RoomsMode

/// What is slow or hostile: bounded time and memory, and the others are served as before.
@Suite(.timeLimit(.minutes(2))) struct HostileRoomsTests {
    /// A conversation that must go on whatever else happens.
    private struct Bystanders {
        let ann: StagePerson
        let bob: StagePerson

        init(_ stage: any RoomsStage) async throws {
            ann = try await StagePerson.enter(stage, "lobby", "Ann", extended: true)
            bob = try await StagePerson.enter(stage, "lobby", "Bob", extended: true)
        }

        /// One says something, the other hears it, and it is kept.
        func talk(_ number: UInt64) async throws {
            let id = MessageID(high: 77, low: number)
            try await ann.submit(.message, id, "still here \(number)")
            #expect(try await bob.next(.message).sentence == "Ann: still here \(number)")
            #expect(try await ann.next(.ack).id == id)
        }
    }

    /// Headers that trickle: closed when their time is up, and nobody waits for them.
    @Test func aTrickledHeaderIsClosedInTime() async throws {
        try await RecordedStage.with { stage in
            let people = try await Bystanders(stage)
            let id = stage.outbound.makeSocket()
            let listener = stage.outbound.makeSocket()
            let peer = SocketAddressOf.stranger(1)
            await stage.manager.handle([.accepted(id, listener: listener, peer: peer)])
            let timer = RoomsTimer.connection(Int(id.slot)).packed
            let due = try #require(stage.outbound.timers[timer])
            #expect(due - stage.outbound.now == ServerHandshakeMachine.requestTimeout)
            for byte in RoomsRequest(room: "lobby", .create(name: "x"), isExtended: false).message.encoded.prefix(31) {
                stage.outbound.now += .milliseconds(300)
                await stage.manager.handle([.received(id, [byte])])
                #expect(stage.outbound.timers[timer] == due, "a byte more gives no time more")
            }
            try await people.talk(1)
            _ = stage.outbound.takeSent()
            await stage.manager.handle([.timer(timer)])
            #expect(stage.outbound.takeSent() == [.closed(id)])
        }
    }

    /// Absurd lengths, over a real socket: closed without an answer, and nothing is kept.
    @Test func absurdLengthsAreClosedAtOnce() async throws {
        try await LoopbackStage.with { server in
            let people = try await Bystanders(server)
            for highest in [4, 5, 26, 28] {
                let peer = try await RawPeer.connect(to: server.tcpPort)
                // 2^200 and the like: one bit of the 28 bytes of length.
                var header = [UInt8](repeating: 0, count: 32)
                header[0] = 5
                header[1] = 2
                header[32 - highest] = 1
                try await peer.send(header)
                #expect(try await peer.receiveToEnd().isEmpty)
            }
            try await people.talk(1)
        }
    }

    /// A thousand half-open handshakes: each costs little, their descriptors come back, and the others go on.
    @Test func aThousandHalfOpenHandshakes() async throws {
        let process = try await RoomsServerProcess.start()
        let server = LoopbackStage(process)
        let people = try await Bystanders(server)
        try await people.talk(0)
        let before = (memory: process.residentKibibytes, descriptors: process.descriptors)
        let sockets = try Self.halfOpen(1_000, to: process.tcpPort)
        try await people.talk(1)
        // Somebody new gets in while they are there.
        _ = try await StagePerson.enter(server, "lobby", "Cid")
        while process.descriptors < before.descriptors + 1_000 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(isInstrumented || process.residentKibibytes - before.memory < 8_000)
        try await people.talk(2)
        for socket in sockets { close(socket) }
        while process.descriptors > before.descriptors + 1 { try await Task.sleep(for: .milliseconds(5)) }
        try await people.talk(3)
        #expect(await process.stop() == 0)
    }

    /// A flood of REGISTER with random tokens: dropped, never answered, and nothing is left of it.
    @Test func aFloodOfRandomTokens() async throws {
        let process = try await RoomsServerProcess.start()
        let people = try await Bystanders(LoopbackStage(process))
        let flood = try DatagramPeer()
        var random = SplitMix64(seed: 5)
        var before = 0
        for round in 0..<20 {
            for _ in 0..<1_000 {
                var writer = ByteWriter()
                UCRPRequest.writeHeader(room: Array("lobby".utf8), token: .random(using: &random), to: &writer)
                writer.append(UCRPRequest.Control.register.literal)
                await flood.send(writer.bytes, to: process.udpPort)
            }
            try await people.talk(UInt64(round))
            if round == 4 { before = process.residentKibibytes }
        }
        #expect(isInstrumented || process.residentKibibytes - before < 4_000)
        #expect(await process.stop() == 0)
    }

    /// Questions of one address are bounded too; those who ask little are answered meanwhile.
    @Test func questionsOfOneAddressAreLimited() async throws {
        var options = RoomManager.Options.unlimited()
        options.limitsRate = true
        try await RecordedStage.with(options) { stage in
            let id = stage.outbound.makeSocket()
            let listener = stage.outbound.makeSocket()
            await stage.manager.handle([.accepted(id, listener: listener, peer: SocketAddressOf.stranger(7))])
            let request = RoomsRequest(room: "", .list(after: 0), isExtended: true)
            var granted = 0
            for _ in 0..<(EntryLimiter.Rate.questions.burst + 50) {
                await stage.manager.handle([.received(id, request.message.encoded[...]), .drained(id)])
                let answer = await stage.outbound.next { if case .stream(id, let bytes) = $0 { bytes } else { nil } }
                var machine = ClientExchangeMachine(request)
                _ = machine.connected()
                if case .finished(.success)? = machine.received(answer[...]).first { granted += 1 }
            }
            #expect(granted == EntryLimiter.Rate.questions.burst)
            guard case .rooms? = try? await stage.ask(request).get().body else {
                Issue.record("another address was refused")
                return
            }
        }
    }

    /// A thousand questions in one piece, each of few bytes and with a long answer: some in a turn, none while what was
    /// sent is not read, and all in the end.
    @Test func aThousandQuestionsAtOnce() async throws {
        try await RecordedStage.with { stage in
            let id = stage.outbound.makeSocket()
            let listener = stage.outbound.makeSocket()
            await stage.manager.handle([.accepted(id, listener: listener, peer: SocketAddressOf.stranger(7))])
            func answers() -> Int {
                stage.outbound.takeSent().count { if case .stream(id, _) = $0 { true } else { false } }
            }
            let request = RoomsRequest(room: "", .list(after: 0), isExtended: true).message.encoded
            let questions = Array(repeatElement(request, count: 1_000).joined())
            await stage.manager.handle([.received(id, questions[...])])
            #expect(answers() == RoomManager.answersPerTurn)
            stage.outbound.setOutboxCount(RoomManager.outboxGate + 1, of: id)
            await stage.manager.handle([.drained(id)])
            #expect(answers() == 1)
            stage.outbound.setOutboxCount(0, of: id)
            var rest = 0
            while rest < 1_000 - RoomManager.answersPerTurn - 1 {
                await stage.manager.handle([.drained(id)])
                let more = answers()
                try #require(more > 0)
                rest += more
            }
            #expect(rest == 1_000 - RoomManager.answersPerTurn - 1)
        }
    }

    /// Too many entries from one address are refused; those of this host are not counted.
    @Test func entriesOfOneAddressAreLimited() {
        var limiter = EntryLimiter(.entries)
        let stranger = IPAddress.v4(0x0a00_0001)
        let start = MonotonicTime(nanoseconds: 0)
        let admitted = (0..<1_000).count { _ in limiter.admits(stranger, at: start) }
        #expect(admitted == EntryLimiter.Rate.entries.burst)
        let another = limiter.admits(.v4(0x0a00_0002), at: start)
        #expect(another)
        let local = (0..<1_000).count { _ in limiter.admits(.loopbackV4, at: start) }
        #expect(local == 1_000)
        let later = limiter.admits(stranger, at: start + .seconds(2))
        #expect(later)
        // As many addresses as one likes share what one may, beyond a bound.
        for number in 0..<UInt32(2 * EntryLimiter.mostAddresses) {
            _ = limiter.admits(.v4(0x0b00_0000 + number), at: start + .seconds(2))
        }
        let oneMore = limiter.admits(.v4(0x0c00_0000), at: start + .seconds(2))
        #expect(!oneMore)
        // When theirs are full again, they are forgotten and there is room for others.
        let afterwards = (0..<5).count { _ in limiter.admits(.v4(0x0c00_0001), at: start + .seconds(60)) }
        #expect(afterwards == 5)
    }

    // MARK: - Helpers

    private enum SocketAddressOf {
        static func stranger(_ number: UInt32) -> SocketAddress {
            SocketAddress(ip: .v4(0x0a00_0100 + number), port: 1_000)
        }
    }

    /// Connections that send half a header and then nothing.
    private static func halfOpen(_ count: Int, to port: UInt16) throws -> [Int32] {
        // The tests may have been started with room for fewer.
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return try (0..<count).map { _ in
            let descriptor = try PlainSocket.connected(to: port)
            _ = [UInt8](repeating: 1, count: 16).withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress!, 16, Int32(MSG_NOSIGNAL))
            }
            return descriptor
        }
    }
}

extension RoomsServerProcess {
    /// Resident memory in KiB (proc(5), statm).
    var residentKibibytes: Int {
        guard let file = fopen("/proc/\(process.pid)/statm", "r") else { return 0 }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = fread(&buffer, 1, buffer.count, file)
        let fields = String(decoding: buffer[..<count], as: UTF8.self).split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4
    }

    /// Open descriptors.
    var descriptors: Int {
        guard let folder = opendir("/proc/\(process.pid)/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return count
    }
}
