// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice

/// What policies add to a call, beside the call alone.
///
/// Prints JSON: for each case the medians, in nanoseconds, of interleaved rounds. The calls run in an ordinary task, as a
/// server's do.
@main
enum CoreBench {
    struct Case {
        let name: String
        let body: @Sendable () async throws -> Int
    }

    struct Result: Encodable {
        let name: String
        let nanoseconds: Double
    }

    @Sendable @inline(never)
    static func operation() async throws -> Int { 1 }

    @Sendable @inline(never)
    static func yielding() async throws -> Int {
        await Task.yield()
        return 1
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

    static func main() async throws {
        // The main actor's executor is not what a server's tasks run on.
        let results = try await Task.detached { try await measure() }.value
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(results), as: UTF8.self))
    }

    static func measure() async throws -> [Result] {
        let cases = self.cases
        var rounds = [[Double]](repeating: [], count: cases.count)
        for _ in 0..<9 {
            for (index, aCase) in cases.enumerated() { rounds[index].append(try await self.time(aCase)) }
        }
        return zip(cases, rounds).map { Result(name: $0.name, nanoseconds: $1.sorted()[$1.count / 2]) }
    }

    static var cases: [Case] {
        let retry = Pipeline("retry") { Retry() }
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
        let bodies: [(String, @Sendable () async throws -> Int)] = [
            ("returns at once", operation), ("yields once", yielding),
        ]
        return bodies.flatMap { name, body in
            [
                Case(name: "\(name): alone") { try await body() },
                Case(name: "\(name): retry") { try await retry { try await body() } },
                Case(name: "\(name): breaker") { try await breaker { try await body() } },
                Case(name: "\(name): rate limit") { try await limit { try await body() } },
                Case(name: "\(name): timeout") { try await timeout { try await body() } },
                Case(name: "\(name): group racing Task.sleep") { try await racing { try await body() } },
                Case(name: "\(name): five layers without a timer") { try await five { try await body() } },
                Case(name: "\(name): deadline, retry, breaker, limit, timeout") {
                    try await whole { try await body() }
                },
            ]
        }
    }

    static func time(_ aCase: Case) async throws -> Double {
        let calls = 20_000
        let start = ContinuousClock.now
        for _ in 0..<calls {
            guard try await aCase.body() == 1 else { fatalError("wrong answer") }
        }
        return (ContinuousClock.now - start) / .nanoseconds(1) / Double(calls)
    }
}
