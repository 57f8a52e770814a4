// SPDX-License-Identifier: Apache-2.0
import Dispatch
import SluiceTesting
import Testing

@testable import Sluice

@Suite("Stall monitor", .timeLimit(.minutes(5)), .serialized)
struct StallMonitorTests {
    let time = VirtualTime()
    let stalls = Locked<[Stall]>([])
    let probes = Locked<[@Sendable () -> Void]>([])

    /// A monitor of a pool that the test plays: 1 s between probes, a stall after 100 ms.
    func monitor() -> StallMonitor {
        StallMonitor(
            threshold: .milliseconds(100), interval: .seconds(1), time: self.time,
            onStall: { stall in self.stalls.withLock { $0.append(stall) } },
            submit: { probe in self.probes.withLock { $0.append(probe) } })
    }

    /// Moves time to the next probe and returns it, with the alarm of its threshold set.
    ///
    /// - Parameter alarms: How many alarms the monitor has set before: two for each probe, and one for each stall.
    func nextProbe(after alarms: Int) async -> @Sendable () -> Void {
        let count = self.probes.withLock { $0.count }
        await self.waitForAlarmNumber(alarms + 1)
        self.time.advance(by: .seconds(1))
        await self.waitForAlarmNumber(alarms + 2)
        return self.probes.withLock { $0[count] }
    }

    func waitForAlarmNumber(_ number: Int) async {
        while self.time.alarmsEverSet < number { await Task.yield() }
    }

    func waitForStalls(_ count: Int) async {
        while self.stalls.withLock({ $0.count }) < count { await Task.yield() }
    }

    @Test("a pool that runs the probe in time is not reported")
    func healthy() async {
        let monitor = self.monitor()
        monitor.start()
        defer { monitor.stop() }
        for number in 0..<3 {
            let probe = await self.nextProbe(after: 2 * number)
            self.time.advance(by: .milliseconds(99))
            probe()
        }
        #expect(self.stalls.withLock { $0 }.isEmpty)
    }

    @Test("a stall is reported when it is noticed and again when it is over")
    func stall() async {
        let monitor = self.monitor()
        monitor.start()
        defer { monitor.stop() }
        let probe = await self.nextProbe(after: 0)
        self.time.advance(by: .milliseconds(100))
        await self.waitForStalls(1)
        #expect(self.stalls.withLock { $0[0].duration } == .milliseconds(100))
        #expect(self.stalls.withLock { $0[0].isOver } == false)
        self.time.advance(by: .seconds(4))
        probe()
        await self.waitForStalls(2)
        #expect(self.stalls.withLock { $0[1].duration } == .milliseconds(4_100))
        #expect(self.stalls.withLock { $0[1].isOver })
        let next = await self.nextProbe(after: 3)
        next()
        #expect(self.stalls.withLock { $0.count } == 2)
    }

    @Test("names the last operation begun on each thread that has not ended")
    func suspects() {
        let register = OperationRegister()
        let notes = ["outer", "inner"].map { register.begin(OperationContext(name: $0)) }
        #expect(register.suspects().map(\.name) == ["inner"])
        if let inner = notes[1] { register.end(inner) }
        #expect(register.suspects().map(\.name) == ["outer"])
        if let outer = notes[0] { register.end(outer) }
        #expect(register.suspects().isEmpty)
    }

    @Test("notes only so many operations")
    func bound() {
        let register = OperationRegister()
        let context = OperationContext(name: "o")
        let notes = (0..<OperationRegister.maximumCount).compactMap { _ in register.begin(context) }
        #expect(notes.count == OperationRegister.maximumCount)
        #expect(register.begin(context) == nil)
        register.end(notes[0])
        #expect(register.begin(context) != nil)
    }

    @Test("watches from start to stop, and cannot be started again")
    func active() {
        let monitor = self.monitor()
        #expect(!monitor.isWatching)
        monitor.start()
        monitor.start()
        #expect(monitor.isWatching)
        #expect(StallMonitor.isActive)
        monitor.stop()
        monitor.start()
        #expect(!monitor.isWatching)
    }

    @Test("a real stall, every thread of the pool blocked, is noticed and named")
    func realStall() async {
        let release = DispatchSemaphore(value: 0)
        let context = OperationContext(name: "blocker")
        let suspects = Locked<[Stall.Suspect]>([])
        // More than there are threads, so that whichever runs next blocks too.
        let blockerCount = 256
        let monitor = StallMonitor(threshold: .milliseconds(20), interval: .milliseconds(1)) { stall in
            suspects.withLock { $0 += stall.suspects }
            for _ in 0..<blockerCount { release.signal() }
        }
        defer { monitor.stop() }
        // It starts when a blocker has been noted: a stall that other tests make before is none of this one's.
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<blockerCount {
                group.addTask(priority: .medium) {
                    let note = StallMonitor.noteBegin(context)
                    monitor.start()
                    Self.block(release)
                    if let note { StallMonitor.noteEnd(note) }
                }
            }
        }
        #expect(suspects.withLock { $0 }.contains(Stall.Suspect(name: "blocker", id: context.id)))
    }

    /// Blocks the thread, which no task should ever do.
    private static func block(_ semaphore: DispatchSemaphore) { semaphore.wait() }
}
