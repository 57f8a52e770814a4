// SPDX-License-Identifier: Apache-2.0
import HTTPTypes

/// The directives of a `Cache-Control` field.
///
/// Of a directive that is there several times the first counts.
///
/// - Source: RFC 9111 §5.2, RFC 5861 (stale-while-revalidate, stale-if-error), RFC 8246 (immutable).
struct CacheControl: Sendable, Hashable {
    /// What a number of seconds is taken for that no integer of 32 bits holds: RFC 9111 §1.2.2.
    static let maximumSeconds: Int64 = 2_147_483_648

    /// A directive that can name fields, and is about the whole message if it names none.
    enum Extent: Sendable, Hashable {
        case absent
        case whole
        case fields([String])
    }

    /// Seconds; 0 if what is there is no number, so that the response counts as stale (RFC 9111 §4.2.1).
    var maxAge: Int64?
    var sharedMaxAge: Int64?
    var staleWhileRevalidate: Int64?
    var staleIfError: Int64?
    var minFresh: Int64?
    /// `Int64.max` if it names no limit.
    var maxStale: Int64?
    var noCache = Extent.absent
    var isPrivate = Extent.absent
    var noStore = false
    var isPublic = false
    var mustRevalidate = false
    var proxyRevalidate = false
    var mustUnderstand = false
    var isImmutable = false
    var onlyIfCached = false

    /// Nothing said.
    static let none = CacheControl()

    init() {}

    /// Reads every line of the field.
    init(_ fields: HTTPFields) {
        guard fields.contains(.cacheControl) else { return }
        for member in FieldList.members(fields[values: .cacheControl]) {
            let (name, value) = FieldList.parameter(member)
            self.take(name, value)
        }
    }

    private mutating func take(_ name: String, _ value: String?) {
        switch name {
        case "max-age": self.maxAge = self.maxAge ?? Self.seconds(value) ?? 0
        case "s-maxage": self.sharedMaxAge = self.sharedMaxAge ?? Self.seconds(value) ?? 0
        case "stale-while-revalidate":
            self.staleWhileRevalidate = self.staleWhileRevalidate ?? Self.seconds(value) ?? 0
        case "stale-if-error": self.staleIfError = self.staleIfError ?? Self.seconds(value) ?? 0
        // A client that asks for freshness in a way we do not understand gets the freshest there is.
        case "min-fresh": self.minFresh = self.minFresh ?? Self.seconds(value) ?? Self.maximumSeconds
        case "max-stale": self.maxStale = self.maxStale ?? (value == nil ? .max : Self.seconds(value) ?? 0)
        case "no-cache": self.noCache = Self.extent(self.noCache, value)
        case "private": self.isPrivate = Self.extent(self.isPrivate, value)
        case "no-store": self.noStore = true
        case "public": self.isPublic = true
        case "must-revalidate": self.mustRevalidate = true
        case "proxy-revalidate": self.proxyRevalidate = true
        case "must-understand": self.mustUnderstand = true
        case "immutable": self.isImmutable = true
        case "only-if-cached": self.onlyIfCached = true
        default: break
        }
    }

    /// Seconds, of any number of digits.
    static func seconds(_ text: String?) -> Int64? {
        guard let text, !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return min(Int64(text) ?? Self.maximumSeconds, Self.maximumSeconds)
    }

    /// The form without fields is the stricter one, so it wins.
    private static func extent(_ present: Extent, _ value: String?) -> Extent {
        guard let value, present != .whole else { return .whole }
        let names = FieldList.members([value]).map { $0.lowercased() }
        if names.isEmpty { return .whole }
        if case .fields(let others) = present { return .fields(others + names) }
        return .fields(names)
    }
}
