// SPDX-License-Identifier: Apache-2.0
import Foundation
public import Sluice

/// A program as its authorization server knows it.
///
/// - Source: RFC 6749; RFC 9700 for what is left out of it: no implicit grant, no password grant.
public struct OAuth2Client: Sendable, Hashable {
    /// How the program proves to the token endpoint who it is.
    public enum Authentication: Sendable, Hashable {
        /// Id and secret as basic authentication, form-encoded before: `client_secret_basic`, RFC 6749 §2.3.1.
        case basic
        /// Id and secret in the form: `client_secret_post`.
        case post
        /// The id alone, in the form: a public client.
        case none
    }

    /// Where tokens are asked for.
    public let tokenEndpoint: String
    /// Where people are sent to agree; nil if the program never does that.
    public let authorizationEndpoint: String?
    /// The server's name for itself, which redirects are checked against, RFC 9207.
    public let issuer: String?
    /// Whether a redirect without `iss` is refused: for servers that say they send it.
    public let requiresIssuer: Bool
    /// The program's id.
    public let id: String
    /// The program's secret.
    public let secret: Secret?
    /// How the program proves who it is.
    public let authentication: Authentication
    /// Where people come back to, exactly as it is registered.
    public let redirectURI: String?

    /// Describes a program.
    ///
    /// - Parameter authentication: ``Authentication/basic`` if nil and there is a secret, ``Authentication/none``
    ///   otherwise.
    /// - Throws: ``APIClientError`` of kind `urlNotAllowed` if an endpoint is not https, or http on this machine.
    public init(
        id: String, secret: Secret? = nil, tokenEndpoint: String, authorizationEndpoint: String? = nil,
        redirectURI: String? = nil, issuer: String? = nil, requiresIssuer: Bool = false,
        authentication: Authentication? = nil
    ) throws(APIClientError) {
        try Self.check(tokenEndpoint)
        if let authorizationEndpoint { try Self.check(authorizationEndpoint) }
        self.id = id
        self.secret = secret
        self.tokenEndpoint = tokenEndpoint
        self.authorizationEndpoint = authorizationEndpoint
        self.redirectURI = redirectURI
        self.issuer = issuer
        self.requiresIssuer = requiresIssuer
        self.authentication = authentication ?? (secret == nil ? .none : .basic)
        precondition(
            self.authentication == .none || secret != nil, "client authentication needs the client's secret")
    }

    /// Secrets go there, so it has to be encrypted, or not leave the machine: RFC 6749 §3.
    private static func check(_ endpoint: String) throws(APIClientError) {
        let target = try HTTPTarget(endpoint)
        let host = target.authority.split(separator: ":").first.map(String.init) ?? ""
        let isLocal = host == "localhost" || host.hasPrefix("127.") || target.authority.hasPrefix("[::1]")
        guard target.scheme == "https" || isLocal else {
            throw APIClientError(.urlNotAllowed, message: "an OAuth 2 endpoint must be https: \(target.origin)")
        }
    }
}
