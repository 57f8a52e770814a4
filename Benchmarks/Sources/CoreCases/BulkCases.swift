// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Things to do a million times and look at the memory.
public enum BulkCases {
    /// Each by name; `body` does it so many times and checks the answer.
    public static let all: [(name: String, body: @Sendable (Int) async throws -> Void)] = [
        (
            "concurrentForEach(limit: 100)",
            { count in try await (0..<count).concurrentForEach(limit: 100) { _ in _ = try await atOnce() } }
        ),
        (
            "concurrentMap(limit: 100), results of 8 bytes each",
            { count in
                let sum = try await (0..<count).concurrentMap(limit: 100) { _ in try await atOnce() }.reduce(0, +)
                precondition(sum == count)
            }
        ),
        (
            "concurrentMap(limit: 100), suspending",
            { count in
                let sum = try await (0..<count).concurrentMap(limit: 100) { _ in try await suspending() }.reduce(0, +)
                precondition(sum == count)
            }
        ),
        (
            "timers armed, then all cancelled",
            { count in
                let time = SystemTime.shared
                let instant = time.now.advanced(by: .seconds(30))
                let tokens = (0..<count).map { _ in time.schedule(at: instant) {} }
                for token in tokens { precondition(time.cancel(token)) }
                precondition(time.alarmCount == 0)
            }
        ),
        (
            "timeouts of 30 s around calls that suspend",
            { count in
                let pipeline = Pipeline("timeout") { Timeout(.seconds(30)) }
                let sum = try await sum(count) { try await pipeline { try await suspending() } }
                precondition(sum == count && SystemTime.shared.alarmCount == 0)
            }
        ),
    ]
}
