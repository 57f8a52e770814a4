// SPDX-License-Identifier: Apache-2.0

/// The values a ``CircuitBreaker`` works by.
public struct CircuitBreakerSettings: PolicySettings {
    /// Failures in a row that open it; 0 does not count them.
    public var consecutiveFailures: Int
    /// The part of the window's calls that must fail to open it, in `0...1`; 0 does not look at it.
    public var failureRate: Double
    /// The part of the window's calls that must be slow to open it, in `0...1`; 0 does not look at it.
    public var slowCallRate: Double
    /// From how long on a call is slow.
    public var slowCall: Duration
    /// How many calls the window holds; 0 if it holds `windowTime`.
    public var windowCalls: Int
    /// How far back the window reaches, unless it holds a number of calls.
    public var windowTime: Duration
    /// How many calls the window must hold before its rates are looked at; at least 1.
    public var minimumCalls: Int
    /// How long it stays open before it lets probes through, and how long a probe may take before its place goes to another.
    public var openFor: Duration
    /// The longest it stays open when probes fail time after time: the time doubles from `openFor` up to this.
    public var maximumOpenFor: Duration
    /// How many probes it lets through at once, and judges by; at least 1.
    public var probes: Int
    /// The part of the probes that must succeed to close it, in `0...1`.
    public var closeRatio: Double

    /// States settings; by default five failures in a row open it for a minute, and one probe closes it.
    public init(
        consecutiveFailures: Int = Defaults.consecutiveFailures, failureRate: Double = 0, slowCallRate: Double = 0,
        slowCall: Duration = .seconds(10), windowCalls: Int = 0, windowTime: Duration = .seconds(30),
        minimumCalls: Int = 20, openFor: Duration = Defaults.openFor, maximumOpenFor: Duration? = nil, probes: Int = 1,
        closeRatio: Double = 1
    ) {
        self.consecutiveFailures = consecutiveFailures
        self.failureRate = failureRate
        self.slowCallRate = slowCallRate
        self.slowCall = slowCall
        self.windowCalls = windowCalls
        self.windowTime = windowTime
        self.minimumCalls = minimumCalls
        self.openFor = openFor
        self.maximumOpenFor = maximumOpenFor ?? openFor
        self.probes = probes
        self.closeRatio = closeRatio
    }

    /// Every value by name.
    public static let keys: [SettingKey<CircuitBreakerSettings>] = [
        .integer("consecutiveFailures", 0...Int.max, \.consecutiveFailures),
        .number("failureRate", 0...1, \.failureRate),
        .number("slowCallRate", 0...1, \.slowCallRate),
        .duration("slowCall", atLeast: .nanoseconds(1), \.slowCall),
        .integer("windowCalls", 0...1_000_000, \.windowCalls),
        .duration("windowTime", atLeast: .nanoseconds(1), \.windowTime),
        .integer("minimumCalls", 1...Int.max, \.minimumCalls),
        .duration("openFor", atLeast: .nanoseconds(1), \.openFor),
        .duration("maximumOpenFor", atLeast: .nanoseconds(1), \.maximumOpenFor),
        .integer("probes", 1...10_000, \.probes),
        .number("closeRatio", 0...1, \.closeRatio),
    ]

    /// Refuses a maximum below its base, and a breaker that nothing can open.
    public func validate() throws(InvalidSettingError) {
        if self.maximumOpenFor < self.openFor {
            throw InvalidSettingError("maximumOpenFor", "must be at least openFor (\(DurationText.text(self.openFor)))")
        }
        if self.consecutiveFailures == 0, self.failureRate == 0, self.slowCallRate == 0 {
            throw InvalidSettingError(
                "consecutiveFailures", "must be at least 1 where neither failureRate nor slowCallRate is set")
        }
    }

    /// Whether calls must be measured: only the window's rates need a clock.
    var usesWindow: Bool { self.failureRate > 0 || self.slowCallRate > 0 }

    var emptyWindow: CallWindow {
        self.windowCalls > 0 ? CallWindow(calls: self.windowCalls) : CallWindow(duration: self.windowTime)
    }
}
