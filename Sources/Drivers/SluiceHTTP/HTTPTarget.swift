// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes

/// A URL taken apart: where a request goes.
struct HTTPTarget: Hashable {
    let scheme: String
    /// Host in lower case and, if the URL names one, port.
    let authority: String
    /// Path and query, at least `/`.
    let path: String
    /// Scheme, host and port in one form: what shares a circuit breaker, credentials and connections.
    let origin: String

    /// - Throws: ``APIClientError`` of kind `urlNotAllowed` unless `text` is an absolute http or https URL.
    init(_ text: String) throws(APIClientError) {
        guard text.utf8.count <= 8_192 else { throw APIClientError(.urlNotAllowed, message: "the URL is too long") }
        if let plain = HTTPTarget(plain: text) {
            self = plain
            return
        }
        guard let url = URL(string: text) else { throw APIClientError(.urlNotAllowed, message: "not a URL") }
        try self.init(url)
    }

    /// An absolute URL, or a path below `base`.
    init(_ text: String, below base: HTTPTarget?) throws(APIClientError) {
        guard let base, !Self.isAbsolute(text) else {
            try self.init(text)
            return
        }
        let folder = base.path.hasSuffix("/") ? String(base.path.dropLast()) : base.path
        let path =
            text.isEmpty ? base.path : text.hasPrefix("/") || text.hasPrefix("?") ? folder + text : "\(folder)/\(text)"
        if path.utf8.count <= 8_192, path.hasPrefix("/"), path.utf8.allSatisfy(Self.isPlain) {
            self.init(scheme: base.scheme, authority: base.authority, path: path, origin: base.origin)
        } else {
            try self.init("\(base.scheme)://\(base.authority)\(path.hasPrefix("/") ? "" : "/")\(path)")
        }
    }

    init(scheme: String, authority: String, path: String, origin: String) {
        self.scheme = scheme
        self.authority = authority
        self.path = path
        self.origin = origin
    }

    /// The URL as text.
    var text: String { "\(self.scheme)://\(self.authority)\(self.path)" }

    /// Whether it begins with a scheme.
    private static func isAbsolute(_ text: String) -> Bool {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return false }
        return !text.utf8[..<colon].isEmpty
            && text.utf8[..<colon].allSatisfy { byte in
                PercentEncoding.isAlphanumeric(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
                    || byte == UInt8(ascii: ".")
            }
    }

    /// A URL of the common form, without user, fragment, or anything to be encoded; nil leaves it to Foundation, which takes
    /// thirty times as long.
    private init?(plain text: String) {
        var text = text
        guard let front = text.withUTF8(PlainFront.init) else { return nil }
        let path = text.utf8.index(text.startIndex, offsetBy: front.end)
        let host = text.utf8.index(text.startIndex, offsetBy: front.host)
        let (whole, scheme) = (text[..<path], front.isSecure ? "https" : "http")
        self.init(
            scheme: scheme, authority: String(text[host..<path]),
            path: text[path...].utf8.first == UInt8(ascii: "/") ? String(text[path...]) : "/" + text[path...],
            origin: front.hasPort ? String(whole) : "\(whole):\(front.isSecure ? 443 : 80)")
    }

    /// Where scheme, host and port of a URL of the common form are; nil if it has another form.
    private struct PlainFront {
        let isSecure: Bool
        let hasPort: Bool
        /// Where the host begins, in bytes.
        let host: Int
        /// Where the host or port ends.
        let end: Int

        init?(_ bytes: UnsafeBufferPointer<UInt8>) {
            self.isSecure = bytes.starts(with: "https://".utf8)
            guard self.isSecure || bytes.starts(with: "http://".utf8) else { return nil }
            self.host = self.isSecure ? 8 : 7
            self.end =
                bytes[self.host...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? bytes.count
            let colon = bytes[self.host..<self.end].firstIndex(of: UInt8(ascii: ":"))
            self.hasPort = colon != nil
            let name = bytes[self.host..<(colon ?? self.end)]
            guard !name.isEmpty, name.allSatisfy(HTTPTarget.isPlainHost),
                bytes[self.end...].allSatisfy(HTTPTarget.isPlain)
            else { return nil }
            guard let colon else { return }
            let port = bytes[(colon + 1)..<self.end]
            guard (1...5).contains(port.count), port.first != UInt8(ascii: "0"),
                port.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                port.reduce(0, { $0 * 10 + Int($1 - UInt8(ascii: "0")) }) <= 65_535
            else { return nil }
        }
    }

    private static func isPlainHost(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// What may stand in a path or query as it is.
    ///
    /// - Source: RFC 3986 §3.3 and §3.4.
    private static func isPlain(_ byte: UInt8) -> Bool { self.plain[Int(byte)] }
    private static let plain: [Bool] = (0..<256).map { byte in
        PercentEncoding.isUnreserved(UInt8(byte)) || "!$&'()*+,;=:@/?%".utf8.contains(UInt8(byte))
    }

    private init(_ url: URL) throws(APIClientError) {
        guard let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme) else {
            throw APIClientError(.urlNotAllowed, message: "only http and https URLs are fetched")
        }
        guard let components = URLComponents(url: url, resolvingAgainstBaseURL: true),
            let host = components.encodedHost, !host.isEmpty
        else {
            throw APIClientError(.urlNotAllowed, message: "the URL has no host")
        }
        guard components.user == nil, components.password == nil else {
            throw APIClientError(.urlNotAllowed, message: "credentials do not belong in a URL")
        }
        // Foundation has no number for a port that is too large for one.
        let hasPort = components.rangeOfPort.map { !$0.isEmpty } ?? false
        guard !hasPort || (1...65_535).contains(components.port ?? 0) else {
            throw APIClientError(.urlNotAllowed, message: "the URL's port is not within 1 and 65535")
        }
        let path = components.percentEncodedPath
        let name = host.lowercased()
        self.init(
            scheme: scheme, authority: name + (components.port.map { ":\($0)" } ?? ""),
            path: (path.isEmpty ? "/" : path) + (components.percentEncodedQuery.map { "?\($0)" } ?? ""),
            origin: "\(scheme)://\(name):\(components.port ?? (scheme == "https" ? 443 : 80))")
    }

    func hasSameOrigin(as other: HTTPTarget) -> Bool { self.origin == other.origin }

    /// A reference as a link or a redirect has it, seen from here.
    func resolving(_ reference: String) throws(APIClientError) -> HTTPTarget {
        guard let base = URL(string: self.text), let url = URL(string: reference, relativeTo: base)?.absoluteURL else {
            throw APIClientError(.invalidResponse, message: "a link or a redirect without a target")
        }
        return try HTTPTarget(url)
    }

    /// Where `response` sends us on to, or nil if it does not.
    ///
    /// - Throws: ``APIClientError`` if that is not http or https, or leads from https to http.
    func redirect(_ response: HTTPResponse) throws(APIClientError) -> HTTPTarget? {
        guard [301, 302, 303, 307, 308].contains(response.status.code) else { return nil }
        guard let location = response.headerFields[.location] else {
            throw APIClientError(.invalidResponse, message: "a redirect without a target")
        }
        let next = try self.resolving(location)
        guard !(self.scheme == "https" && next.scheme == "http") else {
            throw APIClientError(.tooManyRedirects, message: "a redirect from https to http is not followed")
        }
        return next
    }
}
