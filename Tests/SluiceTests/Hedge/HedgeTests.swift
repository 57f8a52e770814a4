// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

private struct Numbered: RetryAdvising, Equatable {
    let attempt: Int
    var retryAdvice = RetryAdvice.always(after: nil)
}

@Suite("Hedge", .timeLimit(.minutes(5)))
struct HedgeTests {
    let time = VirtualTime()
    let gate = Gate()
    let observer = RecordingObserver()
    private let started = Locked<[Int]>([])

    private func pipeline(_ hedge: Hedge, isIdempotent: Bool? = true) -> Pipeline<Hedge> {
        Pipeline("p", isIdempotent: isIdempotent, time: self.time, observer: self.observer) { hedge }
    }

    private func note(_ context: OperationContext) { self.started.withLock { $0.append(context.attempt) } }
    private var attempts: [Int] { self.started.withLock { $0 } }

    @Test("starts a second attempt after the delay, takes what succeeds first and returns when the loser has stopped")
    func delay() async throws {
        let pipeline = self.pipeline(Hedge(after: .seconds(1), budget: nil))
        let hasStopped = Locked(false)
        let task = Task {
            let outcome = await pipeline.outcome { context async throws in
                self.note(context)
                if context.attempt == 2 { return 2 }
                do { try await self.gate.pass() } catch { hasStopped.withLock { $0 = true } }
                return 1
            }
            #expect(hasStopped.withLock { $0 })
            return try outcome.get()
        }
        await self.gate.waitForArrivals(1)
        self.time.advance(by: .milliseconds(999))
        #expect(self.attempts == [1])
        self.time.advance(by: .milliseconds(1))
        #expect(try await task.value == 2)
        #expect(self.attempts == [1, 2])
        #expect(self.observer.names == ["hedge.started", "hedge.won", "pipeline.finished"])
        #expect(self.time.alarmCount == 0)
    }

    @Test("what is quick enough runs once and leaves no alarm")
    func quick() async throws {
        let pipeline = self.pipeline(Hedge(after: .seconds(1)))
        #expect(try await pipeline { 42 } == 42)
        #expect(self.observer.names == ["pipeline.finished"])
        #expect(self.time.alarmCount == 0)
    }

