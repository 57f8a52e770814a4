// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Sluice

@Suite("Window of calls", .timeLimit(.minutes(5)), .offThePool)
struct CallWindowTests {
    private struct Call {
        let isFailure: Bool
        let isSlow: Bool
        let bucket: Int64
    }

    private func counts(_ calls: ArraySlice<Call>) -> CallWindow.Counts {
        var counts = CallWindow.Counts()
        for call in calls {
            counts.calls += 1
            counts.failures += call.isFailure ? 1 : 0
            counts.slow += call.isSlow ? 1 : 0
        }
        return counts
    }

    @Test("holds the last so many calls", arguments: [1, 2, 3, 100])
    func byCount(size: Int) {
        var dice = Dice(UInt64(size))
        var window = CallWindow(calls: size)
        var calls: [Call] = []
        for step in 0..<20_000 {
            let call = Call(isFailure: dice.roll(2) == 0, isSlow: dice.roll(3) == 0, bucket: 0)
            calls.append(call)
            window.record(isFailure: call.isFailure, isSlow: call.isSlow, at: Instant(nanoseconds: Int64(step)))
            let expected = self.counts(calls.suffix(size))
            let counts = window.counts(at: Instant(nanoseconds: .max))
            if counts != expected { return #expect(counts == expected, "step \(step)") }
        }
    }

    @Test(
        "holds the calls of the last while, over a million random steps",
        arguments: [(1, 10), (2, 1_000), (3, 30_000_000_000)] as [(UInt64, Int64)])
    func byTime(seed: UInt64, nanoseconds: Int64) {
        var dice = Dice(seed)
        var window = CallWindow(duration: .nanoseconds(nanoseconds))
        let bucket = nanoseconds / 10
        var now: Int64 = 0
        var calls: [Call] = []
        var head = 0
        var expected = CallWindow.Counts()
        for step in 0..<333_334 {
            // Mostly small steps, now and then one past the whole window.
            now += Int64(dice.roll(Int(dice.roll(100) == 0 ? nanoseconds * 3 : max(2, bucket / 2))))
            let call = Call(isFailure: dice.roll(2) == 0, isSlow: dice.roll(3) == 0, bucket: now / bucket)
            if dice.roll(3) > 0 {
                window.record(isFailure: call.isFailure, isSlow: call.isSlow, at: Instant(nanoseconds: now))
                calls.append(call)
                expected.calls += 1
                expected.failures += call.isFailure ? 1 : 0
                expected.slow += call.isSlow ? 1 : 0
            }
            while head < calls.count, calls[head].bucket <= now / bucket - 10 {
                expected.calls -= 1
                expected.failures -= calls[head].isFailure ? 1 : 0
                expected.slow -= calls[head].isSlow ? 1 : 0
                head += 1
            }
            let counts = window.counts(at: Instant(nanoseconds: now))
            if counts != expected { return #expect(counts == expected, "step \(step)") }
        }
    }

    @Test("forgets everything when cleared")
    func clear() {
        var window = CallWindow(duration: .seconds(10))
        for second in 0..<5 {
            window.record(isFailure: true, isSlow: true, at: Instant(nanoseconds: Int64(second) * 1_000_000_000))
        }
        window.clear()
        let counts = window.counts(at: Instant(nanoseconds: 5_000_000_000))
        #expect(counts == CallWindow.Counts())
    }

    @Test("a clock that stands far from its origin is no trouble")
    func farTime() {
        var window = CallWindow(duration: .seconds(10))
        window.record(isFailure: true, isSlow: false, at: Instant(nanoseconds: .max - 1))
        let counts = window.counts(at: Instant(nanoseconds: .max))
        #expect(counts.failures == 1)
    }
}
