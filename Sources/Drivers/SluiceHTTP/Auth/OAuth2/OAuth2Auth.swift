// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Sluice

/// Sends requests with a session's token, and once more with a fresh one if the server refuses it.
struct OAuth2Auth: HTTPMiddleware {
    let session: OAuth2Session

    func intercept(
        _ request: HTTPRequest, body: HTTPBody?,
        next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
    ) async throws -> HTTPTransportResponse {
        guard !request.headerFields.contains(.authorization) else { return try await next(request, body) }
        let token = try await self.session.token()
        let response = try await next(Self.signed(request, token), body)
        guard response.head.status == .unauthorized else { return response }
        self.session.refuse(token)
        // What cannot be sent again is the caller's to send again; then the token will be another.
        guard body?.isReplayable ?? true else { return response }
        try await BoundedBody.discard(response)
        return try await next(Self.signed(request, try await self.session.token()), body)
    }

    private static func signed(_ request: HTTPRequest, _ token: OAuth2Token) -> HTTPRequest {
        var request = request
        var field = HTTPField(name: .authorization, value: "Bearer \(token.accessToken.reveal())")
        // Not for the tables by which HTTP/2 compresses fields: RFC 7541 §7.1.3.
        field.indexingStrategy = .disallow
        request.headerFields.append(field)
        return request
    }
}
