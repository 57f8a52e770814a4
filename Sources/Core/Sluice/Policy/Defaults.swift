// SPDX-License-Identifier: Apache-2.0

/// The values that policies work by when nobody says otherwise, each stated once.
public enum Defaults {
    /// Attempts in total of a ``Retry``.
    public static let maximumAttempts = 3
    /// The longest first wait of a ``Backoff``.
    public static let initialDelay = Duration.seconds(1)
    /// What a ``Backoff`` is multiplied by from retry to retry.
    public static let backoffFactor = 2.0
    /// The longest wait of a ``Backoff``.
    public static let maximumDelay = Duration.seconds(30)
    /// The limit of a ``Timeout`` and of a ``Deadline``.
    public static let timeout = Duration.seconds(30)
    /// Calls at once through a ``ConcurrencyLimit``, and items at once in the collection functions.
    public static let maximumConcurrent = 10
    /// Failures in a row that open a ``CircuitBreaker``.
    public static let consecutiveFailures = 5
    /// How long a ``CircuitBreaker`` stays open.
    public static let openFor = Duration.seconds(60)
    /// Calls a minute of an API client's ``RateLimit``.
    public static let callsPerMinute = 100
}
