// SPDX-License-Identifier: Apache-2.0
import Foundation
public import HTTPTypes
public import Sluice

/// How requests to one origin prove who sends them.
///
/// ```swift
/// let auth = HTTPAuth.bearer(Secret(token), for: "https://api.example.org")
/// ```
///
/// It stands next to the transport, so that every attempt has credentials that are valid then. Requests to any other
/// origin pass
/// untouched, and so does a request that brings an `Authorization` of its own. Descriptions and mirrors show no secret.
public struct HTTPAuth: HTTPMiddleware, CustomStringConvertible, CustomReflectable {
    /// What it is, without secrets: `bearer for https://api.example.org:443`.
    public let description: String
    private let origin: HTTPOrigin?
    private let middleware: (any HTTPMiddleware)?

    /// A mirror of the description alone.
    public var customMirror: Mirror { Mirror(self, children: ["description": self.description]) }

    private init(_ name: String, _ origin: HTTPOrigin?, _ middleware: (any HTTPMiddleware)?) {
        self.description = origin.map { "\(name) for \($0)" } ?? name
        self.origin = origin
        self.middleware = middleware
    }

    /// No credentials.
    public static let none = HTTPAuth("none", nil, nil)

    /// A key in a header field.
    ///
    /// - Parameter prefix: What stands before the key, for example `ApiKey `.
    public static func apiKey(
        _ key: Secret, header: HTTPField.Name = .apiKey, prefix: String = "", for origin: HTTPOrigin
    ) -> HTTPAuth {
        let value = Secret(prefix + key.reveal())
        return HTTPAuth("API key in \(header)", origin, HeaderAuth(name: header, value: value))
    }

    /// A key in the query, where servers and proxies log it: a header is better, if the service takes one.
    ///
    /// - Parameter name: The parameter's name.
    public static func apiKey(_ key: Secret, query name: String, for origin: HTTPOrigin) -> HTTPAuth {
        HTTPAuth("API key in query", origin, QueryAuth(name: name, value: key))
    }

    /// A token that does not change.
    ///
    /// - Source: RFC 6750 §2.1.
    public static func bearer(_ token: Secret, for origin: HTTPOrigin) -> HTTPAuth {
        HTTPAuth("bearer", origin, HeaderAuth(name: .authorization, value: Secret("Bearer \(token.reveal())")))
    }

    /// A name and a password, which are sent as they are: for https alone.
    ///
    /// - Parameter user: The name, without a colon.
    /// - Source: RFC 7617, with UTF-8.
    public static func basic(user: String, password: Secret, for origin: HTTPOrigin) -> HTTPAuth {
        precondition(!user.contains(":"), "the user of basic authentication must not contain a colon")
        return HTTPAuth("basic", origin, HeaderAuth(name: .authorization, value: Self.basic(user, password)))
    }

    /// A name and a password, of which only a digest is sent.
    ///
    /// - Source: RFC 7616.
    public static func digest(user: String, password: Secret, for origin: HTTPOrigin) -> HTTPAuth {
        HTTPAuth("digest", origin, DigestAuth(user: user, password: password))
    }

    /// Tokens of an authorization server, renewed before they expire and when they are refused.
    ///
    /// - Source: RFC 6749, RFC 6750.
    public static func oauth2(_ session: OAuth2Session, for origin: HTTPOrigin) -> HTTPAuth {
        HTTPAuth("OAuth 2", origin, OAuth2Auth(session: session))
    }

    /// A flow of your own, which sees each request to the origin, and its answer.
    public static func custom(_ name: String = "custom", _ flow: any HTTPMiddleware, for origin: HTTPOrigin) -> HTTPAuth
    {
        HTTPAuth(name, origin, flow)
    }

    /// A flow of your own as a function that gives a request its credentials, before each attempt.
    public static func custom(
        _ name: String = "custom", for origin: HTTPOrigin,
        _ authorize: @escaping @Sendable (_ request: inout HTTPRequest, _ body: HTTPBody?) async throws -> Void
    ) -> HTTPAuth {
        HTTPAuth(name, origin, ClosureAuth(authorize: authorize))
    }

    /// Hands a request on with credentials, if it goes to the origin they are for.
    public func intercept(
        _ request: HTTPRequest, body: HTTPBody?,
        next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
    ) async throws -> HTTPTransportResponse {
        guard let middleware, let origin, origin.isTarget(of: request) else { return try await next(request, body) }
        return try await middleware.intercept(request, body: body, next: next)
    }

    static func basic(_ user: String, _ password: Secret) -> Secret {
        Secret("Basic " + Data("\(user):\(password.reveal())".utf8).base64EncodedString())
    }
}

/// Sets one header field, unless the request has it.
private struct HeaderAuth: HTTPMiddleware {
    let name: HTTPField.Name
    let value: Secret

    func intercept(
        _ request: HTTPRequest, body: HTTPBody?,
        next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
    ) async throws -> HTTPTransportResponse {
        var request = request
        if !request.headerFields.contains(self.name) { request.headerFields.append(self.field) }
        return try await next(request, body)
    }

    /// Never to be put into the tables by which HTTP/2 compresses fields: RFC 7541 §7.1.3.
    private var field: HTTPField {
        var field = HTTPField(name: self.name, value: self.value.reveal())
        field.indexingStrategy = .disallow
        return field
    }
}

/// Adds one parameter to the query.
private struct QueryAuth: HTTPMiddleware {
    let name: String
    let value: Secret

    func intercept(
        _ request: HTTPRequest, body: HTTPBody?,
        next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
    ) async throws -> HTTPTransportResponse {
        var request = request
        let path = request.path ?? "/"
        let parameter = HTTPParameters([.init(self.name, self.value.reveal())]).form
        request.path = "\(path)\(path.contains("?") ? "&" : "?")\(parameter)"
        return try await next(request, body)
    }
}

private struct ClosureAuth: HTTPMiddleware {
    let authorize: @Sendable (inout HTTPRequest, HTTPBody?) async throws -> Void

    func intercept(
        _ request: HTTPRequest, body: HTTPBody?,
        next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
    ) async throws -> HTTPTransportResponse {
        var request = request
        try await self.authorize(&request, body)
        return try await next(request, body)
    }
}
