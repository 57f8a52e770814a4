// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// Keeps answers in memory, bounded by the bytes they take.
public final class MemoryHTTPCacheStore: HTTPCacheStore {
    private struct State {
        var lists = RecencyList<String, [HTTPCacheEntry]>()
        /// Keys that are not themselves the URI of what is under them, by that URI.
        var namedKeys: [String: Set<String>] = [:]
    }

    private let maximumBytes: Int
    private let state = Mutex(State())

    /// Creates an empty store.
    ///
    /// - Parameter maximumBytes: What all answers may take together, their fields included; at least 1. An answer that
    ///   is larger
    ///   alone is not kept.
    public init(maximumBytes: Int = 64 << 20) {
        precondition(maximumBytes >= 1, "maximumBytes must be at least 1 (is \(maximumBytes))")
        self.maximumBytes = maximumBytes
    }

    /// How many keys have answers.
    public var count: Int { self.state.withLock { $0.lists.count } }
    /// The bytes that all answers take.
    public var totalBytes: Int { self.state.withLock { $0.lists.totalCost } }

    /// Every answer under a key, which becomes the most recently used.
    public func entries(for key: String) -> [HTTPCacheEntry] {
        self.state.withLock { $0.lists.touch(key) ?? [] }
    }

    /// Keeps an answer, and drops as many others as that takes.
    public func insert(_ entry: HTTPCacheEntry) {
        // What goes leaves the critical section before it is released.
        let dropped = self.state.withLock { state -> [[HTTPCacheEntry]] in
            var entries = Self.take(entry.key, &state) ?? []
            var dropped = [entries]
            entries.removeAll { $0.variant == entry.variant }
            entries.append(entry)
            if entries.count > HTTPCacheEntry.maximumVariants { entries.removeFirst() }
            while entries.reduce(0, { $0 + $1.cost }) > self.maximumBytes, !entries.isEmpty { entries.removeFirst() }
            guard !entries.isEmpty else { return dropped }
            let cost = entries.reduce(0) { $0 + $1.cost }
            while state.lists.totalCost + cost > self.maximumBytes, let old = Self.takeOldest(&state) {
                dropped.append(old)
            }
            Self.put(entries, entry.key, cost, &state)
            return dropped
        }
        _ = dropped
    }

    /// Drops one answer.
    public func remove(_ key: String, variant: String) {
        let dropped = self.state.withLock { state -> [HTTPCacheEntry] in
            guard var entries = Self.take(key, &state) else { return [] }
            let dropped = entries
            entries.removeAll { $0.variant == variant }
            if !entries.isEmpty { Self.put(entries, key, entries.reduce(0) { $0 + $1.cost }, &state) }
            return dropped
        }
        _ = dropped
    }

    /// Drops every answer from a URI.
    public func invalidate(_ uri: String) {
        let dropped = self.state.withLock { state in
            ((state.namedKeys[uri] ?? []).union([uri])).map { Self.take($0, &state) }
        }
        _ = dropped
    }

    /// Drops everything.
    public func removeAll() {
        let dropped = self.state.withLock { state in
            defer { state = State() }
            return state
        }
        _ = dropped
    }

    private static func put(_ entries: [HTTPCacheEntry], _ key: String, _ cost: Int, _ state: inout State) {
        state.lists.add(entries, for: key, cost: cost)
        for entry in entries where entry.uri != key { state.namedKeys[entry.uri, default: []].insert(key) }
    }

    private static func take(_ key: String, _ state: inout State) -> [HTTPCacheEntry]? {
        guard let entries = state.lists.remove(key) else { return nil }
        self.forget(entries, &state)
        return entries
    }

    private static func takeOldest(_ state: inout State) -> [HTTPCacheEntry]? {
        guard let entries = state.lists.removeOldest() else { return nil }
        self.forget(entries, &state)
        return entries
    }

    private static func forget(_ entries: [HTTPCacheEntry], _ state: inout State) {
        for entry in entries where entry.uri != entry.key {
            state.namedKeys[entry.uri]?.remove(entry.key)
            if state.namedKeys[entry.uri]?.isEmpty == true { state.namedKeys[entry.uri] = nil }
        }
    }
}
