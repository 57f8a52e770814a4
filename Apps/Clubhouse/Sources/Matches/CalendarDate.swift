// SPDX-License-Identifier: Apache-2.0

/// The rules for days and times of day as text, which order as text.
enum CalendarDate {
    /// Whether `text` is a day of the Gregorian calendar, `YYYY-MM-DD`.
    static func isValid(_ text: some StringProtocol) -> Bool {
        let parts = Self.numbers(text, separator: "-", widths: [4, 2, 2])
        guard let parts, parts[0] >= 1, (1...12).contains(parts[1]) else { return false }
        let isLeap = parts[0] % 4 == 0 && (parts[0] % 100 != 0 || parts[0] % 400 == 0)
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return (1...days[parts[1] - 1]).contains(parts[2])
    }

    /// Whether `text` is a time of day, `HH:MM`.
    static func isTime(_ text: some StringProtocol) -> Bool {
        guard let parts = Self.numbers(text, separator: ":", widths: [2, 2]) else { return false }
        return parts[0] < 24 && parts[1] < 60
    }

    private static func numbers(_ text: some StringProtocol, separator: Character, widths: [Int]) -> [Int]? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == widths else { return nil }
        guard parts.allSatisfy({ $0.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) }) else {
            return nil
        }
        return parts.compactMap { Int($0) }
    }
}
