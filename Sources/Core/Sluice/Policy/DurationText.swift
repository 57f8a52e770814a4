// SPDX-License-Identifier: Apache-2.0

/// Durations as people write them: `250ms`, `1.5s`, `2m`, `1h`, `40us`, `0s`.
public enum DurationText {
    private static let units: [(suffix: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ]

    /// Reads a duration.
    ///
    /// - Returns: nil unless `text` is a number, not negative, followed by one of `ns us ms s m h`, and fits 292 years.
    public static func duration(_ text: some StringProtocol) -> Duration? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let unit = Self.units.first(where: { $0.suffix == text.dropFirst(digits.count) }) else { return nil }
        // A whole number stays one, since a Double does not hold every nanosecond of 292 years.
        if let number = Int64(digits) {
            let (nanoseconds, overflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
            return overflow ? nil : .nanoseconds(nanoseconds)
        }
        guard let number = Double(digits),
            let nanoseconds = Int64(exactly: (number * Double(unit.nanoseconds)).rounded())
        else { return nil }
        return .nanoseconds(nanoseconds)
    }

    /// Writes a duration in the largest unit that leaves a whole number, so that reading it gives the same duration.
    public static func text(_ duration: Duration) -> String {
        let nanoseconds = duration.clampedNanoseconds
        guard nanoseconds != 0 else { return "0s" }
        // Minutes and hours are easy to read only when they are few; seconds otherwise.
        let unit = Self.units.last { nanoseconds % $0.nanoseconds == 0 } ?? Self.units[0]
        return "\(nanoseconds / unit.nanoseconds)\(unit.suffix)"
    }
}
