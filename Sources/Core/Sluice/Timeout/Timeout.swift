// SPDX-License-Identifier: Apache-2.0

/// Ends one attempt that takes too long, by cancelling it.
///
/// Cooperative: the work is told to stop, and the timeout is reported when it has. A result that arrives all the same is
/// returned, not thrown away. Put it inside a ``Retry`` to bound each attempt, and a ``Deadline`` outside to bound them all.
///
/// - Source: the semantics of Swift Evolution SE-0526, `withDeadline`.
public struct Timeout: Policy {
    /// The longest an attempt may take; more than zero.
    public let limit: Duration
    @usableFromInline let limitNanoseconds: Int64

    /// Creates a timeout.
    ///
    /// - Precondition: `limit` is more than zero.
    public init(_ limit: Duration = .seconds(30)) {
        precondition(limit > .zero, "limit must be more than zero (is \(limit))")
        self.limit = limit
        self.limitNanoseconds = limit.clampedNanoseconds
    }

    /// Runs `next` until it ends or the limit, or the earlier deadline, has come.
    @inlinable
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await context.runLimited(by: self.limitNanoseconds, policy: "timeout", next)
    }
}

/// Bounds a whole call, with all its attempts and waits.
///
/// Every layer inside sees the deadline in its ``OperationContext`` and refuses early what could not end in time. Work still
/// running at the deadline is cancelled, as by ``Timeout``.
public struct Deadline: Policy {
    /// The longest the call may take; more than zero.
    public let limit: Duration
    @usableFromInline let limitNanoseconds: Int64

    /// Creates a deadline.
    ///
    /// - Precondition: `limit` is more than zero.
    public init(_ limit: Duration = .seconds(30)) {
        precondition(limit > .zero, "limit must be more than zero (is \(limit))")
        self.limit = limit
        self.limitNanoseconds = limit.clampedNanoseconds
    }

    /// Runs `next` until it ends or the limit, or a deadline from outside, has come.
    @inlinable
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await context.runLimited(by: self.limitNanoseconds, policy: "deadline", next)
    }
}
