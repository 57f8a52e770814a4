// SPDX-License-Identifier: Apache-2.0
public import Foundation

/// A moment as SQL text and back: `2026-11-21 10:00:00.000000`, UTC.
///
/// By hand, since drivers do it for every value of a row: Foundation's formatters cost microseconds and lose the digits after the third.
///
/// - Source: for the days, H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2021.
public enum SQLTimestamp {
    private static let microsecondsPerDay: Int64 = 86_400_000_000
    /// How many bytes ``text(_:)`` has at most: years have six digits in the whole range of 64 bits.
    package static let maximumTextSize = 32

    /// The text of so many microseconds since the beginning of 1970.
    public static func text(_ microseconds: Int64) -> String {
        String(unsafeUninitializedCapacity: self.maximumTextSize) { self.write(microseconds, into: $0) }
    }

    /// Appends the text of so many microseconds since the beginning of 1970.
    package static func append(_ microseconds: Int64, to bytes: inout [UInt8]) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: self.maximumTextSize) { buffer in
            let count = self.write(microseconds, into: buffer)
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    /// Writes the text and returns how many bytes it has.
    private static func write(_ microseconds: Int64, into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let days = microseconds.floored(by: self.microsecondsPerDay)
        let rest = microseconds - days * self.microsecondsPerDay
        return self.write(days: days, rest, into: buffer)
    }

    /// The text of a moment that is too far from 1970 for its microseconds to be counted.
    package static func text(days: Int64, microseconds: Int64) -> String {
        String(unsafeUninitializedCapacity: self.maximumTextSize) { self.write(days: days, microseconds, into: $0) }
    }

    private static func write(
        days: Int64, _ rest: Int64, into buffer: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        let (year, month, day) = Self.date(days: days)
        var count = 0
        func put(_ value: Int64, _ digits: Int, _ separator: Unicode.Scalar?) {
            var value = value
            for index in (count..<count + digits).reversed() {
                buffer[index] = UInt8(0x30 + value % 10)
                value /= 10
            }
            count += digits
            guard let separator else { return }
            buffer[count] = UInt8(ascii: separator)
            count += 1
        }
        if year < 0 {
            buffer[0] = UInt8(ascii: "-")
            count = 1
        }
        put(abs(year), abs(year) < 10_000 ? 4 : abs(year) < 1_000_000 ? 6 : 7, "-")
        put(month, 2, "-")
        put(day, 2, " ")
        put(rest / 3_600_000_000, 2, ":")
        put(rest / 60_000_000 % 60, 2, ":")
        put(rest / 1_000_000 % 60, 2, ".")
        put(rest % 1_000_000, 6, nil)
        return count
    }

    /// The microseconds since the beginning of 1970 that a text says, or nil if it is no moment.
    ///
    /// Takes a date, with or without a time, `T` or a blank between them, up to six digits of a second, and no zone but `Z` or
    /// `+00`.
    public static func microseconds(_ text: String) -> Int64? {
        var scanner = Scanner(bytes: Array(text.utf8))
        guard let year = scanner.number(4), scanner.take("-"), let month = scanner.number(2), scanner.take("-"),
            let day = scanner.number(2), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        guard Self.date(days: days) == (year, month, day) else { return nil }
        var time: Int64 = 0
        if scanner.take(" ") || scanner.take("T") {
            guard let hour = scanner.number(2), scanner.take(":"), let minute = scanner.number(2), hour < 24,
                minute < 60
            else { return nil }
            var second: Int64 = 0
            if scanner.take(":") {
                guard let number = scanner.number(2), number < 60 else { return nil }
                second = number
            }
            guard let fraction = scanner.take(".") ? scanner.fraction() : 0 else { return nil }
            time = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
        }
        if !scanner.take("Z"), scanner.take("+") {
            guard scanner.number(2) == 0 else { return nil }
            if scanner.take(":") { guard scanner.number(2) == 0 else { return nil } }
        }
        return scanner.isAtEnd ? days * self.microsecondsPerDay + time : nil
    }

    /// The date of a day counted from the beginning of 1970.
    package static func date(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted.floored(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// The day, counted from the beginning of 1970, of a date.
    package static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year.floored(by: 400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private struct Scanner {
        let bytes: [UInt8]
        var position = 0
        var isAtEnd: Bool { self.position == self.bytes.count }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard self.position < self.bytes.count, self.bytes[self.position] == UInt8(ascii: character) else {
                return false
            }
            self.position += 1
            return true
        }

        mutating func number(_ digits: Int) -> Int64? {
            guard self.position + digits <= self.bytes.count else { return nil }
            var value: Int64 = 0
            for byte in self.bytes[self.position..<self.position + digits] {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 0x30)
            }
            self.position += digits
            return value
        }

        /// Up to six digits, as millionths.
        mutating func fraction() -> Int64? {
            var (value, digits): (Int64, Int) = (0, 0)
            while digits < 6, let digit = self.number(1) {
                value = value * 10 + digit
                digits += 1
            }
            guard digits > 0 else { return nil }
            for _ in digits..<6 { value *= 10 }
            return value
        }
    }
}

extension Int64 {
    /// The quotient, rounded towards negative infinity.
    fileprivate func floored(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

extension Date: SQLConvertible {
    /// The moment, to the microsecond; one that is no number, or 292,000 years away, as a text that no database takes for a moment.
    public var sqlValue: SQLValue {
        let microseconds = (self.timeIntervalSince1970 * 1_000_000).rounded()
        guard let exact = Int64(exactly: microseconds) else { return .text("\(self.timeIntervalSince1970) s") }
        return .timestamp(exact)
    }

    /// Takes a moment, or text that says one.
    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .timestamp(let value): self.init(timeIntervalSince1970: Double(value) / 1_000_000)
        case .text(let text):
            guard let value = SQLTimestamp.microseconds(text) else { return nil }
            self.init(timeIntervalSince1970: Double(value) / 1_000_000)
        default: return nil
        }
    }
}

extension UUID: SQLConvertible {
    /// The UUID in lower case.
    public var sqlValue: SQLValue { .text(self.uuidString.lowercased()) }

    /// Takes text in either case.
    public init?(sqlValue: SQLValue) {
        guard case .text(let text) = sqlValue else { return nil }
        self.init(uuidString: text)
    }
}
