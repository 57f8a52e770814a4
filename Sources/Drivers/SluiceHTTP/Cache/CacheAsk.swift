// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Sluice

/// A request as the cache sees it.
struct CacheAsk: Sendable {
    var request: HTTPRequest
    var asked: CacheControl
    let key: String
    let uri: String
    let scope: String
    let timeToLive: Int64?
    /// Whether credentials are added to the request behind the cache.
    let isSigned: Bool

    /// - Returns: Nil if the request names no target.
    init?(_ request: HTTPRequest, _ settings: HTTPCacheSettings, _ call: HTTPCacheCall?) {
        guard let uri = Self.uri(of: request) else { return nil }
        self.request = request
        self.asked = CacheControl(request.headerFields)
        self.uri = uri
        // No URI begins like this.
        self.key = call?.key.map { "key:\($0)" } ?? uri
        let scope = CacheVariant.scope(settings.scopeFields, of: request)
        self.scope = call?.scope.map { "\(scope)@\($0)" } ?? scope
        self.isSigned = call?.isSigned ?? false
        self.timeToLive = call?.timeToLive.map { max(0, $0.components.seconds) }
    }

    /// What a change of the resource, or of what is kept by the key, is told by.
    var names: Set<String> { [self.uri, self.key] }

    var isHead: Bool { self.request.method == .head }

    /// The same request without what its caller has already or would put up with.
    var forRefresh: CacheAsk {
        var ask = self
        ask.asked = .none
        ask.request.method = .get
        for name in [HTTPField.Name.ifNoneMatch, .ifModifiedSince, .cacheControl] {
            ask.request.headerFields[name] = nil
        }
        return ask
    }

    /// The target URI in one form: scheme and host in lower case, no default port.
    static func uri(of request: HTTPRequest) -> String? {
        guard let scheme = request.scheme, let authority = request.authority else { return nil }
        let (lowerScheme, host) = (self.lowercased(scheme), self.lowercased(authority))
        let port = lowerScheme == "https" ? ":443" : ":80"
        let origin = host.hasSuffix(port) ? String(host.dropLast(port.utf8.count)) : host
        let path = request.path ?? "/"
        return "\(lowerScheme)://\(origin)\(path.isEmpty ? "/" : path)"
    }

    private static func lowercased(_ text: String) -> String {
        text.utf8.contains { (65...90).contains($0) } ? text.lowercased() : text
    }

    /// The URI that a `Location` or `Content-Location` means, if it is on the same origin: others are none of ours.
    static func related(_ reference: String, to uri: String) -> String? {
        guard let base = URL(string: uri), let url = URL(string: reference, relativeTo: base)?.absoluteURL,
            let own = try? HTTPTarget(uri), let target = try? HTTPTarget(url.absoluteString),
            target.hasSameOrigin(as: own)
        else { return nil }
        return self.uri(
            of: HTTPRequest(method: .get, scheme: target.scheme, authority: target.authority, path: target.path))
    }
}
