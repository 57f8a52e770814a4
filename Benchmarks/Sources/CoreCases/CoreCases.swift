// SPDX-License-Identifier: Apache-2.0
import Sluice

/// An operation that completes at once; not inlined, as a driver's call is not.
@Sendable @inline(never)
func atOnce() async throws -> Int { 1 }

/// An operation that suspends once.
@Sendable @inline(never)
func suspending() async throws -> Int {
    await Task.yield()
    return 1
}

/// Hears every event and does nothing: what it costs that somebody listens.
final class IdleObserver: PolicyObserver {
    func record(_ event: PolicyEvent, in context: OperationContext) {}
}

/// What policies add to a call, beside the call alone.
public enum CoreCases {
    /// Every case.
    public static var all: [CoreCase] {
        Self.calls("at once", atOnce) + Self.calls("suspends", suspending) + Self.others
    }

    /// The usual way to write a timeout in Swift.
    static func racing(_ body: @escaping @Sendable () async throws -> Int) async throws -> Int {
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: .seconds(30))
                throw CancellationError()
            }
            defer { group.cancelAll() }
            return try await group.next() ?? 0
        }
    }

    private static func calls(_ kind: String, _ operation: @escaping @Sendable () async throws -> Int) -> [CoreCase] {
        let alone = "\(kind): alone"
        let context = Pipeline("context") { Empty() }
        let retry = Pipeline("retry") { Retry() }
        let breaker = Pipeline("breaker") { CircuitBreaker() }
        let rate = Pipeline("rate") { RateLimit(1_000_000_000, per: .seconds(1)) }
        let concurrency = Pipeline("concurrency") { ConcurrencyLimit(100) }
        let fallback = Pipeline("fallback") { Fallback { _ in 0 } }
        let chaos = Pipeline("chaos") { Chaos(Chaos.Settings(fault: 1)) { _ in false } }
        let hedge = Pipeline("hedge", isIdempotent: true) { Hedge(after: .seconds(10)) }
        let deadline = Pipeline("deadline") { Deadline(.seconds(30)) }
        let timeout = Pipeline("timeout") { Timeout(.seconds(30)) }
        let five = Self.five(observer: nil)
        let observed = Self.five(observer: IdleObserver())
        let seven = Pipeline("seven") {
            Fallback { _ in 0 }
            Retry()
            Hedge()
            CircuitBreaker()
            RateLimit(1_000_000_000, per: .seconds(1))
            ConcurrencyLimit(100)
            Chaos(Chaos.Settings(fault: 1)) { _ in false }
        }
        let timed = Pipeline("timed") {
            Deadline(.seconds(30))
            Retry()
            CircuitBreaker()
            RateLimit(1_000_000_000, per: .seconds(1))
            Timeout(.seconds(10))
        }
        // The operation is named in each closure, so that the compiler sees through to it as it would in an application.
        return [
            CoreCase(alone) { try await sum($0) { try await operation() } },
            CoreCase("\(kind): context", against: alone) {
                try await sum($0) { try await context { try await operation() } }
            },
            CoreCase("\(kind): retry", against: alone) {
                try await sum($0) { try await retry { try await operation() } }
            },
            CoreCase("\(kind): breaker", against: alone) {
                try await sum($0) { try await breaker { try await operation() } }
            },
            CoreCase("\(kind): rate limit", against: alone) {
                try await sum($0) { try await rate { try await operation() } }
            },
            CoreCase("\(kind): concurrency limit", against: alone) {
                try await sum($0) { try await concurrency { try await operation() } }
            },
            CoreCase("\(kind): fallback", against: alone) {
                try await sum($0) { try await fallback { try await operation() } }
            },
            CoreCase("\(kind): chaos, switched off", against: alone) {
                try await sum($0) { try await chaos { try await operation() } }
            },
            CoreCase("\(kind): hedge", against: alone) {
                try await sum($0) { try await hedge { try await operation() } }
            },
            CoreCase("\(kind): deadline", against: alone) {
                try await sum($0) { try await deadline { try await operation() } }
            },
            CoreCase("\(kind): retry, breaker, rate, concurrency, context", against: alone) {
                try await sum($0) { try await five { try await operation() } }
            },
            CoreCase("\(kind): the same, observed", against: alone) {
                try await sum($0) { try await observed { try await operation() } }
            },
            CoreCase("\(kind): seven layers that keep no time", against: alone) {
                try await sum($0) { try await seven { try await operation() } }
            },
            CoreCase("\(kind): group racing Task.sleep", against: alone) {
                try await sum($0) { try await racing { try await operation() } }
            },
            CoreCase("\(kind): timeout", against: "\(kind): group racing Task.sleep") {
                try await sum($0) { try await timeout { try await operation() } }
            },
            CoreCase("\(kind): deadline, retry, breaker, rate, timeout", against: alone) {
                try await sum($0) { try await timed { try await operation() } }
            },
        ]
    }

    static func five(
        observer: (any PolicyObserver)?
    ) -> Pipeline<Nested<Nested<Nested<Retry, CircuitBreaker>, RateLimit>, ConcurrencyLimit>> {
        Pipeline("five", observer: observer) {
            Retry()
            CircuitBreaker()
            RateLimit(1_000_000_000, per: .seconds(1))
            ConcurrencyLimit(100)
        }
    }
}

/// No policy at all: what is left is the pipeline's own context.
struct Empty: Policy {
    @inline(__always)
    func execute<Value, Failure: Error>(
        _ context: OperationContext, _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await next(context)
    }
}

@inline(__always)
func sum(_ count: Int, _ body: () async throws -> Int) async throws -> Int {
    var sum = 0
    for _ in 0..<count { sum += try await body() }
    return sum
}
