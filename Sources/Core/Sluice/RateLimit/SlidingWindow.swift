// SPDX-License-Identifier: Apache-2.0

/// A sliding window that remembers when each of its calls started: never more than `count` in any period, exactly.
///
/// - Complexity: `take` is O(cost), `giveBack` O(count); memory is 8 bytes for each of `count`.
public struct SlidingWindow: Sendable, Hashable {
    /// Calls a period.
    public let count: Int
    /// The period in nanoseconds.
    public let period: Int64
    /// When the last `count` calls started or will start, a ring with the oldest at `oldest`.
    private var starts: [Int64]
    private var oldest = 0
    private var pausedUntil: Int64 = .min

    /// Creates a limit of `count` calls, in `1...1_000_000`, in every period.
    public init(count: Int, per period: Duration) {
        precondition((1...1_000_000).contains(count), "count must be 1 to 1000000 (is \(count))")
        precondition(period > .zero, "period must be more than zero (is \(period))")
        self.count = count
        self.period = period.clampedNanoseconds
        self.starts = Array(repeating: .min, count: count)
    }

    /// Takes places for a call if they come free together within `patience`.
    ///
    /// - Parameters:
    ///   - now: The present moment.
    ///   - cost: How many places; in `1...count`.
    ///   - patience: How long the wait may be.
    public mutating func take(at now: Instant, cost: Int = 1, patience: Duration) -> RateDecision {
        precondition((1...self.count).contains(cost), "cost must be 1 to \(self.count) (is \(cost))")
        return self.take(at: now, cost: cost, patienceNanoseconds: patience.clampedNanoseconds)
    }

    /// Takes `cost` places, at most `count`, if they come free together within `patience`.
    mutating func take(at now: Instant, cost: Int, patienceNanoseconds: Int64) -> RateDecision {
        let start = max(now.nanoseconds, self.free(cost), self.pausedUntil)
        let wait = start.subtractingSaturated(now.nanoseconds)
        guard wait <= patienceNanoseconds else { return .refused(retryAfter: .nanoseconds(wait)) }
        for _ in 0..<cost {
            self.oldest = (self.oldest + 1) % self.count
            self.put(start, at: self.count - 1)
        }
        return .taken(wait: wait == 0 ? .zero : .nanoseconds(wait))
    }

    /// How long until `cost` places come after `behind` others have gone, in nanoseconds.
    func wait(for cost: Int, behind: Int, at now: Instant) -> Int64 {
        let total = behind + cost
        // Every `count` places take a period; the last ones come when the oldest of theirs is free.
        let rounds = (total - 1) / self.count
        let free = max(self.free(total - rounds * self.count), self.pausedUntil, now.nanoseconds)
        let (delay, overflow) = self.period.multipliedReportingOverflow(by: Int64(rounds))
        guard !overflow else { return .max }
        return Instant(nanoseconds: free).advanced(byNanoseconds: delay).nanoseconds.subtractingSaturated(
            now.nanoseconds)
    }

    /// Gives back `cost` places taken for `start` and not used.
    public mutating func giveBack(cost: Int = 1, startingAt start: Instant) {
        for _ in 0..<cost {
            guard let index = (0..<self.count).last(where: { self.starts[self.place($0)] == start.nanoseconds }) else {
                return
            }
            // The place is as free as it was, and no freer: it had been used one period before it came free.
            self.put(start.nanoseconds.subtractingSaturated(self.period), at: index)
        }
    }

    /// Writes over `position` and moves what was put there down to where the order wants it; mostly it is there already.
    private mutating func put(_ start: Int64, at position: Int) {
        var position = position
        while position > 0, self.starts[self.place(position - 1)] > start {
            self.starts[self.place(position)] = self.starts[self.place(position - 1)]
            position -= 1
        }
        self.starts[self.place(position)] = start
    }

    /// Holds what another window held, as far as it fits: the newest starts and the pause.
    mutating func takeOver(_ other: SlidingWindow) {
        for start in (0..<other.count).map({ other.starts[other.place($0)] }).suffix(self.count) {
            self.oldest = (self.oldest + 1) % self.count
            self.put(start, at: self.count - 1)
        }
        self.pausedUntil = other.pausedUntil
    }

    /// Lets no call pass before `instant`.
    public mutating func pause(until instant: Instant) {
        self.pausedUntil = max(self.pausedUntil, instant.nanoseconds)
    }

    /// When the last of the `cost` oldest places comes free.
    private func free(_ cost: Int) -> Int64 {
        let start = self.starts[self.place(cost - 1)]
        return start == .min ? .min : Instant(nanoseconds: start).advanced(byNanoseconds: self.period).nanoseconds
    }

    private func place(_ position: Int) -> Int { (self.oldest + position) % self.count }
}
