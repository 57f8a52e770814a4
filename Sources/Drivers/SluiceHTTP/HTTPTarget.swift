// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes

/// A URL taken apart: where a request goes.
struct HTTPTarget: Hashable {
    let scheme: String
    /// Host and, if the URL names one, port.
    let authority: String
    /// Path and query, at least `/`.
    let path: String

    private let url: URL

    /// - Throws: ``APIClientError`` of kind `urlNotAllowed` unless `text` is an absolute http or https URL.
    init(_ text: String) throws(APIClientError) {
        guard text.utf8.count <= 8_192, let url = URL(string: text) else {
            throw APIClientError(.urlNotAllowed, message: "not a URL")
        }
        try self.init(url)
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
        self.url = url
        self.scheme = scheme
        self.authority = host.lowercased() + (components.port.map { ":\($0)" } ?? "")
        let path = components.percentEncodedPath
        self.path = (path.isEmpty ? "/" : path) + (components.percentEncodedQuery.map { "?\($0)" } ?? "")
    }

    /// Scheme, host and port in one form: what shares a circuit breaker.
    var origin: String {
        let port = URLComponents(url: self.url, resolvingAgainstBaseURL: true)?.port
        return port == nil
            ? "\(self.scheme)://\(self.authority):\(self.scheme == "https" ? 443 : 80)"
            : "\(self.scheme)://\(self.authority)"
    }

    func hasSameOrigin(as other: HTTPTarget) -> Bool { self.origin == other.origin }

    /// Where `response` sends us on to, or nil if it does not.
    ///
    /// - Throws: ``APIClientError`` if that is not http or https, or leads from https to http.
    func redirect(_ response: HTTPResponse) throws(APIClientError) -> HTTPTarget? {
        guard [301, 302, 303, 307, 308].contains(response.status.code) else { return nil }
        guard let location = response.headerFields[.location],
            let url = URL(string: location, relativeTo: self.url)?.absoluteURL
        else {
            throw APIClientError(.invalidResponse, message: "a redirect without a target")
        }
        let next = try HTTPTarget(url)
        guard !(self.scheme == "https" && next.scheme == "http") else {
            throw APIClientError(.tooManyRedirects, message: "a redirect from https to http is not followed")
        }
        return next
    }
}
