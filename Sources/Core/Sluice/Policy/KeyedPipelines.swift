// SPDX-License-Identifier: Apache-2.0
public import Synchronization

/// One pipeline for each key, such as a host or a tenant, so that one that fails does not open the breaker of all.
///
/// Bounded: past `maximumCount` the one used least recently is forgotten, and one that nobody has used for `idleTime` is
/// forgotten when another is made. Who still runs calls through a forgotten pipeline goes on with it.
public final class KeyedPipelines<Key: Hashable & Sendable, Layers: Policy>: Sendable {
    @usableFromInline
    struct Entry {
        @usableFromInline let pipeline: Pipeline<Layers>
        @usableFromInline var lastUse: Instant
    }

    @usableFromInline
    struct State {
        @usableFromInline var list = RecencyList<Key, Entry>()
    }

    @usableFromInline let state = Mutex(State())
    private let maximumCount: Int
    private let idleTime: Duration
    @usableFromInline let time: any TimeSource
    private let make: @Sendable (Key) -> Pipeline<Layers>

    /// Creates an empty family.
    ///
    /// - Parameters:
    ///   - maximumCount: How many are kept; at least 1.
    ///   - idleTime: How long one that is not used is kept.
    ///   - time: Measures the idle time.
    ///   - make: Makes the pipeline of a key that has none.
    public init(
        maximumCount: Int = 500, idleTime: Duration = .seconds(1_200), time: any TimeSource = SystemTime.shared,
        make: @escaping @Sendable (Key) -> Pipeline<Layers>
    ) {
        precondition(maximumCount >= 1, "maximumCount must be at least 1 (is \(maximumCount))")
        self.maximumCount = maximumCount
        self.idleTime = idleTime
        self.time = time
        self.make = make
    }

    /// How many pipelines are kept.
    public var count: Int { self.state.withLock { $0.list.count } }

    /// The pipeline of `key`, made now if there is none.
    @inlinable
    public subscript(key: Key) -> Pipeline<Layers> {
        let now = self.time.now
        return self.state.withLock { Self.use(key, at: now, &$0) } ?? self.add(key, at: now)
    }

    @usableFromInline
    func add(_ key: Key, at now: Instant) -> Pipeline<Layers> {
        // Made outside the lock, since `make` is the caller's code; outside any call too, since it is kept for all of them.
        let made = OperationContext.$current.withValue(nil) { self.make(key) }
        let (pipeline, forgotten) = self.state.withLock { state -> (Pipeline<Layers>, [Entry]) in
            // Somebody else may have made one meanwhile; then theirs is everybody's.
            if let pipeline = Self.use(key, at: now, &state) { return (pipeline, []) }
            let forgotten = self.makeRoom(at: now, &state)
            state.list.add(Entry(pipeline: made, lastUse: now), for: key, cost: 1)
            return (made, forgotten)
        }
        _ = forgotten
        return pipeline
    }

    /// Every pipeline with its key, for the operations view.
    public var all: [(key: Key, pipeline: Pipeline<Layers>)] {
        self.state.withLock { $0.list.all.map { ($0.key, $0.value.pipeline) } }
    }

    @inlinable
    static func use(_ key: Key, at now: Instant, _ state: inout State) -> Pipeline<Layers>? {
        state.list.update(key) { $0.lastUse = now }?.pipeline
    }

    private func makeRoom(at now: Instant, _ state: inout State) -> [Entry] {
        var forgotten: [Entry] = []
        while let oldest = state.list.oldestValue,
            state.list.count >= self.maximumCount || oldest.lastUse.advanced(by: self.idleTime) <= now,
            let removed = state.list.removeOldest()
        {
            forgotten.append(removed)
        }
        return forgotten
    }
}
