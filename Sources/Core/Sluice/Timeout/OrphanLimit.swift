// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Counts work that timed out, did not stop, and was left behind, and refuses more of it past a bound.
///
/// Abandoning is the last resort: what is left behind still uses memory, connections and time. So it is counted where an
/// operator sees it, and once as many as may are left, new calls are turned away instead of adding to them.
public final class OrphanLimit: Sendable {
    /// What the abandoned work is, in errors and metrics.
    public let name: String
    /// How many may be left behind at once; at least 1.
    public let maximum: Int
    private let left = Atomic<Int>(0)

    /// Creates a bound.
    public init(_ name: String, maximum: Int = 64) {
        precondition(maximum >= 1, "maximum must be at least 1 (is \(maximum))")
        self.name = name
        self.maximum = maximum
    }

    /// How many are left behind at this moment.
    public var count: Int { self.left.load(ordering: .relaxed) }

    /// Counts one more, if there is room.
    func tryAdd() -> Bool {
        var current = self.left.load(ordering: .relaxed)
        while current < self.maximum {
            let (exchanged, original) = self.left.compareExchange(
                expected: current, desired: current + 1, ordering: .relaxed)
            if exchanged { return true }
            current = original
        }
        return false
    }

    func remove() { self.left.wrappingSubtract(1, ordering: .relaxed) }
}
