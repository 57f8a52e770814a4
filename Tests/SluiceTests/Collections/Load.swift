// SPDX-License-Identifier: Apache-2.0
import SluiceTesting

/// Counts how much work is going on.
final class Load: Sendable {
    private let counts = Locked((begun: 0, running: 0, maximum: 0))

    /// How often work was begun.
    var begun: Int { self.counts.withLock { $0.begun } }
    /// How much of it has not ended.
    var running: Int { self.counts.withLock { $0.running } }
    /// The most that ever ran at once.
    var maximum: Int { self.counts.withLock { $0.maximum } }

    func count<Value>(_ work: () async throws -> Value) async throws -> Value {
        self.counts.withLock { counts in
            counts.begun += 1
            counts.running += 1
            counts.maximum = max(counts.maximum, counts.running)
        }
        defer { self.counts.withLock { $0.running -= 1 } }
        return try await work()
    }
}

/// What work in these tests fails with.
struct Failed: Error, Equatable {
    var number = 0
}
