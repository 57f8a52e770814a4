// SPDX-License-Identifier: Apache-2.0

/// A call turned away before it ran, so that trying elsewhere, or later, is always safe.
public struct RejectionError: Error, Sendable, CustomStringConvertible {
    /// What turned the call away; a struct, so that a new reason breaks nobody's `switch`.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String {
            case circuitOpen, circuitIsolated, rateLimited, deadlineWouldBeMissed, queueFull, queueExpired, shed
            case orphanLimit, faultInjected, closed
        }
        private let value: Value

        /// The circuit breaker is open, or its probes are all under way.
        public static let circuitOpen = Self(value: .circuitOpen)
        /// The circuit breaker was opened by hand.
        public static let circuitIsolated = Self(value: .circuitIsolated)
        /// The limit for this period is used up.
        public static let rateLimited = Self(value: .rateLimited)
        /// The deadline has passed, or would pass before the call's turn came.
        public static let deadlineWouldBeMissed = Self(value: .deadlineWouldBeMissed)
        /// Every place in a queue is taken.
        public static let queueFull = Self(value: .queueFull)
        /// The call waited in a queue for as long as it may.
        public static let queueExpired = Self(value: .queueExpired)
        /// The call gave up its place in a queue to one that matters more.
        public static let shed = Self(value: .shed)
        /// As much abandoned work as may is still running.
        public static let orphanLimit = Self(value: .orphanLimit)
        /// Chaos was asked for, and this is it.
        public static let faultInjected = Self(value: .faultInjected)
        /// What would have run the call is shut down.
        public static let closed = Self(value: .closed)

        /// The reason's name.
        public var description: String { self.value.rawValue }
    }

    /// The policy that turned the call away, for example `circuitBreaker`.
    public let policy: String
    /// Why.
    public let reason: Reason
    /// The soonest a retry could be admitted, if known.
    public let retryAfter: Duration?
    /// The call that was turned away, if a policy did it.
    public let operation: OperationTrail?

    /// Creates a rejection.
    @inlinable
    public init(policy: String, reason: Reason, retryAfter: Duration? = nil, in context: OperationContext? = nil) {
        self.policy = policy
        self.reason = reason
        self.retryAfter = retryAfter
        self.operation = context?.trail
    }

    /// One line, safe to log.
    public var description: String {
        "\(self.policy) turned the call away: \(self.reason)"
            + (self.retryAfter.map { ", retry after \($0)" } ?? "")
            + (self.operation.map { ", in \($0)" } ?? "")
    }
}

extension RejectionError: Hashable {
    /// Whether both were turned away for the same reason, whichever call they were.
    public static func == (left: RejectionError, right: RejectionError) -> Bool {
        left.policy == right.policy && left.reason == right.reason && left.retryAfter == right.retryAfter
    }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.policy)
        hasher.combine(self.reason)
        hasher.combine(self.retryAfter)
    }
}
