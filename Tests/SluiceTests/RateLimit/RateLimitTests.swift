// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceTesting
import Testing

@Suite("Rate limit", .timeLimit(.minutes(5)))
struct RateLimitTests {
    let time = VirtualTime()
    let start = Instant(nanoseconds: 5_000)

    @Test("lets a burst through, then one call an interval")
    func burst() {
        var limit = GCRA(count: 10, per: .seconds(1), burst: 3)
        for _ in 0..<3 { #expect(limit.take(at: self.start, patience: .zero) == .taken(wait: .zero)) }
        #expect(limit.take(at: self.start, patience: .zero) == .refused(retryAfter: .milliseconds(100)))
        let later = self.start.advanced(by: .milliseconds(100))
        #expect(limit.take(at: later, patience: .zero) == .taken(wait: .zero))
        #expect(limit.take(at: later, patience: .seconds(1)) == .taken(wait: .milliseconds(100)))
        #expect(limit.take(at: later, patience: .milliseconds(100)) == .refused(retryAfter: .milliseconds(200)))
    }

    @Test("admits what the limit says and no more, over any period", arguments: [5, 6] as [UInt64])
    func accuracy(seed: UInt64) {
        let random = Randomness(seed: seed)
        var limit = GCRA(count: 100, per: .seconds(1), burst: 10)
        var now = self.start
        var admitted: [Instant] = []
        for _ in 0..<200_000 {
            now = now.advanced(by: .microseconds(Int(random.fraction() * 4_000)))
            if case .taken = limit.take(at: now, patience: .zero) { admitted.append(now) }
        }
        // In any second: 100 by the rate and at most 10 more by the burst.
        for (index, instant) in admitted.enumerated() where index + 110 < admitted.count {
            #expect(instant.duration(to: admitted[index + 110]) >= .seconds(1))
        }
        let seconds = self.start.duration(to: now).inSeconds
        #expect(Double(admitted.count) > 0.99 * 100 * seconds)
    }

    @Test("a pause lets nothing through before its end")
    func pause() {
        var limit = GCRA(count: 10, per: .seconds(1), burst: 5)
        limit.pause(until: self.start.advanced(by: .seconds(3)))
        #expect(limit.take(at: self.start, patience: .zero) == .refused(retryAfter: .seconds(3)))
        #expect(limit.take(at: self.start.advanced(by: .seconds(3)), patience: .zero) == .taken(wait: .zero))
    }

    @Test("a call waits for its turn")
    func waits() async throws {
        let pipeline = Pipeline("p", time: self.time) { RateLimit(1, per: .seconds(10)) }
        try await pipeline {}
        let before = self.time.now
        let task = Task { try await pipeline { self.time.now } }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(10))
        #expect(try await task.value >= before.advanced(by: .seconds(10)))
    }

    @Test("a call cancelled while it waits gives its turn back")
    func cancelled() async throws {
        let pipeline = Pipeline("p", time: self.time) { RateLimit(1, per: .seconds(10)) }
        try await pipeline {}
        let task = Task { try await pipeline {} }
        await self.time.waitForAlarms(1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        self.time.advance(by: .seconds(10))
        try await pipeline {}
    }

    @Test("a call whose turn would come after its deadline is turned away at once")
    func deadline() async throws {
        let pipeline = Pipeline("p", time: self.time) {
            Deadline(.seconds(5))
            RateLimit(1, per: .seconds(10))
        }
        try await pipeline {}
        let rejection = RejectionError(policy: "rateLimit", reason: .rateLimited, retryAfter: .seconds(10))
        await #expect(throws: rejection) { try await pipeline {} }
        #expect(self.time.alarmCount == 0)
    }

    @Test("five calls at two per 0.2 s all finish")
    func finishes() async throws {
        let pipeline = Pipeline("p", time: self.time) { RateLimit(2, per: .milliseconds(200)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<5 { group.addTask { try await pipeline {} } }
            await self.time.waitForAlarms(3)
            self.time.advance(by: .seconds(1))
            try await group.waitForAll()
        }
    }
}
