// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Synchronization
import Testing

struct Flaky: Error {}

struct Advised: RetryAdvising {
    let retryAdvice: RetryAdvice
}

@Suite("Retry", .timeLimit(.minutes(5)))
struct RetryTests {
    let time = VirtualTime()
    /// Always the whole of the range, so that waits are known.
    let backoff = Backoff.standard

    /// Runs an operation that fails, and moves time on as far as each wait goes, `waits` times.
    private func run(
        _ pipeline: Pipeline<some Policy>, waits: Int, isIdempotent: Bool = true,
        _ operation: @escaping @Sendable (OperationContext) async throws -> Int
    ) async -> Outcome<Int, any Error> {
        let task = Task { await pipeline.outcome(isIdempotent: isIdempotent, operation) }
        for _ in 0..<waits {
            await self.time.waitForAlarms(1)
            self.time.advance(by: .seconds(60))
        }
        return await task.value
    }

    @Test("counts attempts in total, and returns the last failure unchanged")
    func attempts() async {
        let attempts = Mutex<[Int]>([])
        let pipeline = Pipeline("p", time: self.time) { Retry(maximumAttempts: 3, backoff: self.backoff) }
        let outcome = await self.run(pipeline, waits: 2) { context in
            attempts.withLock { $0.append(context.attempt) }
            throw Flaky()
        }
        #expect(throws: Flaky.self) { try outcome.get() }
        #expect(attempts.withLock { $0 } == [1, 2, 3])
    }

    @Test("stops at the first success")
    func success() async throws {
        let pipeline = Pipeline("p", time: self.time) { Retry(maximumAttempts: 5, backoff: self.backoff) }
        let outcome = await self.run(pipeline, waits: 1) { context in
            guard context.attempt == 2 else { throw Flaky() }
            return 42
        }
        #expect(try outcome.get() == 42)
    }

    @Test(
        "does what the error advises",
        arguments: [
            (RetryAdvice.never, true, 1), (.always(after: nil), false, 2), (.ifIdempotent(after: nil), true, 2),
            (.ifIdempotent(after: nil), false, 1),
        ])
    func advice(advice: RetryAdvice, isIdempotent: Bool, expected: Int) async {
        let attempts = Mutex(0)
        let pipeline = Pipeline("p", time: self.time) { Retry(maximumAttempts: 2, backoff: self.backoff) }
        _ = await self.run(pipeline, waits: expected - 1, isIdempotent: isIdempotent) { _ in
            attempts.withLock { $0 += 1 }
            throw Advised(retryAdvice: advice)
        }
        #expect(attempts.withLock { $0 } == expected)
    }

    @Test("waits as long as the server asked")
    func hint() async {
        let observer = RecordingObserver()
        let pipeline = Pipeline("p", time: self.time, observer: observer) {
            Retry(maximumAttempts: 2, backoff: Backoff.constant(.milliseconds(1)).jittered())
        }
        _ = await self.run(pipeline, waits: 1) { _ in throw Advised(retryAdvice: .always(after: .seconds(17))) }
        #expect(observer.events.first { $0.name == "retry.scheduled" }?.duration == .seconds(17))
        #expect(observer.names.last == "pipeline.finished")
        #expect(observer.names.contains("retry.exhausted"))
    }

    @Test("gives up at once when the wait would outlast the deadline")
    func deadline() async {
        let attempts = Mutex(0)
        let pipeline = Pipeline("p", time: self.time) {
            Deadline(.seconds(10))
            Retry(maximumAttempts: 5, backoff: self.backoff)
        }
        let outcome = await self.run(pipeline, waits: 0) { _ in
            attempts.withLock { $0 += 1 }
            throw Advised(retryAdvice: .always(after: .seconds(11)))
        }
        #expect(throws: Advised.self) { try outcome.get() }
        #expect(attempts.withLock { $0 } == 1)
        #expect(self.time.alarmCount == 0)
    }

    @Test("cancellation while it waits ends it, and is not a failure")
    func cancelledWait() async {
        let observer = RecordingObserver()
        let pipeline = Pipeline("p", time: self.time, observer: observer) { Retry(backoff: self.backoff) }
        let task = Task { await pipeline.outcome { _ async throws -> Int in throw Flaky() } }
        await self.time.waitForAlarms(1)
        task.cancel()
        #expect(await task.value.label == "cancelled")
        #expect(self.time.alarmCount == 0)
        #expect(!observer.names.contains("retry.exhausted"))
    }

    @Test("a cancelled operation is not tried again")
    func cancelledOperation() async {
        let attempts = Mutex(0)
        let pipeline = Pipeline("p", time: self.time) { Retry(backoff: self.backoff) }
        await #expect(throws: CancellationError.self) {
            try await pipeline {
                attempts.withLock { $0 += 1 }
                throw CancellationError()
            }
        }
        #expect(attempts.withLock { $0 } == 1)
    }

    @Test("a rejection out of a pipeline within is still one: not tried again, not counted by a breaker")
    func nestedRejection() async {
        let attempts = Mutex(0)
        let inner = Pipeline("inner", time: self.time) { RateLimit(1, per: .seconds(60), patience: .zero) }
        _ = try? await inner {}
        let breaker = CircuitBreaker(consecutiveFailures: 1)
        let outer = Pipeline("outer", time: self.time) {
            Retry(backoff: self.backoff)
            breaker
        }
        await #expect(throws: RejectionError.self) {
            try await outer {
                attempts.withLock { $0 += 1 }
                try await inner {}
            }
        }
        #expect(attempts.withLock { $0 } == 1)
        #expect(breaker.isClosed)
    }

    @Test("what a policy inside turned away is not tried again")
    func rejection() async {
        let pipeline = Pipeline("p", time: self.time) {
            Retry(backoff: self.backoff)
            RateLimit(1, per: .seconds(60), patience: .zero)
        }
        _ = try? await pipeline {}
        await #expect(throws: RejectionError.self) { try await pipeline {} }
    }
}
