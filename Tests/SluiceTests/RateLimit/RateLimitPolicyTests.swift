// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Rate limit with weights, windows and pauses", .timeLimit(.minutes(5)))
struct RateLimitPolicyTests {
    let time = VirtualTime()

    /// How many of `calls` calls at once are let through.
    private func passing(_ pipeline: Pipeline<some Policy>, _ calls: Int) async -> Int {
        var count = 0
        for _ in 0..<calls {
            if case .success = await pipeline.outcome({ _ in }) { count += 1 }
        }
        return count
    }

    @Test("a window lets no more than its count through in any period, even across the seam of two")
    func window() async {
        let pipeline = Pipeline("p", time: self.time) {
            RateLimit(RateLimitSettings(count: 10, period: .seconds(1), kind: .window, patience: .zero))
        }
        #expect(await self.passing(pipeline, 1) == 1)
        self.time.advance(by: .milliseconds(900))
        #expect(await self.passing(pipeline, 50) == 9)
        self.time.advance(by: .milliseconds(99))
        #expect(await self.passing(pipeline, 50) == 0)
        self.time.advance(by: .milliseconds(1))
        #expect(await self.passing(pipeline, 50) == 1)
        self.time.advance(by: .milliseconds(900))
        #expect(await self.passing(pipeline, 50) == 9)
    }

    @Test("a rejection says when there is a place", arguments: RateLimitSettings.Kind.allCases)
    func retryAfter(kind: RateLimitSettings.Kind) async {
        let pipeline = Pipeline("p", time: self.time) {
            RateLimit(RateLimitSettings(count: 1, period: .seconds(10), kind: kind, patience: .seconds(1)))
        }
        #expect(await self.passing(pipeline, 1) == 1)
        self.time.advance(by: .seconds(4))
        let rejection = RejectionError(policy: "rateLimit", reason: .rateLimited, retryAfter: .seconds(6))
        await #expect(throws: rejection) { try await pipeline {} }
        self.time.advance(by: .seconds(6))
        await #expect(throws: Never.self) { try await pipeline {} }
    }

    @Test("a heavy call takes as much as it weighs, and one heavier than the limit is refused for ever")
    func weights() async {
        let weight = Locked(3)
        let limit = RateLimit(RateLimitSettings(count: 10, period: .seconds(10), patience: .zero)) { _ in
            weight.withLock { $0 }
        }
        let pipeline = Pipeline("p", time: self.time) { limit }
        #expect(await self.passing(pipeline, 50) == 3)
        weight.withLock { $0 = 1 }
        #expect(await self.passing(pipeline, 50) == 1)
        weight.withLock { $0 = 11 }
        self.time.advance(by: .seconds(1_000))
        let outcome = await pipeline.outcome { _ in }
        guard case .rejected(let rejection) = outcome else { return fail(outcome.label) }
        #expect(rejection.retryAfter == .nanoseconds(Int64.max))
    }

