// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Sleeping", .timeLimit(.minutes(1)))
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

    @Test("in real time, an alarm rings, and not early")
    func realTime() async throws {
        let time = SystemTime.shared
        for milliseconds in [0, 1, 3, 10] {
            let due = time.now.advanced(by: .milliseconds(milliseconds))
            try await time.sleep(until: due)
            #expect(time.now >= due)
        }
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
