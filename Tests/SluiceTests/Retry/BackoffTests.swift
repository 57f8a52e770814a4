// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Back-off")
struct BackoffTests {
    let backoff = Backoff.exponential(from: .milliseconds(100)).capped(at: .seconds(5)).jittered()

    @Test("doubles up to its maximum", arguments: zip([1, 2, 3, 6, 7, 100], [100, 200, 400, 3_200, 5_000, 5_000]))
    func doubles(retry: Int, milliseconds: Int) {
        #expect(self.backoff.delay(beforeRetry: retry, fraction: 1) == .milliseconds(milliseconds))
    }

    @Test("stays within bounds for any attempt", arguments: [1, 33, 34, 63, 64, 65, 1_024, 1_025, .max - 1, .max])
    func noOverflow(retry: Int) throws {
        for fraction in [0, 0.5, 1, .infinity, -1, .nan] {
            let delay = try #require(self.backoff.delay(beforeRetry: retry, fraction: fraction))
            #expect(delay >= .zero && delay <= .seconds(5))
        }
    }

    @Test("jitter covers the whole range")
    func jitter() {
        #expect(self.backoff.delay(beforeRetry: 3, fraction: 0) == .zero)
        #expect(self.backoff.delay(beforeRetry: 3, fraction: 0.5) == .milliseconds(200))
    }

    @Test("refuses a negative wait and a factor that shrinks")
    func refuses() async {
        await #expect(processExitsWith: .failure) { _ = Backoff.constant(.seconds(-1)) }
        await #expect(processExitsWith: .failure) { _ = Backoff.exponential(from: .seconds(1), factor: 0.5) }
    }
}
