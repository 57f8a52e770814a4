// SPDX-License-Identifier: Apache-2.0

/// The rules of a ``Cache`` alone: what is fresh, who loads and who waits, with no clock, lock or continuation.
public struct CacheMachine<Key: Hashable, Value> {
    /// Names one load of a key.
    public typealias Flight = UInt64
    /// Names one caller that waits for another's load.
    public typealias Waiter = UInt64

    /// A value and the ages at which it changes its worth.
    public struct Entry {
        /// The value.
        public let value: Value
        /// When it is fresh no more.
        public let freshUntil: Instant
        /// Until when it is returned while a load in the background replaces it.
        public let revalidatedUntil: Instant
        /// Until when it is returned if no newer one can be loaded.
        public let usableUntil: Instant
    }

    /// Everything that was kept; there to be released where no lock is held.
    public struct Contents {
        let entries: RecencyList<Key, Entry>
    }

    /// What asking for a key came to.
    public enum Answer {
        /// As good as loaded now.
        case fresh(Value)
        /// Still good enough; the caller starts a load in the background if there is a flight.
        case stale(Value, refresh: Flight?)
        /// The caller loads.
        case lead(Flight)
        /// The caller waits for who loads.
        case wait(Waiter)
        /// Too many wait.
        case full
    }

    private struct Load {
        let flight: Flight
        let isRefresh: Bool
        var waiters: [Waiter] = []
    }

    private var entries = RecencyList<Key, Entry>()
    private var loads: [Key: Load] = [:]
    private var waiting: [Waiter: Key] = [:]
    /// Who waits for loads of keys that were removed since.
    private var detached: [Flight: [Waiter]] = [:]
    /// Which of those loads are refreshes: they go on, and so count on.
    private var detachedRefreshes: Set<Flight> = []
    private var refreshes = 0
    private var nextNumber: UInt64 = 0
    /// The values it works by; others hold for what is loaded from now on.
    public var settings: CacheSettings

    /// Creates an empty cache.
    public init(_ settings: CacheSettings) {
        self.settings = settings
    }

    /// How many values are kept.
    public var count: Int { self.entries.count }

    /// The fresh value for `key`.
    public mutating func peek(_ key: Key, at now: Instant) -> Value? {
        self.entries.touch(key).flatMap { now < $0.freshUntil ? $0.value : nil }
    }

    /// Whether a load is under way.
    public func isLoading(_ key: Key, _ flight: Flight) -> Bool { self.loads[key]?.flight == flight }

    /// Asks for a key's value.
    public mutating func ask(_ key: Key, at now: Instant) -> Answer {
        if let entry = self.entries.touch(key) {
            if now < entry.freshUntil { return .fresh(entry.value) }
            if now < entry.revalidatedUntil { return .stale(entry.value, refresh: self.beginRefresh(key)) }
        }
        if self.loads[key] != nil { return self.join(key) }
        return .lead(self.begin(key, isRefresh: false))
    }

    /// A value has been loaded.
    ///
    /// - Returns: Who waited for it, and values that had to go, to be released outside the lock.
    public mutating func finish(
        _ key: Key, _ flight: Flight, _ value: Value, at now: Instant, jitter: Double
    ) -> (waiters: [Waiter], forgotten: [Entry]) {
        // Someone removed the key meanwhile: the value may be older than the removal, so it is not kept.
        guard let load = self.end(key, flight) else { return ([], []) }
        let life = Double(self.settings.timeToLive.clampedNanoseconds) * (1 - self.settings.jitter * jitter)
        let fresh = now.advanced(byNanoseconds: Int64(exactly: life.rounded(.down)) ?? .max)
        let entry = Entry(
            value: value, freshUntil: fresh, revalidatedUntil: fresh.advanced(by: self.settings.staleWhileRevalidate),
            usableUntil: fresh.advanced(by: max(self.settings.staleIfError, self.settings.staleWhileRevalidate)))
        var forgotten = self.entries.remove(key).map { [$0] } ?? []
        while self.entries.count >= self.settings.capacity, let oldest = self.entries.removeOldest() {
            forgotten.append(oldest)
        }
        self.entries.add(entry, for: key, cost: 1)
        return (load.waiters, forgotten)
    }

