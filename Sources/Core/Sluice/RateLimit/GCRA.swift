// SPDX-License-Identifier: Apache-2.0

/// The generic cell rate algorithm: a leaky bucket that remembers one instant.
///
/// `theoreticalArrival` is when the bucket will be empty again. A call moves it by one interval and conforms if that keeps it
/// within the burst.
///
/// - Source: ITU-T Recommendation I.371 (2004), annex A, "virtual scheduling algorithm".
public struct GCRA: Sendable, Hashable {
    /// The time one call takes out of the budget, in nanoseconds; at least 1.
    public private(set) var interval: Int64
    /// How far the arrival may run ahead, in nanoseconds: the burst times the interval.
    public private(set) var tolerance: Int64
    private var theoreticalArrival: Int64 = .min
    private var pausedUntil = Instant(nanoseconds: .min)

    /// Creates a limit of `count` calls a period on average, with up to `burst` of them at once.
    public init(count: Int, per period: Duration, burst: Int) {
        precondition(count >= 1, "count must be at least 1 (is \(count))")
        precondition(burst >= 1, "burst must be at least 1 (is \(burst))")
        precondition(period > .zero, "period must be more than zero (is \(period))")
        self.interval = max(1, period.clampedNanoseconds / Int64(count))
        self.tolerance = Self.product(self.interval, burst)
    }

    /// Takes places for a call of weight `cost`, at most the burst, if they come free within `patience`.
    ///
    /// - Returns: How long to wait for the places taken (zero: none), or, if none were taken, how long until they are free.
    public mutating func take(at now: Instant, cost: Int = 1, patience: Duration) -> RateDecision {
        self.take(at: now, cost: cost, patienceNanoseconds: patience.clampedNanoseconds)
    }

    mutating func take(at now: Instant, cost: Int, patienceNanoseconds: Int64) -> RateDecision {
        let now = now.nanoseconds
        let arrival = max(self.theoreticalArrival, now)
        let next = Instant(nanoseconds: arrival).advanced(byNanoseconds: Self.product(self.interval, cost)).nanoseconds
        let wait = max(0, next.subtractingSaturated(now) - self.tolerance)
        guard wait <= patienceNanoseconds else { return .refused(retryAfter: .nanoseconds(wait)) }
        self.theoreticalArrival = next
        return .taken(wait: wait == 0 ? .zero : .nanoseconds(wait))
    }

    /// How long until `cost` places are free, in nanoseconds; for more than the burst, until the last of them would be.
    func wait(for cost: Int, at now: Instant) -> Int64 {
        let arrival = max(self.theoreticalArrival, now.nanoseconds)
        let next = Instant(nanoseconds: arrival).advanced(byNanoseconds: Self.product(self.interval, cost)).nanoseconds
        return max(0, next.subtractingSaturated(now.nanoseconds) - self.tolerance)
    }

    /// Gives back places that were taken and not used.
    public mutating func giveBack(cost: Int = 1) {
        let taken = Self.product(self.interval, cost)
        guard self.theoreticalArrival > .min + taken else { return }
        // What was taken before a pause does not shorten it.
        self.theoreticalArrival = max(self.theoreticalArrival - taken, self.arrival(after: self.pausedUntil))
    }

    /// Lets no call pass before `instant`: the other side said so.
    public mutating func pause(until instant: Instant) {
        self.pausedUntil = max(self.pausedUntil, instant)
        self.theoreticalArrival = max(self.theoreticalArrival, self.arrival(after: self.pausedUntil))
    }

    /// Works at another rate from now on; what has been taken stays taken, in calls, and a pause keeps its end.
    mutating func change(to other: GCRA, at now: Instant) {
        let isPaused = now < self.pausedUntil
        let base = isPaused ? self.arrival(after: self.pausedUntil) : now.nanoseconds
        let ahead = max(0, self.theoreticalArrival.subtractingSaturated(base))
        let calls = Double(ahead) / Double(self.interval)
        let scaled = Int64(exactly: (calls * Double(other.interval)).rounded()) ?? .max / 2
        self.interval = other.interval
        self.tolerance = other.tolerance
        let newBase = isPaused ? self.arrival(after: self.pausedUntil) : now.nanoseconds
        self.theoreticalArrival = Instant(nanoseconds: newBase).advanced(byNanoseconds: scaled).nanoseconds
    }

    /// The arrival with which the first call passes at `instant`.
    private func arrival(after instant: Instant) -> Int64 {
        instant == Instant(nanoseconds: .min)
            ? .min : instant.advanced(byNanoseconds: self.tolerance - self.interval).nanoseconds
    }

    private static func product(_ interval: Int64, _ count: Int) -> Int64 {
        let (product, overflow) = interval.multipliedReportingOverflow(by: Int64(count))
        // Half of the range, so that sums with it do not overflow.
        return overflow ? .max / 2 : min(product, .max / 2)
    }
}

/// What a limiter decided about one call.
public enum RateDecision: Sendable, Hashable {
    /// The call has its place and starts after the wait.
    case taken(wait: Duration)
    /// The call has no place.
    case refused(retryAfter: Duration)
}
