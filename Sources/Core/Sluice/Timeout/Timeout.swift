// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Ends one attempt that takes too long, by cancelling it.
///
/// Cooperative: the work is told to stop, and the timeout is reported when it has. A result that arrives all the same is
/// returned, not thrown away. Put it inside a ``Retry`` to bound each attempt, and a ``Deadline`` outside to bound them all. For
/// work that does not stop when told to there is ``withTimeout(_:abandoning:_:)``.
///
/// - Source: the semantics of Swift Evolution SE-0526, `withDeadline`.
public final class Timeout: TunablePolicy {
    /// The policy's name in descriptions, events and errors.
    public static let policyName = "timeout"

    private let limit: Atomic<Int64>

    /// Creates a timeout.
    ///
    /// - Parameter limit: The longest an attempt may take; more than zero.
    public init(_ limit: Duration = Defaults.timeout) {
        self.limit = Atomic(TimeLimitSettings(limit).checked().limit.clampedNanoseconds)
    }

    /// The longest an attempt may take.
    public var settings: TimeLimitSettings { TimeLimitSettings(.nanoseconds(self.limitNanoseconds)) }

    /// Limits attempts that begin from now on otherwise.
    public func update(_ settings: TimeLimitSettings) throws(InvalidSettingError) {
        self.limit.store(try settings.valid().limit.clampedNanoseconds, ordering: .relaxed)
    }

    /// What is inside, cut at the limit.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds { inner.limited(to: self.settings.limit) }

    @usableFromInline var limitNanoseconds: Int64 { self.limit.load(ordering: .relaxed) }

    /// Runs `next` until it ends or the limit, or the earlier deadline, has come.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await context.runLimited(by: self.limitNanoseconds, policy: Self.policyName, next)
    }
}

extension Timeout: AttemptLimiting {}

/// Bounds a whole call, with all its attempts and waits.
///
/// Every layer inside sees the deadline in its ``OperationContext`` and refuses early what could not end in time. Work still
/// running at the deadline is cancelled, as by ``Timeout``.
public final class Deadline: TunablePolicy {
    /// The policy's name in descriptions, events and errors.
    public static let policyName = "deadline"

    private let limit: Atomic<Int64>

    /// Creates a deadline.
    ///
    /// - Parameter limit: The longest a call may take; more than zero.
    public init(_ limit: Duration = Defaults.timeout) {
        self.limit = Atomic(TimeLimitSettings(limit).checked().limit.clampedNanoseconds)
    }

    /// The longest a call may take.
    public var settings: TimeLimitSettings { TimeLimitSettings(.nanoseconds(self.limitNanoseconds)) }

    /// Limits calls that begin from now on otherwise.
    public func update(_ settings: TimeLimitSettings) throws(InvalidSettingError) {
        self.limit.store(try settings.valid().limit.clampedNanoseconds, ordering: .relaxed)
    }

    /// What is inside, cut at the limit.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds { inner.limited(to: self.settings.limit) }

    @usableFromInline var limitNanoseconds: Int64 { self.limit.load(ordering: .relaxed) }

    /// Runs `next` until it ends or the limit, or a deadline from outside, has come.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await context.runLimited(by: self.limitNanoseconds, policy: Self.policyName, next)
    }
}

/// The one value of a ``Timeout`` and of a ``Deadline``.
public struct TimeLimitSettings: PolicySettings {
    /// The longest the work may take; more than zero.
    public var limit: Duration

    /// States the limit.
    public init(_ limit: Duration) {
        self.limit = limit
    }

    /// The limit by name.
    public static let keys: [SettingKey<TimeLimitSettings>] = [.duration("limit", atLeast: .nanoseconds(1), \.limit)]
}
