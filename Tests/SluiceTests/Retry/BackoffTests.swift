// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Back-off")
struct BackoffTests {
    let backoff = Backoff(base: .milliseconds(100), factor: 2, maximum: .seconds(5))

    @Test("doubles up to its maximum", arguments: zip([1, 2, 3, 6, 7, 100], [100, 200, 400, 3_200, 5_000, 5_000]))
    func doubles(retry: Int, milliseconds: Int) {
        #expect(self.backoff.delay(beforeRetry: retry, fraction: 1) == .milliseconds(milliseconds))
    }

    @Test("stays within bounds for any attempt", arguments: [1, 33, 34, 63, 64, 65, 1_024, 1_025, .max - 1, .max])
    func noOverflow(retry: Int) {
        for fraction in [0, 0.5, 1, .infinity, -1, .nan] {
            let delay = self.backoff.delay(beforeRetry: retry, fraction: fraction)
            #expect(delay >= .zero && delay <= .seconds(5))
        }
    }

    @Test("jitter covers the whole range")
    func jitter() {
        #expect(self.backoff.delay(beforeRetry: 3, fraction: 0) == .zero)
        #expect(self.backoff.delay(beforeRetry: 3, fraction: 0.5) == .milliseconds(200))
    }

    @Test("refuses a maximum below its base")
    func refuses() async {
        await #expect(processExitsWith: .failure) { _ = Backoff(base: .seconds(2), maximum: .seconds(1)) }
    }
}
