// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Back-off algebra", .timeLimit(.minutes(5)))
struct BackoffAlgebraTests {
    /// The first waits in seconds, nil where there is to be no retry.
    private func seconds(_ backoff: Backoff, _ count: Int = 6) -> [Double?] {
        (1...count).map { backoff.longestDelay(beforeRetry: $0)?.inSeconds }
    }

    @Test("each kind grows as its name says")
    func kinds() {
        #expect(self.seconds(.constant(.seconds(2))) == [2, 2, 2, 2, 2, 2])
        #expect(self.seconds(.linear(from: .seconds(1), by: .seconds(3))) == [1, 4, 7, 10, 13, 16])
        #expect(self.seconds(.exponential(from: .seconds(1), factor: 3)) == [1, 3, 9, 27, 81, 243])
        #expect(self.seconds(.fibonacci(from: .seconds(2))) == [2, 2, 4, 6, 10, 16])
    }

    @Test("combinations do what they say")
    func combinations() {
        let one = Backoff.constant(.seconds(1))
        let growing = Backoff.linear(from: .seconds(1), by: .seconds(1))
        #expect(self.seconds(growing.capped(at: .seconds(3))) == [1, 2, 3, 3, 3, 3])
        #expect(self.seconds(one.then(after: 2, growing)) == [1, 1, 1, 2, 3, 4])
        #expect(self.seconds(growing.min(.constant(.seconds(2)))) == [1, 2, 2, 2, 2, 2])
        #expect(self.seconds(growing.max(.constant(.seconds(3)))) == [3, 3, 3, 4, 5, 6])
        #expect(self.seconds(growing.limited(to: 2)) == [1, 2, nil, nil, nil, nil])
        #expect(self.seconds(growing.limited(to: 2).min(one.limited(to: 4))) == [1, 1, nil, nil, nil, nil])
        #expect(self.seconds(one.limited(to: 0)) == Array(repeating: nil, count: 6))
        #expect(self.seconds(one.limited(to: 1).then(after: 1, growing.limited(to: 2))) == [1, 1, 2, nil, nil, nil])
    }

    @Test("equal jitter draws from the upper half")
    func equal() {
        let backoff = Backoff.constant(.seconds(4)).jittered(.equal)
        let waits = [0, 0.5, 1].map { backoff.delay(beforeRetry: 1, fraction: $0) }
        #expect(waits == [.seconds(2), .seconds(3), .seconds(4)])
    }

    @Test("the lower end of an endless wait is still nothing")
    func endless() {
        let backoff = Backoff.exponential(from: .seconds(1)).jittered()
        #expect(backoff.delay(beforeRetry: .max, fraction: 0) == .zero)
        #expect(backoff.delay(beforeRetry: .max, fraction: 1) == .nanoseconds(Int64.max))
    }

    @Test("decorrelated jitter draws from the first wait up to three times the one before")
    func decorrelated() {
        let backoff = Backoff.constant(.seconds(1)).jittered(.decorrelated).capped(at: .seconds(20))
        #expect(backoff.delay(beforeRetry: 1, fraction: 0) == .seconds(1))
        #expect(backoff.delay(beforeRetry: 1, fraction: 1) == .seconds(3))
        #expect(backoff.delay(beforeRetry: 2, fraction: 1, previous: .seconds(3)) == .seconds(9))
        #expect(backoff.delay(beforeRetry: 2, fraction: 0.5, previous: .seconds(3)) == .seconds(5))
        #expect(backoff.delay(beforeRetry: .max, fraction: 1, previous: .nanoseconds(Int64.max)) == .seconds(20))
        let random = Randomness(seed: 5)
        var previous = Duration.zero
        for retry in 1...1_000 {
            let wait = backoff.delay(beforeRetry: retry, fraction: random.fraction(), previous: previous)
            guard let wait, wait >= .seconds(1), wait <= .seconds(20) else { return fail("\(wait as Any)") }
            previous = wait
        }
    }

