// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Virtual time", .timeLimit(.minutes(5)))
struct VirtualTimeTests {
    struct Failure: Error {}

    @Test("runs a call with its waits to its end")
    func runsUntilIdle() async throws {
        let time = VirtualTime()
        let start = time.now
        let attempts = Locked(0)
        let pipeline = Pipeline("p", time: time) { Retry(maximumAttempts: 4, backoff: .constant(.seconds(10))) }
        let answer = try await time.runUntilIdle {
            try await pipeline {
                let attempt = attempts.withLock { value in
                    value += 1
                    return value
                }
                if attempt < 4 { throw Failure() }
                return attempt
            }
        }
        #expect(answer == 4)
        #expect(start.duration(to: time.now) == .seconds(30))
    }

    @Test("throws what the body throws and leaves no alarm")
    func throwing() async {
        let time = VirtualTime()
        await #expect(throws: TimeoutError.self) {
            try await time.runUntilIdle {
                let gate = Gate()
                try await Pipeline("p", time: time) { Timeout(.seconds(3)) }({ try await gate.pass() })
            }
        }
        #expect(time.alarmCount == 0)
    }

    @Test("rings at the next alarm and not beyond")
    func nextAlarm() {
        let time = VirtualTime()
        let start = time.now
        let rung = Locked([Int]())
        for seconds in [5, 2, 9] {
            _ = time.schedule(at: start.advanced(by: .seconds(seconds))) { rung.withLock { $0.append(seconds) } }
        }
        #expect(time.advanceToNextAlarm())
        #expect(rung.withLock { $0 } == [2])
        #expect(start.duration(to: time.now) == .seconds(2))
        #expect(time.advanceToNextAlarm() && time.advanceToNextAlarm() && !time.advanceToNextAlarm())
        #expect(rung.withLock { $0 } == [2, 5, 9])
    }

    @Test("says so when something waits on time that nobody moves")
    func standstill() async throws {
        let told = Gate()
        let alarms = Locked(0)
        let time = VirtualTime(patience: .milliseconds(1)) { count in
            alarms.withLock { $0 = count }
            told.open()
        }
        _ = time.schedule(at: time.now.advanced(by: .seconds(1))) {}
        try await told.pass()
        #expect(alarms.withLock { $0 } == 1)
    }

    @Test("the off switch holds for the calls of one task, nested ones included")
    func offSwitch() async throws {
        let time = VirtualTime()
        let breaker = CircuitBreaker()
        breaker.isolate()
        let pipeline = Pipeline("p", time: time) { breaker }
        let answer = try await withPolicies(.off) { try await pipeline { try await pipeline { 7 } } }
        #expect(answer == 7)
        await #expect(throws: RejectionError.self) { try await pipeline { 7 } }
    }

    @Test("a single attempt is made in that mode, and the other policies work")
    func singleAttempt() async throws {
        let time = VirtualTime()
        let attempts = Locked(0)
        let pipeline = Pipeline("p", time: time) { Retry(backoff: .constant(.seconds(1))) }
        await #expect(throws: Failure.self) {
            try await withPolicies(.singleAttempt) {
                try await pipeline {
                    attempts.withLock { $0 += 1 }
                    throw Failure()
                }
            }
        }
        #expect(attempts.withLock { $0 } == 1)
    }
}
