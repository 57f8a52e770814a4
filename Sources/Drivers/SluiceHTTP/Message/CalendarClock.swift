// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The time of day, for what servers write as dates.
public enum CalendarClock {
    /// Whole seconds since 1970.
    @Sendable
    public static func secondsSince1970() -> Int64 { Int64(time(nil)) }
}
