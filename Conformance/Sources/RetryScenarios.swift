// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceHTTP
import SluiceTesting

enum RetryScenarios {
    static func all() async throws -> [Result] {
        [
            self.overflow(), try await self.cancellation(), try await self.perCallState(),
            try await self.amplification(),
            try await self.retryAfter(), try await self.deadline(), try await self.create(), try await self.permanent(),
        ]
    }

    private struct Hinted: RetryAdvising {
        let retryAdvice = RetryAdvice.always(after: .seconds(5))
    }

    private static func overflow() -> Result {
        let backoffs = [
            Backoff.exponential(from: .seconds(1)), .linear(from: .seconds(1), by: .seconds(1)),
            .fibonacci(from: .seconds(1)),
        ].flatMap { backoff in
            [backoff.jittered(), backoff.jittered(.equal), backoff.jittered(.decorrelated), backoff]
                .map { $0.capped(at: .seconds(20)) }
        }
        for attempt in [1, 64, 1_024, 10_000, 1 << 31, Int.max] {
            for backoff in backoffs {
                for fraction in [0, 0.3, 1] {
                    let delay = backoff.delay(beforeRetry: attempt, fraction: fraction) ?? .seconds(-1)
                    guard delay >= .zero, delay <= .seconds(20) else {
                        return Result(
                            "attempts-overflow", passes: false, figure: Double(attempt), unit: "attempt",
                            "\(backoff): \(delay)")
                    }
                }
            }
        }
        return Result(
            "attempts-overflow", passes: true, "\(backoffs.count) back-offs, each within 0 to 20 s at every attempt")
    }

    private static func cancellation() async throws -> Result {
        let world = World()
        let attempts = Locked([0, 0])
        let pipeline = Pipeline("p", isIdempotent: true, time: world.time) { Retry(backoff: .constant(.seconds(1))) }
        let running = world.start {
            try await pipeline {
                attempts.withLock { $0[0] += 1 }
                try await world.time.sleep(until: .distantFuture)
            }
        }
        let waiting = world.start {
            try await pipeline {
                attempts.withLock { $0[1] += 1 }
                throw Failure()
            }
        }
        world.advance(by: .milliseconds(500))
        running.cancel()
        waiting.cancel()
        world.advance(by: .seconds(10))
        var cancelled = 0
        for task in [running, waiting] {
            do { try await task.value } catch is CancellationError { cancelled += 1 } catch {}
        }
        let made = attempts.withLock { $0 }
        return Result(
            "cancellation-not-retried", passes: made == [1, 1] && cancelled == 2,
            "attempts \(made), \(cancelled) of 2 callers saw a cancellation")
    }

    private static func perCallState() async throws -> Result {
        let world = World()
        let times = Locked([[Double](), []])
        let backoff = Backoff.exponential(from: .seconds(1))
        let pipeline = Pipeline("p", time: world.time) { Retry(maximumAttempts: 3, backoff: backoff) }
        let start = world.time.now
        for call in 0..<2 {
            world.start(after: .milliseconds(500 * call)) {
                try await pipeline {
                    times.withLock { $0[call].append(world.seconds(since: start) - 0.5 * Double(call)) }
                    throw Failure()
                }
            }
        }
        world.advance(by: .seconds(20))
        let made = times.withLock { $0 }
        return Result("per-call-state", passes: made == [[0, 1, 3], [0, 1, 3]], "attempts at \(made) s")
    }

