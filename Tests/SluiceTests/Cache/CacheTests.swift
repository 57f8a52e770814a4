// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Cache", .timeLimit(.minutes(5)))
struct CacheTests {
    let time = VirtualTime()
    let gate = Gate()
    private let loads = Locked(0)

    private func cache(_ settings: CacheSettings = CacheSettings(jitter: 0)) -> Cache<Int, Int> {
        Cache(settings, time: self.time)
    }

    /// Loads the number of the load, at once.
    private func load() -> Int {
        self.loads.withLock {
            $0 += 1
            return $0
        }
    }

    /// Waits until so many callers have asked for what was not there.
    private func waitForMisses(_ count: Int, _ cache: Cache<Int, Int>) async {
        while cache.statistics.misses < count { await Task.yield() }
    }

    @Test("loads once, and again when the value is too old")
    func timeToLive() async throws {
        let cache = self.cache()
        #expect(try await cache.value(for: 1) { self.load() } == 1)
        self.time.advance(by: .milliseconds(299_999))
        #expect(try await cache.value(for: 1) { self.load() } == 1)
        #expect(cache.cached(1) == 1)
        self.time.advance(by: .milliseconds(1))
        #expect(cache.cached(1) == nil)
        #expect(try await cache.value(for: 1) { self.load() } == 2)
        #expect((cache.statistics.hits, cache.statistics.misses, cache.statistics.stale) == (1, 2, 0))
    }

    @Test("values loaded together do not expire together")
    func jitter() async throws {
        let settings = CacheSettings(timeToLive: .seconds(100), jitter: 0.5)
        let cache = Cache<Int, Int>(settings, time: self.time, randomness: Randomness(seed: 1))
        for key in 0..<100 { _ = try await cache.value(for: key) { key } }
        self.time.advance(by: .seconds(50))
        var fresh = [(0..<100).count { cache.cached($0) != nil }]
        self.time.advance(by: .seconds(25))
        fresh.append((0..<100).count { cache.cached($0) != nil })
        self.time.advance(by: .seconds(25))
        fresh.append((0..<100).count { cache.cached($0) != nil })
        #expect(fresh[0] == 100)
        #expect((30...70).contains(fresh[1]))
        #expect(fresh[2] == 0)
    }

