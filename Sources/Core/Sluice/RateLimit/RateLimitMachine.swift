// SPDX-License-Identifier: Apache-2.0

/// The rules of a rate limit alone: a limiter of either kind, and the settings it is made from.
public struct RateLimitMachine: Sendable {
    private var bucket: GCRA
    /// In use instead of the bucket, if there is one.
    private var window: SlidingWindow?
    /// The values it works by.
    public private(set) var settings: RateLimitSettings
    /// `settings.patience`, since converting a duration costs more than the rest of a decision.
    private(set) var patienceNanoseconds: Int64

    /// Creates a limit that nothing has been taken from.
    public init(_ settings: RateLimitSettings) {
        self.settings = settings.checked()
        self.patienceNanoseconds = settings.patience.clampedNanoseconds
        self.bucket = settings.emptyBucket
        self.window = settings.emptyWindow
    }

    /// Takes places for a call of weight `cost` if they come free within `patience`.
    ///
    /// - Parameters:
    ///   - now: The present moment.
    ///   - cost: At least 1; more than the limit ever has at once is refused for ever.
    ///   - patience: How long the wait may be.
    public mutating func take(at now: Instant, cost: Int = 1, patience: Duration) -> RateDecision {
        self.take(at: now, cost: cost, patienceNanoseconds: patience.clampedNanoseconds)
    }

    mutating func take(at now: Instant, cost: Int, patienceNanoseconds: Int64) -> RateDecision {
        precondition(cost >= 1, "cost must be at least 1 (is \(cost))")
        guard cost <= (self.window == nil ? self.settings.burst : self.settings.count) else {
            return .refused(retryAfter: .nanoseconds(Int64.max))
        }
        return self.window?.take(at: now, cost: cost, patienceNanoseconds: patienceNanoseconds)
            ?? self.bucket.take(at: now, cost: cost, patienceNanoseconds: patienceNanoseconds)
    }

    /// Gives back places taken for a call that was to start at `start` and did not.
    public mutating func giveBack(cost: Int = 1, startingAt start: Instant) {
        if self.window?.giveBack(cost: cost, startingAt: start) == nil { self.bucket.giveBack(cost: cost) }
    }

    /// Lets no call pass before `instant`.
    public mutating func pause(until instant: Instant) {
        if self.window?.pause(until: instant) == nil { self.bucket.pause(until: instant) }
    }

    /// Works by other values; what has been taken from a bucket stays taken, a window of another size starts anew.
    public mutating func update(_ settings: RateLimitSettings, at now: Instant) throws(InvalidSettingError) {
        try settings.validate()
        let before = self.settings
        self.settings = settings
        self.patienceNanoseconds = settings.patience.clampedNanoseconds
        self.bucket.change(to: settings.emptyBucket, at: now)
        if settings.kind != before.kind || settings.count != before.count || settings.period != before.period {
            self.window = settings.emptyWindow
        }
    }
}

/// The values a ``RateLimit`` works by.
public struct RateLimitSettings: PolicySettings {
    /// How calls are counted.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A leaky bucket (``GCRA``): even on average, with a burst; up to `count + burst` in one period.
        case bucket
        /// A ``SlidingWindow``: never more than `count` in any period.
        case window
    }

    /// Calls a period; at least 1.
    public var count: Int
    /// The period's length; more than zero.
    public var period: Duration
    /// How calls are counted.
    public var kind: Kind
    /// Calls that may come at once through a bucket; at least 1.
    public var burst: Int
    /// The longest a call waits for its turn; zero turns it away instead.
    public var patience: Duration

    /// States settings.
    public init(
        count: Int = Defaults.callsPerMinute, period: Duration = .seconds(60), kind: Kind = .bucket, burst: Int? = nil,
        patience: Duration = .seconds(30)
    ) {
        self.count = count
        self.period = period
        self.kind = kind
        self.burst = burst ?? count
        self.patience = patience
    }

    /// Every value by name.
    public static let keys: [SettingKey<RateLimitSettings>] = [
        .integer("count", 1...Int.max, \.count),
        .duration("period", atLeast: .nanoseconds(1), \.period),
        .choice("kind", \.kind),
        .integer("burst", 1...Int.max, \.burst),
        .duration("patience", atLeast: .zero, \.patience),
    ]

    /// Refuses a window larger than it can remember.
    public func validate() throws(InvalidSettingError) {
        if self.kind == .window, self.count > 1_000_000 {
            throw InvalidSettingError("count", "must be at most 1000000 for a window (is \(self.count))")
        }
    }

    var emptyBucket: GCRA { GCRA(count: self.count, per: self.period, burst: self.burst) }
    var emptyWindow: SlidingWindow? {
        self.kind == .window ? SlidingWindow(count: self.count, per: self.period) : nil
    }
}
