// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Retry budget", .timeLimit(.minutes(5)), .offThePool)
struct RetryBudgetTests {
    @Test("does what a log of calls and retries does, over a million random steps", arguments: [1, 2] as [UInt64])
    func model(seed: UInt64) {
        var dice = Dice(seed)
        var budget = RetryBudgetMachine(ratio: 0.25, minimumPerSecond: 0.5)
        var log: [(second: Int64, worth: Double)] = []
        var head = 0
        var sum = 5.0
        var now: Int64 = 0
        for step in 0..<500_000 {
            now += Int64(dice.roll(dice.roll(10_000) == 0 ? 20_000_000_000 : 50_000_000))
            let second = now / 1_000_000_000
            while head < log.count, log[head].second <= second - 10 {
                sum -= log[head].worth
                head += 1
            }
            let instant = Instant(nanoseconds: now)
            if dice.roll(3) > 0 {
                budget.recordCall(at: instant)
                log.append((second, 0.25))
                sum += 0.25
            } else {
                let expected = sum >= 1
                guard budget.takeRetry(at: instant) == expected else {
                    return fail("step \(step): \(sum) expected, has \(budget.balance(at: instant))")
                }
                if expected {
                    log.append((second, -1))
                    sum -= 1
                }
            }
        }
    }

    @Test("a service that is called rarely may retry all the same")
    func floor() {
        var budget = RetryBudgetMachine(ratio: 0, minimumPerSecond: 1)
        let now = Instant(nanoseconds: 0)
        let taken = (0..<11).map { _ in budget.takeRetry(at: now) }
        #expect(taken == Array(repeating: true, count: 10) + [false])
        let isBack = budget.takeRetry(at: now.advanced(by: .seconds(10)))
        #expect(isBack)
    }
}
