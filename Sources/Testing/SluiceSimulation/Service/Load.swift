// SPDX-License-Identifier: Apache-2.0
import Sluice

/// The calls that a simulation makes: how many, when, and of what kind.
public struct Load: Sendable, Hashable {
    /// How many calls a second begin.
    public enum Rate: Sendable, Hashable {
        /// Always the same number.
        case constant(Double)
        /// From one number evenly to another, over the whole time.
        case ramp(from: Double, to: Double)
        /// One number from an instant on; the first from the beginning, in the order of their instants.
        case steps([Step])
    }

    /// A number of calls a second from an instant on.
    public struct Step: Sendable, Hashable {
        /// From when on, since the beginning.
        public let from: Duration
        /// Calls a second; at least 0.
        public let rate: Double

        /// States a step.
        public init(from: Duration, rate: Double) {
            self.from = from
            self.rate = rate
        }
    }

    /// How calls follow one another.
    public enum Arrivals: String, Sendable, Hashable, CaseIterable {
        /// At even distances.
        case even
        /// At random, as calls of many users do that know nothing of one another.
        case poisson
    }

    /// The most calls of one simulation.
    public static let maximumCalls = 1_000_000
    /// The longest simulation.
    public static let maximumDuration = Duration.seconds(24 * 3_600)

    /// How many calls a second begin.
    public let rate: Rate
    /// For how long.
    public let duration: Duration
    /// How calls follow one another.
    public let arrivals: Arrivals
    /// Whether the calls are declared idempotent; nil if nobody says.
    public let isIdempotent: Bool?

    /// Describes a load.
    ///
    /// - Precondition: ``mistake(_:over:)`` finds none.
    public init(_ rate: Rate, for duration: Duration, arrivals: Arrivals = .even, isIdempotent: Bool? = true) {
        let mistake = Self.mistake(rate, over: duration)
        precondition(mistake == nil, "load \(mistake ?? "")")
        self.rate = rate
        self.duration = duration
        self.arrivals = arrivals
        self.isIdempotent = isIdempotent
    }

    /// What is wrong with a load, if anything: more than ``maximumCalls``, longer than ``maximumDuration``, a negative rate.
    public static func mistake(_ rate: Rate, over duration: Duration) -> String? {
        guard duration > .zero, duration <= Self.maximumDuration else {
            return "must have a duration of more than 0s, and of at most \(DurationText.text(Self.maximumDuration))"
        }
        let segments = rate.segments(over: duration.inSeconds)
        guard
            segments.allSatisfy({ $0.startRate >= 0 && $0.endRate >= 0 && $0.startRate.isFinite && $0.endRate.isFinite }
            )
        else { return "must have rates of at least 0" }
        guard zip(segments, segments.dropFirst()).allSatisfy({ $0.start < $1.start }), segments.first?.start == 0 else {
            return "must have steps in the order of their instants, the first from 0s"
        }
        let calls = segments.reduce(0) { $0 + $1.calls }
        guard calls >= 1, calls <= Double(Self.maximumCalls) else {
            return "must make 1 to \(Self.maximumCalls) calls in all (makes \(Int(min(calls, 1e15))))"
        }
        return nil
    }
}

extension Load.Rate {
    /// A stretch of time in which the rate moves evenly; times in seconds.
    struct Segment {
        let start: Double
        let end: Double
        let startRate: Double
        let endRate: Double

        /// How many calls begin in it.
        var calls: Double { (self.startRate + self.endRate) / 2 * (self.end - self.start) }

        /// The moment by which `count` of its calls, fewer than all, have begun.
        func moment(after count: Double) -> Double {
            let slope = (self.endRate - self.startRate) / (self.end - self.start)
            // The root of slope/2·t² + startRate·t = count, in the form that is exact for a slope of 0 too.
            let root = (self.startRate * self.startRate + 2 * slope * count).squareRoot()
            return self.start + (count == 0 ? 0 : 2 * count / (self.startRate + root))
        }
    }

    func segments(over duration: Double) -> [Segment] {
        switch self {
        case .constant(let rate): return [Segment(start: 0, end: duration, startRate: rate, endRate: rate)]
        case .ramp(let from, let to): return [Segment(start: 0, end: duration, startRate: from, endRate: to)]
        case .steps(let steps):
            return steps.indices.map { index in
                let end = index + 1 < steps.count ? steps[index + 1].from.inSeconds : duration
                return Segment(
                    start: steps[index].from.inSeconds, end: min(end, duration), startRate: steps[index].rate,
                    endRate: steps[index].rate)
            }.filter { $0.start < duration }
        }
    }
}

/// The instants at which a load's calls begin, one after the other.
struct ArrivalTimes: Sendable {
    private let segments: [Load.Rate.Segment]
    private let arrivals: Load.Arrivals
    private var numbers: SeededNumbers
    /// How many calls, with fractions, have begun before the present segment, and by the next call.
    private var before = 0.0
    private var target = 0.0
    private var index = 0
    private var remaining = Load.maximumCalls

    init(_ load: Load, seed: UInt64) {
        self.segments = load.rate.segments(over: load.duration.inSeconds)
        self.arrivals = load.arrivals
        self.numbers = SeededNumbers(seed: seed, purpose: 2)
        if load.arrivals == .poisson { self.target = self.numbers.exponential() }
    }

    /// The next call's moment since the beginning; nil after the last.
    mutating func next() -> Duration? {
        // A sum of steps may miss a segment's end by a rounding error, and must not make a call of that.
        while self.index < self.segments.count,
            self.target >= self.before + self.segments[self.index].calls * (1 - 1e-12)
        {
            self.before += self.segments[self.index].calls
            self.index += 1
        }
        guard self.index < self.segments.count, self.remaining > 0 else { return nil }
        self.remaining -= 1
        let moment = self.segments[self.index].moment(after: max(0, self.target - self.before))
        self.target += self.arrivals == .even ? 1 : self.numbers.exponential()
        return LatencyDistribution.nanoseconds(moment * 1e9)
    }
}
