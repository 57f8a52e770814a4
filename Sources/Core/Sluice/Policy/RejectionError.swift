// SPDX-License-Identifier: Apache-2.0

/// A call turned away before it ran, so that trying elsewhere, or later, is always safe.
public struct RejectionError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What turned the call away; a struct, so that a new reason breaks nobody's `switch`.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String { case circuitOpen, rateLimited, deadlineWouldBeMissed, queueFull, closed }
        private let value: Value

        /// The circuit breaker is open, or its probes are all under way.
        public static let circuitOpen = Self(value: .circuitOpen)
        /// The limit for this period is used up.
        public static let rateLimited = Self(value: .rateLimited)
        /// The deadline has passed, or would pass before the call's turn came.
        public static let deadlineWouldBeMissed = Self(value: .deadlineWouldBeMissed)
        /// Every place in a queue is taken.
        public static let queueFull = Self(value: .queueFull)
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

    /// Creates a rejection.
    public init(policy: String, reason: Reason, retryAfter: Duration? = nil) {
        self.policy = policy
        self.reason = reason
        self.retryAfter = retryAfter
    }

    /// One line, safe to log.
    public var description: String {
        "\(self.policy) turned the call away: \(self.reason)"
            + (self.retryAfter.map { ", retry after \($0)" } ?? "")
    }
}
