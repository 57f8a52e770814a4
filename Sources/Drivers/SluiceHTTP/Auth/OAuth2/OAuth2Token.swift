// SPDX-License-Identifier: Apache-2.0
public import Foundation
public import Sluice

/// What an authorization server gave.
public struct OAuth2Token: Sendable, Hashable {
    /// What requests are sent with.
    public let accessToken: Secret
    /// What the next token is asked for with.
    public let refreshToken: Secret?
    /// Who has signed in, as OpenID Connect says it; not checked here.
    public let idToken: Secret?
    /// When it was asked for.
    public let issuedAt: WallTime
    /// When it expires; nil if the server did not say.
    public let expiresAt: WallTime?
    /// What it is good for, if the server said so.
    public let scope: String?

    /// Creates a token.
    public init(
        accessToken: Secret, refreshToken: Secret? = nil, idToken: Secret? = nil, issuedAt: WallTime,
        expiresAt: WallTime? = nil, scope: String? = nil
    ) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.idToken = idToken
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.scope = scope
    }

    /// Whether it can still be used for a while.
    ///
    /// - Parameter skew: How long before its end it counts as expired; at most a fifth of its life.
    func isUsable(at now: WallTime, skew: Duration) -> Bool {
        guard let expiresAt else { return true }
        let life = expiresAt.milliseconds.addingSaturated(-self.issuedAt.milliseconds)
        let early = min(skew.clampedNanoseconds / 1_000_000, max(0, life) / 5)
        return now.milliseconds < expiresAt.milliseconds.addingSaturated(-early)
    }

    /// The same token with another's refresh token, if it has none: servers that do not rotate do not repeat it.
    func keeping(_ refreshToken: Secret?) -> OAuth2Token {
        OAuth2Token(
            accessToken: self.accessToken, refreshToken: self.refreshToken ?? refreshToken, idToken: self.idToken,
            issuedAt: self.issuedAt, expiresAt: self.expiresAt, scope: self.scope)
    }
}

extension OAuth2Token {
    private struct Record: Codable {
        let accessToken: String
        let refreshToken: String?
        let idToken: String?
        let issuedAt: WallTime
        let expiresAt: WallTime?
        let scope: String?
    }

    /// All of it as JSON, its secrets in plain text: for a store that keeps them safe.
    public func encoded() throws -> Data {
        try JSONEncoder().encode(
            Record(
                accessToken: self.accessToken.reveal(), refreshToken: self.refreshToken?.reveal(),
                idToken: self.idToken?.reveal(), issuedAt: self.issuedAt, expiresAt: self.expiresAt, scope: self.scope))
    }

    /// Reads what ``encoded()`` wrote.
    ///
    /// - Throws: `DecodingError`.
    public init(encoded: Data) throws {
        let record = try JSONDecoder().decode(Record.self, from: encoded)
        self.init(
            accessToken: Secret(record.accessToken), refreshToken: record.refreshToken.map { Secret($0) },
            idToken: record.idToken.map { Secret($0) }, issuedAt: record.issuedAt, expiresAt: record.expiresAt,
            scope: record.scope)
    }
}
