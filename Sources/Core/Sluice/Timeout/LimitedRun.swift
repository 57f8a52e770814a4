// SPDX-License-Identifier: Apache-2.0
public import Synchronization

/// One run of some work that a time limit may end: the work's outcome, and which came first, its end or the limit.
///
/// Unchecked, because `outcome` is written by the task that runs the work, before it sets `state` or ends, and read by the one that
/// waits for it, after it has seen either.
@usableFromInline
final class LimitedRun<Value, Failure: Error>: @unchecked Sendable {
    /// 0 while the work runs, 1 once it has ended, 2 once the limit has come before that.
    @usableFromInline let state = Atomic<UInt8>(0)
    /// The thread that the work was started on.
    @usableFromInline let thread: UInt
    /// Whether the work ended on that thread.
    ///
    /// Written there alone, and read there, once, right after the start: by then it says that the work never left the thread, and
    /// what is written later nobody reads.
    @usableFromInline var hasEndedInPlace = false
    @usableFromInline var outcome: Outcome<Value, Failure>?

    @usableFromInline
    init() {
        self.thread = DedicatedThread.currentIdentity
    }

    /// The work has ended.
    @inlinable
    func finish(_ outcome: consuming Outcome<Value, Failure>) {
        self.outcome = consume outcome
        if self.isOnStartingThread { self.hasEndedInPlace = true }
        _ = self.state.compareExchange(expected: 0, desired: 1, ordering: .acquiringAndReleasing)
    }

    @usableFromInline var isOnStartingThread: Bool { DedicatedThread.currentIdentity == self.thread }

    /// The limit has come.
    ///
    /// - Returns: Whether the work still runs, and must be told to stop.
    @usableFromInline
    func expire() -> Bool {
        self.state.compareExchange(expected: 0, desired: 2, ordering: .acquiringAndReleasing).exchanged
    }

    /// Whether the limit came first.
    @inlinable
    var hasExpired: Bool { self.state.load(ordering: .acquiring) == 2 }
}

/// Carries a value past the sendability check.
///
/// Sound where it is used: the closure is touched by one task at a time, since the caller does nothing but wait for the task it
/// started, and that task runs on the caller's isolation.
@usableFromInline
struct Unchecked<Value>: @unchecked Sendable {
    @usableFromInline var value: Value

    @inlinable
    init(_ value: Value) {
        self.value = value
    }
}

extension OperationContext {
    /// Runs `next` in a task of its own that is cancelled when `limit`, or the deadline, has come.
    ///
    /// The task is unstructured in form only: it is started here, awaited here, and cancelled with the caller's. It is not a
    /// child in a task group because only the group itself can cancel a child, and the one who must is the timer. It starts at
    /// once on this thread and on the caller's isolation; if it ends before it first suspends no alarm is ever set and nothing is
    /// awaited.
    @inlinable
    func runLimited<Value, Failure: Error>(
        by limit: Int64, policy: String,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        // The task below starts uncancelled, so a caller that is cancelled already is asked here.
        if Task.isCancelled { return .cancelled }
        let own = self.attemptStart.advanced(byNanoseconds: limit)
        guard self.attemptStart < self.deadline else { return self.rejectedAsTooLate(policy) }
        // An earlier deadline from outside is enforced by whoever set it; waiting for it here too would report it twice.
        guard own <= self.deadline else { return await next(self) }
        let outcome = await self.limited(to: own).runUntilDeadline(isolation: #isolation, next)
        guard let outcome else { return self.timedOut(policy, limit: .nanoseconds(limit)) }
        return outcome
    }

    /// How the work ended; nil if it stopped because the deadline came.
    @inlinable
    func runUntilDeadline<Value, Failure: Error>(
        isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure>? {
        await withoutActuallyEscaping(next) { next in
            let run = LimitedRun<Value, Failure>()
            let next = Unchecked(next)
            let task = Task.immediate {
                // Capturing the isolation makes the task run on it, so `next` may touch what its caller may.
                _ = isolation
                run.finish(await next.value(self))
            }
            // Ended before it first suspended: the work, and so the closure, is done. (Ended on another thread, that one may
            // still hold the closure, so then the task is waited for.)
            if run.hasEndedInPlace { return run.outcome }
            await self.wait(for: task, ending: run)
            guard case .cancelled = run.outcome, run.hasExpired, !Task.isCancelled else { return run.outcome }
            return nil
        }
    }

    @usableFromInline
    func wait<Value, Failure: Error>(for task: Task<Void, Never>, ending run: LimitedRun<Value, Failure>) async {
        let alarm = self.time.schedule(at: self.deadline) {
            if run.expire() { task.cancel() }
        }
        await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        self.time.cancel(alarm)
    }

    @usableFromInline
    func timedOut<Value, Failure: Error>(_ policy: String, limit: Duration) -> Outcome<Value, Failure> {
        self.record(PolicyEvent(.timeoutExpired, policy: policy, duration: limit))
        return .timedOut(TimeoutError(policy: policy, limit: limit, in: self))
    }

    @usableFromInline
    func rejectedAsTooLate<Value, Failure: Error>(_ policy: String) -> Outcome<Value, Failure> {
        self.record(PolicyEvent(.deadlineRejected, policy: policy))
        return .rejected(RejectionError(policy: policy, reason: .deadlineWouldBeMissed, in: self))
    }
}
