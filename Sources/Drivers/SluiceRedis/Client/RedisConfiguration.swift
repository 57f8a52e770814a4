// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// What a client keeps to.
public struct RedisConfiguration: Sendable, Hashable {
    /// The longest a command may take, waiting for a connection, attempts and the waits between them included; more than zero.
    ///
    /// A connection on which answers are due and nothing has come for this long is given up.
    public var timeout: Duration
    /// The longest that connecting and logging in may take; more than zero.
    public var connectTimeout: Duration
    /// How often a command is tried in all, where another attempt is safe; at least 1.
    public var maximumAttempts: Int
    /// How long to wait before connecting again after each failure in a row; meanwhile commands fail at once.
    public var backoff: Backoff
    /// Commands that are sent and not answered; at least 1, and more wait their turn.
    public var maximumInFlight: Int
    /// Commands that wait to be sent; at least 1, and more are turned away.
    public var maximumWaiting: Int
    /// The most that one answer may be.
    public var limits: RedisLimits

    /// States settings.
    public init(
        timeout: Duration = .seconds(10), connectTimeout: Duration = .seconds(5), maximumAttempts: Int = 3,
        backoff: Backoff = .exponential(from: .milliseconds(50)).capped(at: .seconds(2)).jittered(.equal),
        maximumInFlight: Int = 1_024, maximumWaiting: Int = 16_384, limits: RedisLimits = RedisLimits()
    ) {
        self.timeout = timeout
        self.connectTimeout = connectTimeout
        self.maximumAttempts = maximumAttempts
        self.backoff = backoff
        self.maximumInFlight = maximumInFlight
        self.maximumWaiting = maximumWaiting
        self.limits = limits
    }

    func validate() {
        precondition(self.timeout > .zero, "timeout must be more than zero (is \(self.timeout))")
        precondition(self.connectTimeout > .zero, "connectTimeout must be more than zero (is \(self.connectTimeout))")
        precondition(self.maximumAttempts >= 1, "maximumAttempts must be at least 1 (is \(self.maximumAttempts))")
        precondition(self.maximumInFlight >= 1, "maximumInFlight must be at least 1 (is \(self.maximumInFlight))")
        precondition(self.maximumWaiting >= 1, "maximumWaiting must be at least 1 (is \(self.maximumWaiting))")
    }
}
