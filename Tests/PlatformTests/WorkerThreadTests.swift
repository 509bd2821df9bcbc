import Testing

@testable import Platform

@Suite struct WorkerThreadTests {
    private actor Counter {
        private let thread: WorkerThread
        private var value = 0
        nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

        init(_ thread: WorkerThread) { self.thread = thread }

        func increment() -> Bool {
            value += 1
            return thread.isIsolatingCurrentContext() == true
        }

        func read() -> Int { value }
    }

    @Test func anActorLivesOnItsThread() async throws {
        let thread = try WorkerThread(name: "counter")
        let counter = Counter(thread)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<1_000 { group.addTask { await counter.increment() } }
            for await onThread in group { #expect(onThread) }
        }
        #expect(await counter.read() == 1_000)
        thread.stop()
        thread.stop()
        #expect(await counter.read() == 1_000, "an actor that outlives its thread still answers")
    }
}
