// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Which came first of some work, which a time limit may end: its end or the limit.
@usableFromInline
final class LimitedRun: Sendable {
    /// 0 while the work runs, 1 once it has ended, 2 once the limit has come before that.
    private let state = Atomic<UInt8>(0)
    /// The thread that the work was started on.
    private let thread: UInt
    private let endedOnThread = Atomic(false)

    @usableFromInline
    init() {
        self.thread = DedicatedThread.currentIdentity
    }

    /// The work has ended.
    @usableFromInline
    func finish() {
        if DedicatedThread.currentIdentity == self.thread { self.endedOnThread.store(true, ordering: .relaxed) }
        _ = self.state.compareExchange(expected: 0, desired: 1, ordering: .acquiringAndReleasing)
    }

    /// Whether the work ended on the thread it was started on; asked there, once, right after the start, when it says that the
    /// work never left the thread.
    @usableFromInline
    var hasEndedInPlace: Bool { self.endedOnThread.load(ordering: .relaxed) }

    /// The limit has come.
    ///
    /// - Returns: Whether the work still runs, and must be told to stop.
    @usableFromInline
    func expire() -> Bool {
        self.state.compareExchange(expected: 0, desired: 2, ordering: .acquiringAndReleasing).exchanged
    }

    /// Whether the limit came first.
    @usableFromInline
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
            let run = LimitedRun()
            // Memory by hand, since a class of its own for each type of outcome is looked up at run time: a tenth of the whole.
            let outcome = Unchecked(UnsafeMutablePointer<Outcome<Value, Failure>>.allocate(capacity: 1))
            defer { outcome.value.deallocate() }
            let next = Unchecked(next)
            let task = Task.immediate {
                // Capturing the isolation makes the task run on it, so `next` may touch what its caller may.
                _ = isolation
                outcome.value.initialize(to: await next.value(self))
                run.finish()
            }
            // Ended before it first suspended: the work, and so the closure, is done. (Ended on another thread, that one may
            // still hold the closure, so then the task is waited for.)
            if run.hasEndedInPlace { return outcome.value.move() }
            await self.wait(for: task, ending: run)
            let ended = outcome.value.move()
            guard case .cancelled = ended, run.hasExpired, !Task.isCancelled else { return ended }
            return nil
        }
    }

    @usableFromInline
    func wait(for task: Task<Void, Never>, ending run: LimitedRun) async {
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
