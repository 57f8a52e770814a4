// SPDX-License-Identifier: Apache-2.0

/// When a cookie ends, as servers write it: in more forms than HTTP has.
///
/// - Source: RFC 6265 §5.1.1.
enum CookieDate {
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
        guard hour <= 23, minute <= 59, second <= 59,
            (1...HTTPDate.days(in: month - 1, of: Int64(year))).contains(Int64(day))
        else { return nil }
        let days = HTTPDate.daysSince1970(year: Int64(year), month: Int64(month), day: Int64(day))
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
}