    @Test("waits a percentile of recent latencies once there are enough")
    func percentile() async throws {
        let pipeline = self.pipeline(Hedge(Hedge.Settings(percentile: 0.9, delay: .seconds(1), minimumSamples: 100)))
        for number in 0..<100 {
            _ = await pipeline.outcome { _ in self.time.advance(by: .milliseconds(number < 90 ? 10 : 500)) }
        }
        let task = Task {
            await pipeline.outcome { context async throws in
                if context.attempt == 1 { try await self.gate.pass() }
            }
        }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .microseconds(9_999))
        #expect(self.time.alarmCount == 1)
        self.time.advance(by: .microseconds(1_252))
        #expect(await task.value.label == "success")
        let wait = try #require(self.observer.events.first { $0.kind == .hedgeStarted }?.duration)
        #expect(wait >= .milliseconds(10) && wait <= .microseconds(11_250))
    }

    @Test("what is not declared idempotent runs once, however long it takes", arguments: [nil, false])
    func notIdempotent(isIdempotent: Bool?) async {
        let pipeline = self.pipeline(Hedge(after: .milliseconds(1)), isIdempotent: isIdempotent)
        let task = Task {
            await pipeline.outcome { context async throws in
                self.note(context)
                try await self.gate.pass()
            }
        }
        await self.gate.waitForArrivals(1)
        #expect(self.time.alarmCount == 0)
        self.time.advance(by: .seconds(9))
        self.gate.open()
        _ = await task.value
        #expect(self.attempts == [1])
    }

    @Test("a failure starts the next hedge at once")
    func failure() async throws {
        let pipeline = self.pipeline(Hedge(after: .seconds(1), maximumHedges: 2, budget: nil))
        let before = self.time.now
        let outcome = await pipeline.outcome { context async throws -> Int in
            self.note(context)
            guard context.attempt == 3 else { throw Numbered(attempt: context.attempt) }
            return 3
        }
        #expect(try outcome.get() == 3)
        #expect(self.attempts == [1, 2, 3])
        #expect(self.time.now == before)
        #expect(self.time.alarmCount == 0)
    }

    @Test("a failure that advises against another attempt ends the call")
    func never() async {
        let pipeline = self.pipeline(Hedge(after: .seconds(1), budget: nil))
        let outcome = await pipeline.outcome { context async throws in
            self.note(context)
            throw Numbered(attempt: context.attempt, retryAdvice: .never)
        }
        #expect(throws: Numbered(attempt: 1, retryAdvice: .never)) { try outcome.get() }
        #expect(self.attempts == [1])
    }

    @Test("if all fail, the first one's failure is returned")
    func allFail() async {
        let pipeline = self.pipeline(Hedge(after: .seconds(1), maximumHedges: 2, budget: nil))
        let outcome = await pipeline.outcome { context async throws in
            self.note(context)
            throw Numbered(attempt: context.attempt)
        }
        #expect(throws: Numbered(attempt: 1)) { try outcome.get() }
        #expect(self.attempts == [1, 2, 3])
    }

    @Test("an exhausted budget means no hedge, and no failure of its own", arguments: [true, false])
    func budget(fails: Bool) async {
        let pipeline = self.pipeline(
            Hedge(after: .seconds(1), budget: RetryBudget(ratio: 0, minimumPerSecond: 0)))
        let task = Task {
            await pipeline.outcome { context async throws in
                self.note(context)
                if fails { throw Numbered(attempt: context.attempt) }
                try await self.gate.pass()
            }
        }
        if !fails {
            await self.gate.waitForArrivals(1)
            await self.time.waitForAlarms(1)
            self.time.advance(by: .seconds(5))
            self.gate.open()
        }
        #expect(await task.value.label == (fails ? "failure" : "success"))
        #expect(self.attempts == [1])
        #expect(!self.observer.names.contains("hedge.started"))
    }

    @Test("the caller's cancellation stops every attempt")
    func cancellation() async {
        let pipeline = self.pipeline(Hedge(after: .seconds(1), maximumHedges: 5, budget: nil))
        let task = Task {
            await pipeline.outcome { context async throws in
                self.note(context)
                try await self.gate.pass()
            }
        }
        for number in 1...3 {
            await self.gate.waitForArrivals(number)
            await self.time.waitForAlarms(1)
            if number < 3 { self.time.advance(by: .seconds(1)) }
        }
        task.cancel()
        #expect(await task.value.label == "cancelled")
        #expect(self.attempts == [1, 2, 3])
        #expect(self.time.alarmCount == 0)
    }

    @Test(
        "nothing is started once the caller is cancelled, even if the first attempt does not stop",
        arguments: [true, false])
    func startsNothingAfterCancellation(fails: Bool) async {
        let pipeline = self.pipeline(Hedge(after: .seconds(1), maximumHedges: 5, budget: nil))
        let task = Task {
            await pipeline.outcome { context async throws in
                self.note(context)
                await self.gate.passIgnoringCancellation()
                if fails { throw Numbered(attempt: context.attempt) }
            }
        }
        await self.gate.waitForArrivals(1)
        await self.time.waitForAlarms(1)
        task.cancel()
        self.time.advance(by: .seconds(1))
        // The next alarm is set when the first has been dealt with; or the work ends first.
        if !fails { await self.time.waitForAlarms(1) }
        self.gate.open()
        let label = await task.value.label
        #expect(label == (fails ? "cancelled" : "success"))
        #expect(self.attempts == [1])
        #expect(self.time.alarmCount == 0)
    }

    @Test("an actor's operation touches the actor's state, in every attempt")
    func isolation() async throws {
        actor Counter {
            var count = 0

            func run(_ pipeline: Pipeline<Hedge>) async -> Int {
                for _ in 0..<50 {
                    _ = await pipeline.outcome { context async throws in
                        self.assertIsolated()
                        self.count += 1
                        await Task.yield()
                        self.assertIsolated()
                        if context.attempt == 1 { throw Flaky() }
                    }
                }
                return self.count
            }
        }
        #expect(await Counter().run(self.pipeline(Hedge(after: .seconds(1), budget: nil))) == 100)
    }

    @Test("hedges and the other attempts never run at the same moment, on no actor either")
    func interleaved() async {
        let running = Locked((now: 0, most: 0))
        let pipeline = self.pipeline(Hedge(after: .seconds(1), maximumHedges: 10, budget: nil))
        _ = await pipeline.outcome { _ async throws in
            for _ in 0..<20 {
                running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                running.withLock { $0.now -= 1 }
                await Task.yield()
            }
            throw Flaky()
        }
        #expect(running.withLock { $0.most } == 1)
    }

    @Test("a mode for tests makes it one attempt")
    func singleAttempt() async {
        var context = OperationContext(name: "test", time: self.time)
        context.mode = .singleAttempt
        await OperationContext.$current.withValue(context) {
            _ = await self.pipeline(Hedge(after: .seconds(1), budget: nil)).outcome { context async throws in
                self.note(context)
                throw Flaky()
            }
        }
        #expect(self.attempts == [1])
    }
}
