// SPDX-License-Identifier: Apache-2.0

/// Something a policy did, told to the ``PolicyObserver`` of the call.
///
/// Every event has a name, a severity and a moment:
///
/// | name | severity | when |
/// |---|---|---|
/// | `pipeline.finished` | information | a call has ended, however it ended |
/// | `attempt.failed` | warning | an attempt ended in a failure or a timeout that ``Retry`` looked at |
/// | `retry.scheduled` | warning | the next attempt will start after a wait |
/// | `retry.exhausted` | error | no attempt is left, or none would be in time |
/// | `timeout.expired` | warning | a ``Timeout`` or ``Deadline`` ended the work below it |
/// | `deadline.rejected` | warning | no time was left when the work was to begin |
/// | `circuitBreaker.opened` | error | a breaker begins to turn calls away |
/// | `circuitBreaker.probing` | information | an open breaker lets a probe through |
/// | `circuitBreaker.closed` | information | probes succeeded and calls flow again |
/// | `circuitBreaker.rejected` | warning | an open breaker turned the call away |
/// | `rateLimit.delayed` | information | the call waits for its turn |
/// | `rateLimit.rejected` | warning | its turn would come too late |
public struct PolicyEvent: Sendable, Hashable {
    /// How much an operator should care.
    public enum Severity: Int, Sendable, Comparable {
        case information, warning, error

        /// Orders severities by weight.
        public static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
    }

    /// What happened; one of the names above.
    public let name: String
    /// How much an operator should care.
    public let severity: Severity
    /// The policy that speaks, for example `retry`, or the pipeline's name.
    public let policy: String
    /// How a call or an attempt ended: `success`, `failure`, `rejected`, `timedOut` or `cancelled`.
    public let outcome: String?
    /// How long what ended had taken, or how long is going to be waited.
    public let duration: Duration?

    /// Creates an event.
    public init(
        _ name: String, _ severity: Severity, policy: String, outcome: String? = nil, duration: Duration? = nil
    ) {
        self.name = name
        self.severity = severity
        self.policy = policy
        self.outcome = outcome
        self.duration = duration
    }
}

/// Listens to policies; the one seam between them and logs, metrics and traces.
public protocol PolicyObserver: AnyObject, Sendable {
    /// Takes note of `event`. Called in the caller's task, outside every lock; must be quick and must not block.
    func record(_ event: PolicyEvent, in context: OperationContext)
}
