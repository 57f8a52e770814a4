// SPDX-License-Identifier: Apache-2.0

/// Values in order of use, with constant-time access by key: the rules of a ``MemoryCache``, without its lock.
///
/// Inlinable, since another module would else look up its types at each call: a microsecond.
@usableFromInline
package struct RecencyList<Key: Hashable, Value> {
    @usableFromInline
    struct Entry {
        @usableFromInline let key: Key
        @usableFromInline var value: Value
        @usableFromInline let cost: Int
        /// The neighbours in order of use, as indices, or -1.
        @usableFromInline var newer = -1
        @usableFromInline var older = -1

        @inlinable
        init(key: Key, value: Value, cost: Int) {
            self.key = key
            self.value = value
            self.cost = cost
        }

        /// In place: a copy of the entry would be one of all that it holds.
        @inlinable
        mutating func change(_ body: (inout Value) -> Void) -> Value {
            body(&self.value)
            return self.value
        }
    }

    @usableFromInline var indices: [Key: Int] = [:]
    @usableFromInline var entries: [Entry?] = []
    @usableFromInline var free: [Int] = []
    @usableFromInline var newest = -1
    @usableFromInline var oldest = -1
    /// The sum of the costs held.
    @usableFromInline package internal(set) var totalCost = 0

    /// Creates an empty list.
    @inlinable
    package init() {}

    /// How many values are held.
    @inlinable package var count: Int { self.indices.count }

    /// The value for `key`, which becomes the most recently used.
    @inlinable
    package mutating func touch(_ key: Key) -> Value? {
        guard let index = self.indices[key] else { return nil }
        self.makeNewest(index)
        return self.entries[index]?.value
    }

    /// Changes the value for `key`, which becomes the most recently used.
    @inlinable
    mutating func update(_ key: Key, _ change: (inout Value) -> Void) -> Value? {
        guard let index = self.indices[key] else { return nil }
        self.makeNewest(index)
        return self.entries[index]?.change(change)
    }

    /// The value used least recently.
    @inlinable var oldestValue: Value? { self.oldest >= 0 ? self.entries[self.oldest]?.value : nil }

    /// Every key and value, in no order.
    var all: [(key: Key, value: Value)] { self.entries.compactMap { $0.map { ($0.key, $0.value) } } }

    /// Adds a value under a key that is not held, as the most recently used.
    @inlinable
    package mutating func add(_ value: Value, for key: Key, cost: Int) {
        let entry = Entry(key: key, value: value, cost: cost)
        let index: Int
        if let reused = self.free.popLast() {
            index = reused
            self.entries[index] = entry
        } else {
            index = self.entries.count
            self.entries.append(entry)
        }
        self.indices[key] = index
        self.totalCost += cost
        self.linkAsNewest(index)
    }

    @inlinable
    package mutating func remove(_ key: Key) -> Value? {
        guard let index = self.indices.removeValue(forKey: key), let entry = self.entries[index] else { return nil }
        self.unlink(index)
        self.entries[index] = nil
        self.free.append(index)
        self.totalCost -= entry.cost
        return entry.value
    }

    @inlinable
    package mutating func removeOldest() -> Value? {
        guard self.oldest >= 0, let entry = self.entries[self.oldest] else { return nil }
        return self.remove(entry.key)
    }

    @inlinable
    mutating func makeNewest(_ index: Int) {
        guard index != self.newest else { return }
        self.unlink(index)
        self.linkAsNewest(index)
    }

    @inlinable
    mutating func linkAsNewest(_ index: Int) {
        self.entries[index]?.older = self.newest
        self.entries[index]?.newer = -1
        if self.newest >= 0 { self.entries[self.newest]?.newer = index } else { self.oldest = index }
        self.newest = index
    }

    @inlinable
    mutating func unlink(_ index: Int) {
        guard let entry = self.entries[index] else { return }
        if entry.newer >= 0 { self.entries[entry.newer]?.older = entry.older } else { self.newest = entry.older }
        if entry.older >= 0 { self.entries[entry.older]?.newer = entry.newer } else { self.oldest = entry.newer }
    }
}

extension RecencyList: Sendable where Key: Sendable, Value: Sendable {}
extension RecencyList.Entry: Sendable where Key: Sendable, Value: Sendable {}
