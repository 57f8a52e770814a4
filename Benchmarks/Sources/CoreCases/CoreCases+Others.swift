// SPDX-License-Identifier: Apache-2.0
import Sluice

extension CoreCases {
    static var others: [CoreCase] {
        [Self.rejection, Self.thrownRejection, Self.timers, Self.cacheHit] + Self.contended
    }

    /// An open breaker's answer, as an outcome.
    private static var rejection: CoreCase {
        let open = CircuitBreaker()
        open.isolate()
        let pipeline = Pipeline("open") { open }
        return CoreCase("open breaker's rejection as an outcome", against: "at once: alone") { count in
            try await sum(count) {
                let outcome = await pipeline.outcome { _ in try await atOnce() }
                if case .rejected = outcome { return 1 }
                return 0
            }
        }
    }

    /// The same, thrown and caught.
    private static var thrownRejection: CoreCase {
        let open = CircuitBreaker()
        open.isolate()
        let pipeline = Pipeline("open") { open }
        return CoreCase("open breaker's rejection, thrown", against: "at once: alone") { count in
            try await sum(count) {
                do { return try await pipeline { try await atOnce() } - 1 } catch { return 1 }
            }
        }
    }

    /// Alarms set and taken back.
    private static var timers: CoreCase {
        CoreCase("timer armed and cancelled", against: "at once: alone") { count in
            let time = SystemTime.shared
            let instant = time.now.advanced(by: .seconds(30))
            return try await sum(count) { time.cancel(time.schedule(at: instant) {}) ? 1 : 0 }
        }
    }

    /// A fresh value.
    private static var cacheHit: CoreCase {
        let cache = Cache<Int, Int>()
        return CoreCase("cache hit", against: "at once: alone") { count in
            try await sum(count) { try await cache.value(for: 1) { 1 } }
        }
    }

    /// One pipeline and two tasks that call through it at the same time; a call's time is that of both.
    private static var contended: [CoreCase] {
        let five = Self.five(observer: nil)
        let alone = "two tasks: alone"
        return [
            CoreCase(alone) { count in try await self.inTwo(count) { try await sum($0) { try await atOnce() } } },
            CoreCase("two tasks: retry, breaker, rate, concurrency, context", against: alone) { count in
                try await self.inTwo(count) { try await sum($0) { try await five { try await atOnce() } } }
            },
        ]
    }

    private static func inTwo(
        _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Int
    ) async throws -> Int {
        async let first = body(count / 2)
        async let second = body(count - count / 2)
        return try await first + second
    }
}
