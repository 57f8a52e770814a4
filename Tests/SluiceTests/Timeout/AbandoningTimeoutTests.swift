// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Timeout that leaves work behind", .timeLimit(.minutes(5)))
struct AbandoningTimeoutTests {
    let time = VirtualTime()
    let gate = Gate()
    let orphans = OrphanLimit("legacy", maximum: 2)
    let observer = RecordingObserver()

    /// Work that does not stop when told to, under five seconds.
    private func start(ignoringCancellation: Bool = true) -> Task<Int, any Error> {
        let context = OperationContext(name: "o", time: self.time, observer: self.observer)
        return Task {
            try await OperationContext.$current.withValue(context) {
                try await withTimeout(.seconds(5), abandoning: self.orphans) {
                    if ignoringCancellation {
                        await self.gate.passIgnoringCancellation()
                    } else {
                        try await self.gate.pass()
                    }
                    return 1
                }
            }
        }
    }

    private func waitForOrphans(_ count: Int) async {
        while self.orphans.count != count { await Task.yield() }
    }

    @Test("returns on time although the work goes on, and counts it until it ends")
    func abandons() async {
        let task = self.start()
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(5))
        await #expect(throws: TimeoutError(policy: "timeout", limit: .seconds(5))) { try await task.value }
        #expect(self.orphans.count == 1)
        #expect(self.observer.names == ["timeout.abandoned"])
        self.gate.open()
        await self.waitForOrphans(0)
        #expect(self.time.alarmCount == 0)
    }

    @Test("work that does stop is not counted for long")
    func stops() async {
        let task = self.start(ignoringCancellation: false)
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(5))
        await #expect(throws: TimeoutError.self) { try await task.value }
        await self.waitForOrphans(0)
    }

    @Test("work that ends in time is returned and leaves nothing")
    func inTime() async throws {
        let task = self.start()
        await self.time.waitForAlarms(1)
        self.gate.open()
        #expect(try await task.value == 1)
        #expect(self.orphans.count == 0)
        #expect(self.time.alarmCount == 0)
    }

    @Test("once as much as may is left behind, new work is turned away")
    func limit() async throws {
        for _ in 0..<2 {
            let task = self.start()
            await self.time.waitForAlarms(1)
            self.time.advance(by: .seconds(5))
            _ = await task.result
        }
        await #expect(throws: RejectionError(policy: "legacy", reason: .orphanLimit)) { try await self.start().value }
        self.gate.open()
        await self.waitForOrphans(0)
        #expect(try await self.start().value == 1)
    }

    @Test("a caller that is cancelled returns at once, with a cancellation")
    func cancelled() async {
        let task = self.start()
        await self.time.waitForAlarms(1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(self.orphans.count == 1)
        #expect(self.time.alarmCount == 0)
        self.gate.open()
        await self.waitForOrphans(0)
    }

    @Test("the deadline of the operation around it ends it earlier")
    func deadline() async {
        let context = OperationContext(name: "o", time: self.time)
            .limited(to: self.time.now.advanced(by: .seconds(1)))
        let task = Task {
            try await OperationContext.$current.withValue(context) {
                try await withTimeout(.seconds(5), abandoning: self.orphans) {
                    await self.gate.passIgnoringCancellation()
                }
            }
        }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(1))
        await #expect(throws: TimeoutError.self) { try await task.value }
        self.gate.open()
        await self.waitForOrphans(0)
    }
}
