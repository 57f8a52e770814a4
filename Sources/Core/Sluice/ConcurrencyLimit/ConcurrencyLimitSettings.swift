// SPDX-License-Identifier: Apache-2.0

/// The values a ``ConcurrencyLimit`` works by.
public struct ConcurrencyLimitSettings: PolicySettings {
    /// Who of those that wait is served first, within one priority.
    public enum Order: String, Sendable, Hashable, CaseIterable {
        /// Who came first.
        case fifo
        /// Who came last: under overload the newest still have time, and the oldest expire.
        case lifo
        /// Who came first, and whoever has waited longer than `codelTarget` while the queue has not been empty for
        /// `codelInterval` is turned away (K. Nichols, V. Jacobson, "Controlling Queue Delay", ACM Queue, 2012).
        case codel
    }

    /// How the limit is set.
    public enum Algorithm: String, Sendable, Hashable, CaseIterable {
        /// `maximum`, always.
        case fixed
        /// One more while calls succeed, a tenth less when one is dropped or they take twice as long as without load.
        case aimd
        /// By the queue that the growth of the latency over its minimum implies.
        case vegas
        /// By the gradient of the latency over its average.
        case gradient
    }

    /// Calls at once, and the most an adaptive limit grows to; at least 1.
    public var maximum: Int
    /// The least an adaptive limit shrinks to; at least 1.
    public var minimum: Int
    /// Where an adaptive limit starts.
    public var initial: Int
    /// How the limit is set.
    public var algorithm: Algorithm
    /// How many may wait; at least 0, and 0 turns away whoever cannot run at once.
    public var maximumQueued: Int
    /// The longest a call waits.
    public var patience: Duration
    /// Who is served first.
    public var order: Order
    /// The wait that a CoDel queue tolerates for long.
    public var codelTarget: Duration
    /// How long a CoDel queue may stand before it turns away.
    public var codelInterval: Duration
    /// How long an adaptive limit gathers samples before it moves.
    public var sampleTime: Duration
    /// How many samples it must have before it moves.
    public var minimumSamples: Int

    /// States settings.
    public init(
        maximum: Int = Defaults.maximumConcurrent, minimum: Int = 1, initial: Int? = nil, algorithm: Algorithm = .fixed,
        maximumQueued: Int = 1_000, patience: Duration = .seconds(30), order: Order = .fifo,
        codelTarget: Duration = .milliseconds(5), codelInterval: Duration = .milliseconds(100),
        sampleTime: Duration = .milliseconds(500), minimumSamples: Int = 10
    ) {
        self.maximum = maximum
        self.minimum = minimum
        self.initial = initial ?? min(maximum, max(minimum, 20))
        self.algorithm = algorithm
        self.maximumQueued = maximumQueued
        self.patience = patience
        self.order = order
        self.codelTarget = codelTarget
        self.codelInterval = codelInterval
        self.sampleTime = sampleTime
        self.minimumSamples = minimumSamples
    }

    /// Every value by name.
    public static let keys: [SettingKey<ConcurrencyLimitSettings>] = [
        .integer("maximum", 1...Int.max, \.maximum),
        .integer("minimum", 1...Int.max, \.minimum),
        .integer("initial", 1...Int.max, \.initial),
        .choice("algorithm", \.algorithm),
        .integer("maximumQueued", 0...1_000_000, \.maximumQueued),
        .duration("patience", atLeast: .zero, \.patience),
        .choice("order", \.order),
        .duration("codelTarget", atLeast: .nanoseconds(1), \.codelTarget),
        .duration("codelInterval", atLeast: .nanoseconds(1), \.codelInterval),
        .duration("sampleTime", atLeast: .nanoseconds(1), \.sampleTime),
        .integer("minimumSamples", 1...1_000_000, \.minimumSamples),
    ]

    /// Refuses bounds in the wrong order.
    public func validate() throws(InvalidSettingError) {
        guard self.algorithm != .fixed else { return }
        if self.minimum > self.maximum {
            throw InvalidSettingError("minimum", "must be at most maximum (\(self.maximum))")
        }
        if !(self.minimum...self.maximum).contains(self.initial) {
            throw InvalidSettingError("initial", "must be between minimum and maximum (is \(self.initial))")
        }
    }
}
