// SPDX-License-Identifier: Apache-2.0

/// A point on a ``TimeSource``'s monotonic time line, in whole nanoseconds.
///
/// Instants of different time sources must not be compared. 64 bits of nanoseconds reach 292 years, and arithmetic
/// saturates at both ends: a deadline far beyond that is simply never reached, where `Int64` would trap.
public struct Instant: InstantProtocol, Hashable, Sendable {
    /// Nanoseconds since an origin that only the time source knows.
    public let nanoseconds: Int64

    /// An instant that is never reached.
    public static let distantFuture = Instant(nanoseconds: .max)

    /// Creates an instant from nanoseconds since the time source's origin.
    @inlinable
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The instant `duration` later, or ``distantFuture`` if that is out of range.
    @inlinable
    public func advanced(by duration: Duration) -> Instant {
        self.advanced(byNanoseconds: duration.clampedNanoseconds)
    }

    /// The time from this instant to `other`; negative if `other` is earlier.
    @inlinable
    public func duration(to other: Instant) -> Duration {
        .nanoseconds(other.nanoseconds.subtractingSaturated(self.nanoseconds))
    }

    /// Orders instants by time.
    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    @inlinable
    package func advanced(byNanoseconds nanoseconds: Int64) -> Instant {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return Instant(nanoseconds: overflow ? (nanoseconds > 0 ? .max : .min) : sum)
    }
}

extension Duration {
    /// Whole nanoseconds, cut off towards zero, and held within `Int64`.
    @inlinable
    public var clampedNanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds > 0 ? .max : .min }
        let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? (seconds > 0 ? .max : .min) : sum
    }

    /// Seconds as a floating-point number, for metrics and messages.
    public var inSeconds: Double {
        let (seconds, attoseconds) = self.components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}

extension Int64 {
    @inlinable
    func subtractingSaturated(_ other: Int64) -> Int64 {
        let (difference, overflow) = self.subtractingReportingOverflow(other)
        return overflow ? (self < 0 ? .min : .max) : difference
    }
}
