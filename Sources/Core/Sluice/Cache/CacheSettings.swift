// SPDX-License-Identifier: Apache-2.0

/// The values a ``Cache`` works by.
public struct CacheSettings: PolicySettings {
    /// How long a value is fresh.
    public var timeToLive: Duration
    /// The part of `timeToLive` that is drawn at random and taken off, in `0...1`, so that values loaded together do not expire
    /// together.
    public var jitter: Double
    /// For how long after that a value is still returned, while it is loaded anew in the background.
    public var staleWhileRevalidate: Duration
    /// For how long after `timeToLive` a value is still returned when loading fails.
    public var staleIfError: Duration
    /// How many values are kept; at least 1.
    public var capacity: Int
    /// How many values are loaded in the background at once; at least 0.
    public var maximumRefreshes: Int
    /// How many callers may wait for values that others load; at least 0.
    public var maximumWaiting: Int

    /// States settings.
    public init(
        timeToLive: Duration = .seconds(300), jitter: Double = 0.1, staleWhileRevalidate: Duration = .zero,
        staleIfError: Duration = .zero, capacity: Int = 10_000, maximumRefreshes: Int = 10, maximumWaiting: Int = 10_000
    ) {
        self.timeToLive = timeToLive
        self.jitter = jitter
        self.staleWhileRevalidate = staleWhileRevalidate
        self.staleIfError = staleIfError
        self.capacity = capacity
        self.maximumRefreshes = maximumRefreshes
        self.maximumWaiting = maximumWaiting
    }

    /// Every value by name.
    public static let keys: [SettingKey<CacheSettings>] = [
        .duration("timeToLive", atLeast: .zero, \.timeToLive),
        .number("jitter", 0...1, \.jitter),
        .duration("staleWhileRevalidate", atLeast: .zero, \.staleWhileRevalidate),
        .duration("staleIfError", atLeast: .zero, \.staleIfError),
        .integer("capacity", 1...Int.max, \.capacity),
        .integer("maximumRefreshes", 0...10_000, \.maximumRefreshes),
        .integer("maximumWaiting", 0...10_000_000, \.maximumWaiting),
    ]
}
