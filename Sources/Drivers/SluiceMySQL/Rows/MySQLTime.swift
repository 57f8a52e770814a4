// SPDX-License-Identifier: Apache-2.0
import CMariaDB
import SluiceSQL

/// A date and time as MySQL keeps them, which may be none at all, for example `0000-00-00`.
///
/// - Source: MySQL 8.0 Source Code Documentation, "Binary Protocol Value", for dates, and times of up to 838 hours.
struct MySQLTime {
    private var (year, month, day): (Int64, Int64, Int64) = (0, 0, 0)
    private var (hour, minute, second, microsecond): (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)

    /// Reads a value of 0, 4, 7 or 11 bytes: what is not sent is zero.
    init(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count >= 4 {
            self.year = Int64(bytes[0]) | Int64(bytes[1]) << 8
            self.month = Int64(bytes[2])
            self.day = Int64(bytes[3])
        }
        if bytes.count >= 7 {
            self.hour = Int64(bytes[4])
            self.minute = Int64(bytes[5])
            self.second = Int64(bytes[6])
        }
        if bytes.count >= 11 { self.microsecond = Self.number(bytes, at: 7) }
    }

    /// The moment, or text if there is no such moment.
    var timestamp: SQLValue {
        guard self.month > 0, self.day > 0 else {
            let time = Self.clock(self.hour, self.minute, self.second, self.microsecond)
            return .text("\(self.dateText) \(time)")
        }
        let days = SQLTimestamp.days(year: self.year, month: self.month, day: self.day)
        let seconds = ((days * 24 + self.hour) * 60 + self.minute) * 60 + self.second
        return .timestamp(seconds * 1_000_000 + self.microsecond)
    }

    /// `2026-11-21`.
    var dateText: String {
        "\(Self.digits(self.year, 4))-\(Self.digits(self.month, 2))-\(Self.digits(self.day, 2))"
    }

    /// A time of day or a duration of 0, 8 or 12 bytes, for example `-838:59:59.000001`.
    static func durationText(_ bytes: UnsafeRawBufferPointer) -> String {
        guard bytes.count >= 8 else { return "00:00:00" }
        let hours = Self.number(bytes, at: 1) * 24 + Int64(bytes[5])
        let microseconds = bytes.count >= 12 ? Self.number(bytes, at: 8) : 0
        return (bytes[0] == 0 ? "" : "-") + Self.clock(hours, Int64(bytes[6]), Int64(bytes[7]), microseconds)
    }

    /// Four bytes, the lowest first.
    private static func number(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int64 {
        Int64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    private static func clock(_ hour: Int64, _ minute: Int64, _ second: Int64, _ microsecond: Int64) -> String {
        let fraction = microsecond == 0 ? "" : ".\(self.digits(microsecond, 6))"
        return "\(self.digits(hour, 2)):\(self.digits(minute, 2)):\(self.digits(second, 2))\(fraction)"
    }

    private static func digits(_ value: Int64, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
}

extension MYSQL_TIME {
    /// The moment, as a parameter.
    ///
    /// - Throws: ``SQLError`` of kind `statement` if it is not in the years 0 to 9999, beyond which MySQL has none.
    init(microseconds: Int64) throws(SQLError) {
        let days = (microseconds / 86_400_000_000) - (microseconds % 86_400_000_000 < 0 ? 1 : 0)
        let rest = microseconds - days * 86_400_000_000
        let (year, month, day) = SQLTimestamp.date(days: days)
        guard (0...9_999).contains(year) else {
            throw SQLError(.statement, message: "MySQL has no moments outside the years 0 to 9999", hasRun: false)
        }
        self.init()
        self.year = UInt32(year)
        self.month = UInt32(month)
        self.day = UInt32(day)
        self.hour = UInt32(rest / 3_600_000_000)
        self.minute = UInt32(rest / 60_000_000 % 60)
        self.second = UInt32(rest / 1_000_000 % 60)
        self.second_part = UInt(rest % 1_000_000)
        self.time_type = MYSQL_TIMESTAMP_DATETIME
    }
}
