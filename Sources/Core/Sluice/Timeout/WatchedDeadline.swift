// SPDX-License-Identifier: Apache-2.0

/// A ``Deadline`` around work that watches the deadline itself, as a driver does that can stop a statement: it only says when.
///
/// So the call needs no task of its own, and stays on its task's executor.
package struct WatchedDeadline: Policy {
    private let limit: Duration

    package init(_ limit: Duration) {
        self.limit = limit
    }

    /// As of a deadline.
    package var description: PolicyDescription {
        PolicyDescription(Deadline.policyName, settings: TimeLimitSettings(self.limit).texts)
    }

    /// What is inside, cut at the limit.
    package func bounds(around inner: PipelineBounds) -> PipelineBounds { inner.limited(to: self.limit) }

    /// Runs `next` with the earlier deadline, and reports a failure at it as what it is.
    package func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        guard context.attemptStart < context.deadline else { return context.rejectedAsTooLate(Deadline.policyName) }
        let own = context.attemptStart.advanced(by: self.limit)
        let isOwn = own <= context.deadline
        let outcome = await next(isOwn ? context.limited(to: own) : context)
        switch outcome {
        case .failure(let error):
            // Where the deadline is another's, a driver's own error says more to it.
            let isReached = isOwn ? context.isReached(own, by: error) : error is DeadlineReached
            return isReached ? context.timedOut(Deadline.policyName, limit: self.limit) : outcome
        case .cancelled:
            // By a ``WatchedTimeout`` inside, and not with the task.
            guard context.time.now >= min(own, context.deadline), !Task.isCancelled else { return outcome }
            return context.timedOut(Deadline.policyName, limit: self.limit)
        case .success, .rejected, .timedOut:
            return outcome
        }
    }
}

/// A ``Timeout`` around attempts that watch the deadline themselves, inside a ``WatchedDeadline``.
package struct WatchedTimeout: Policy {
    private let limit: Duration

    package init(_ limit: Duration) {
        self.limit = limit
    }

    /// As of a timeout.
    package var description: PolicyDescription {
        PolicyDescription(Timeout.policyName, settings: TimeLimitSettings(self.limit).texts)
    }

    /// What is inside, cut at the limit.
    package func bounds(around inner: PipelineBounds) -> PipelineBounds { inner.limited(to: self.limit) }

    /// Runs `next` with the earlier deadline, and reports a failure at it as what it is.
    ///
    /// An attempt that the whole call's deadline ends has not failed: like one whose task is cancelled, it counts for nothing.
    package func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        guard context.attemptStart < context.deadline else { return context.rejectedAsTooLate(Timeout.policyName) }
        let own = context.attemptStart.advanced(by: self.limit)
        let isOwn = own <= context.deadline
        let outcome = await next(isOwn ? context.limited(to: own) : context)
        guard case .failure(let error) = outcome, context.isReached(own, by: error) else { return outcome }
        return isOwn ? context.timedOut(Timeout.policyName, limit: self.limit) : .cancelled
    }
}

/// An error that can say that it is the deadline's doing.
package protocol DeadlineReporting {
    /// Whether the work was stopped because the operation's deadline had come.
    var isAtDeadline: Bool { get }
}

/// Thrown to a ``WatchedDeadline`` or ``WatchedTimeout`` by work that has stopped because the deadline has come.
package struct DeadlineReached: Error, DeadlineReporting {
    package init() {}

    package var isAtDeadline: Bool { true }
}

/// An alarm at an operation's deadline.
package struct DeadlineAlarm: Sendable {
    let time: any TimeSource
    let token: TimerToken

    /// Calls it off.
    package func cancel() { self.time.cancel(self.token) }
}

extension OperationContext {
    /// Whether an error is that of work which was stopped at a limit, and not earlier, by somebody else.
    fileprivate func isReached(_ limit: Instant, by error: any Error) -> Bool {
        (error as? any DeadlineReporting)?.isAtDeadline == true && self.time.now >= min(limit, self.deadline)
    }

    /// Has `action` called when the deadline has come; nil if there is none.
    package func atDeadline(_ action: @escaping @Sendable () -> Void) -> DeadlineAlarm? {
        guard self.deadline < .distantFuture else { return nil }
        return DeadlineAlarm(time: self.time, token: self.time.schedule(at: self.deadline, action))
    }

    /// Runs `work` that watches no deadline in a task of its own, which is cancelled when the deadline has come.
    ///
    /// - Throws: ``DeadlineReached`` if it stopped for that; what it throws.
    package func untilDeadline<Value>(_ work: () async throws -> Value) async throws -> Value {
        if self.deadline == .distantFuture { return try await work() }
        let outcome = await self.runUntilDeadline(isolation: #isolation) { (_: OperationContext) async in
            do {
                return Outcome<Value, any Error>.success(try await work())
            } catch {
                return Outcome.thrown(error)
            }
        }
        guard let outcome else { throw DeadlineReached() }
        return try outcome.get()
    }
}
