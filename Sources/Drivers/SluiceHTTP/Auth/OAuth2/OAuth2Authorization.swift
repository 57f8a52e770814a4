// SPDX-License-Identifier: Apache-2.0
import Crypto
import Foundation
public import Sluice

/// A sign-in that has begun: what the program has to remember until the person comes back.
///
/// ```swift
/// let signIn = client.authorization(scope: "openid email")
/// // Send the person to signIn.url; keep signIn with the person's session; then, with the URL of the redirect:
/// let token = try await client.token(redirectedTo: url, of: signIn, transport: transport)
/// ```
///
/// - Source: RFC 6749 §4.1, RFC 7636 (PKCE, S256), RFC 9207 (`iss`).
public struct OAuth2Authorization: Sendable, Hashable {
    /// Where the person is sent.
    public let url: String
    /// Ties the redirect to this sign-in.
    public let state: Secret
    /// Ties the code to this program: 43 characters.
    public let verifier: Secret
}

extension OAuth2Client {
    /// Begins a sign-in.
    ///
    /// The client must have an authorization endpoint and a redirect URI.
    ///
    /// - Parameters:
    ///   - scope: What is asked for, names between spaces.
    ///   - parameters: What else the server wants to know, for example `login_hint`.
    public func authorization(scope: String? = nil, parameters: [String: String] = [:]) -> OAuth2Authorization {
        self.authorization(
            scope: scope, parameters: parameters, state: Secret(RandomText.make(bytes: 32)),
            verifier: Secret(RandomText.make(bytes: 32)))
    }

    func authorization(
        scope: String?, parameters: [String: String], state: Secret, verifier: Secret
    ) -> OAuth2Authorization {
        guard let endpoint = self.authorizationEndpoint, let redirectURI else {
            preconditionFailure("a sign-in needs an authorization endpoint and a redirect URI")
        }
        let challenge = RandomText.base64URL(SHA256.hash(data: Array(verifier.reveal().utf8)))
        var query = [
            ("response_type", "code"), ("client_id", self.id), ("redirect_uri", redirectURI),
            ("state", state.reveal()), ("code_challenge", challenge), ("code_challenge_method", "S256"),
        ]
        if let scope { query.append(("scope", scope)) }
        query += parameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let separator = endpoint.contains("?") ? "&" : "?"
        return OAuth2Authorization(
            url: "\(endpoint)\(separator)\(HTTPParameters(query.map { .init($0, $1) }).form)", state: state,
            verifier: verifier)
    }

    /// The code that a redirect brings.
    ///
    /// - Parameter url: The URL the person came back to, or its path and query.
    /// - Throws: ``OAuth2Error``: `stateMismatch` and `issuerMismatch` if the redirect is not the answer to this
    ///   sign-in; what the server
    ///   says if it refused; `invalidResponse` if there is no code, or something is there twice.
    public func code(redirectedTo url: String, of authorization: OAuth2Authorization) throws(OAuth2Error) -> Secret {
        let parameters = try Self.parameters(url)
        guard let state = parameters["state"], Secret(state) == authorization.state else {
            throw OAuth2Error(.stateMismatch, message: "the redirect is not the answer to this sign-in")
        }
        if let issuer {
            guard let named = parameters["iss"] ?? (self.requiresIssuer ? nil : issuer), named == issuer else {
                throw OAuth2Error(.issuerMismatch, message: "the redirect does not come from \(issuer)")
            }
        }
        if let error = parameters["error"] {
            throw OAuth2Error(.init(error), message: parameters["error_description"] ?? "")
        }
        guard let code = parameters["code"], !code.isEmpty else {
            throw OAuth2Error(.invalidResponse, message: "the redirect brings no code")
        }
        return Secret(code)
    }

    /// The token for the code that a redirect brings.
    ///
    /// - Throws: As ``code(redirectedTo:of:)``, and what asking the token endpoint throws.
    public func token(
        redirectedTo url: String, of authorization: OAuth2Authorization, transport: any HTTPTransport,
        now: @escaping @Sendable () -> WallTime = WallTime.now
    ) async throws -> OAuth2Token {
        let code = try self.code(redirectedTo: url, of: authorization)
        let form = [
            ("grant_type", "authorization_code"), ("code", code.reveal()), ("redirect_uri", self.redirectURI ?? ""),
            ("code_verifier", authorization.verifier.reveal()),
        ]
        return try await OAuth2TokenRequest(client: self, form: form).send(by: transport, now: now)
    }

    private static func parameters(_ url: String) throws(OAuth2Error) -> [String: String] {
        let query = url.prefix { $0 != "#" }.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        var parameters: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = parts.map { $0.replacing("+", with: " ").removingPercentEncoding ?? "" }
            guard parameters.updateValue(decoded.count > 1 ? decoded[1] : "", forKey: decoded[0]) == nil else {
                throw OAuth2Error(.invalidResponse, message: "the redirect has \(decoded[0].prefix(40)) twice")
            }
        }
        return parameters
    }
}
