// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

/// Every place in which a call can wait, and its cancellation there.
@Suite("Cancellation in every policy", .timeLimit(.minutes(5)))
struct CancellationMatrixTests {
    enum Place: String, CaseIterable, Sendable {
        case operation, retryWait, rateLimitWait, rateLimitWindowWait, concurrencyQueue, hedgedOperation, hedgeStarted
        case timeout, deadline, chaosHang, chaosLatency, fallbackSubstitute, cacheWait, poolWait
    }

    let time = VirtualTime()
    let gate = Gate()
    let observer = RecordingObserver()
    private let breaker = CircuitBreaker(consecutiveFailures: 1)

    /// The place's policy, with a breaker around it that a single failure would open.
    private func pipeline(_ place: Place) -> Pipeline<AnyPolicy> {
        let policy: any Policy
        switch place {
        case .operation, .cacheWait, .poolWait: policy = CircuitBreaker()
        case .retryWait: policy = Retry(backoff: .constant(.seconds(1)))
        case .rateLimitWait: policy = RateLimit(1, per: .seconds(10))
        case .rateLimitWindowWait:
            policy = RateLimit(RateLimitSettings(count: 1, period: .seconds(10), kind: .window))
        case .concurrencyQueue: policy = ConcurrencyLimit(1)
        case .hedgedOperation, .hedgeStarted: policy = Hedge(after: .seconds(1), maximumHedges: 3)
        case .timeout: policy = Timeout(.seconds(9))
        case .deadline: policy = Deadline(.seconds(9))
        case .chaosHang: policy = Chaos(Chaos.Settings(hang: 1)) { _ in true }
        case .chaosLatency: policy = Chaos(Chaos.Settings(latency: 1)) { _ in true }
        case .fallbackSubstitute:
            return Pipeline("p", time: self.time, observer: self.observer) {
                Fallback { _ in try await self.gate.pass() }
            }.erased()
        }
        return Pipeline("p", isIdempotent: true, time: self.time, observer: self.observer) {
            self.breaker
            AnyPolicy(policy)
        }.erased()
    }

    @Test("surfaces as a cancellation, counts neither way and leaves nothing behind", arguments: Place.allCases)
    func cancelled(place: Place) async throws {
        let pipeline = self.pipeline(place)
        let holder = await self.prepare(place, pipeline)
        let (pool, cache) = (ResourcePool("pool", [0]), Cache<Int, Int>(time: self.time))
        let others = self.occupy(place, pool, cache)
        if !others.isEmpty { await self.gate.waitForArrivals(1) }
        let task = Task {
            try await pipeline {
                switch place {
                case .retryWait, .fallbackSubstitute: throw Flaky()
                case .cacheWait: _ = try await cache.value(for: 1) { 2 }
                case .poolWait: try await pool.withResource { _ in }
                default: try await self.gate.pass()
                }
            }
        }
        await self.waitUntilInside(place, pipeline, pool, cache)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(self.time.alarmCount == 0)
        #expect(self.breaker.isClosed)
        #expect(!self.observer.names.contains { $0.hasSuffix(".rejected") || $0.hasSuffix("xhausted") })
        #expect(self.observer.events.last?.outcome == "cancelled")
        // What it waited for is still there for others.
        self.gate.open()
        try await holder?.value
        for other in others { try await other.value }
        if place != .chaosHang {
            #expect(await self.time.running { await pipeline.outcome { _ in }.label } == "success")
        }
        if let limit = pipeline.layer(ConcurrencyLimit.self) { #expect(limit.inFlight == 0 && limit.queued == 0) }
        #expect(pool.freeCount == 1 && pool.waiterCount == 0)
    }

    /// Uses up what the call is going to wait for.
    private func prepare(_ place: Place, _ pipeline: Pipeline<AnyPolicy>) async -> Task<Void, any Error>? {
        switch place {
        case .rateLimitWait, .rateLimitWindowWait:
            _ = await pipeline.outcome { _ in }
            return nil
        case .concurrencyQueue:
            let holder = Task { try await pipeline { try await self.gate.pass() } }
            await self.gate.waitForArrivals(1)
            return holder
        default:
            return nil
        }
    }

    private func occupy(_ place: Place, _ pool: ResourcePool<Int>, _ cache: Cache<Int, Int>) -> [Task<Void, any Error>]
    {
        switch place {
        case .poolWait:
            [Task { try await pool.withResource { _ in try await self.gate.pass() } }]
        case .cacheWait:
            [
                Task {
                    _ = try await cache.value(for: 1) {
                        try await self.gate.pass()
                        return 1
                    }
                }
            ]
        default: []
        }
    }

    private func waitUntilInside(
        _ place: Place, _ pipeline: Pipeline<AnyPolicy>, _ pool: ResourcePool<Int>, _ cache: Cache<Int, Int>
    ) async {
        switch place {
        case .operation, .fallbackSubstitute: await self.gate.waitForArrivals(1)
        case .cacheWait: while cache.statistics.misses < 2 { await Task.yield() }
        case .poolWait: while pool.waiterCount < 1 { await Task.yield() }
        case .hedgeStarted:
            await self.time.waitForAlarms(1)
            self.time.advance(by: .seconds(1))
            await self.gate.waitForArrivals(2)
            await self.time.waitForAlarms(1)
        case .hedgedOperation, .timeout, .deadline:
            await self.gate.waitForArrivals(1)
            await self.time.waitForAlarms(1)
        case .retryWait, .rateLimitWait, .rateLimitWindowWait, .concurrencyQueue, .chaosHang, .chaosLatency:
            await self.time.waitForAlarms(1)
        }
    }

    @Test(
        "cancelled at any moment whatever, calls through every policy leave nothing behind",
        arguments: 1...4 as ClosedRange<UInt64>)
    func storm(seed: UInt64) async {
        let limit = ConcurrencyLimit(5, maximumQueued: 2_000)
        let pipeline = Pipeline("p", isIdempotent: true, time: self.time) {
            Deadline(.seconds(1_000))
            Retry(maximumAttempts: 3, backoff: .constant(.zero))
            Hedge(after: .milliseconds(1), maximumHedges: 1)
            self.breaker
            RateLimit(1_000_000, per: .milliseconds(1))
            limit
            Timeout(.seconds(100))
        }
        await withTaskGroup(of: Void.self) { group in
            var dice = Dice(seed)
            for _ in 0..<500 {
                let (turns, patience) = (dice.roll(20), dice.roll(40))
                group.addTask {
                    let task = Task {
                        try await pipeline {
                            for _ in 0..<turns { await Task.yield() }
                            try Task.checkCancellation()
                        }
                    }
                    for _ in 0..<patience { await Task.yield() }
                    task.cancel()
                    _ = await task.result
                }
            }
        }
        #expect(self.time.alarmCount == 0)
        #expect(limit.inFlight == 0 && limit.queued == 0)
        #expect(self.breaker.isClosed)
    }
}
