// SPDX-License-Identifier: Apache-2.0

/// Work ended at its time limit; it began, so whether it took effect is unknown.
public struct TimeoutError: Error, Sendable, Hashable, CustomStringConvertible, RetryAdvising {
    /// The policy whose limit it was: `timeout` (one attempt) or `deadline` (the whole call).
    public let policy: String
    /// The limit that was given.
    public let limit: Duration

    /// Creates a timeout.
    public init(policy: String, limit: Duration) {
        self.policy = policy
        self.limit = limit
    }

    /// Whether the work took effect is unknown, so only idempotent work may be tried again.
    public var retryAdvice: RetryAdvice { .ifIdempotent(after: nil) }

    /// One line, safe to log.
    public var description: String { "\(self.policy) of \(self.limit) expired" }
}