    private static func amplification() async throws -> Result {
        let world = World()
        let sent = Locked(0)
        let pipeline = Pipeline("p", isIdempotent: true, time: world.time) {
            Retry(maximumAttempts: 3, randomness: Randomness(seed: 1))
        }
        let start = world.time.now
        for call in 0..<3_000 {
            world.start(after: .milliseconds(10 * call)) {
                try await pipeline {
                    let seconds = world.seconds(since: start)
                    let isOutage = seconds >= 10 && seconds < 20
                    if isOutage { sent.withLock { $0 += 1 } }
                    try await world.time.sleep(until: world.time.now.advanced(by: .milliseconds(10)))
                    if isOutage { throw Failure() }
                }
            }
        }
        world.advance(by: .seconds(120))
        let ratio = Double(sent.withLock { $0 }) / 1_000
        return Result(
            "retry-amplification", passes: ratio <= 1.5, figure: ratio, unit: "×",
            "the budget is on by default; no breaker in it")
    }

    private static func retryAfter() async throws -> Result {
        let world = World()
        let times = Locked([Double]())
        let free = Pipeline("p", time: world.time) { Retry(maximumAttempts: 2, backoff: .constant(.zero)) }
        let bounded = Pipeline("p", time: world.time) {
            Deadline(.seconds(3))
            Retry(maximumAttempts: 2, backoff: .constant(.zero))
        }
        let start = world.time.now
        world.start {
            try await free {
                times.withLock { $0.append(world.seconds(since: start)) }
                throw Hinted()
            }
        }
        let ended = Locked(-1.0)
        world.start {
            _ = await bounded.outcome { _ in throw Hinted() }
            ended.withLock { $0 = world.seconds(since: start) }
        }
        for _ in 0..<200 { await Task.yield() }
        world.advance(by: .seconds(20))
        let (made, end) = (times.withLock { $0 }, ended.withLock { $0 })
        return Result(
            "retry-after", passes: made.count == 2 && (5...6).contains(made[1]) && end >= 0 && end <= 3.01,
            "second attempt at \(made.last ?? -1) s; the bounded call ended at \(end) s")
    }

    private static func deadline() async throws -> Result {
        let world = World()
        let pipeline = Pipeline("p", time: world.time) {
            Deadline(.seconds(1))
            Retry(maximumAttempts: 10, backoff: .constant(.milliseconds(600)))
        }
        let start = world.time.now
        let ended = Locked(-1.0)
        let task = Task {
            _ = await pipeline.outcome { _ in throw Failure() }
            ended.withLock { $0 = world.seconds(since: start) }
        }
        while ended.withLock({ $0 }) < 0 {
            await Task.yield()
            world.time.advanceToNextAlarm()
        }
        await task.value
        let end = ended.withLock { $0 }
        return Result(
            "deadline", passes: end <= 1.01, figure: end, unit: "s", "ended before the wait that would have passed it")
    }

    private static func create() async throws -> Result {
        let world = World()
        let rows = Locked(0)
        let pipeline = Pipeline("p", time: world.time) {
            Retry(maximumAttempts: 3, backoff: .constant(.milliseconds(10)))
            Timeout(.seconds(1))
        }
        let outcome = try await world.time.runUntilIdle {
            await pipeline.outcome { _ in
                rows.withLock { $0 += 1 }
                try await world.time.sleep(until: .distantFuture)
            }.label
        }
        let made = rows.withLock { $0 }
        return Result("safe-retry-create", passes: made == 1, figure: Double(made), unit: "rows", "ended as \(outcome)")
    }

    private static func permanent() async throws -> Result {
        let world = World()
        var most = 0
        for status in [404, 403] {
            let attempts = Locked(0)
            let pipeline = Pipeline("p", isIdempotent: true, time: world.time) { Retry(backoff: .constant(.zero)) }
            let outcome = await pipeline.outcome { _ in
                attempts.withLock { $0 += 1 }
                throw APIClientError(.status, message: "no", status: status)
            }
            guard case .failure = outcome else { break }
            most = max(most, attempts.withLock { $0 })
        }
        return Result(
            "retry-permanent", passes: most == 1, figure: Double(most), unit: "attempts",
            caveat:
                "The errors of our own clients and drivers say so themselves; one that says nothing of itself is repeated.",
            "an error carries its own advice")
    }
}
