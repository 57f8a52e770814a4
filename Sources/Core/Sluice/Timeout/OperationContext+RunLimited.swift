// SPDX-License-Identifier: Apache-2.0
import Synchronization

extension OperationContext {
    /// Runs `next` in a task of its own that is cancelled when `limit`, or the deadline, has come.
    ///
    /// The task is unstructured in form only: it is started here, awaited here, and cancelled with the caller's. It is not a
    /// child in a task group because only the group itself can cancel a child, and the one who must is the timer. It starts at
    /// once on this thread and on the caller's isolation; if it ends before it first suspends no alarm is ever set.
    @inlinable
    func runLimited<Value, Failure: Error>(
        by limit: Int64, policy: String,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        // The task below starts uncancelled, so a caller that is cancelled already is asked here.
        if Task.isCancelled { return .cancelled }
        let now = self.time.now
        let own = now.advanced(byNanoseconds: limit)
        guard now < self.deadline else { return self.rejectedAsTooLate(policy) }
        let context = self.limited(to: own)
        // An earlier deadline from outside is enforced by whoever set it; waiting for it here too would report it twice.
        guard context.deadline == own else { return await next(context) }
        let expiry = Expiry()
        let outcome = await context.runCancellable(expiry, isolation: #isolation, next)
        guard case .cancelled = outcome, expiry.hasFired, !Task.isCancelled else { return outcome }
        return self.timedOut(policy, limit: .nanoseconds(limit))
    }

    @usableFromInline
    func timedOut<Value, Failure: Error>(_ policy: String, limit: Duration) -> Outcome<Value, Failure> {
        self.record(PolicyEvent("timeout.expired", .warning, policy: policy, duration: limit))
        return .timedOut(TimeoutError(policy: policy, limit: limit))
    }

    @usableFromInline
    func rejectedAsTooLate<Value, Failure: Error>(_ policy: String) -> Outcome<Value, Failure> {
        self.record(PolicyEvent("deadline.rejected", .warning, policy: policy))
        return .rejected(RejectionError(policy: policy, reason: .deadlineWouldBeMissed))
    }

    @inlinable
    func runCancellable<Value, Failure: Error>(
        _ expiry: Expiry, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await withoutActuallyEscaping(next) { next in
            let next = Unchecked(next)
            let task = Task.immediate {
                // Capturing the isolation makes the task run on it, so `next` may touch what its caller may.
                _ = isolation
                let outcome = await next.value(self)
                expiry.finish()
                return Unchecked(outcome)
            }
            guard expiry.arm(at: self.deadline, on: self.time, cancel: { task.cancel() }) else {
                return await task.value.value
            }
            return await withTaskCancellationHandler {
                await task.value.value
            } onCancel: {
                task.cancel()
            }
        }
    }
}

/// Carries a value past the sendability check.
///
/// Sound where it is used: the closure and the outcome are touched by one task at a time, since the caller does nothing but
/// wait for the task it started, and that task runs on the caller's isolation.
@usableFromInline
struct Unchecked<Value>: @unchecked Sendable {
    @usableFromInline let value: Value

    @inlinable
    init(_ value: Value) {
        self.value = value
    }
}

/// The alarm of one limited run: set only if the run is still going on, removed when it ends.
@usableFromInline
final class Expiry: Sendable {
    private enum State {
        /// The work runs and no alarm is set. Becomes `armed`, or `over` if the work ends first.
        case idle
        /// The work runs against the alarm. Becomes `fired` or `over`.
        case armed(TimerToken, any TimeSource)
        /// The alarm rang before the work ended.
        case fired
        /// The work ended first.
        case over
    }

    private let state = Mutex(State.idle)

    @usableFromInline
    init() {}

    @usableFromInline
    var hasFired: Bool {
        self.state.withLock { if case .fired = $0 { true } else { false } }
    }

    /// Sets the alarm, unless the work has ended: then it returns false.
    @usableFromInline
    func arm(at instant: Instant, on time: any TimeSource, cancel: @escaping @Sendable () -> Void) -> Bool {
        guard self.state.withLock({ if case .idle = $0 { true } else { false } }) else { return false }
        let token = time.schedule(at: instant) {
            self.fire(cancel)
        }
        let isLate = self.state.withLock { state in
            guard case .idle = state else { return true }
            state = .armed(token, time)
            return false
        }
        if isLate { time.cancel(token) }
        return true
    }

    /// The work has ended: removes the alarm.
    @usableFromInline
    func finish() {
        let alarm = self.state.withLock { state -> (TimerToken, any TimeSource)? in
            switch state {
            case .idle:
                state = .over
                return nil
            case .armed(let token, let time):
                state = .over
                return (token, time)
            case .fired, .over:
                return nil
            }
        }
        if let (token, time) = alarm { time.cancel(token) }
    }

    private func fire(_ cancel: @Sendable () -> Void) {
        let mustCancel = self.state.withLock { state in
            switch state {
            case .idle, .armed:
                state = .fired
                return true
            case .fired, .over:
                return false
            }
        }
        if mustCancel { cancel() }
    }
}
