// SPDX-License-Identifier: Apache-2.0

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
    /// How many may wait at once; at least 0.
    public var maximumQueued: Int

    /// States settings.
    public init(
        count: Int = Defaults.callsPerMinute, period: Duration = .seconds(60), kind: Kind = .bucket, burst: Int? = nil,
        patience: Duration = .seconds(30), maximumQueued: Int = 10_000
    ) {
        self.count = count
        self.period = period
        self.kind = kind
        self.burst = burst ?? count
        self.patience = patience
        self.maximumQueued = maximumQueued
    }

    /// Every value by name.
    public static let keys: [SettingKey<RateLimitSettings>] = [
        .integer("count", 1...Int.max, \.count),
        .duration("period", atLeast: .nanoseconds(1), \.period),
        .choice("kind", \.kind),
        .integer("burst", 1...Int.max, \.burst),
        .duration("patience", atLeast: .zero, \.patience),
        .integer("maximumQueued", 0...10_000_000, \.maximumQueued),
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
