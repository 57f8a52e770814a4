// SPDX-License-Identifier: Apache-2.0

/// A moment to the second, as HTTP's fields write it.
///
/// - Source: RFC 9110 §5.6.7 for the three forms; RFC 9111 §4.2 for what caches forgive: any case, and no zone but GMT.
struct HTTPDate: Sendable, Hashable, Comparable {
    /// Seconds since 1970, UTC.
    let seconds: Int64

    init(seconds: Int64) {
        self.seconds = seconds
    }

    static func < (left: HTTPDate, right: HTTPDate) -> Bool { left.seconds < right.seconds }

    /// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` or `Sun Nov  6 08:49:37 1994`.
    ///
    /// - Parameter now: Decides the century of a year of two digits: the latest that is not over 50 years ahead.
    init?(_ text: String, now: HTTPDate) {
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(Substring.init)
        let parsed: HTTPDate?
        switch words.count {
        // IMF-fixdate
        case 6 where words[0].hasSuffix(",") && words[5].lowercased() == "gmt":
            parsed = Self(day: words[1], month: words[2], year: Self.year(words[3]), time: words[4])
        // RFC 850
        case 4 where words[0].hasSuffix(",") && words[3].lowercased() == "gmt":
            let parts = words[1].split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 3 else { return nil }
            parsed = Self(day: parts[0], month: parts[1], year: Self.shortYear(parts[2], now: now), time: words[2])
        // asctime
        case 5:
            let day = words[2].utf8.count == 1 ? "0\(words[2])" : String(words[2])
            parsed = Self(day: day[...], month: words[1], year: Self.year(words[4]), time: words[3])
        default:
            parsed = nil
        }
        guard let parsed else { return nil }
        self = parsed
    }

    private init?(day: Substring, month: Substring, year: Int64?, time: Substring) {
        let clock = time.split(separator: ":", omittingEmptySubsequences: false)
        guard let year, clock.count == 3, let day = Self.number(day, digits: 2),
            let month = Self.months.firstIndex(of: month.lowercased()),
            let hour = Self.number(clock[0], digits: 2), let minute = Self.number(clock[1], digits: 2),
            let second = Self.number(clock[2], digits: 2),
            (1...Self.days(in: month, of: year)).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        let days = Self.daysSince1970(year: year, month: Int64(month) + 1, day: day)
        self.seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    }

    /// The form that must be sent: IMF-fixdate.
    var text: String {
        let days = Self.floorDivided(self.seconds, by: 86_400)
        let rest = self.seconds - days * 86_400
        let (year, month, day) = Self.civil(daysSince1970: days)
        let weekday = Self.weekdays[Int((days % 7 + 11) % 7)]
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let name = Self.months[Int(month) - 1]
        let yearText = String(repeating: "0", count: max(0, 4 - "\(year)".utf8.count)) + "\(year)"
        return "\(weekday), \(two(day)) \(name.prefix(1).uppercased())\(name.dropFirst()) \(yearText) "
            + "\(two(rest / 3_600)):\(two(rest / 60 % 60)):\(two(rest % 60)) GMT"
    }

    private static let months = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    private static func number(_ text: Substring, digits: Int) -> Int64? {
        guard text.utf8.count == digits, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }

    private static func year(_ text: Substring) -> Int64? { self.number(text, digits: 4) }

    private static func shortYear(_ text: Substring, now: HTTPDate) -> Int64? {
        guard let short = self.number(text, digits: 2) else { return nil }
        let current = self.civil(daysSince1970: self.floorDivided(now.seconds, by: 86_400)).year
        let year = current / 100 * 100 + short
        if year > current + 50 { return year - 100 }
        return year <= current - 50 ? year + 100 : year
    }

    static func days(in month: Int, of year: Int64) -> Int64 {
        if month == 1 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
        return [3, 5, 8, 10].contains(month) ? 30 : 31
    }

    /// Days of the proleptic Gregorian calendar, counted in years that begin with March, so that a leap day comes last.
    static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let century = self.floorDivided(year, by: 400)
        let yearOfCentury = year - century * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return century * 146_097 + yearOfCentury * 365 + yearOfCentury / 4 - yearOfCentury / 100 + dayOfYear - 719_468
    }

    private static func civil(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let century = self.floorDivided(shifted, by: 146_097)
        let day = shifted - century * 146_097
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (year + century * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func floorDivided(_ value: Int64, by divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : -((divisor - 1 - value) / divisor)
    }
}
