// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Sleeping", .timeLimit(.minutes(5)))
struct SleepTests {
    @Test("ends when its time has come")
    func ends() async throws {
        let time = VirtualTime()
        let end = time.now.advanced(by: .seconds(5))
        async let sleep: Void = time.sleep(until: end)
        await time.waitForAlarms(1)
        time.advance(by: .seconds(5))
        try await sleep
    }

    @Test("ends at once when cancelled, and leaves no alarm behind")
    func cancelled() async {
        let time = VirtualTime()
        let task = Task { try await time.sleep(until: time.now.advanced(by: .seconds(5))) }
        await time.waitForAlarms(1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(time.alarmCount == 0)
    }

    @Test("in real time every alarm rings, and none early")
    func realTime() async throws {
        let time = SystemTime.shared
        let (early, remaining, done) = (Locked(0), Locked(500), Gate())
        for number in 1...500 {
            let due = time.now.advanced(by: .microseconds(number * 37))
            _ = time.schedule(at: due) {
                // Asked on the timer's own thread, so that nothing between alarm and look makes up for a moment too early.
                if time.now < due { early.withLock { $0 += 1 } }
                let isLast = remaining.withLock { remaining in
                    remaining -= 1
                    return remaining == 0
                }
                if isLast { done.open() }
            }
        }
        try await done.pass()
        #expect(early.withLock { $0 } == 0)
        try await time.sleep(until: time.now.advanced(by: .milliseconds(1)))
    }

    @Test("ten thousand cancelled sleeps leave nothing in the timer")
    func manyCancelled() async {
        let time = VirtualTime()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<10_000 {
                group.addTask { try? await time.sleep(until: time.now.advanced(by: .seconds(30))) }
            }
            await time.waitForAlarms(10_000)
            group.cancelAll()
        }
        #expect(time.alarmCount == 0)
    }
}
