// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// The time of a simulation: it stands still while anything can be done, and then jumps to the next alarm.
final class SimulationTime: TimeSource {
    private struct Alarm {
        let number: UInt64
        let action: @Sendable () -> Void
    }

    private struct State {
        var now: Instant
        // One tick is one nanosecond, so that alarms ring exactly when they are set for.
        var wheel: TimerWheel<Alarm>
        var lastNumber: UInt64 = 0
    }

    /// Where time begins: a whole second, so that windows and buckets that count in seconds begin with it.
    static let start = Instant(nanoseconds: 1_000_000_000)

    private let state = Mutex(
        State(now: SimulationTime.start, wheel: TimerWheel(currentTick: SimulationTime.start.nanoseconds)))

    var now: Instant { self.state.withLock { $0.now } }

    /// The time since the beginning.
    var elapsed: Duration { Self.start.duration(to: self.now) }

    func schedule(at instant: Instant, _ action: @escaping @Sendable () -> Void) -> TimerToken {
        self.state.withLock { state in
            state.lastNumber += 1
            return state.wheel.insert(Alarm(number: state.lastNumber, action: action), at: instant.nanoseconds)
        }
    }

    @discardableResult
    func cancel(_ token: TimerToken) -> Bool {
        self.state.withLock { $0.wheel.remove(token) } != nil
    }

    /// Jumps to the next alarms and rings them, in the order in which they were set.
    ///
    /// - Returns: False, and nothing has happened, if there is none up to `end`.
    func advanceToNextAlarm(until end: Instant) -> Bool {
        while true {
            let due = self.state.withLock { state -> [Alarm]? in
                guard let next = state.wheel.nextTick, next <= end.nanoseconds else { return nil }
                // An alarm far away is only filed anew here; then nothing rings, and the next is looked for.
                let due = state.wheel.advance(to: next)
                if !due.isEmpty { state.now = Instant(nanoseconds: next) }
                return due.sorted { $0.number < $1.number }
            }
            guard let due else { return false }
            for alarm in due { alarm.action() }
            if !due.isEmpty { return true }
        }
    }
}
