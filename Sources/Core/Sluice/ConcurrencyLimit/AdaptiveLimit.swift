// SPDX-License-Identifier: Apache-2.0

/// A limit that finds its own value from how long calls take and which are dropped.
///
/// Samples are gathered for a while, and only then does the limit move. Three kinds of call are told apart: one that succeeded
/// gives a time, one that was dropped shrinks the limit whatever its time, and one that was ignored is not looked at, so that
/// errors that come back at once do not pass for a fast service. Now and then the limit shrinks for one round of samples, to
/// measure the latency without a queue; so a steady mild overload does not become the normal state, and a service that has
/// become slower for good is believed.
struct AdaptiveLimit: Sendable {
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
    static let roundsBetweenProbes = 30

    private var algorithm: any LimitAlgorithm
    private var round = Round()
    private var roundStart: Instant?
    private var roundsToProbe = AdaptiveLimit.roundsBetweenProbes
    /// Whether the samples now gathered were begun under the lower limit of a probe.
    private var isProbing = false
    /// How many calls begun before the probe are still to end; their times say nothing of it.
    private var draining = 0
    private let settings: ConcurrencyLimitSettings
    private(set) var limit: Int

    /// Creates the limit that `settings` ask for; nil if they ask for a fixed one.
    init?(_ settings: ConcurrencyLimitSettings) {
        let initial = Double(settings.initial)
        switch settings.algorithm {
        case .fixed: return nil
        case .aimd: self.algorithm = AIMDLimit(initial)
        case .vegas: self.algorithm = VegasLimit(initial)
        case .gradient: self.algorithm = GradientLimit(initial)
        }
        self.settings = settings
        self.limit = settings.initial
    }

    mutating func record(_ result: ConcurrencyMachine.Result, inFlight: Int, at now: Instant) {
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
            self.algorithm.measureUnloaded(round)
        } else {
            self.algorithm.move(round)
            let bounded = min(max(self.algorithm.value, Double(self.settings.minimum)), Double(self.settings.maximum))
            self.algorithm.value = bounded
        }
        self.limit = max(1, Int(self.algorithm.value.rounded(.down)))
        self.roundsToProbe -= 1
        guard self.roundsToProbe <= 0, self.algorithm.needsProbes else { return }
        self.roundsToProbe = Self.roundsBetweenProbes
        self.isProbing = true
        self.limit = max(self.settings.minimum, self.limit / 4)
        self.draining = max(0, inFlight - 1)
    }
}

/// How a limit moves by what a round of samples says.
protocol LimitAlgorithm: Sendable {
    /// The limit, with fractions, so that small steps add up.
    var value: Double { get set }
    /// Whether it compares latencies and must see one without load now and then.
    var needsProbes: Bool { get }
    /// Moves by a round under the full limit.
    mutating func move(_ round: AdaptiveLimit.Round)
    /// Takes note of a round under a quarter of the limit.
    mutating func measureUnloaded(_ round: AdaptiveLimit.Round)
}
