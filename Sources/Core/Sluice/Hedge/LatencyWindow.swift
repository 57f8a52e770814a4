// SPDX-License-Identifier: Apache-2.0

/// How long recent calls took, well enough to say a percentile: a histogram that forgets.
///
/// Eight buckets to each doubling, so a percentile is at most 12.5 % too high. Two histograms, each of up to `capacity` calls:
/// when one is full the other is emptied and takes over.
///
/// - Complexity: `record` is O(1), `percentile` O(512) at most.
public struct LatencyWindow: Sendable {
    private static let bucketsPerDoubling = 8
    private static let bucketCount = 64 * 8

    private var current = [UInt32](repeating: 0, count: LatencyWindow.bucketCount)
    private var previous = [UInt32](repeating: 0, count: LatencyWindow.bucketCount)
    private var currentCount = 0
    private var previousCount = 0
    private let capacity: Int

    /// Creates an empty window that remembers the last `capacity` calls at least, and twice as many at most.
    public init(capacity: Int = 1_000) {
        precondition(capacity >= 1, "capacity must be at least 1 (is \(capacity))")
        self.capacity = capacity
    }

    /// How many calls it remembers.
    public var count: Int { self.currentCount + self.previousCount }

    /// A call took `duration`.
    public mutating func record(_ duration: Duration) {
        if self.currentCount == self.capacity {
            swap(&self.current, &self.previous)
            self.previousCount = self.currentCount
            self.currentCount = 0
            for index in self.current.indices { self.current[index] = 0 }
        }
        self.current[Self.bucket(duration.clampedNanoseconds)] += 1
        self.currentCount += 1
    }

    /// The time within which `fraction` of the calls ended, in `0...1`; nil if there were none.
    public func percentile(_ fraction: Double) -> Duration? {
        let total = self.count
        guard total > 0 else { return nil }
        let wanted = max(1, Int((Double(total) * min(max(fraction, 0), 1)).rounded(.up)))
        var seen = 0
        for index in 0..<Self.bucketCount {
            seen += Int(self.current[index] + self.previous[index])
            if seen >= wanted { return .nanoseconds(Self.upperBound(index)) }
        }
        return nil
    }

    private static func bucket(_ nanoseconds: Int64) -> Int {
        let value = UInt64(max(1, nanoseconds))
        let doubling = 63 - value.leadingZeroBitCount
        let rest = doubling >= 3 ? (value >> UInt64(doubling - 3)) & 7 : (value << UInt64(3 - doubling)) & 7
        return doubling * self.bucketsPerDoubling + Int(rest)
    }

    private static func upperBound(_ bucket: Int) -> Int64 {
        let doubling = bucket / self.bucketsPerDoubling
        let bound = Double(sign: .plus, exponent: doubling, significand: 1) * (1 + Double(bucket % 8 + 1) / 8)
        return Int64(exactly: bound.rounded(.down)) ?? .max
    }
}
