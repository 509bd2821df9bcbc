import Testing
import Wire

@testable import Bench

@Suite struct WorkloadMachineTests {
    private func time(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

    private func machine(
        senders: Int = 1, _ load: BenchOptions.Load = .saturating, window: Int = 4, isOneAtATime: Bool = false
    ) -> WorkloadMachine {
        WorkloadMachine(
            .init(
                senders: senders, load: load, window: window, isOneAtATime: isOneAtATime,
                warmUp: .milliseconds(100), measured: .seconds(1)))
    }

    private func send(_ sender: Int, _ sequence: UInt32, _ milliseconds: Int64) -> WorkloadMachine.Effect {
        .send(.init(sender: sender, sequence: sequence, due: time(milliseconds)))
    }

    @Test func aSaturatingLoadKeepsItsWindowFull() {
        var machine = machine(senders: 2)
        #expect(machine.started(at: time(0)) == [send(0, 0, 0), send(1, 0, 0), send(0, 1, 0), send(1, 1, 0)])
        #expect(machine.progressed(outstanding: 3, arrived: 1, at: time(1)) == [])
        #expect(machine.progressed(outstanding: 2, arrived: 2, at: time(2)) == [send(0, 2, 2), send(1, 2, 2)])
        #expect(machine.sent == [3, 3] && machine.sentInAll == 6)
    }

    @Test func whatIsLostDoesNotStopASaturatingLoad() {
        var machine = machine()
        _ = machine.started(at: time(0))
        #expect(machine.progressed(outstanding: 4, arrived: 0, at: time(50)) == [])
        #expect(machine.progressed(outstanding: 4, arrived: 0, at: time(250)).count == 5)
        #expect(machine.phase == .measuring)
        // Those four do not count any more.
        #expect(machine.progressed(outstanding: 7, arrived: 1, at: time(251)) == [])
        #expect(machine.progressed(outstanding: 6, arrived: 2, at: time(252)).count == 2)
    }

    @Test func aLoadAtARateIsDueWhetherOrNotAnythingArrives() {
        var machine = machine(.rate(1_000))
        #expect(machine.started(at: time(0)) == [send(0, 0, 0)])
        #expect(
            machine.progressed(outstanding: 1, arrived: 0, at: time(3)) == [
                send(0, 1, 1), send(0, 2, 2), send(0, 3, 3),
            ])
    }

    @Test func oneAtATimeWaitsForTheAnswerOfEachSender() {
        var machine = machine(senders: 2, isOneAtATime: true)
        #expect(machine.started(at: time(0)) == [send(0, 0, 0), send(1, 0, 0)])
        #expect(machine.progressed(outstanding: 2, arrived: 0, at: time(1)) == [])
        machine.answered(1)
        #expect(machine.progressed(outstanding: 1, arrived: 1, at: time(2)) == [send(1, 1, 2)])
    }

    @Test func measuresAfterTheWarmUpAndEndsWhenAllHasArrived() {
        var machine = machine(senders: 0)
        #expect(machine.started(at: time(0)) == [])
        #expect(machine.phase == .warmingUp)
        #expect(machine.progressed(outstanding: 0, arrived: 0, at: time(100)) == [.beginMeasuring])
        #expect(machine.progressed(outstanding: 0, arrived: 0, at: time(1_100)) == [.endMeasuring, .finish])
        #expect(machine.phase == .done)
        #expect(machine.progressed(outstanding: 0, arrived: 0, at: time(1_200)) == [])
    }

    @Test func whatDoesNotArriveIsWaitedForAsLongAsAnythingDoes() {
        var machine = machine()
        _ = machine.started(at: time(0))
        _ = machine.progressed(outstanding: 4, arrived: 0, at: time(100))
        #expect(machine.progressed(outstanding: 4, arrived: 0, at: time(1_100)) == [.endMeasuring])
        #expect(machine.progressed(outstanding: 3, arrived: 1, at: time(3_000)) == [])
        #expect(machine.progressed(outstanding: 3, arrived: 1, at: time(4_999)) == [])
        #expect(machine.progressed(outstanding: 3, arrived: 1, at: time(5_000)) == [.finish])
    }
}