    /// Loading has failed.
    ///
    /// - Returns: Who waited, and the value to return all the same, if there is one that is still usable.
    public mutating func fail(_ key: Key, _ flight: Flight, at now: Instant) -> (waiters: [Waiter], stale: Value?) {
        let load = self.end(key, flight)
        let entry = self.entries.touch(key)
        return (load?.waiters ?? [], entry.flatMap { now < $0.usableUntil ? $0.value : nil })
    }

    /// Who loads leaves, for reasons of its own: the one that waits longest loads instead.
    public mutating func abandon(_ key: Key, _ flight: Flight) -> (waiter: Waiter, flight: Flight)? {
        guard var load = self.loads[key], load.flight == flight else { return nil }
        load.waiters.removeAll { self.waiting[$0] == nil }
        guard !load.waiters.isEmpty else {
            _ = self.end(key, flight)
            return nil
        }
        if load.isRefresh { self.refreshes -= 1 }
        let heir = load.waiters.removeFirst()
        self.waiting[heir] = nil
        self.nextNumber += 1
        self.loads[key] = Load(flight: self.nextNumber, isRefresh: false, waiters: load.waiters)
        return (heir, self.nextNumber)
    }

    /// A caller waits no longer.
    ///
    /// - Returns: False if its wait had ended already.
    public mutating func giveUp(_ waiter: Waiter) -> Bool {
        self.waiting.removeValue(forKey: waiter) != nil
    }

    /// Forgets a key; who waits for its load gets that load's value, and nobody else does.
    ///
    /// - Returns: The value, to be released outside the lock.
    public mutating func remove(_ key: Key) -> Entry? {
        if let load = self.loads.removeValue(forKey: key) { self.detach(load) }
        return self.entries.remove(key)
    }

    /// Forgets every key.
    ///
    /// - Returns: The values, to be released outside the lock.
    public mutating func removeAll() -> Contents {
        for load in self.loads.values { self.detach(load) }
        self.loads = [:]
        defer { self.entries = RecencyList() }
        return Contents(entries: self.entries)
    }

    /// Takes out those who wait for the load of a key that was removed since.
    public mutating func endDetached(_ flight: Flight) -> [Waiter] {
        if self.detachedRefreshes.remove(flight) != nil { self.refreshes -= 1 }
        let waiters = (self.detached.removeValue(forKey: flight) ?? []).filter { self.waiting[$0] != nil }
        for waiter in waiters { self.waiting[waiter] = nil }
        return waiters
    }

    // MARK: Loads

    private mutating func begin(_ key: Key, isRefresh: Bool) -> Flight {
        self.nextNumber += 1
        self.loads[key] = Load(flight: self.nextNumber, isRefresh: isRefresh)
        return self.nextNumber
    }

    private mutating func beginRefresh(_ key: Key) -> Flight? {
        guard self.loads[key] == nil, self.refreshes < self.settings.maximumRefreshes else { return nil }
        self.refreshes += 1
        return self.begin(key, isRefresh: true)
    }

    private mutating func join(_ key: Key) -> Answer {
        guard self.waiting.count < self.settings.maximumWaiting else { return .full }
        self.nextNumber += 1
        self.waiting[self.nextNumber] = key
        self.loads[key]?.waiters.append(self.nextNumber)
        self.compact(key)
        return .wait(self.nextNumber)
    }

    /// Drops those who gave up once they are the larger part; leaving one by one would take the whole line each time.
    private mutating func compact(_ key: Key) {
        guard let count = self.loads[key]?.waiters.count, count > 64, count > 2 * self.waiting.count else { return }
        let waiting = self.waiting
        self.loads[key]?.waiters.removeAll { waiting[$0] == nil }
    }

    private mutating func detach(_ load: Load) {
        self.detached[load.flight] = load.waiters
        if load.isRefresh { self.detachedRefreshes.insert(load.flight) }
    }

    private mutating func end(_ key: Key, _ flight: Flight) -> Load? {
        guard var load = self.loads[key], load.flight == flight else { return nil }
        self.loads[key] = nil
        if load.isRefresh { self.refreshes -= 1 }
        load.waiters.removeAll { self.waiting[$0] == nil }
        for waiter in load.waiters { self.waiting[waiter] = nil }
        return load
    }
}

extension CacheMachine: Sendable where Key: Sendable, Value: Sendable {}
extension CacheMachine.Entry: Sendable where Value: Sendable {}
extension CacheMachine.Answer: Sendable where Value: Sendable {}
extension CacheMachine.Contents: Sendable where Key: Sendable, Value: Sendable {}
