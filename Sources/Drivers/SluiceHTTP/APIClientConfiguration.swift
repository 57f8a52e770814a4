// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// How patient, how persistent and how greedy an ``APIClient`` is.
public struct APIClientConfiguration: Sendable, Hashable {
    /// The longest a whole call may take, retries and waits included; more than zero.
    public var deadline: Duration
    /// The longest one attempt may take; more than zero.
    public var attemptTimeout: Duration
    /// Attempts in total; at least 1.
    public var maximumAttempts: Int
    /// The waits between attempts.
    public var backoff: Backoff
    /// Failures in a row after which a host is left alone; at least 1.
    public var breakerFailures: Int
    /// How long it is left alone; more than zero.
    public var breakerOpenFor: Duration
    /// Calls a minute to one host on average, and at once at the most; at least 1.
    public var callsPerMinute: Int
    /// The largest body accepted, in bytes; at least 1.
    public var maximumBodyBytes: Int
    /// The most redirects followed; not negative.
    public var maximumRedirects: Int

    /// Creates a configuration.
    public init(
        deadline: Duration = .seconds(30),
        attemptTimeout: Duration = .seconds(10),
        maximumAttempts: Int = 3,
        backoff: Backoff = .standard,
        breakerFailures: Int = 5,
        breakerOpenFor: Duration = .seconds(60),
        callsPerMinute: Int = 100,
        maximumBodyBytes: Int = 16 << 20,
        maximumRedirects: Int = 5
    ) {
        self.deadline = deadline
        self.attemptTimeout = attemptTimeout
        self.maximumAttempts = maximumAttempts
        self.backoff = backoff
        self.breakerFailures = breakerFailures
        self.breakerOpenFor = breakerOpenFor
        self.callsPerMinute = callsPerMinute
        self.maximumBodyBytes = maximumBodyBytes
        self.maximumRedirects = maximumRedirects
    }
}
