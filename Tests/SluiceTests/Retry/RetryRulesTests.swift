// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Retry by results, budgets and nesting", .timeLimit(.minutes(5)))
struct RetryRulesTests {
    let time = VirtualTime()
    let observer = RecordingObserver()
    private let attempts = Locked(0)

    private func count() -> Int {
        self.attempts.withLock {
            $0 += 1
            return $0
        }
    }

    private func pipeline(_ retry: Retry, isIdempotent: Bool? = true) -> Pipeline<Retry> {
        Pipeline("p", isIdempotent: isIdempotent, time: self.time, observer: self.observer) { retry }
    }

    @Test("a result can ask for another attempt, and the last one is returned whatever it is")
    func results() async throws {
        let retry = Retry(
            backoff: .constant(.seconds(1)), budget: nil,
            resultAdvice: { ($0 as? Int ?? 10) < 10 ? .ifIdempotent(after: nil) : .never })
        let pipeline = self.pipeline(retry)
        let kept = await self.time.running { await pipeline.outcome { _ in self.count() + 8 } }
        #expect(try kept.get() == 10)
        #expect(self.attempts.withLock { $0 } == 2)
        let poor = await self.time.running { await pipeline.outcome { $0.attempt } }
        #expect(try poor.get() == 3)
    }

    @Test("some errors wait otherwise than others")
    func backoffForError() async {
        let retry = Retry(
            backoff: .constant(.seconds(1)), budget: nil,
            backoffForError: { $0 is Advised ? .constant(.seconds(7)) : nil })
        let pipeline = self.pipeline(retry)
        _ = await self.time.running {
            await pipeline.outcome { context async throws in
                if context.attempt == 1 { throw Advised(retryAdvice: .always(after: nil)) }
                throw Flaky()
            }
        }
        let waits = self.observer.events.filter { $0.kind == .retryScheduled }.map(\.duration)
        #expect(waits == [.seconds(7), .seconds(1)])
    }

    @Test("without budget left the failure at hand is returned, and an event says why")
    func budget() async {
        let budget = RetryBudget(ratio: 0, minimumPerSecond: 0.2)
        let pipeline = self.pipeline(Retry(backoff: .constant(.zero), budget: budget))
        for _ in 0..<5 {
            let outcome = await pipeline.outcome { _ async throws in
                _ = self.count()
                throw Flaky()
            }
            #expect(outcome.label == "failure")
        }
        #expect(self.attempts.withLock { $0 } == 5 + 2)
        #expect(self.observer.names.count { $0 == "retry.budgetExhausted" } == 4)
    }

    @Test("an outage is answered with a fifth more load, and not with three times as much")
    func outage() async {
        let budget = RetryBudget()
        let pipeline = self.pipeline(Retry(backoff: .constant(.zero), budget: budget))
        for _ in 0..<3_000 {
            self.time.advance(by: .milliseconds(1))
            _ = await pipeline.outcome { _ async throws in
                _ = self.count()
                throw Flaky()
            }
        }
        // A fifth, and the hundred that are always there.
        #expect(self.attempts.withLock { $0 } <= 3_000 * 6 / 5 + 100)
    }

    @Test("retries within a retry add up and do not multiply")
    func nesting() async {
        let inner = Pipeline("inner", time: self.time, observer: self.observer) {
            Retry(backoff: .constant(.seconds(1)), budget: nil)
        }
        let outer = self.pipeline(Retry(backoff: .constant(.seconds(1)), budget: nil))
        let outcome = await self.time.running {
            await outer.outcome { _ async throws in
                try await inner {
                    _ = self.count()
                    throw Flaky()
                }
            }
        }
        #expect(outcome.label == "failure")
        #expect(self.attempts.withLock { $0 } == 5)
        #expect(self.observer.names.count { $0 == "retry.suppressed" } == 2)
    }

