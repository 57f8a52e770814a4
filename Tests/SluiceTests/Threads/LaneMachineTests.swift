// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

@Suite("Lane rules", .offThePool)
struct LaneMachineTests {
    @Test("a thread that sleeps is woken before another is started")
    func wakesFirst() {
        var machine = LaneMachine<Int>(maximumThreads: 2, maximumQueued: 10)
        guard case .startThread = machine.submit(1), case .run(1) = machine.turn(afterJob: false),
            case .sleep = machine.turn(afterJob: true)
        else { return #expect(Bool(false), "the first job must start a thread") }
        guard case .wakeThread = machine.submit(2), case .startThread = machine.submit(3),
            case .queued = machine.submit(4)
        else { return #expect(Bool(false), "the thread must be woken, then one started, then the job queued") }
        #expect(machine.queuedCount == 3)
    }

    @Test("a job stays with the other threads if one cannot be started, and leaves if there is none")
    func noThread() {
        var machine = LaneMachine<Int>(maximumThreads: 2, maximumQueued: 10)
        guard case .startThread = machine.submit(1) else { return #expect(Bool(false)) }
        #expect(machine.noThread() == [1])
        #expect(machine.queuedCount == 0)
        guard case .startThread = machine.submit(2), case .run = machine.turn(afterJob: false),
            case .startThread = machine.submit(3)
        else { return #expect(Bool(false)) }
        #expect(machine.noThread().isEmpty)
        guard case .run(3) = machine.turn(afterJob: true) else { return #expect(Bool(false)) }
    }

    @Test("a million calls that come and leave while every thread is at work take no room")
    func leavers() {
        var machine = LaneMachine<Int>(maximumThreads: 1, maximumQueued: 10)
        _ = machine.submit(0)
        _ = machine.turn(afterJob: false)
        guard case .queued = machine.submit(1) else { return #expect(Bool(false)) }
        for number in 0..<1_000_000 {
            guard case .queued(let ticket) = machine.submit(number) else { return #expect(Bool(false)) }
            #expect(machine.leave(ticket) == number)
        }
        #expect(machine.orderCount < 100)
        guard case .run(1) = machine.turn(afterJob: true), case .sleep = machine.turn(afterJob: true) else {
            return #expect(Bool(false))
        }
    }
}
