// SPDX-License-Identifier: Apache-2.0

/// What becomes of the results of concurrent work, which arrive in any order.
@usableFromInline
protocol Collector: Sendable {
    associatedtype Value: Sendable

    /// Takes the result of the item at `index`, counted from 0; each index comes at most once.
    mutating func collect(_ value: Value, at index: Int)
}

/// Puts results where their items stood.
@usableFromInline
struct InputOrder<Value: Sendable>: Collector {
    /// One place for each index up to the highest seen; nil until its result comes.
    @usableFromInline var slots: [Value?] = []

    @inlinable
    init(expecting count: Int) {
        self.slots.reserveCapacity(count)
    }

    @inlinable
    mutating func collect(_ value: Value, at index: Int) {
        // Appended one by one, so that the array keeps its own, geometric, growth.
        while self.slots.count <= index { self.slots.append(nil) }
        self.slots[index] = value
    }

    /// The results in the order of the items.
    @inlinable
    func values() -> [Value] {
        var values: [Value] = []
        values.reserveCapacity(self.slots.count)
        for case .some(let value) in self.slots { values.append(value) }
        return values
    }
}

/// Keeps results as they come.
@usableFromInline
struct CompletionOrder<Value: Sendable>: Collector {
    @usableFromInline var completions: [Completion<Value>] = []

    @inlinable
    init() {}

    @inlinable
    mutating func collect(_ value: Result<Value, any Error>, at index: Int) {
        self.completions.append(Completion(index: index, result: value))
    }
}

/// Keeps nothing, so that an endless sequence needs no endless memory.
@usableFromInline
struct NoResults: Collector {
    @inlinable
    init() {}

    @inlinable
    mutating func collect(_ value: Void, at index: Int) {}
}
