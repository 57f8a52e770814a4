// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Rate limits against models", .timeLimit(.minutes(5)), .offThePool)
struct RateLimitModelTests {
    /// A bucket that leaks a nanosecond's worth each nanosecond, with waiting and weights, over a million steps.
    @Test("a bucket decides as one that leaks step by step", arguments: [1, 2] as [UInt64])
    func bucket(seed: UInt64) {
        var dice = Dice(seed)
        let interval: Int64 = 10_000_000
        let burst = seed == 1 ? 1 : 7
        var limit = GCRA(count: 100, per: .seconds(1), burst: burst)
        var level: Int64 = 0
        var now: Int64 = 0
        for step in 0..<500_000 {
            let passed = Int64(dice.roll(20_000_000))
            now += passed
            level = max(0, level - passed)
            let cost = 1 + dice.roll(burst)
            let patience = Int64(dice.roll(30_000_000))
            let wait = max(0, level + Int64(cost) * interval - Int64(burst) * interval)
            let expected: RateDecision =
                wait <= patience
                ? .taken(wait: .nanoseconds(wait)) : .refused(retryAfter: .nanoseconds(wait))
            if wait <= patience { level += Int64(cost) * interval }
            let decision = limit.take(
                at: Instant(nanoseconds: now), cost: cost, patience: .nanoseconds(patience))
            guard decision == expected else { return #expect(decision == expected, "step \(step)") }
        }
    }

    /// The earliest start that a log of every start so far allows.
    private func earliest(_ starts: [Int64], _ cost: Int, _ count: Int, _ period: Int64, _ now: Int64) -> Int64 {
        let index = starts.count - count + cost - 1
        return index < 0 ? now : max(now, starts[index] + period)
    }

    @Test("a window decides as the log of its starts says, over a million steps", arguments: [1, 5, 20])
    func window(count: Int) {
        var dice = Dice(UInt64(count) + 7)
        let period: Int64 = 1_000
        var machine = RateLimitMachine(
            RateLimitSettings(count: count, period: .nanoseconds(period), kind: .window))
        var starts: [Int64] = []
        var now: Int64 = 0
        for step in 0..<333_334 {
            now += Int64(dice.roll(2 * Int(period) / count))
            let cost = 1 + dice.roll(min(count, 3))
            let patience = Int64(dice.roll(300))
            let start = self.earliest(starts, cost, count, period, now)
            let decision = machine.reserve(
                at: Instant(nanoseconds: now), cost: cost, patience: .nanoseconds(patience))
            let wait = Duration.nanoseconds(start - now)
            let expected: RateDecision =
                start - now <= patience ? .taken(wait: wait) : .refused(retryAfter: wait)
            guard decision == expected else { return #expect(decision == expected, "step \(step)") }
            if case .taken = decision { starts += Array(repeating: start, count: cost) }
            if starts.count > 10_000 { starts.removeFirst(starts.count - 2 * count) }
        }
    }

    @Test("a window lets no more than its count start in any period, whoever gives places back", arguments: [1, 3, 8])
    func windowWithGivingBack(count: Int) {
        var dice = Dice(UInt64(count) + 70)
        let period: Int64 = 1_000
        var machine = RateLimitMachine(
            RateLimitSettings(count: count, period: .nanoseconds(period), kind: .window))
        /// Every start that was not given back, in order.
        var starts: [Int64] = []
        /// Those that have not come yet.
        var waiting: [Int64] = []
        var now: Int64 = 0
        var taken = 0
        for step in 0..<333_334 {
            now += Int64(dice.roll(2 * Int(period) / count))
            waiting.removeAll { $0 <= now }
            if dice.roll(3) == 0, !waiting.isEmpty {
                let start = waiting.remove(at: dice.roll(waiting.count))
                machine.giveBack(startingAt: Instant(nanoseconds: start))
                starts.remove(at: starts.lastIndex(of: start) ?? 0)
                continue
            }
            guard
                case .taken(let wait) = machine.reserve(
                    at: Instant(nanoseconds: now), patience: .nanoseconds(2 * period))
            else { continue }
            taken += 1
            let start = now + wait.clampedNanoseconds
            if start > now { waiting.append(start) }
            let index = (starts.lastIndex { $0 <= start } ?? -1) + 1
            starts.insert(start, at: index)
            for first in max(0, index - count)...index where first + count < starts.count {
                let span = starts[first + count] - starts[first]
                guard span >= period else { return #expect(span >= period, "step \(step): \(count + 1) calls") }
            }
            if starts.count > 1_000 { starts.removeFirst(500) }
        }
        // Giving back must not lose places either.
        #expect(Double(taken) > 0.8 * Double(now / period) * Double(count))
    }
}
