// SPDX-License-Identifier: Apache-2.0

/// Dates as HTTP writes them, in seconds since 1970.
///
/// - Source: RFC 9110 §5.6.7, and for cookies the more forgiving RFC 6265 §5.1.1, whose algorithm reads all forms.
enum HTTPDate {
    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

    /// The seconds since 1970 of a date in any of the forms; nil if it is none, or no day of the calendar.
    static func seconds(_ text: some StringProtocol) -> Int64? {
        var time: (Int, Int, Int)?
        var day: Int?
        var month: Int?
        var year: Int?
        for token in text.utf8.split(whereSeparator: Self.isDelimiter) {
            if time == nil, let found = Self.time(token) {
                time = found
            } else if day == nil, let number = Self.number(token, digits: 1...2) {
                day = number
            } else if month == nil, let found = Self.month(token) {
                month = found
            } else if year == nil, let number = Self.number(token, digits: 2...4) {
                year = number < 70 ? number + 2_000 : number < 100 ? number + 1_900 : number
            }
        }
        guard let (hour, minute, second) = time, let day, let month, let year, year >= 1_601 else { return nil }
        guard hour <= 23, minute <= 59, second <= 60, (1...Self.days(of: month, in: year)).contains(day) else {
            return nil
        }
        let days = Self.daysSince1970(year: year, month: month, day: day)
        return days * 86_400 + Int64(hour * 3_600 + minute * 60 + second)
    }

    /// Everything but digits, letters, colons and what lies beyond ASCII.
    private static func isDelimiter(_ byte: UInt8) -> Bool {
        !(PercentEncoding.isAlphanumeric(byte) || byte == UInt8(ascii: ":") || byte >= 0x7F || byte < 0x09)
    }

    private static func number(_ token: some Collection<UInt8>, digits: ClosedRange<Int>) -> Int? {
        let head = token.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard digits.contains(head.count) else { return nil }
        return head.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    private static func time(_ token: some Collection<UInt8>) -> (Int, Int, Int)? {
        let fields = token.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard fields.count == 3, let hour = Self.number(fields[0], digits: 1...2), fields[0].count <= 2,
            let minute = Self.number(fields[1], digits: 1...2), fields[1].count <= 2,
            let second = Self.number(fields[2], digits: 1...2)
        else { return nil }
        return (hour, minute, second)
    }

    private static func month(_ token: some Collection<UInt8>) -> Int? {
        let name = String(decoding: token.prefix(3), as: UTF8.self).lowercased()
        return Self.months.firstIndex(of: name).map { $0 + 1 }
    }

    private static func days(of month: Int, in year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// - Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
    private static func daysSince1970(year: Int, month: Int, day: Int) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468)
    }
}
