// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// Why there is no token.
///
/// The server's own words for it are those of RFC 6749 §4.1.2.1 and §5.2; the rest are ours.
public struct OAuth2Error: Error, Sendable, Hashable, CustomStringConvertible, RetryAdvising {
    /// What went wrong; a struct, since servers have codes of their own.
    public struct Kind: Sendable, Hashable, CustomStringConvertible {
        /// The code, as servers write it.
        public let description: String

        init(_ description: String) {
            self.description = description
        }

        /// The request lacks something, or has something twice.
        public static let invalidRequest = Kind("invalid_request")
        /// The server does not know the program, or its secret is wrong.
        public static let invalidClient = Kind("invalid_client")
        /// The code or the refresh token is not, or no longer, valid: somebody has to sign in.
        public static let invalidGrant = Kind("invalid_grant")
        /// The program may not do this.
        public static let unauthorizedClient = Kind("unauthorized_client")
        /// The server does not offer this.
        public static let unsupportedGrantType = Kind("unsupported_grant_type")
        /// The server does not offer this.
        public static let unsupportedResponseType = Kind("unsupported_response_type")
        /// What was asked for is unknown, or more than may be had.
        public static let invalidScope = Kind("invalid_scope")
        /// The person, or the server, said no.
        public static let accessDenied = Kind("access_denied")
        /// The server failed.
        public static let serverError = Kind("server_error")
        /// The server is overloaded.
        public static let temporarilyUnavailable = Kind("temporarily_unavailable")

        /// A redirect does not belong to the request that was begun: somebody may be trying to slip in a session of
        /// his.
        public static let stateMismatch = Kind("state_mismatch")
        /// A redirect comes from another server than the one that was asked.
        public static let issuerMismatch = Kind("issuer_mismatch")
        /// What came is not what the protocol wants.
        public static let invalidResponse = Kind("invalid_response")
        /// There is no token and no way to get one without a person: somebody has to sign in.
        public static let signInRequired = Kind("sign_in_required")
    }

    /// What went wrong.
    public let kind: Kind
    /// In words: the server's, if it had any, cut to 200 characters.
    public let message: String

    init(_ kind: Kind, message: String = "") {
        self.kind = kind
        self.message = String(String.UnicodeScalarView(message.unicodeScalars.prefix(200).filter { $0.value >= 0x20 }))
    }

    /// Only a server that says so may be asked again.
    public var retryAdvice: RetryAdvice {
        self.kind == .serverError || self.kind == .temporarilyUnavailable ? .ifIdempotent(after: nil) : .never
    }

    /// One line, safe to log.
    public var description: String { "OAuth 2 \(self.kind)" + (self.message.isEmpty ? "" : ": \(self.message)") }
}