    /// Any back-off, up to four levels deep.
    private func tree(_ dice: inout Dice, depth: Int = 4) -> Backoff {
        let wait = Duration.nanoseconds([0, 1, 999_999_937, 60_000_000_000, Int64.max][dice.roll(5)])
        let factor = [1, 1.5, 2, 1e15, 1e17, 1.7e300][dice.roll(6)]
        switch dice.roll(depth == 0 ? 4 : 10) {
        case 0: return .constant(wait)
        case 1: return .linear(from: wait, by: .nanoseconds(Int64.max / Int64(1 + dice.roll(1_000))))
        case 2: return .exponential(from: wait, factor: factor)
        case 3: return .fibonacci(from: wait)
        case 4: return self.tree(&dice, depth: depth - 1).capped(at: wait)
        case 5: return self.tree(&dice, depth: depth - 1).jittered(Backoff.Jitter.allCases[dice.roll(3)])
        case 6: return self.tree(&dice, depth: depth - 1).limited(to: dice.roll(3))
        case 7: return self.tree(&dice, depth: depth - 1).then(after: dice.roll(3), self.tree(&dice, depth: depth - 1))
        case 8: return self.tree(&dice, depth: depth - 1).min(self.tree(&dice, depth: depth - 1))
        default: return self.tree(&dice, depth: depth - 1).max(self.tree(&dice, depth: depth - 1))
        }
    }

    @Test("is written as text and read back the same, for twenty thousand random trees")
    func text() {
        var dice = Dice(11)
        for _ in 0..<20_000 {
            let backoff = self.tree(&dice)
            let text = backoff.description
            guard text.utf8.count > 1_000 || Backoff(text) == backoff else { return fail(text) }
        }
    }

    @Test("is a duration of at least zero or nothing, for random trees and any retry")
    func noOverflow() {
        var dice = Dice(12)
        for _ in 0..<20_000 {
            let backoff = self.tree(&dice)
            for retry in [.min, 0, 1, 2, 33, 64, 1_025, .max - 1, .max] {
                for fraction in [0, 0.3, 1, .nan, .infinity] {
                    let previous = Duration.nanoseconds(dice.roll(2) == 0 ? 0 : Int64.max)
                    let wait = backoff.delay(beforeRetry: retry, fraction: fraction, previous: previous)
                    guard wait ?? .zero >= .zero else { return fail("\(backoff), \(retry): \(wait as Any)") }
                }
            }
        }
    }

    @Test(
        "refuses what is no back-off",
        arguments: [
            "", "constant", "constant()", "constant(1)", "constant(-1s)", "constant(1s", "constant(1s))", "linear(1s)",
            "exponential(1s, 0.5)", "exponential(1s, nan)", "exponential(1s, inf)", "capped(1s, 2s)",
            "jittered(constant(1s), none)", "limited(constant(1s), -1)", "then(constant(1s), constant(1s))",
            "min(constant(1s))", "retry(constant(1s), 2)",
            String(repeating: "capped(", count: 200),
        ])
    func refuses(text: String) {
        #expect(Backoff(text) == nil)
    }
}

@Suite("Duration text")
struct DurationTextTests {
    @Test("is read back the same, for a hundred thousand random durations and the longest")
    func roundTrip() {
        var dice = Dice(3)
        for step in 0..<100_000 {
            let nanoseconds = step == 0 ? Int64.max : Int64(dice.roll(1 << (1 + dice.roll(62))))
            let unit: Int64 = [1, 1_000, 1_000_000, 60_000_000_000][dice.roll(4)]
            let duration = Duration.nanoseconds(step == 0 ? nanoseconds : nanoseconds / unit * unit)
            let text = DurationText.text(duration)
            guard DurationText.duration(text) == duration else { return fail(text) }
        }
    }

    @Test(
        "is read as people write it",
        arguments: zip(
            ["1.5s", "250ms", "2m", "1h", "40us", "0s", "7ns"],
            [1_500_000, 250_000, 120_000_000, 3_600_000_000, 40, 0, 0] as [Int64]))
    func reads(text: String, microseconds: Int64) {
        let expected = text == "7ns" ? Duration.nanoseconds(7) : .microseconds(microseconds)
        #expect(DurationText.duration(text) == expected)
    }

    @Test(
        "refuses what is no duration",
        arguments: ["", "s", "1", "-1s", "1 s", "1.2.3s", "1d", "١s", "9999999999h", "1e3s"])
    func refuses(text: String) {
        #expect(DurationText.duration(text) == nil)
    }
}
