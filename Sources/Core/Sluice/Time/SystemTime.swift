// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The real time, and the one timer of the process.
///
/// Time is `CLOCK_MONOTONIC`, which no adjustment of the wall clock moves. Alarms wait in a ``TimerWheel`` of one-millisecond
/// ticks behind one lock, served by one thread that sleeps until the next alarm and so costs nothing when there is none.
///
/// One wheel for all, because the runtime's own sleep keeps a cancelled wake-up in memory until its time comes: 200,000
/// timeouts of 30 s that all finished at once left 142 MB behind.
public final class SystemTime: TimeSource {
    /// The process's time source; its thread starts with the first alarm.
    public static let shared = SystemTime()

    private struct State {
        var wheel: TimerWheel<@Sendable () -> Void>
        /// The tick the thread sleeps until, or nil while it is not asleep.
        var wakesAt: Int64?
        var isStarted = false
    }

    private static let nanosecondsPerTick: Int64 = 1_000_000

    private let state: Mutex<State>
    private let wakeUp = DispatchSemaphore(value: 0)

    private init() {
        self.state = Mutex(State(wheel: TimerWheel(currentTick: Self.monotonicNanoseconds() / Self.nanosecondsPerTick)))
    }

    /// Nanoseconds of the monotonic clock.
    public var now: Instant { Instant(nanoseconds: Self.monotonicNanoseconds()) }

    /// Calls `action` up to two milliseconds after `instant`, on the timer's thread.
    public func schedule(at instant: Instant, _ action: @escaping @Sendable () -> Void) -> TimerToken {
        // Rounded up: an alarm must never be early, or a deadline would end work that still had time.
        let tick = instant.nanoseconds / Self.nanosecondsPerTick + 1
        let (token, mustStart, mustWake) = self.state.withLock { state in
            let token = state.wheel.insert(action, at: tick)
            let mustStart = !state.isStarted
            state.isStarted = true
            let mustWake = state.wakesAt.map { tick < $0 } ?? false
            if mustWake { state.wakesAt = nil }
            return (token, mustStart, mustWake)
        }
        if mustStart { self.startThread() }
        if mustWake { self.wakeUp.signal() }
        return token
    }

    /// Removes an alarm from the wheel.
    @discardableResult
    public func cancel(_ token: TimerToken) -> Bool {
        // The closure is released after the lock, since releasing it may run anyone's deinit.
        self.state.withLock { $0.wheel.remove(token) } != nil
    }

    /// How many alarms are waiting, for tests and metrics.
    public var alarmCount: Int { self.state.withLock { $0.wheel.count } }

    // MARK: The thread

    private func startThread() {
        let status = DedicatedThread.start { self.run() }
        precondition(status == 0, "the timer thread could not be started (errno \(status))")
    }

    private func run() {
        while true {
            let nowTick = Self.monotonicNanoseconds() / Self.nanosecondsPerTick
            let (due, next) = self.state.withLock { state in
                let due = state.wheel.advance(to: nowTick)
                let next = due.isEmpty ? state.wheel.nextTick : nil
                state.wakesAt = due.isEmpty ? (next ?? .max) : nil
                return (due, next)
            }
            for action in due { action() }
            guard due.isEmpty else { continue }
            if let next {
                let wait = max(0, next * Self.nanosecondsPerTick - Self.monotonicNanoseconds())
                _ = self.wakeUp.wait(timeout: .now() + .nanoseconds(Int(wait)))
            } else {
                self.wakeUp.wait()
            }
        }
    }

    private static func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
