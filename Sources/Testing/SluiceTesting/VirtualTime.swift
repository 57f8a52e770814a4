// SPDX-License-Identifier: Apache-2.0
public import Sluice
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Time that stands still until the test moves it.
///
/// ```swift
/// let time = VirtualTime()
/// async let answer = Pipeline("p", time: time) { Timeout(.seconds(5)) }({ try await never() })
/// await time.waitForAlarms(1)
/// time.advance(by: .seconds(5))
/// ```
public final class VirtualTime: TimeSource {
    private struct State {
        var now = Instant(nanoseconds: 1_000_000_000)
        // One tick is one nanosecond, so that alarms ring exactly when they are set for.
        var wheel = TimerWheel<@Sendable () -> Void>(currentTick: 1_000_000_000)
        var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        /// Counts movements of time, so that a watch can tell whether there was one.
        var movements = 0
        var isWatched = false
        var everSet = 0
    }

    private let state = Mutex(State())
    private let patience: Duration
    private let onStandstill: @Sendable (Int) -> Void

    /// Starts at an arbitrary instant.
    ///
    /// - Parameters:
    ///   - patience: How long, in real time, an alarm may be set and nobody move time on.
    ///   - onStandstill: Told then how many alarms are set; by default says so on the standard error, since a test that waits on
    ///     time nobody advances would otherwise hang without a word.
    public init(
        patience: Duration = .seconds(5), onStandstill: @escaping @Sendable (Int) -> Void = VirtualTime.warn
    ) {
        self.patience = patience
        self.onStandstill = onStandstill
    }

    /// Says on the standard error that time stands still.
    @Sendable
    public static func warn(_ alarms: Int) {
        var text = "virtual time: \(alarms) alarm(s) set and nobody moves time on; is an advance(by:) missing?\n"
        text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }

    /// The present moment.
    public var now: Instant { self.state.withLock { $0.now } }

    /// How many alarms were ever set, so that a test can tell a new one from one before it.
    public var alarmsEverSet: Int { self.state.withLock { $0.everSet } }

    /// How many alarms are set.
    public var alarmCount: Int { self.state.withLock { $0.wheel.count } }

    /// Sets an alarm; it rings within ``advance(by:)``, on the caller's thread.
    public func schedule(at instant: Instant, _ action: @escaping @Sendable () -> Void) -> TimerToken {
        let (token, ready) = self.state.withLock { state in
            let token = state.wheel.insert(action, at: instant.nanoseconds)
            state.everSet += 1
            let count = state.wheel.count
            let ready = state.waiters.filter { $0.count <= count }
            state.waiters.removeAll { $0.count <= count }
            return (token, ready)
        }
        for waiter in ready { waiter.continuation.resume() }
        self.watch()
        return token
    }

    /// Looks again after `patience` whether time has moved.
    private func watch() {
        let movements = self.state.withLock { state -> Int? in
            guard !state.isWatched else { return nil }
            state.isWatched = true
            return state.movements
        }
        guard let movements else { return }
        let time = SystemTime.shared
        _ = time.schedule(at: time.now.advanced(by: self.patience)) { [weak self] in
            guard let self else { return }
            let (count, stands) = self.state.withLock { state in
                state.isWatched = false
                return (state.wheel.count, state.movements == movements)
            }
            if count > 0, stands { self.onStandstill(count) } else if count > 0 { self.watch() }
        }
    }

    /// Calls an alarm off.
    @discardableResult
    public func cancel(_ token: TimerToken) -> Bool {
        self.state.withLock { $0.wheel.remove(token) } != nil
    }

    /// Returns once at least `count` alarms are set: what is to wait, waits, and nothing has to be guessed.
    public func waitForAlarms(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isReady = self.state.withLock { state in
                if state.wheel.count >= count { return true }
                state.waiters.append((count, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }

    /// Moves time on, and rings every alarm on the way at its own moment.
    public func advance(by duration: Duration) {
        let target = self.now.advanced(by: duration)
        repeat {
            while self.ringNext(until: target) {}
            // What was set on the way, between the last look and this one, rings too.
        } while !self.arrive(at: target)
    }

    /// Moves time on to the next alarm and rings it.
    ///
    /// - Returns: False if no alarm is set.
    @discardableResult
    public func advanceToNextAlarm() -> Bool { self.ringNext(until: .distantFuture) }

    /// Stands at `target`, unless an alarm is due by then.
    private func arrive(at target: Instant) -> Bool {
        self.state.withLock { state in
            if let next = state.wheel.nextTick, next <= target.nanoseconds { return false }
            state.movements += 1
            state.now = max(state.now, target)
            return true
        }
    }

    /// Rings what is due first, if that is not after `limit`.
    package func ringNext(until limit: Instant) -> Bool {
        let due = self.state.withLock { state -> [@Sendable () -> Void] in
            state.movements += 1
            // An alarm far away comes down the wheel in steps, at which nothing rings.
            while let next = state.wheel.nextTick, next <= limit.nanoseconds {
                state.now = Instant(nanoseconds: next)
                let due = state.wheel.advance(to: next)
                if !due.isEmpty { return due }
            }
            return []
        }
        for action in due { action() }
        return !due.isEmpty
    }

    /// Runs `body` and moves time on to the next alarm whenever all it does is wait for one, until it ends.
    ///
    /// For what is one flow of control, such as a call with its retries: time moves once the alarms have stayed the same over many
    /// yields, which tasks at work on other threads can outlast. Where the order of several flows matters, ``advance(by:)`` step
    /// by step, or use the simulator.
    public func runUntilIdle<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws
        -> Value
    {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                while !Task.isCancelled {
                    if await self.hasSettled() { self.advanceToNextAlarm() }
                }
                return nil
            }
            defer { group.cancelAll() }
            while let value = try await group.next() {
                if let value { return value }
            }
            throw CancellationError()
        }
    }

    /// Whether alarms are set and stayed the same over many yields.
    private func hasSettled() async -> Bool {
        let before = self.state.withLock { ($0.wheel.count, $0.wheel.nextTick) }
        for _ in 0..<100 { await Task.yield() }
        let after = self.state.withLock { ($0.wheel.count, $0.wheel.nextTick) }
        return before == after && after.0 > 0
    }
}
