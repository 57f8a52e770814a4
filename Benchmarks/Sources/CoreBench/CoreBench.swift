// SPDX-License-Identifier: Apache-2.0

import Sluice

/// What each policy, and a whole pipeline, adds to a call that succeeds at once, in nanoseconds.
@main
enum CoreBench {
    @inline(never)
    static func operation() async throws -> Int { 1 }

    @inline(never)
    static func yielding() async throws -> Int {
        await Task.yield()
        return 1
    }

    static func main() async throws {
        let breaker0 = Pipeline("b") { CircuitBreaker() }
        let iso = try await breaker0 { MainActor.assertIsolated(); return 1 }
        print(iso)
        try await Task.detached { try await run() }.value
    }

    static func run() async throws {
        let bare = Pipeline("bare") { Retry() }
        let breaker = Pipeline("breaker") { CircuitBreaker() }
        let limit = Pipeline("limit") { RateLimit(1_000_000_000, per: .seconds(1)) }
        let timeout = Pipeline("timeout") { Timeout(.seconds(30)) }
        let five = Pipeline("five") {
            Retry()
            CircuitBreaker()
            RateLimit(1_000_000_000, per: .seconds(1))
            Retry()
            CircuitBreaker()
        }
        let whole = Pipeline("whole") {
            Deadline(.seconds(30))
            Retry()
            CircuitBreaker()
            RateLimit(1_000_000_000, per: .seconds(1))
            Timeout(.seconds(10))
        }
        let erased = whole.erased()
        for (name, body) in [("returns at once", operation), ("yields once", yielding)] {
            print(name)
            try await measure("no pipeline") { try await body() }
            try await measure("retry") { try await bare { try await body() } }
            try await measure("breaker") { try await breaker { try await body() } }
            try await measure("rate limit") { try await limit { try await body() } }
            try await measure("timeout") { try await timeout { try await body() } }
            try await measure("five layers, no timer") { try await five { try await body() } }
            try await measure("deadline, retry, breaker, limit, timeout") { try await whole { try await body() } }
            try await measure("the same, type erased") { try await erased { try await body() } }
        }
    }

    static func measure(_ name: String, _ body: () async throws -> Int) async throws {
        let calls = 200_000
        var best = Duration.seconds(1_000)
        for _ in 0..<5 {
            let start = ContinuousClock.now
            for _ in 0..<calls { _ = try await body() }
            best = min(best, ContinuousClock.now - start)
        }
        print("  \(name): \(Int(best / .nanoseconds(1)) / calls) ns")
    }
}
