// SPDX-License-Identifier: Apache-2.0
import Sluice

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A moment of the calendar, to the millisecond: what a kept answer and a token are dated with, since both outlive the
/// process.
public struct WallTime: Sendable, Hashable, Comparable, Codable {
    /// Milliseconds since 1970, UTC.
    public let milliseconds: Int64

    /// Creates a moment from milliseconds since 1970.
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// The moment it is now, by the system's clock.
    @Sendable
    public static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// The moment so much later.
    public func advanced(by duration: Duration) -> WallTime {
        WallTime(milliseconds: self.milliseconds.addingSaturated(duration.clampedNanoseconds / 1_000_000))
    }

    /// Orders moments by time.
    public static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }

    /// Whole seconds since 1970.
    var seconds: Int64 { self.milliseconds >= 0 ? self.milliseconds / 1_000 : (self.milliseconds - 999) / 1_000 }
}

extension Int64 {
    /// The sum, or the nearest number there is.
    func addingSaturated(_ other: Int64) -> Int64 {
        let (sum, overflow) = self.addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : sum
    }
}
