// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice

/// Asks the token endpoint.
///
/// - Source: RFC 6749 §4 to §6; every answer is JSON of at most 256 KiB.
struct OAuth2TokenRequest: Sendable {
    private static let maximumBytes = 256 << 10

    let client: OAuth2Client
    let form: [(String, String)]

    /// - Throws: ``OAuth2Error``; what the transport throws; ``APIClientError`` for an error status without a word of
    ///   the protocol.
    func send(by transport: any HTTPTransport, now: @Sendable () -> WallTime) async throws -> OAuth2Token {
        let target = try HTTPTarget(self.client.tokenEndpoint)
        var form = self.form
        var request = HTTPRequest(
            method: .post, scheme: target.scheme, authority: target.authority, path: target.path,
            headerFields: [.accept: "application/json", .contentType: "application/x-www-form-urlencoded"])
        switch self.client.authentication {
        case .basic:
            let secret = Secret(PercentEncoding.form(self.client.secret?.reveal() ?? ""))
            request.headerFields[.authorization] =
                HTTPAuth.basic(PercentEncoding.form(self.client.id), secret).reveal()
        case .post:
            form += [("client_id", self.client.id), ("client_secret", self.client.secret?.reveal() ?? "")]
        case .none:
            form.append(("client_id", self.client.id))
        }
        let asked = now()
        let response = try await transport.send(
            request, body: .bytes(ByteBuffer(string: HTTPParameters(form.map { .init($0, $1) }).form)))
        guard case .whole(let body) = try await BoundedBody.read(response, upTo: Self.maximumBytes) else {
            throw OAuth2Error(.invalidResponse, message: "the token endpoint's answer is too large")
        }
        return try Self.token(response.head.status.code, Data(body.readableBytesView), asked)
    }

    private struct Answer: Decodable {
        let accessToken: String
        let tokenType: String
        let expiresIn: Seconds?
        let refreshToken: String?
        let idToken: String?
        let scope: String?
    }

    private struct Refusal: Decodable {
        let error: String
        let errorDescription: String?
    }

    /// A number, which some servers write as a string.
    private struct Seconds: Decodable {
        let value: Int64

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let number = try (try? container.decode(Double.self)) ?? Double(container.decode(String.self)) ?? 0
            self.value = Int64(max(0, min(number, Double(CacheControl.maximumSeconds))))
        }
    }

    private static func token(_ status: Int, _ body: Data, _ asked: WallTime) throws -> OAuth2Token {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard status == 200 else {
            if let refusal = try? decoder.decode(Refusal.self, from: body) {
                throw OAuth2Error(.init(refusal.error), message: refusal.errorDescription ?? "")
            }
            throw APIClientError(.status, message: "the token endpoint answered \(status)", status: status)
        }
        guard let answer = try? decoder.decode(Answer.self, from: body), !answer.accessToken.isEmpty else {
            throw OAuth2Error(.invalidResponse, message: "the token endpoint's answer has no access token")
        }
        guard answer.tokenType.lowercased() == "bearer" else {
            throw OAuth2Error(.invalidResponse, message: "only bearer tokens are understood")
        }
        return OAuth2Token(
            accessToken: Secret(answer.accessToken), refreshToken: answer.refreshToken.map { Secret($0) },
            idToken: answer.idToken.map { Secret($0) }, issuedAt: asked,
            // Counted from before the request, so that the token is never thought to last longer than it does.
            expiresAt: answer.expiresIn.map { asked.advanced(by: .seconds($0.value)) }, scope: answer.scope)
    }
}
