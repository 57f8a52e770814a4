// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// Notices when the cooperative pool is held up by something that blocks, and names the operations that may have done it.
///
/// ```swift
/// let monitor = StallMonitor { stall in print("no task ran for \(stall.duration): \(stall.suspects)") }
/// monitor.start()
/// ```
///
/// A thread of its own hands the pool a tiny task every now and then and looks how long it takes to be run. Only the pool's
/// default priority is watched. Blocking work belongs on a ``ThreadLane``.
public final class StallMonitor: Sendable {
    /// The shortest stall worth a report: 100 ms, when the fastest of requests begin to feel slow.
    public static let defaultThreshold = Duration.milliseconds(100)

    private enum State {
        case idle, watching, stopped
    }

    /// How many monitors watch in the process.
    private static let watchCount = Atomic(0)

    private let threshold: Duration
    private let interval: Duration
    private let time: any TimeSource
    private let submit: @Sendable (@escaping @Sendable () -> Void) -> Void
    private let onStall: @Sendable (Stall) -> Void
    private let state = Mutex(State.idle)
    private let wakeUp = DispatchSemaphore(value: 0)

    /// Creates a monitor, which does nothing until it is started.
    ///
    /// - Parameters:
    ///   - threshold: How long the probe may take before it is a stall; more than zero.
    ///   - interval: The pause between probes; more than zero.
    ///   - time: The time line of both.
    ///   - onStall: Told of every stall twice, when it is noticed and when it is over; on the monitor's own thread, so it may
    ///     block, and nothing is probed meanwhile.
    public convenience init(
        threshold: Duration = StallMonitor.defaultThreshold,
        interval: Duration = .milliseconds(250),
        time: any TimeSource = SystemTime.shared,
        onStall: @escaping @Sendable (Stall) -> Void
    ) {
        self.init(threshold: threshold, interval: interval, time: time, onStall: onStall) { probe in
            // Unstructured, since no task is there to be its parent; it ends at once when it is run.
            Task.detached { probe() }
        }
    }

    init(
        threshold: Duration, interval: Duration, time: any TimeSource, onStall: @escaping @Sendable (Stall) -> Void,
        submit: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void
    ) {
        precondition(threshold > .zero, "threshold must be more than zero (is \(threshold))")
        precondition(interval > .zero, "interval must be more than zero (is \(interval))")
        self.threshold = threshold
        self.interval = interval
        self.time = time
        self.submit = submit
        self.onStall = onStall
    }

    /// Whether it was started and not stopped.
    public var isWatching: Bool { self.state.withLock { $0 == .watching } }

    /// Begins to watch, once: a monitor that was stopped stays stopped.
    ///
    /// It is kept alive until ``stop()``.
    public func start() {
        let isFirst = self.state.withLock { state in
            guard case .idle = state else { return false }
            state = .watching
            return true
        }
        guard isFirst else { return }
        Self.watchCount.wrappingAdd(1, ordering: .relaxed)
        let status = DedicatedThread.start { self.watch() }
        precondition(status == 0, "the stall monitor's thread could not be started (errno \(status))")
    }

    /// Ceases to watch; returns at once, and a report under way may still be made.
    public func stop() {
        let wasWatching = self.state.withLock { state in
            defer { state = .stopped }
            if case .watching = state { return true }
            return false
        }
        guard wasWatching else { return }
        Self.watchCount.wrappingSubtract(1, ordering: .relaxed)
        self.wakeUp.signal()
    }

    // MARK: What pipelines tell

    /// Whether any monitor watches: one relaxed load, so that it can be asked for every operation.
    @usableFromInline
    static var isActive: Bool { self.watchCount.load(ordering: .relaxed) > 0 }

    /// Takes note that an operation begins on this thread; to be called only while ``isActive``, since it takes a lock.
    ///
    /// - Returns: What ``noteEnd(_:)`` takes, or nil if too many operations are noted.
    @usableFromInline
    static func noteBegin(_ context: OperationContext) -> UInt64? { OperationRegister.shared.begin(context) }

    /// Takes note that an operation has ended, on whatever thread.
    @usableFromInline
    static func noteEnd(_ note: UInt64) { OperationRegister.shared.end(note) }

    // MARK: The thread

    private func watch() {
        DedicatedThread.nameCurrent("stalls")
        while true {
            self.wait(until: self.time.now.advanced(by: self.interval)) { false }
            guard self.isWatching else { return }
            let start = self.time.now
            let probe = Probe()
            self.submit {
                probe.hasRun.store(true, ordering: .releasing)
                self.wakeUp.signal()
            }
            self.wait(until: start.advanced(by: self.threshold)) { probe.hasRun.load(ordering: .acquiring) }
            if probe.hasRun.load(ordering: .acquiring) { continue }
            guard self.isWatching else { return }
            let suspects = OperationRegister.shared.suspects()
            self.report(start, isOver: false, suspects)
            self.wait(until: .distantFuture) { probe.hasRun.load(ordering: .acquiring) }
            guard self.isWatching else { return }
            self.report(start, isOver: true, suspects)
        }
    }

    private func report(_ start: Instant, isOver: Bool, _ suspects: [Stall.Suspect]) {
        self.onStall(Stall(duration: start.duration(to: self.time.now), isOver: isOver, suspects: suspects))
    }

    /// Blocks the monitor's thread until `instant`, or until something is done or the monitor stopped.
    private func wait(until instant: Instant, or isDone: () -> Bool) {
        let alarm = self.time.schedule(at: instant) { self.wakeUp.signal() }
        defer { self.time.cancel(alarm) }
        // A signal may be left over from what was waited for before, so what matters is looked at each time.
        while self.isWatching, !isDone(), self.time.now < instant { self.wakeUp.wait() }
    }
}

/// What the pool is handed; a class, so that the monitor can look at it while the pool still has it.
private final class Probe: Sendable {
    let hasRun = Atomic(false)
}
