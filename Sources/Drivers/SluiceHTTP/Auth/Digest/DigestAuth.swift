// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Sluice
import Synchronization

/// Digest authentication: the first request is refused with a nonce, and every later one uses that, counted, until it
/// is stale.
///
/// - Source: RFC 7616.
final class DigestAuth: HTTPMiddleware {
    private struct State {
        var challenge: DigestChallenge?
        var count = 0
    }

    private let user: String
    private let password: Secret
    private let clientNonce: @Sendable () -> String
    private let state = Mutex(State())

    init(
        user: String, password: Secret, clientNonce: @escaping @Sendable () -> String = { RandomText.make(bytes: 16) }
    ) {
        self.user = user
        self.password = password
        self.clientNonce = clientNonce
    }

    /// At most three requests: with what is known, with what the server then asked for, and once more if it calls that
    /// stale.
    func intercept(
        _ request: HTTPRequest, body: HTTPBody?,
        next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
    ) async throws -> HTTPTransportResponse {
        guard !request.headerFields.contains(.authorization) else { return try await next(request, body) }
        for attempt in 1...3 {
            var signed = request
            let used = self.sign(&signed)
            let response = try await next(signed, body)
            guard response.head.status == .unauthorized, attempt < 3,
                let challenge = DigestChallenge(response.head.headerFields), body?.isReplayable ?? true,
                // Refused with the nonce that it had itself: the password is wrong.
                used == nil || challenge.isStale || (attempt == 1 && challenge.nonce != used)
            else {
                self.note(response.head.headerFields)
                return response
            }
            try await BoundedBody.discard(response)
            self.state.withLock { state in
                // Another request may have brought a newer nonce meanwhile, whose count must go on.
                if state.challenge?.nonce != challenge.nonce { state = State(challenge: challenge) }
            }
        }
        preconditionFailure("the third attempt returns")
    }

    /// - Returns: The nonce that was used, if one is known.
    private func sign(_ request: inout HTTPRequest) -> String? {
        let (challenge, count) = self.state.withLock { state in
            state.count += 1
            return (state.challenge, state.count)
        }
        guard let challenge else { return nil }
        let credentials = challenge.credentials(
            user: self.user, password: self.password, method: request.method.rawValue, target: request.path ?? "/",
            count: count, clientNonce: self.clientNonce())
        request.headerFields[.authorization] = credentials.reveal()
        return challenge.nonce
    }

    /// The server may say which nonce comes next: RFC 7616 §3.5.
    private func note(_ fields: HTTPFields) {
        guard let info = fields[.authenticationInfo] else { return }
        for member in FieldList.members([info]) {
            guard case ("nextnonce", let nonce?) = FieldList.parameter(member) else { continue }
            self.state.withLock { state in
                guard state.challenge != nil, state.challenge?.nonce != nonce else { return }
                state.challenge?.nonce = nonce
                state.count = 0
            }
        }
    }
}

extension HTTPField.Name {
    // A valid name in the source code cannot fail to be one.
    // swift-format-ignore: NeverForceUnwrap
    fileprivate static let authenticationInfo = HTTPField.Name("Authentication-Info")!
}
