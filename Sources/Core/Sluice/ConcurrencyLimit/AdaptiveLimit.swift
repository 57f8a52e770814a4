// SPDX-License-Identifier: Apache-2.0

/// A limit that finds its own value from how long calls take and which are dropped.
///
/// Samples are gathered for a while, and only then does the limit move. Three kinds of call are told apart: one that succeeded
/// gives a time, one that was dropped shrinks the limit whatever its time, and one that was ignored is not looked at, so that
/// errors that come back at once do not pass for a fast service. Now and then the limit shrinks for one round of samples, to
/// measure the latency without a queue; so a steady mild overload does not become the normal state, and a service that has
/// become slower for good is believed.
public struct AdaptiveLimit: Sendable {
    /// What one round of samples says.
    struct Round: Sendable {
        /// Calls that gave a time.
        var samples = 0
        /// Their mean time in nanoseconds.
        var latency: Double { self.samples == 0 ? 0 : self.sum / Double(self.samples) }
        /// Whether a call was dropped.
        var drops = 0
        /// The most that ran at once.
        var peak = 0
        fileprivate var sum = 0.0
    }

    /// One limit in this many rounds is a measurement of the latency without load.
    public static let roundsBetweenProbes = 30

    /// The limit, with fractions, so that small steps add up.
    private var value: Double
    /// The latency without load; nil until there is a sample.
    private var unloaded: Double?
    private var round = Round()
    private var roundStart: Instant?
    private var roundsToProbe = AdaptiveLimit.roundsBetweenProbes
    /// Whether the samples now gathered were begun under the lower limit of a probe.
    private var isProbing = false
    /// How many calls begun before the probe are still to end; their times say nothing of it.
    private var draining = 0
    private var settings: ConcurrencyLimitSettings
    /// How many may run at once at this moment.
    public private(set) var limit: Int

    /// Creates the limit that `settings` ask for; nil if they ask for a fixed one.
    public init?(_ settings: ConcurrencyLimitSettings) {
        guard settings.algorithm != .fixed else { return nil }
        self.value = Double(settings.initial)
        self.settings = settings
        self.limit = settings.initial
    }

    /// Works by other settings, and keeps what it has learned as far as they allow it.
    public mutating func update(_ settings: ConcurrencyLimitSettings) {
        self.settings = settings
        self.value = min(max(self.value, Double(settings.minimum)), Double(settings.maximum))
        self.limit = min(max(self.isProbing ? self.limit : Int(self.value), settings.minimum), settings.maximum)
    }

    /// A call has ended.
    ///
    /// - Parameters:
    ///   - result: How.
    ///   - inFlight: How many ran when it ended, itself included.
    ///   - now: The present moment.
    public mutating func record(_ result: ConcurrencyMachine.Result, inFlight: Int, at now: Instant) {
        let start = self.roundStart ?? now
        self.roundStart = start
        if self.draining > 0 {
            self.draining -= 1
            if case .dropped = result {} else { return }
        }
        self.round.peak = max(self.round.peak, inFlight)
        switch result {
        case .ignored: return
        case .dropped: self.round.drops += 1
        case .success(let duration):
            self.round.samples += 1
            self.round.sum += Double(max(1, duration.clampedNanoseconds))
        }
        guard start.duration(to: now) >= self.settings.sampleTime,
            self.round.samples + self.round.drops >= self.settings.minimumSamples
        else { return }
        self.endRound(inFlight: inFlight, at: now)
    }

    private mutating func endRound(inFlight: Int, at now: Instant) {
        let round = self.round
        self.round = Round()
        self.roundStart = now
        if self.isProbing {
            self.isProbing = false
            if round.samples > 0 { self.unloaded = round.latency }
        } else {
            self.value = min(max(self.moved(by: round), Double(self.settings.minimum)), Double(self.settings.maximum))
        }
        self.limit = max(1, Int(self.value.rounded(.down)))
        self.roundsToProbe -= 1
        guard self.roundsToProbe <= 0 else { return }
        self.roundsToProbe = Self.roundsBetweenProbes
        self.isProbing = true
        self.limit = max(self.settings.minimum, self.limit / 4)
        self.draining = max(0, inFlight - 1)
    }

    /// Where the limit goes after a round under the whole of it.
    private mutating func moved(by round: Round) -> Double {
        if round.drops > 0 { return self.value * 0.9 }
        let unloaded = min(self.unloaded ?? round.latency, round.latency)
        self.unloaded = unloaded
        let seen = LimitAlgorithms.Observation(
            latency: round.latency, unloaded: unloaded, isUsed: Double(round.peak) * 2 >= self.value)
        return switch self.settings.algorithm {
        case .fixed: self.value
        case .aimd: LimitAlgorithms.aimd(self.value, seen)
        case .vegas: LimitAlgorithms.vegas(self.value, seen)
        case .gradient: LimitAlgorithms.gradient(self.value, seen)
        }
    }
}
