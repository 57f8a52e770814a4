// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

@Suite("OAuth 2 on requests and in sign-ins", .timeLimit(.minutes(5)))
struct OAuth2AuthTests {
    /// Answers 200 to the tokens in `good`, and remembers which came.
    private func send(_ auth: HTTPAuth, good: Set<String>, body: HTTPBody? = nil) async throws -> (Int, [String]) {
        let seen = Locked<[String]>([])
        let request = HTTPRequest(method: .put, scheme: "https", authority: "api.example.org", path: "/")
        let response = try await auth.intercept(request, body: body) { request, body in
            if let parts = try body?.parts() { for try await _ in parts {} }
            let token = request.headerFields[.authorization] ?? ""
            seen.withLock { $0.append(token) }
            return HTTPTransportResponse(
                head: HTTPResponse(status: good.contains(token) ? .ok : .unauthorized),
                body: AsyncThrowingStream { $0.finish() })
        }
        return (response.head.status.code, seen.withLock { $0 })
    }

    @Test("a refused token is replaced, and the request sent once more")
    func once() async throws {
        let transport = OAuth2SessionTests.tokens()
        let session = try OAuth2SessionTests().session(transport)
        let auth = HTTPAuth.oauth2(session, for: "https://api.example.org")
        #expect(
            try await self.send(auth, good: ["Bearer a2"], body: .bytes(ByteBuffer(string: "x"))) == (
                200, ["Bearer a1", "Bearer a2"]
            ))
        #expect(try await self.send(auth, good: ["Bearer a2"]) == (200, ["Bearer a2"]))
        #expect(transport.requests.count == 2)
    }

    @Test("exactly once: a server that refuses the fresh one too has its way")
    func twice() async throws {
        let transport = OAuth2SessionTests.tokens()
        let auth = HTTPAuth.oauth2(try OAuth2SessionTests().session(transport), for: "https://api.example.org")
        #expect(try await self.send(auth, good: []) == (401, ["Bearer a1", "Bearer a2"]))
    }

    @Test("a body that exists once is not sent again, but the next request has a fresh token")
    func unreplayable() async throws {
        let transport = OAuth2SessionTests.tokens()
        let auth = HTTPAuth.oauth2(try OAuth2SessionTests().session(transport), for: "https://api.example.org")
        let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
            stream.yield(ByteBuffer(string: "x"))
            stream.finish()
        }
        #expect(try await self.send(auth, good: [], body: .stream(once: parts)) == (401, ["Bearer a1"]))
        #expect(try await self.send(auth, good: ["Bearer a2"]) == (200, ["Bearer a2"]))
    }

    @Test("many requests with the same refused token get one new one")
    func together() async throws {
        let transport = OAuth2SessionTests.tokens()
        let auth = HTTPAuth.oauth2(try OAuth2SessionTests().session(transport), for: "https://api.example.org")
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<50 { group.addTask { try await self.send(auth, good: ["Bearer a2"]).0 } }
            for try await status in group { #expect(status == 200) }
        }
        #expect(transport.requests.count == 2)
    }

    // MARK: Signing in

    private let client: OAuth2Client

    init() throws {
        self.client = try OAuth2Client(
            id: "id", tokenEndpoint: "https://auth.example.org/token",
            authorizationEndpoint: "https://auth.example.org/authorize?tenant=1",
            redirectURI: "https://app.example.org/back", issuer: "https://auth.example.org")
    }

    @Test("the example of RFC 7636, appendix B")
    func challenge() {
        let authorization = self.client.authorization(
            scope: "openid", parameters: ["login_hint": "a&b"], state: "s+1",
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        #expect(
            authorization.url
                == "https://auth.example.org/authorize?tenant=1&response_type=code&client_id=id"
                + "&redirect_uri=https%3A%2F%2Fapp.example.org%2Fback&state=s%2B1"
                + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
                + "&scope=openid&login_hint=a%26b")
    }

    @Test("verifiers and states are long, of the allowed letters, and never the same")
    func random() {
        let all = (0..<100).map { _ in self.client.authorization() }
        #expect(Set(all.map(\.state)).count == 100 && Set(all.map(\.verifier)).count == 100)
        for authorization in all {
            let verifier = authorization.verifier.reveal()
            #expect(verifier.count == 43)
            #expect(verifier.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) })
            #expect(!"\(authorization)".contains(verifier))
        }
    }

    @Test(
        "a redirect is taken only as the answer to its own sign-in, from the server that was asked",
        arguments: [
            ("code=c&state=S&iss=https%3A%2F%2Fauth.example.org", nil),
            ("code=c&state=S", nil),
            ("code=c&state=other&iss=https%3A%2F%2Fauth.example.org", OAuth2Error.Kind.stateMismatch),
            ("code=c", .stateMismatch),
            ("code=c&state=S&iss=https%3A%2F%2Fevil.example", .issuerMismatch),
            ("code=c&state=S&iss=https%3A%2F%2Fauth.example.org%2F", .issuerMismatch),
            ("error=access_denied&error_description=no+thanks&state=S", .accessDenied),
            ("error=access_denied&state=other", .stateMismatch),
            ("error=access_denied&state=S&iss=https%3A%2F%2Fevil.example", .issuerMismatch),
            ("state=S", .invalidResponse), ("code=&state=S", .invalidResponse),
            ("code=c&code=d&state=S", .invalidResponse), ("code=c&state=S&state=S", .invalidResponse),
        ])
    func redirect(_ query: String, _ kind: OAuth2Error.Kind?) throws {
        let authorization = self.client.authorization()
        let url = "https://app.example.org/back?\(query.replacing("S", with: authorization.state.reveal()))"
        guard let kind else {
            #expect(try self.client.code(redirectedTo: url, of: authorization).reveal() == "c")
            return
        }
        let error = #expect(throws: OAuth2Error.self) {
            try self.client.code(redirectedTo: url, of: authorization)
        }
        #expect(error?.kind == kind)
    }

    @Test("a server that says it names itself must do so")
    func issuerRequired() throws {
        let client = try OAuth2Client(
            id: "id", tokenEndpoint: "https://auth.example.org/token",
            authorizationEndpoint: "https://auth.example.org/authorize", redirectURI: "https://app.example.org/back",
            issuer: "https://auth.example.org", requiresIssuer: true)
        let authorization = client.authorization()
        let error = #expect(throws: OAuth2Error.self) {
            try client.code(redirectedTo: "/back?code=c&state=\(authorization.state.reveal())", of: authorization)
        }
        #expect(error?.kind == .issuerMismatch)
    }
}
