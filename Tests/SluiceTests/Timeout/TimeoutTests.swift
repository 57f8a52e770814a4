// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Synchronization
import Testing

@Suite("Timeout and deadline", .timeLimit(.minutes(5)))
struct TimeoutTests {
    let time = VirtualTime()
    let gate = Gate()

    @Test("ends work that takes too long")
    func expires() async {
        let observer = RecordingObserver()
        let pipeline = Pipeline("p", time: self.time, observer: observer) { Timeout(.seconds(5)) }
        let task = Task { try await pipeline { try await self.gate.pass() } }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .milliseconds(4_999))
        #expect(self.time.alarmCount == 1)
        self.time.advance(by: .milliseconds(1))
        #expect(self.time.alarmCount == 0)
        let error = await #expect(throws: TimeoutError.self) { try await task.value }
        #expect(error == TimeoutError(policy: "timeout", limit: .seconds(5)))
        #expect(observer.names == ["timeout.expired", "pipeline.finished"])
    }

    @Test("the caller's cancellation stays a cancellation, and leaves no alarm")
    func outerCancellation() async {
        let pipeline = Pipeline("p", time: self.time) { Timeout(.seconds(5)) }
        let task = Task { try await pipeline { try await self.gate.pass() } }
        await self.gate.waitForArrivals(1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(self.time.alarmCount == 0)
    }

    @Test("work that does not suspend sets no alarm")
    func synchronous() async throws {
        let pipeline = Pipeline("p", time: self.time) { Timeout(.seconds(5)) }
        #expect(try await pipeline { self.time.alarmCount } == 0)
        #expect(self.time.alarmCount == 0)
    }

    @Test("work that ends in time leaves no alarm")
    func inTime() async throws {
        let pipeline = Pipeline("p", time: self.time) { Timeout(.seconds(5)) }
        let task = Task { try await pipeline { try await self.gate.pass() } }
        await self.time.waitForAlarms(1)
        self.gate.open()
        try await task.value
        #expect(self.time.alarmCount == 0)
    }

    @Test("a result that comes in spite of the expiry is returned")
    func lateResult() async throws {
        let pipeline = Pipeline("p", time: self.time) { Timeout(.seconds(5)) }
        let task = Task {
            try await pipeline {
                try? await self.gate.pass()
                return 42
            }
        }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(5))
        #expect(try await task.value == 42)
    }

    @Test("an actor's operation runs on the actor, under every policy")
    func isolation() async throws {
        actor Counter {
            var count = 0

            func run(_ time: VirtualTime) async throws -> Int {
                let pipeline = Pipeline("p", time: time) {
                    Deadline(.seconds(9))
                    Retry()
                    CircuitBreaker()
                    RateLimit(1_000, per: .seconds(1))
                    Timeout(.seconds(5))
                }
                for _ in 0..<100 {
                    try await pipeline {
                        self.assertIsolated()
                        self.count += 1
                        await Task.yield()
                        self.assertIsolated()
                        self.count += 1
                    }
                }
                return self.count
            }
        }
        let counter = Counter()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 { group.addTask { try await counter.run(self.time) } }
            let largest = try await group.reduce(0, max)
            #expect(largest == 800)
        }
    }

    @Test("a caller that is cancelled already starts nothing")
    func cancelledBefore() async {
        let pipeline = Pipeline("p", time: self.time) { Timeout(.seconds(5)) }
        let task = Task {
            try? await self.gate.pass()
            try await pipeline { _ = Issue.record("must not run") }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("task-locals reach the work")
    func taskLocals() async throws {
        let pipeline = Pipeline("p", time: self.time) { Timeout(.seconds(5)) }
        let context = OperationContext(name: "outer", time: self.time)
        let id = try await OperationContext.$current.withValue(context) {
            try await pipeline { OperationContext.current?.id }
        }
        #expect(id == context.id)
    }

    @Test("the outer deadline, if earlier, is the one that is reported")
    func nestedDeadline() async {
        let pipeline = Pipeline("p", time: self.time) {
            Deadline(.seconds(3))
            Timeout(.seconds(5))
        }
        let task = Task { try await pipeline { try await self.gate.pass() } }
        await self.time.waitForAlarms(1)
        #expect(self.time.alarmCount == 1)
        self.time.advance(by: .seconds(3))
        let error = await #expect(throws: TimeoutError.self) { try await task.value }
        #expect(error?.policy == "deadline")
    }

    @Test("a deadline spans the attempts and the waits between them")
    func spansRetries() async {
        let attempts = Mutex(0)
        let pipeline = Pipeline("p", isIdempotent: true, time: self.time) {
            Deadline(.seconds(10))
            Retry(maximumAttempts: 100, backoff: Backoff.constant(.zero))
            Timeout(.seconds(4))
        }
        let task = Task {
            try await pipeline {
                attempts.withLock { $0 += 1 }
                try await self.gate.pass()
            }
        }
        for attempt in 1...2 {
            while attempts.withLock({ $0 }) < attempt { await Task.yield() }
            await self.time.waitForAlarms(2)
            self.time.advance(by: .seconds(4))
        }
        // The third attempt has 2 s left, so it is the deadline that ends it.
        while attempts.withLock({ $0 }) < 3 { await Task.yield() }
        self.time.advance(by: .seconds(2))
        let error = await #expect(throws: TimeoutError.self) { try await task.value }
        #expect(error?.policy == "deadline")
        #expect(attempts.withLock { $0 } == 3)
    }

    @Test("a call whose deadline has passed does not begin")
    func tooLate() async {
        let inner = Pipeline("inner", time: self.time) { Deadline(.seconds(5)) }
        let outer = Pipeline("outer", time: self.time) { Deadline(.seconds(1)) }
        let hasRun = Mutex(false)
        await #expect(throws: RejectionError(policy: "deadline", reason: .deadlineWouldBeMissed)) {
            try await outer {
                self.time.advance(by: .seconds(2))
                try await inner { hasRun.withLock { $0 = true } }
            }
        }
        #expect(!hasRun.withLock { $0 })
    }
}
