// SPDX-License-Identifier: Apache-2.0
import HTTPTypes

/// How long a server asks to be left alone: by `Retry-After`, or by one of the three dialects of rate-limit fields.
///
/// ```text
/// Retry-After: 120 | Tue, 15 Nov 1994 08:12:31 GMT
/// RateLimit: "default";r=0;t=30                             current draft: seconds
/// RateLimit: limit=100, remaining=0, reset=30               draft 6 and 7: seconds
/// RateLimit-Remaining: 0  RateLimit-Reset: 30               draft 0 to 5: seconds
/// X-RateLimit-Remaining: 0  X-RateLimit-Reset: 1760000000   GitHub: seconds since 1970; others: seconds
/// ```
///
/// - Source: RFC 9110 §10.2.3; draft-ietf-httpapi-ratelimit-headers-00, -06 and -10.
enum ServerHints {
    /// No server is left alone for longer because it says so.
    static let maximum: Int64 = 86_400

    // A valid name in the source code cannot fail to be one.
    // swift-format-ignore: NeverForceUnwrap
    private static let rateLimit = HTTPField.Name("RateLimit")!
    // swift-format-ignore: NeverForceUnwrap
    private static let remaining = HTTPField.Name("RateLimit-Remaining")!
    // swift-format-ignore: NeverForceUnwrap
    private static let reset = HTTPField.Name("RateLimit-Reset")!
    // swift-format-ignore: NeverForceUnwrap
    private static let xRemaining = HTTPField.Name("X-RateLimit-Remaining")!
    // swift-format-ignore: NeverForceUnwrap
    private static let xReset = HTTPField.Name("X-RateLimit-Reset")!

    /// How long until the same request may be answered: what the reply to a call that was turned away says.
    ///
    /// - Parameter now: Seconds since 1970.
    static func retryAfter(_ fields: HTTPFields, now: Int64) -> Duration? {
        if let wait = Self.retryAfter(fields[.retryAfter], now: now) { return wait }
        return Self.exhausted(fields, now: now)
    }

    /// How long until there is room again, if a reply says that there is none left; nil if there is, or it does not say.
    static func exhausted(_ fields: HTTPFields, now: Int64) -> Duration? {
        if let value = fields[Self.rateLimit] {
            if let wait = Self.structured(value) { return wait }
        }
        if let left = fields[Self.remaining].flatMap(Self.number), left == 0,
            let wait = fields[Self.reset].flatMap(Self.number)
        {
            return Self.duration(wait)
        }
        if let left = fields[Self.xRemaining].flatMap(Self.number), left == 0,
            let reset = fields[Self.xReset].flatMap(Self.number)
        {
            // Some services send milliseconds, and some how long it is to go: neither can be mistaken for this century's seconds.
            if reset > 100_000_000_000 { return Self.duration(reset / 1_000 - now) }
            return Self.duration(reset > 1_000_000_000 ? reset - now : reset)
        }
        return nil
    }

    static func retryAfter(_ value: String?, now: Int64) -> Duration? {
        guard let value else { return nil }
        if let seconds = Self.number(value) { return Self.duration(seconds) }
        return HTTPDate(value, now: HTTPDate(seconds: now)).map { Self.duration($0.seconds - now) }
    }

    /// The longest wait of the limits that have nothing left.
    private static func structured(_ value: String) -> Duration? {
        if value.contains("remaining=") {
            let parameters = Self.parameters(value, separator: ",")
            guard parameters["remaining"] == 0 else { return nil }
            return parameters["reset"].map(Self.duration)
        }
        let waits = value.split(separator: ",").compactMap { item -> Int64? in
            let parameters = Self.parameters(item, separator: ";")
            return parameters["r"] == 0 ? parameters["t"] : nil
        }
        return waits.max().map(Self.duration)
    }

    private static func parameters(_ text: some StringProtocol, separator: Character) -> [String: Int64] {
        var parameters: [String: Int64] = [:]
        for part in text.split(separator: separator) {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            parameters[pair[0].trimmingSpaces.lowercased()] = Self.number(pair[1])
        }
        return parameters
    }

    /// A whole number; one too large is the largest.
    private static func number(_ text: some StringProtocol) -> Int64? {
        let digits = text.trimmingSpaces
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            return nil
        }
        return Int64(digits) ?? Int64.max
    }

    private static func duration(_ seconds: Int64) -> Duration { .seconds(min(max(0, seconds), Self.maximum)) }
}

extension StringProtocol {
    /// Without spaces and tabs at either end.
    var trimmingSpaces: SubSequence {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        guard let first = self.firstIndex(where: { !isSpace($0) }), let last = self.lastIndex(where: { !isSpace($0) })
        else {
            return self[self.startIndex..<self.startIndex]
        }
        return self[first...last]
    }
}
