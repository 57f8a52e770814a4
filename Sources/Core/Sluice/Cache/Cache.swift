// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Remembers what was loaded, loads each key once however many ask for it, and can answer with what is stale.
///
/// ```swift
/// let users = Cache<Int, User>(CacheSettings(timeToLive: .seconds(300), staleIfError: .seconds(3_600)))
/// let user = try await users.value(for: 42) { try await api { try await fetchUser(42) } }
/// ```
///
/// It stands around a pipeline, so a hit consumes nothing of its limits, and an open breaker is one more failure that a stale value
/// answers. Who asks for a key that is being loaded waits for that load. If the loader is cancelled, or its own deadline ends it,
/// the one that has waited longest loads instead: nobody fails for another's reasons.
public final class Cache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct State {
        var machine: CacheMachine<Key, Value>
        var suspensions: [UInt64: Suspension<WaitEnd>] = [:]
        var refreshTasks: [UInt64: Task<Void, Never>] = [:]
        var hits = 0
        var misses = 0
        var stale = 0
    }

    private enum WaitEnd: Sendable {
        case value(Value)
        case failure(any Error)
        case lead(UInt64)
        case again
        case cancelled
        case tooLate
    }

    /// How often a cache was asked, and how it answered.
    public struct Statistics: Sendable, Hashable {
        /// Answers with a fresh value.
        public let hits: Int
        /// Answers that had to be loaded.
        public let misses: Int
        /// Answers with a stale value.
        public let stale: Int
    }

    private let state: Mutex<State>
    private let time: any TimeSource
    private let randomness: Randomness

    /// Creates an empty cache.
    public init(
        _ settings: CacheSettings = CacheSettings(), time: any TimeSource = SystemTime.shared,
        randomness: Randomness = .shared
    ) {
        self.state = Mutex(State(machine: CacheMachine(settings.checked())))
        self.time = time
        self.randomness = randomness
    }

    deinit {
        for task in self.state.withLock({ $0.refreshTasks.values }) { task.cancel() }
    }

    /// The values it works by now.
    public var settings: CacheSettings { self.state.withLock { $0.machine.settings } }
    /// How many values it holds.
    public var count: Int { self.state.withLock { $0.machine.count } }
    /// How it has answered so far.
    public var statistics: Statistics {
        self.state.withLock { Statistics(hits: $0.hits, misses: $0.misses, stale: $0.stale) }
    }

    /// Works by other values for what is loaded from now on, and keeps what it holds.
    public func update(_ settings: CacheSettings) throws(InvalidSettingError) {
        let checked = try settings.valid()
        self.state.withLock { $0.machine.settings = checked }
    }

    /// The value for `key`: remembered, awaited or loaded.
    ///
    /// - Parameters:
    ///   - key: What the value is remembered by.
    ///   - load: Loads the value; sendable and escaping, because a stale value is loaded anew after it was returned.
    /// - Throws: What `load` throws; ``RejectionError`` if too many wait already, or the deadline came while waiting;
    ///   `CancellationError` if the task is cancelled.
    public func value(for key: Key, _ load: @escaping @Sendable () async throws -> Value) async throws -> Value {
        let (answer, suspension) = self.ask(key)
        switch answer {
        case .fresh(let value):
            self.report(.cacheHit)
            return value
        case .stale(let value, let flight):
            self.report(.cacheStale)
            if let flight { self.refresh(key, flight, load) }
            return value
        case .lead(let flight):
            self.report(.cacheMiss)
            return try await self.lead(key, flight, load)
        case .full:
            throw RejectionError(policy: "cache", reason: .queueFull, in: OperationContext.current)
        case .wait(let waiter):
            guard let suspension else { throw RejectionError(policy: "cache", reason: .closed) }
            return try await self.wait(waiter, suspension, key, load)
        }
    }

    /// The value for `key` if it is held and fresh.
    public func cached(_ key: Key) -> Value? {
        let now = self.time.now
        return self.state.withLock { $0.machine.peek(key, at: now) }
    }

    /// Forgets a key; a load of it that is under way is not kept.
    public func remove(_ key: Key) {
        // The value leaves the critical section before it is released, since that may run anyone's deinit.
        let forgotten = self.state.withLock { $0.machine.remove(key) }
        _ = forgotten
    }

    /// Forgets everything; loads under way are not kept.
    public func removeAll() {
        let forgotten = self.state.withLock { $0.machine.removeAll() }
        _ = forgotten
    }

    // MARK: Asking

    private func ask(_ key: Key) -> (CacheMachine<Key, Value>.Answer, Suspension<WaitEnd>?) {
        let now = self.time.now
        return self.state.withLock { state in
            let answer = state.machine.ask(key, at: now)
            switch answer {
            case .fresh: state.hits += 1
            case .stale: state.stale += 1
            case .lead, .full: state.misses += 1
            case .wait(let waiter):
                state.misses += 1
                let suspension = Suspension<WaitEnd>()
                state.suspensions[waiter] = suspension
                return (answer, suspension)
            }
            return (answer, nil)
        }
    }

    private func wait(
        _ waiter: UInt64, _ suspension: Suspension<WaitEnd>, _ key: Key,
        _ load: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let context = OperationContext.current
        let alarm = context.flatMap { context in
            context.deadline == .distantFuture
                ? nil : context.time.schedule(at: context.deadline) { self.giveUp(waiter, .tooLate) }
        }
        let end = await withTaskCancellationHandler {
            await suspension.value()
        } onCancel: {
            self.giveUp(waiter, .cancelled)
        }
        if let alarm { context?.time.cancel(alarm) }
        switch end {
        case .value(let value): return value
        case .failure(let error): throw error
        case .lead(let flight): return try await self.lead(key, flight, load)
        case .again: return try await self.value(for: key, load)
        case .cancelled: throw CancellationError()
        case .tooLate: throw RejectionError(policy: "cache", reason: .deadlineWouldBeMissed, in: context)
        }
    }

    private func giveUp(_ waiter: UInt64, _ end: WaitEnd) {
        let suspension = self.state.withLock { state in
            state.machine.giveUp(waiter) ? state.suspensions.removeValue(forKey: waiter) : nil
        }
        suspension?.settle(end)
    }

    // MARK: Loading

    private func lead(
        _ key: Key, _ flight: UInt64, _ load: @Sendable () async throws -> Value
    ) async throws -> Value {
        do {
            let value = try await load()
            self.finish(key, flight, value)
            return value
        } catch {
            guard !Self.isOwnReason(error) else {
                self.abandon(key, flight)
                throw error
            }
            guard let stale = self.fail(key, flight, error) else { throw error }
            self.report(.cacheStale)
            return stale
        }
    }

    /// Whether a load ended for a reason that holds for its caller alone: it was cancelled, or its own deadline was in the way.
    ///
    /// A deadline within the load is everybody's: whoever loads next would meet it too.
    private static func isOwnReason(_ error: any Error) -> Bool {
        if error is CancellationError || Task.isCancelled { return true }
        guard let context = OperationContext.current, context.deadline != .distantFuture else { return false }
        return context.time.now >= context.deadline
            || (error as? RejectionError)?.reason == .deadlineWouldBeMissed
    }

    private func finish(_ key: Key, _ flight: UInt64, _ value: Value) {
        let now = self.time.now
        let jitter = self.randomness.fraction()
        let (suspensions, forgotten) = self.state.withLock { state in
            let (waiters, forgotten) = state.machine.finish(key, flight, value, at: now, jitter: jitter)
            return (Self.take(waiters + state.machine.endDetached(flight), &state), forgotten)
        }
        _ = forgotten
        for suspension in suspensions { suspension.settle(.value(value)) }
    }

    private func fail(_ key: Key, _ flight: UInt64, _ error: any Error) -> Value? {
        let now = self.time.now
        let (suspensions, stale) = self.state.withLock { state in
            let (waiters, stale) = state.machine.fail(key, flight, at: now)
            return (Self.take(waiters + state.machine.endDetached(flight), &state), stale)
        }
        for suspension in suspensions { suspension.settle(stale.map { .value($0) } ?? .failure(error)) }
        return stale
    }

    private func abandon(_ key: Key, _ flight: UInt64) {
        let (heir, orphans) = self.state.withLock { state in
            let heir = state.machine.abandon(key, flight).flatMap { heir, flight in
                state.suspensions.removeValue(forKey: heir).map { ($0, flight) }
            }
            return (heir, Self.take(state.machine.endDetached(flight), &state))
        }
        if let (suspension, flight) = heir { suspension.settle(.lead(flight)) }
        // A load whose key was removed has no heir; those who waited for it ask again, and one of them loads for all.
        for suspension in orphans { suspension.settle(.again) }
    }

    private static func take(_ waiters: [UInt64], _ state: inout State) -> [Suspension<WaitEnd>] {
        waiters.compactMap { state.suspensions.removeValue(forKey: $0) }
    }

    /// Loads a key anew while its stale value is in use.
    private func refresh(_ key: Key, _ flight: UInt64, _ load: @escaping @Sendable () async throws -> Value) {
        // Unstructured, because it must outlive the call that found the value stale; bounded by `maximumRefreshes`, and
        // cancelled with the cache. Detached from the caller's context, so that the caller's deadline does not end it.
        let task = Task.detached { [weak self] in
            do {
                let value = try await load()
                self?.finish(key, flight, value)
            } catch {
                _ = self?.fail(key, flight, error)
                self?.report(.cacheRefreshFailed)
            }
            self?.state.withLock { _ = $0.refreshTasks.removeValue(forKey: flight) }
        }
        self.state.withLock { state in
            // A load that ended before it could be noted must not be kept.
            if state.machine.isLoading(key, flight) { state.refreshTasks[flight] = task }
        }
    }

    private func report(_ kind: PolicyEventKind) {
        OperationContext.current?.record(PolicyEvent(kind, policy: "cache"))
    }
}