    @Test("a reservation that is cancelled gives its place back", arguments: RateLimitSettings.Kind.allCases)
    func reservations(kind: RateLimitSettings.Kind) throws {
        let limit = RateLimit(RateLimitSettings(count: 1, period: .seconds(10), kind: kind))
        let context = OperationContext(name: "o", time: self.time)
        func reserve(patience: Duration? = nil) throws -> Duration {
            let reservation = try limit.reserve(patience: patience, in: context)
            let wait = reservation.wait
            #expect(reservation.start == self.time.now.advanced(by: wait))
            reservation.use()
            return wait
        }
        #expect(try reserve() == .zero)
        let second = try limit.reserve(in: context)
        #expect(second.wait == .seconds(10))
        second.cancel()
        #expect(throws: RejectionError(policy: "rateLimit", reason: .rateLimited, retryAfter: .seconds(10))) {
            _ = try reserve(patience: .seconds(9))
        }
        #expect(try reserve() == .seconds(10))
        #expect(try reserve() == .seconds(20))
    }

    @Test("code that cannot be wrapped waits for its turn")
    func acquire() async throws {
        let limit = RateLimit(1, per: .seconds(10))
        let context = OperationContext(name: "o", time: self.time)
        try await OperationContext.$current.withValue(context) {
            try await limit.acquire()
            async let second: Void = limit.acquire()
            await self.time.waitForAlarms(1)
            self.time.advance(by: .seconds(10))
            try await second
            let soon = context.limited(to: self.time.now.advanced(by: .seconds(10)))
            await OperationContext.$current.withValue(soon) {
                await #expect(throws: RejectionError.self) { try await limit.acquire() }
            }
        }
        #expect(self.time.alarmCount == 0)
    }

    @Test("when a waiter is cancelled, those behind it move up", arguments: RateLimitSettings.Kind.allCases)
    func movingUp(kind: RateLimitSettings.Kind) async throws {
        let limit = RateLimit(RateLimitSettings(count: 1, period: .seconds(1), kind: kind))
        let pipeline = Pipeline("p", time: self.time) { limit }
        let start = self.time.now
        try await pipeline {}
        let first = Task { try await pipeline {} }
        // The queue's alarm, and one for each waiter's patience.
        await self.time.waitForAlarms(2)
        let others = (2...3).map { _ in Task { try await pipeline { self.time.now } } }
        await self.time.waitForAlarms(4)
        self.time.advance(by: .milliseconds(500))
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        self.time.advance(by: .milliseconds(500))
        #expect(limit.queued == 1)
        self.time.advance(by: .seconds(1))
        #expect(limit.queued == 0)
        for task in others { #expect(try await task.value >= start.advanced(by: .seconds(1))) }
        #expect(self.time.alarmCount == 0)
    }

    @Test(
        "cancelling waiters in any order lets no call pass too early and loses no place",
        arguments: 1...5 as ClosedRange<UInt64>)
    func cancelledWaiters(seed: UInt64) async {
        var dice = Dice(seed)
        let limit = RateLimit(RateLimitSettings(count: 1, period: .seconds(1), kind: seed % 2 == 0 ? .window : .bucket))
        let pipeline = Pipeline("p", time: self.time) { limit }
        _ = await pipeline.outcome { _ in }
        let starts = Locked<[Instant]>([])
        var tasks: [Task<Void, Never>] = []
        for number in 1...20 {
            tasks.append(Task { _ = await pipeline.outcome { _ in starts.withLock { $0.append(self.time.now) } } })
            await self.time.waitForAlarms(number + 1)
        }
        var cancelled = 0
        for task in tasks where dice.roll(2) == 0 {
            task.cancel()
            await task.value
            cancelled += 1
        }
        #expect(limit.queued == 20 - cancelled)
        let begin = self.time.now
        for second in 1...(20 - cancelled) {
            self.time.advance(by: .seconds(1))
            while starts.withLock({ $0.count }) < second { await Task.yield() }
            let last = starts.withLock { $0[second - 1] }
            #expect(last == begin.advanced(by: .seconds(second)))
        }
        #expect(self.time.alarmCount == 0)
    }

    @Test(
        "a failure whose advice names a wait pauses the whole limit, if it is told to obey", arguments: [true, false])
    func hints(obeys: Bool) async {
        let observer = RecordingObserver()
        let limit = RateLimit(RateLimitSettings(count: 100, period: .seconds(1), patience: .zero), obeysHints: obeys)
        let pipeline = Pipeline("p", time: self.time, observer: observer) { limit }
        await #expect(throws: Advised.self) {
            try await pipeline { throw Advised(retryAdvice: .always(after: .seconds(7))) }
        }
        #expect(await self.passing(pipeline, 5) == (obeys ? 0 : 5))
        #expect(observer.names.contains("rateLimit.paused") == obeys)
        self.time.advance(by: .seconds(7))
        #expect(await self.passing(pipeline, 1) == 1)
    }

    @Test("a hint beyond all reason pauses for an hour and no longer")
    func longHint() async {
        let limit = RateLimit(RateLimitSettings(count: 100, period: .seconds(1), patience: .zero), obeysHints: true)
        let pipeline = Pipeline("p", time: self.time) { limit }
        _ = await pipeline.outcome { _ async throws in
            throw Advised(retryAdvice: .ifIdempotent(after: .seconds(Int64.max)))
        }
        self.time.advance(by: .seconds(3_599))
        #expect(await self.passing(pipeline, 1) == 0)
        self.time.advance(by: .seconds(1))
        #expect(await self.passing(pipeline, 1) == 1)
    }

    @Test("a pause ends when it was said to, whatever happens meanwhile", arguments: RateLimitSettings.Kind.allCases)
    func pause(kind: RateLimitSettings.Kind) async throws {
        var settings = RateLimitSettings(count: 5, period: .seconds(5), kind: kind)
        let limit = RateLimit(settings)
        let pipeline = Pipeline("p", time: self.time) { limit }
        #expect(await self.passing(pipeline, 5) == 5)
        let waiter = Task { try await pipeline {} }
        await self.time.waitForAlarms(1)
        limit.pause(until: self.time.now.advanced(by: .seconds(20)))
        // Neither a place given back nor another rate moves its end.
        waiter.cancel()
        _ = await waiter.result
        settings.count = 1
        settings.period = .seconds(60)
        settings.patience = .zero
        try limit.update(settings)
        let outcome = await pipeline.outcome { _ in }
        guard case .rejected(let rejection) = outcome else { return fail(outcome.label) }
        #expect(rejection.retryAfter == .seconds(kind == .bucket ? 20 : 60))
        self.time.advance(by: rejection.retryAfter ?? .zero)
        #expect(await self.passing(pipeline, 9) == 1)
    }

    @Test("other settings keep what has been taken", arguments: RateLimitSettings.Kind.allCases)
    func update(kind: RateLimitSettings.Kind) async throws {
        var settings = RateLimitSettings(count: 10, period: .seconds(10), kind: kind, patience: .zero)
        let limit = RateLimit(settings)
        let pipeline = Pipeline("p", time: self.time) { limit }
        #expect(await self.passing(pipeline, 20) == 10)
        settings.count = 12
        settings.burst = 12
        try limit.update(settings)
        #expect(await self.passing(pipeline, 20) == 2)
        settings.count = 5
        settings.burst = 5
        try limit.update(settings)
        #expect(await self.passing(pipeline, 20) == 0)
        self.time.advance(by: .seconds(1_000))
        #expect(await self.passing(pipeline, 20) == 5)
    }

    @Test("settings out of range are refused and change nothing")
    func refuses() {
        let limit = RateLimit(10, per: .seconds(1))
        let before = limit.settings
        for change in [
            { $0.count = 0 }, { $0.period = .zero }, { $0.burst = 0 }, { ($0.kind, $0.count) = (.window, 2_000_000) },
        ] as [(inout RateLimitSettings) -> Void] {
            var settings = before
            change(&settings)
            #expect(throws: InvalidSettingError.self) { try limit.update(settings) }
        }
        #expect(limit.settings == before)
    }
}
