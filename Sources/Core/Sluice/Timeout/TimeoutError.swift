// SPDX-License-Identifier: Apache-2.0

/// Work ended at its time limit; it began, so whether it took effect is unknown.
public struct TimeoutError: Error, Sendable, CustomStringConvertible, RetryAdvising {
    /// The policy whose limit it was: `timeout` (one attempt) or `deadline` (the whole call).
    public let policy: String
    /// The limit that was given.
    public let limit: Duration
    /// The call that was ended, if a policy did it.
    public let operation: OperationTrail?

    /// Creates a timeout.
    public init(policy: String, limit: Duration, in context: OperationContext? = nil) {
        self.policy = policy
        self.limit = limit
        self.operation = context?.trail
    }

    /// Whether the work took effect is unknown, so only idempotent work may be tried again.
    public var retryAdvice: RetryAdvice { .ifIdempotent(after: nil) }

    /// One line, safe to log.
    public var description: String {
        "\(self.policy) of \(self.limit) expired" + (self.operation.map { ", in \($0)" } ?? "")
    }
}

extension TimeoutError: Hashable {
    /// Whether both are of the same limit, whichever call they ended.
    public static func == (left: TimeoutError, right: TimeoutError) -> Bool {
        left.policy == right.policy && left.limit == right.limit
    }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.policy)
        hasher.combine(self.limit)
    }
}
