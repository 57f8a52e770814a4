// SPDX-License-Identifier: Apache-2.0

/// How the calls of a recent while ended: the last so many, or those of the last so long.
///
/// - Complexity: `record` and `counts` are O(1).
public struct CallWindow: Sendable {
    /// What a window holds.
    public struct Counts: Sendable, Hashable {
        /// Calls that ended.
        public var calls = 0
        /// Those that failed.
        public var failures = 0
        /// Those that took too long, whether they failed or not.
        public var slow = 0

        mutating func add(_ other: Counts) {
            self.calls += other.calls
            self.failures += other.failures
            self.slow += other.slow
        }

        mutating func remove(_ other: Counts) {
            self.calls -= other.calls
            self.failures -= other.failures
            self.slow -= other.slow
        }
    }

    private static let bucketsOfTime = 10

    /// A bucket holds one call, or a tenth of the time.
    private var buckets: [Counts]
    private var sum = Counts()
    private var position = 0
    /// The length of a bucket, or nil if it holds one call.
    private let bucketNanoseconds: Int64?
    /// The number of the bucket under `position` since the time line's origin.
    private var epoch: Int64 = 0

    /// Holds the last `calls` calls; at least 1.
    public init(calls: Int) {
        precondition(calls >= 1, "calls must be at least 1 (is \(calls))")
        self.buckets = Array(repeating: Counts(), count: calls)
        self.bucketNanoseconds = nil
    }

    /// Holds the calls of the last `duration`, to a tenth of it.
    public init(duration: Duration) {
        precondition(duration > .zero, "duration must be more than zero (is \(duration))")
        self.buckets = Array(repeating: Counts(), count: Self.bucketsOfTime)
        self.bucketNanoseconds = max(1, duration.clampedNanoseconds / Int64(Self.bucketsOfTime))
    }

    /// A call has ended.
    public mutating func record(isFailure: Bool, isSlow: Bool, at now: Instant) {
        let call = Counts(calls: 1, failures: isFailure ? 1 : 0, slow: isSlow ? 1 : 0)
        if self.bucketNanoseconds == nil {
            self.sum.remove(self.buckets[self.position])
            self.buckets[self.position] = call
            self.position = (self.position + 1) % self.buckets.count
        } else {
            self.turn(to: now)
            self.buckets[self.position].add(call)
        }
        self.sum.add(call)
    }

    /// What the window holds at `now`.
    public mutating func counts(at now: Instant) -> Counts {
        self.turn(to: now)
        return self.sum
    }

    /// Forgets every call.
    public mutating func clear() {
        for index in self.buckets.indices { self.buckets[index] = Counts() }
        self.sum = Counts()
    }

    /// Empties the buckets of the time that has passed.
    private mutating func turn(to now: Instant) {
        guard let length = self.bucketNanoseconds else { return }
        let epoch = now.nanoseconds / length
        let steps = epoch - self.epoch
        guard steps > 0 else { return }
        for _ in 0..<min(steps, Int64(self.buckets.count)) {
            self.position = (self.position + 1) % self.buckets.count
            self.sum.remove(self.buckets[self.position])
            self.buckets[self.position] = Counts()
        }
        self.epoch = epoch
    }
}
