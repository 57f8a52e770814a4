// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A bounded in-memory cache that forgets what was used least recently.
///
/// Bounded by cost, not by count: the caller says what an entry costs, usually its bytes. Safe to share between tasks.
///
/// - Complexity: All operations are O(1).
public final class MemoryCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let maximumCost: Int
    private let state = Mutex(RecencyList<Key, Value>())

    /// Creates an empty cache.
    ///
    /// - Parameter maximumCost: The sum of costs it holds at most; at least 1.
    public init(maximumCost: Int) {
        precondition(maximumCost >= 1, "maximumCost must be at least 1 (is \(maximumCost))")
        self.maximumCost = maximumCost
    }

    /// How many entries it holds.
    public var count: Int { self.state.withLock { $0.count } }
    /// The sum of their costs.
    public var totalCost: Int { self.state.withLock { $0.totalCost } }

    /// The value stored for `key`, if it is still held; using it makes it the most recently used.
    public func value(for key: Key) -> Value? {
        self.state.withLock { state in
            state.touch(key)
        }
    }

    /// Stores `value`, and forgets as much as its cost takes; a value that costs more than the whole cache is not stored.
    public func insert(_ value: Value, for key: Key, cost: Int) {
        precondition(cost >= 0, "cost must not be negative (is \(cost))")
        // Values leave the critical section before they are released, since releasing one may run anyone's deinit.
        let forgotten = self.state.withLock { self.store(value, for: key, cost: cost, &$0) }
        _ = forgotten
    }

    /// Stores `value` unless there is one for `key` already.
    ///
    /// - Returns: The value that is stored for `key` afterwards.
    public func insertIfAbsent(_ value: Value, for key: Key, cost: Int) -> Value {
        let (stored, forgotten) = self.state.withLock { state -> (Value, [Value]) in
            if let present = state.touch(key) { return (present, []) }
            return (value, self.store(value, for: key, cost: cost, &state))
        }
        _ = forgotten
        return stored
    }

    /// Forgets the value stored for `key`.
    public func remove(_ key: Key) {
        _ = self.state.withLock { $0.remove(key) }
    }

    /// Stores a value and returns those that had to go.
    private func store(_ value: Value, for key: Key, cost: Int, _ state: inout RecencyList<Key, Value>) -> [Value] {
        var forgotten: [Value] = []
        if let old = state.remove(key) { forgotten.append(old) }
        guard cost <= self.maximumCost else { return forgotten }
        while state.totalCost + cost > self.maximumCost, let old = state.removeOldest() { forgotten.append(old) }
        state.add(value, for: key, cost: cost)
        return forgotten
    }
}
