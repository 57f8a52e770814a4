// SPDX-License-Identifier: Apache-2.0
public import Sluice
import Synchronization

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
    }

    private let state = Mutex(State())

    /// Starts at an arbitrary instant.
    public init() {}

    /// The present moment.
    public var now: Instant { self.state.withLock { $0.now } }

    /// How many alarms are set.
    public var alarmCount: Int { self.state.withLock { $0.wheel.count } }

    /// Sets an alarm; it rings within ``advance(by:)``, on the caller's thread.
    public func schedule(at instant: Instant, _ action: @escaping @Sendable () -> Void) -> TimerToken {
        let (token, ready) = self.state.withLock { state in
            let token = state.wheel.insert(action, at: instant.nanoseconds)
            let count = state.wheel.count
            let ready = state.waiters.filter { $0.count <= count }
            state.waiters.removeAll { $0.count <= count }
            return (token, ready)
        }
        for waiter in ready { waiter.continuation.resume() }
        return token
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
        while true {
            let due = self.state.withLock { state -> [@Sendable () -> Void]? in
                guard let next = state.wheel.nextTick, next <= target.nanoseconds else {
                    state.now = target
                    _ = state.wheel.advance(to: target.nanoseconds)
                    return nil
                }
                state.now = Instant(nanoseconds: next)
                return state.wheel.advance(to: next)
            }
            guard let due else { return }
            for action in due { action() }
        }
    }
}