    @Test("a timeout is repeated only where somebody said that this is safe", arguments: [nil, false, true])
    func timeouts(isIdempotent: Bool?) async {
        let pipeline = Pipeline("p", isIdempotent: isIdempotent, time: self.time, observer: self.observer) {
            Retry(backoff: .constant(.zero), budget: nil)
            Timeout(.seconds(1))
        }
        let gate = Gate()
        let outcome = await self.time.running {
            await pipeline.outcome { _ async throws in
                _ = self.count()
                try await gate.pass()
            }
        }
        #expect(outcome.label == "timedOut")
        #expect(self.attempts.withLock { $0 } == (isIdempotent == true ? 3 : 1))
        #expect(self.observer.names.contains("attempt.notRepeated") == (isIdempotent != true))
    }

    @Test(
        "an error whose effect is unknown is repeated unless somebody said that this is unsafe",
        arguments: [nil, false, true])
    func failures(isIdempotent: Bool?) async {
        let pipeline = self.pipeline(Retry(backoff: .constant(.zero), budget: nil), isIdempotent: isIdempotent)
        _ = await pipeline.outcome { _ async throws in
            _ = self.count()
            throw Flaky()
        }
        #expect(self.attempts.withLock { $0 } == (isIdempotent == false ? 1 : 3))
    }

    @Test("a server that asks for a longer wait than is allowed ends the call at once")
    func longHint() async throws {
        let retry = Retry(backoff: .constant(.zero), budget: nil)
        try retry.update(Retry.Settings(backoff: .constant(.zero), maximumHint: .seconds(10)))
        let pipeline = self.pipeline(retry)
        let outcome = await pipeline.outcome { _ async throws in
            _ = self.count()
            throw Advised(retryAdvice: .always(after: .seconds(11)))
        }
        #expect(outcome.label == "failure")
        #expect(self.attempts.withLock { $0 } == 1)
        #expect(self.time.alarmCount == 0)
    }

    @Test("a back-off that ends ends the call, however many attempts are left")
    func limitedBackoff() async {
        let pipeline = self.pipeline(Retry(maximumAttempts: 9, backoff: .constant(.zero).limited(to: 2), budget: nil))
        _ = await pipeline.outcome { _ async throws in
            _ = self.count()
            throw Flaky()
        }
        #expect(self.attempts.withLock { $0 } == 3)
    }

    @Test("tests can turn repetition off", arguments: [(PolicyMode.singleAttempt, 1), (.off, 1), (.normal, 3)])
    func modes(mode: PolicyMode, expected: Int) async {
        var context = OperationContext(name: "test", time: self.time)
        context.mode = mode
        let pipeline = self.pipeline(Retry(backoff: .constant(.zero), budget: nil))
        await OperationContext.$current.withValue(context) {
            _ = await pipeline.outcome { _ async throws in
                _ = self.count()
                throw Flaky()
            }
        }
        #expect(self.attempts.withLock { $0 } == expected)
    }

    @Test("each call has attempts of its own, through one retry")
    func perCallState() async {
        let pipeline = self.pipeline(Retry(backoff: .linear(from: .seconds(1), by: .seconds(1)), budget: nil))
        let start = self.time.now
        let moments = Locked<[[Duration]]>([[], []])
        let calls = (0..<2).map { number in
            Task {
                _ = await pipeline.outcome { context async throws in
                    moments.withLock { $0[number].append(start.duration(to: context.attemptStart)) }
                    throw Flaky()
                }
            }
        }
        for seconds in 1...2 {
            await self.time.waitForAlarms(2)
            self.time.advance(by: .seconds(seconds))
        }
        for call in calls { await call.value }
        #expect(moments.withLock { $0 } == [[.zero, .seconds(1), .seconds(3)], [.zero, .seconds(1), .seconds(3)]])
    }

    @Test("settings out of range are refused and change nothing")
    func refuses() {
        let retry = Retry()
        #expect(throws: InvalidSettingError.self) { try retry.update(Retry.Settings(maximumAttempts: 0)) }
        #expect(throws: InvalidSettingError.self) { try retry.reconfigure(["backoff": "constant(-1s)"]) }
        #expect(retry.settings == Retry.Settings())
    }
}