    @Test("a hundred callers of one key lead to one load")
    func singleFlight() async throws {
        let cache = self.cache()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    try await cache.value(for: 1) {
                        try await self.gate.pass()
                        return self.load()
                    }
                }
            }
            await self.waitForMisses(100, cache)
            self.gate.open()
            let values = try await group.reduce(into: Set<Int>()) { $0.insert($1) }
            #expect(values == [1])
        }
        #expect(self.loads.withLock { $0 } == 1)
    }

    @Test("a failed load fails for all who wait for it, and is tried again by the next")
    func failure() async throws {
        let cache = self.cache()
        let tasks = (0..<3).map { _ in
            Task {
                try await cache.value(for: 1) {
                    try await self.gate.pass()
                    _ = self.load()
                    throw Flaky()
                }
            }
        }
        await self.waitForMisses(3, cache)
        self.gate.open()
        for task in tasks { await #expect(throws: Flaky.self) { try await task.value } }
        #expect(try await cache.value(for: 1) { self.load() } == 2)
    }

    /// A leader and five who wait, all loading through `gate` and counting.
    private func crowd(_ cache: Cache<Int, Int>) async -> (leader: Task<Int, any Error>, others: [Task<Int, any Error>])
    {
        func ask() -> Task<Int, any Error> {
            Task {
                try await cache.value(for: 1) {
                    let number = self.load()
                    try await self.gate.pass()
                    return number
                }
            }
        }
        let leader = ask()
        await self.gate.waitForArrivals(1)
        let others = (0..<5).map { _ in ask() }
        await self.waitForMisses(6, cache)
        return (leader, others)
    }

    @Test(
        "when the one that loads is cancelled another loads, and all who wait get its value", arguments: [false, true])
    func cancelledLeader(isRemoved: Bool) async throws {
        let cache = self.cache()
        let (leader, others) = await self.crowd(cache)
        if isRemoved { cache.remove(1) }
        leader.cancel()
        await #expect(throws: CancellationError.self) { try await leader.value }
        await self.gate.waitForArrivals(1)
        self.gate.open()
        for task in others { #expect(try await task.value == 2) }
        #expect(self.loads.withLock { $0 } == 2)
    }

    @Test("who waits and is cancelled leaves alone")
    func cancelledWaiter() async throws {
        let cache = self.cache()
        let (leader, others) = await self.crowd(cache)
        others[2].cancel()
        await #expect(throws: CancellationError.self) { try await others[2].value }
        self.gate.open()
        #expect(try await leader.value == 1)
        #expect(try await others[4].value == 1)
    }

    @Test("the loader's own deadline is no reason for those who wait to fail")
    func leadersDeadline() async throws {
        let cache = self.cache()
        let short = Pipeline("short", time: self.time) { Deadline(.seconds(1)) }
        let load: @Sendable () async throws -> Int = {
            let number = self.load()
            if number == 1 { try await self.gate.pass() }
            return number
        }
        let leader = Task { try await short { try await cache.value(for: 1, load) } }
        await self.gate.waitForArrivals(1)
        let other = Task { try await cache.value(for: 1, load) }
        await self.waitForMisses(2, cache)
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(1))
        await #expect(throws: TimeoutError.self) { try await leader.value }
        #expect(try await other.value == 2)
    }

    @Test("a stale value is returned at once and refreshed once")
    func staleWhileRevalidate() async throws {
        let cache = self.cache(
            CacheSettings(timeToLive: .seconds(10), jitter: 0, staleWhileRevalidate: .seconds(60)))
        _ = try await cache.value(for: 1) { self.load() }
        self.time.advance(by: .seconds(10))
        for _ in 0..<20 {
            let value = try await cache.value(for: 1) {
                try await self.gate.pass()
                return self.load()
            }
            #expect(value == 1)
        }
        await self.gate.waitForArrivals(1)
        self.gate.open()
        while cache.cached(1) == nil { await Task.yield() }
        #expect(try await cache.value(for: 1) { 0 } == 2)
        #expect(self.loads.withLock { $0 } == 2)
        #expect(cache.statistics.stale == 20)
    }

    @Test("refreshing in the background is not ended by the deadline of the call that began it")
    func detachedRefresh() async throws {
        let cache = self.cache(CacheSettings(timeToLive: .zero, jitter: 0, staleWhileRevalidate: .seconds(60)))
        _ = try await cache.value(for: 1) { self.load() }
        let pipeline = Pipeline("p", time: self.time) { Deadline(.seconds(1)) }
        let hasDeadline = Locked<Bool?>(nil)
        _ = try await pipeline {
            try await cache.value(for: 1) {
                hasDeadline.withLock { $0 = OperationContext.current != nil }
                return self.load()
            }
        }
        while hasDeadline.withLock({ $0 == nil }) { await Task.yield() }
        #expect(hasDeadline.withLock { $0 } == false)
    }

    @Test("refreshes in the background are bounded")
    func refreshBound() async throws {
        let cache = self.cache(
            CacheSettings(timeToLive: .zero, jitter: 0, staleWhileRevalidate: .seconds(60), maximumRefreshes: 3))
        for key in 0..<10 { _ = try await cache.value(for: key) { key } }
        for key in 0..<10 {
            _ = try await cache.value(for: key) {
                _ = self.load()
                try await self.gate.pass()
                return key
            }
        }
        await self.gate.waitForArrivals(3)
        #expect(self.loads.withLock { $0 } == 3)
        self.gate.open()
    }

    @Test("when loading fails, a value that is not too old answers for everybody")
    func staleIfError() async throws {
        let cache = self.cache(CacheSettings(timeToLive: .seconds(10), jitter: 0, staleIfError: .seconds(60)))
        _ = try await cache.value(for: 1) { self.load() }
        self.time.advance(by: .seconds(69))
        #expect(try await cache.value(for: 1) { throw Flaky() } == 1)
        self.time.advance(by: .seconds(1))
        await #expect(throws: Flaky.self) { try await cache.value(for: 1) { throw Flaky() } }
    }

    @Test("an open breaker is one more failure that a stale value answers")
    func staleBehindBreaker() async throws {
        let cache = self.cache(CacheSettings(timeToLive: .zero, jitter: 0, staleIfError: .seconds(60)))
        let breaker = CircuitBreaker()
        let pipeline = Pipeline("p", time: self.time) { breaker }
        let load: @Sendable () async throws -> Int = { try await pipeline { self.load() } }
        #expect(try await cache.value(for: 1, load) == 1)
        breaker.isolate()
        #expect(try await cache.value(for: 1, load) == 1)
        await #expect(throws: RejectionError.self) { try await cache.value(for: 2, load) }
    }

    @Test("a value whose key was removed while it was loaded is not kept", arguments: [false, true])
    func removedWhileLoading(all: Bool) async throws {
        let cache = self.cache()
        let (leader, others) = await self.crowd(cache)
        if all { cache.removeAll() } else { cache.remove(1) }
        self.gate.open()
        #expect(try await leader.value == 1)
        for task in others { #expect(try await task.value == 1) }
        #expect(cache.cached(1) == nil)
        #expect(cache.count == 0)
        #expect(try await cache.value(for: 1) { self.load() } == 2)
    }

    @Test("keeps no more than its capacity, and forgets what was used least recently")
    func capacity() async throws {
        let cache = self.cache(CacheSettings(jitter: 0, capacity: 3))
        for key in [1, 2, 3, 1, 4] { _ = try await cache.value(for: key) { key } }
        #expect(cache.count == 3)
        #expect([1, 2, 3, 4].map { cache.cached($0) != nil } == [true, false, true, true])
    }

    @Test("turns away who would have to wait when too many do")
    func waiterBound() async throws {
        let cache = self.cache(CacheSettings(jitter: 0, maximumWaiting: 5))
        let (leader, others) = await self.crowd(cache)
        await #expect(throws: RejectionError(policy: "cache", reason: .queueFull)) {
            try await cache.value(for: 1) { 0 }
        }
        self.gate.open()
        for task in [leader] + others { #expect(try await task.value == 1) }
    }

    @Test("who waits leaves at the deadline")
    func deadline() async throws {
        let cache = self.cache()
        let (leader, others) = await self.crowd(cache)
        let context = OperationContext(name: "o", time: self.time)
            .limited(to: self.time.now.advanced(by: .seconds(5)))
        let late = Task {
            try await OperationContext.$current.withValue(context) { try await cache.value(for: 1) { 0 } }
        }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(5))
        await #expect(throws: RejectionError(policy: "cache", reason: .deadlineWouldBeMissed)) { try await late.value }
        self.gate.open()
        for task in [leader] + others { #expect(try await task.value == 1) }
        #expect(self.time.alarmCount == 0)
    }

    @Test("a cache that nobody holds any more ends its refreshes")
    func deallocation() async throws {
        let isCancelled = Gate()
        var cache: Cache<Int, Int>? = self.cache(
            CacheSettings(timeToLive: .zero, jitter: 0, staleWhileRevalidate: .seconds(60)))
        for _ in 0..<2 {
            _ = try await cache?.value(for: 1) {
                guard self.load() == 2 else { return 1 }
                do { try await self.gate.pass() } catch { isCancelled.open() }
                return 2
            }
        }
        await self.gate.waitForArrivals(1)
        cache = nil
        try await isCancelled.pass()
    }
}
