// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Latency window", .timeLimit(.minutes(5)), .offThePool)
struct LatencyWindowTests {
    @Test("a percentile is never too low and at most 12.5 % too high, over a million calls", arguments: [1, 100, 500])
    func percentiles(capacity: Int) {
        var dice = Dice(UInt64(capacity))
        var window = LatencyWindow(capacity: capacity)
        var current: [Int64] = []
        var previous: [Int64] = []
        for step in 0..<333_334 {
            // As many of each length, from a nanosecond to nine minutes.
            let value = Int64(1 + dice.roll(1 << (1 + dice.roll(39))))
            if current.count == capacity { (previous, current) = (current, []) }
            current.append(value)
            window.record(.nanoseconds(value))
            guard step % 499 == 0 else { continue }
            let sorted = (previous + current).sorted()
            for fraction in [0, 0.5, 0.95, 1] {
                let rank = max(1, Int((Double(sorted.count) * fraction).rounded(.up)))
                let exact = Double(sorted[rank - 1])
                let found = Double(window.percentile(fraction)?.clampedNanoseconds ?? 0)
                guard found >= exact, found <= exact * 1.125 else {
                    return fail("step \(step): \(fraction) is \(exact), said \(found)")
                }
            }
        }
        #expect(window.count == current.count + previous.count)
    }

    @Test("an empty one says nothing, and no duration is too short or too long")
    func extremes() {
        var window = LatencyWindow()
        #expect(window.percentile(0.5) == nil)
        for duration in [.zero, .seconds(-1), .nanoseconds(Int64.max), .seconds(Int64.max)] as [Duration] {
            window.record(duration)
        }
        #expect(window.percentile(1) == .nanoseconds(Int64.max))
        #expect(window.percentile(0) == .nanoseconds(1))
    }
}
