// SPDX-License-Identifier: Apache-2.0

/// Something a policy did, told to the ``PolicyObserver`` of the call.
public struct PolicyEvent: Sendable, Hashable, CustomStringConvertible {
    /// How much an operator should care.
    public enum Severity: Int, Sendable, Comparable {
        case information, warning, error

        /// Orders severities by weight.
        public static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
    }

    /// What happened.
    public let kind: PolicyEventKind
    /// The policy that speaks, for example `retry`, or the pipeline's name.
    public let policy: String
    /// How a call or an attempt ended: `success`, `failure`, `rejected`, `timedOut` or `cancelled`.
    public let outcome: String?
    /// How long what ended had taken, or how long is going to be waited.
    public let duration: Duration?

    /// The kind's name, for example `retry.scheduled`.
    public var name: String { self.kind.rawValue }
    /// How much an operator should care.
    public var severity: Severity { self.kind.severity }

    /// Creates an event.
    public init(_ kind: PolicyEventKind, policy: String, outcome: String? = nil, duration: Duration? = nil) {
        self.kind = kind
        self.policy = policy
        self.outcome = outcome
        self.duration = duration
    }

    /// The name, and what is known beside it, in one line.
    public var description: String {
        self.name + (self.outcome.map { " \($0)" } ?? "") + (self.duration.map { " \($0)" } ?? "")
    }
}

/// Listens to policies; the one seam between them and logs, metrics and traces.
public protocol PolicyObserver: AnyObject, Sendable {
    /// Takes note of `event`. Called in the caller's task, outside every lock; must be quick and must not block.
    func record(_ event: PolicyEvent, in context: OperationContext)
}
