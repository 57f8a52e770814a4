// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The `Retry-After` field: seconds, or a date.
///
/// - Source: RFC 9110 §10.2.3.
enum RetryAfter {
    /// The one form that senders may generate, RFC 9110 §5.6.7; `DateFormatter` is safe to share once it is set up.
    private static let dateFormat: DateFormatter = {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "GMT")
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return format
    }()

    /// How long the server asks to be left alone, or nil if it does not say so in a form we know; at most a day.
    static func duration(_ value: String?, now: Date = Date()) -> Duration? {
        guard let value = value?.trimmingCharacters(in: .whitespaces), !value.isEmpty else { return nil }
        let seconds: Double
        if value.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            seconds = Double(value) ?? 0
        } else if let date = Self.dateFormat.date(from: value) {
            seconds = date.timeIntervalSince(now)
        } else {
            return nil
        }
        return .seconds(min(max(0, seconds), 86_400))
    }
}
