// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import Sluice

/// Where an ``APIClient`` calls, and how patient, how persistent and how greedy it is.
public struct APIClientConfiguration: Sendable, Hashable {
    /// What paths are below, for example `https://api.example.org/v2`; nil leaves absolute URLs alone.
    public var baseURL: String?
    /// Header fields of every request that does not say otherwise.
    public var fields: HTTPFields
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
    /// The largest body accepted, inflated, in bytes; at least 1.
    public var maximumBodyBytes: Int
    /// The most redirects followed; not negative.
    public var maximumRedirects: Int
    /// Whether compressed answers are asked for, and inflated.
    public var acceptsCompression: Bool
    /// How many times its size a compressed body may expand to, once that is more than 1 MiB; at least 1.
    public var maximumInflation: Int
    /// How long an answer remembered by a request's own cache key is fresh, unless the request says; more than zero.
    public var timeToLive: Duration
    /// Fields that are meant for one origin and are taken off on the way to another, beside those of HTTP itself.
    public var credentialFields: Set<HTTPField.Name>

    /// Creates a configuration.
    public init(
        baseURL: String? = nil,
        fields: HTTPFields = [:],
        deadline: Duration = Defaults.timeout,
        attemptTimeout: Duration = .seconds(10),
        maximumAttempts: Int = Defaults.maximumAttempts,
        backoff: Backoff = .standard,
        breakerFailures: Int = Defaults.consecutiveFailures,
        breakerOpenFor: Duration = Defaults.openFor,
        callsPerMinute: Int = Defaults.callsPerMinute,
        maximumBodyBytes: Int = 16 << 20,
        maximumRedirects: Int = 5,
        acceptsCompression: Bool = true,
        maximumInflation: Int = 100,
        timeToLive: Duration = .seconds(3_600),
        credentialFields: Set<HTTPField.Name> = []
    ) {
        precondition(maximumInflation >= 1, "maximumInflation must be at least 1 (is \(maximumInflation))")
        self.baseURL = baseURL
        self.fields = fields
        self.deadline = deadline
        self.attemptTimeout = attemptTimeout
        self.maximumAttempts = maximumAttempts
        self.backoff = backoff
        self.breakerFailures = breakerFailures
        self.breakerOpenFor = breakerOpenFor
        self.callsPerMinute = callsPerMinute
        self.maximumBodyBytes = maximumBodyBytes
        self.maximumRedirects = maximumRedirects
        self.acceptsCompression = acceptsCompression
        self.maximumInflation = maximumInflation
        self.timeToLive = timeToLive
        self.credentialFields = credentialFields
    }
}
