// SPDX-License-Identifier: Apache-2.0

/// The generic cell rate algorithm: a leaky bucket that remembers one instant.
///
/// `theoreticalArrival` is when the bucket will be empty again. A call moves it by one interval and conforms if that keeps it
/// within the burst.
///
/// - Source: ITU-T Recommendation I.371 (2004), annex A, "virtual scheduling algorithm".
public struct GCRA: Sendable, Hashable {
    /// The time one call takes out of the budget, in nanoseconds; at least 1.
    public let interval: Int64
    /// How far the arrival may run ahead, in nanoseconds: the burst times the interval.
    public let tolerance: Int64
    private var theoreticalArrival: Int64 = .min

    /// Creates a limit of `count` calls a period on average, with up to `burst` of them at once.
    public init(count: Int, per period: Duration, burst: Int) {
        precondition(count >= 1, "count must be at least 1 (is \(count))")
        precondition(burst >= 1, "burst must be at least 1 (is \(burst))")
        precondition(period > .zero, "period must be more than zero (is \(period))")
        self.interval = max(1, period.clampedNanoseconds / Int64(count))
        self.tolerance =
            self.interval.multipliedReportingOverflow(by: Int64(burst)).overflow
            ? .max / 2 : self.interval * Int64(burst)
    }

    /// Takes a place if one comes free within `patience`.
    ///
    /// - Returns: How long to wait for the place taken (zero: none), or, if none was taken, how long until one is free.
    public mutating func take(at now: Instant, patience: Duration) -> Decision {
        self.take(at: now, patienceNanoseconds: patience.clampedNanoseconds)
    }

    mutating func take(at now: Instant, patienceNanoseconds: Int64) -> Decision {
        let now = now.nanoseconds
        let arrival = max(self.theoreticalArrival, now)
        let next = Instant(nanoseconds: arrival).advanced(byNanoseconds: self.interval).nanoseconds
        let wait = max(0, next.subtractingSaturated(now) - self.tolerance)
        guard wait <= patienceNanoseconds else { return .refused(retryAfter: .nanoseconds(wait)) }
        self.theoreticalArrival = next
        return .taken(wait: wait == 0 ? .zero : .nanoseconds(wait))
    }

    /// Gives back a place that was taken and not used.
    public mutating func giveBack() {
        if self.theoreticalArrival > .min + self.interval { self.theoreticalArrival -= self.interval }
    }

    /// Lets no call pass before `instant`: the other side said so.
    public mutating func pause(until instant: Instant) {
        let arrival = instant.advanced(byNanoseconds: self.tolerance - self.interval).nanoseconds
        self.theoreticalArrival = max(self.theoreticalArrival, arrival)
    }

    /// What ``take(at:patience:)`` decided.
    public enum Decision: Sendable, Hashable {
        case taken(wait: Duration)
        case refused(retryAfter: Duration)
    }
}
