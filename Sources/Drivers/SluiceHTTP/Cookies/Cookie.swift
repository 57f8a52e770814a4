// SPDX-License-Identifier: Apache-2.0

/// A cookie as a server set it.
///
/// - Source: RFC 6265 §5.2 and §5.3.
public struct HTTPCookie: Sendable, Hashable {
    /// Its name; may be empty only in what browsers accept, and is not here.
    public let name: String
    /// Its value, as it is sent back.
    public let value: String
    /// The host it belongs to, in lower case.
    public let domain: String
    /// Whether only that very host gets it, and not those below it.
    public let isHostOnly: Bool
    /// The path it belongs to.
    public let path: String
    /// When it ends, in seconds since 1970; nil if it ends with the jar.
    public let expires: Int64?
    /// Whether it is sent over https alone.
    public let isSecure: Bool
    /// Whether it is kept from scripts in a browser; means nothing to us.
    public let isHTTPOnly: Bool

    /// The longest name and value together, in bytes; longer cookies are ignored.
    static let maximumBytes = 4_096

    /// Reads a `Set-Cookie` field.
    ///
    /// - Parameters:
    ///   - field: The field's value.
    ///   - host: Who sent it, in lower case, without port.
    ///   - path: The path of the request it answered, without query.
    ///   - isSecure: Whether that request went over https.
    ///   - now: Seconds since 1970.
    init?(_ field: String, host: String, path: String, isSecure wasSecure: Bool, now: Int64) {
        var parts = field.split(separator: ";", omittingEmptySubsequences: false)[...]
        guard let pair = parts.popFirst(), let equals = pair.firstIndex(of: "=") else { return nil }
        let name = pair[..<equals].trimmingSpaces
        let value = pair[pair.index(after: equals)...].trimmingSpaces
        guard !name.isEmpty, name.utf8.count + value.utf8.count <= Self.maximumBytes else { return nil }
        guard !name.utf8.contains(where: Self.isControl), !value.utf8.contains(where: Self.isControl) else {
            return nil
        }
        self.name = String(name)
        self.value = String(value)
        var attributes = Attributes()
        for part in parts { attributes.take(part, now: now) }
        guard let (domain, isHostOnly) = Self.domain(attributes.domain, of: host) else { return nil }
        // A page without https must not plant what https would send: draft-ietf-httpbis-rfc6265bis §5.7.
        if attributes.isSecure, !wasSecure { return nil }
        if self.name.hasPrefix("__Secure-"), !attributes.isSecure { return nil }
        if self.name.hasPrefix("__Host-") {
            guard attributes.isSecure, isHostOnly, attributes.path == "/" else { return nil }
        }
        self.domain = domain
        self.isHostOnly = isHostOnly
        self.path = attributes.path ?? Self.defaultPath(path)
        self.expires = attributes.maximumAge.map { $0 <= 0 ? Int64.min : now.addingSaturated($0) } ?? attributes.expires
        self.isSecure = attributes.isSecure
        self.isHTTPOnly = attributes.isHTTPOnly
    }

    private struct Attributes {
        var domain: String?
        var path: String?
        var expires: Int64?
        var maximumAge: Int64?
        var isSecure = false
        var isHTTPOnly = false

        /// The last one of a name counts.
        mutating func take(_ text: Substring, now: Int64) {
            let equals = text.firstIndex(of: "=")
            let name = text[..<(equals ?? text.endIndex)].trimmingSpaces.lowercased()
            let value = equals.map { text[text.index(after: $0)...].trimmingSpaces } ?? ""
            switch name {
            case "expires": if let date = CookieDate.seconds(value) { self.expires = date }
            case "max-age": if let age = Int64(value) { self.maximumAge = age }
            case "domain":
                let domain = (value.hasPrefix(".") ? value.dropFirst() : value).lowercased()
                self.domain = domain.isEmpty ? nil : domain
            case "path": self.path = value.hasPrefix("/") ? String(value) : nil
            case "secure": self.isSecure = true
            case "httponly": self.isHTTPOnly = true
            default: break
            }
        }
    }

    private static func isControl(_ byte: UInt8) -> Bool { (byte < 0x20 && byte != 0x09) || byte == 0x7F }

    /// Whom the cookie belongs to; nil if the host may not set it.
    ///
    /// A domain of one label is refused unless it is the host: without the list of public suffixes this is what keeps `com` out.
    private static func domain(_ domain: String?, of host: String) -> (String, Bool)? {
        guard let domain else { return (host, true) }
        if domain == host { return Self.isAddress(host) ? (host, true) : (domain, false) }
        guard host.hasSuffix("." + domain), domain.contains("."), !Self.isAddress(host) else { return nil }
        return (domain, false)
    }

    static func isAddress(_ host: String) -> Bool {
        host.contains(":")
            || host.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: ".") }
    }

    /// - Source: RFC 6265 §5.1.4.
    private static func defaultPath(_ path: String) -> String {
        guard path.hasPrefix("/"), let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    /// Whether it goes with a request.
    func matches(host: String, path: String, isSecure: Bool) -> Bool {
        guard isSecure || !self.isSecure else { return false }
        guard host == self.domain || (!self.isHostOnly && host.hasSuffix("." + self.domain)) else { return false }
        guard path.hasPrefix(self.path) else { return false }
        return path.utf8.count == self.path.utf8.count || self.path.hasSuffix("/")
            || path.utf8[path.utf8.index(path.startIndex, offsetBy: self.path.utf8.count)] == UInt8(ascii: "/")
    }
}
