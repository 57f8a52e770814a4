// SPDX-License-Identifier: Apache-2.0

/// A ``Deadline`` around work that watches the deadline itself, as a driver does that can stop a statement: it only says when.
///
/// So the call needs no task of its own, a microsecond less, and stays on its task's executor.
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
        guard own <= context.deadline else { return await next(context) }
        let outcome = await next(context.limited(to: own))
        guard case .failure(let error) = outcome, (error as? any DeadlineReporting)?.isAtDeadline == true else {
            return outcome
        }
        return context.timedOut(Deadline.policyName, limit: self.limit)
    }
}

/// An error that can say that it is the deadline's doing.
package protocol DeadlineReporting {
    /// Whether the work was stopped because the operation's deadline had come.
    var isAtDeadline: Bool { get }
}
