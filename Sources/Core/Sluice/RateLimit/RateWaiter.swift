// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// One call that waits for its turn, which may move closer while it waits.
@usableFromInline
final class RateWaiter: Sendable {
    private enum Alarm {
        /// Not set yet. Becomes `set` or `over`.
        case none
        /// Rings at the instant. Becomes `set` to an earlier one, or `over`.
        case set(Instant, TimerToken)
        /// The wait has ended.
        case over
    }

    /// Counts the waiters of one limit in the order of their turns.
    let ticket: UInt64
    let cost: Int
    private let time: any TimeSource
    private let alarm = Mutex(Alarm.none)
    private let suspension = Suspension<Bool>()

    init(_ ticket: UInt64, cost: Int, time: any TimeSource) {
        self.ticket = ticket
        self.cost = cost
        self.time = time
    }

    /// The present moment on the waiter's time line.
    var now: Instant { self.time.now }

    /// Ends the wait at `start`, unless it ends before.
    func arm(for start: Instant) {
        if start <= self.time.now { return self.suspension.settle(true) }
        let token = self.time.schedule(at: start) { self.suspension.settle(true) }
        // The earliest alarm stays; two moves may arrive here in either order.
        let useless = self.alarm.withLock { alarm -> TimerToken? in
            switch alarm {
            case .none:
                alarm = .set(start, token)
                return nil
            case .set(let earliest, let old):
                if earliest <= start { return token }
                alarm = .set(start, token)
                return old
            case .over:
                return token
            }
        }
        if let useless { self.time.cancel(useless) }
    }

    /// Ends the wait in vain.
    func giveUp() { self.suspension.settle(false) }

    /// Whether the turn came; false if the wait was given up.
    func value() async -> Bool {
        let hasCome = await self.suspension.value()
        let token = self.alarm.withLock { alarm -> TimerToken? in
            defer { alarm = .over }
            if case .set(_, let token) = alarm { return token }
            return nil
        }
        if let token { self.time.cancel(token) }
        return hasCome
    }
}

/// What asking a ``RateLimit`` for a turn came to.
@usableFromInline
enum RateTurn {
    /// The call runs.
    case now
    /// The call waits, so long as it seems now.
    case later(RateWaiter, start: Instant, wait: Duration)
    /// The call is turned away.
    case refused(retryAfter: Duration)
}
