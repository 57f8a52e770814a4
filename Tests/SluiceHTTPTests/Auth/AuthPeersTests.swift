// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceHTTP
import SluiceTesting
import Testing

/// Against other people's servers: httpbin, oidc-provider-mock, and an authorization server of Authlib's.
@Suite("Authentication, against other people's servers", .timeLimit(.minutes(5)))
struct AuthPeersTests {
    private func send(
        _ method: HTTPRequest.Method = .get, _ url: String, _ auth: HTTPAuth = .none, form: String? = nil,
        by transport: any HTTPTransport
    ) async throws -> (HTTPResponse, String) {
        let components = try #require(URLComponents(string: url))
        var request = HTTPRequest(
            method: method, scheme: components.scheme,
            authority: "\(components.host ?? ""):\(components.port ?? 80)",
            path: components.percentEncodedPath + (components.percentEncodedQuery.map { "?\($0)" } ?? ""))
        if form != nil { request.headerFields[.contentType] = "application/x-www-form-urlencoded" }
        let body = form.map { HTTPBody.bytes(ByteBuffer(string: $0)) }
        let response = try await auth.intercept(request, body: body) { try await transport.send($0, body: $1) }
        var text = ""
        for try await part in response.body { text += String(buffer: part) }
        return (response.head, text)
    }

    private func withTransport<Value: Sendable>(
        _ body: (AsyncHTTPClientTransport) async throws -> Value
    ) async throws -> Value {
        let transport = AsyncHTTPClientTransport.local()
        do {
            let value = try await body(transport)
            await transport.close()
            return value
        } catch {
            await transport.close()
            throw error
        }
    }

    @Test("httpbin takes our basic and bearer credentials, and refuses wrong ones")
    func simple() async throws {
        try await withPeer("httpbin") { address in
            try await self.withTransport { transport in
                let origin = try HTTPOrigin(address)
                let basic = HTTPAuth.basic(user: "ada", password: "p:w ü", for: origin)
                let path = "basic-auth/ada/p%3Aw%20%C3%BC"
                #expect(try await self.send(.get, "\(address)/\(path)", basic, by: transport).0.status == .ok)
                let wrong = HTTPAuth.basic(user: "ada", password: "p:w", for: origin)
                #expect(try await self.send(.get, "\(address)/\(path)", wrong, by: transport).0.status == .unauthorized)
                let bearer = HTTPAuth.bearer("t0k3n", for: origin)
                let (head, text) = try await self.send(.get, "\(address)/bearer", bearer, by: transport)
                #expect(head.status == .ok && text.contains("\"t0k3n\""))
            }
        }
    }

    @Test("httpbin takes our digests, with either algorithm, again and again", arguments: ["MD5", "SHA-256"])
    func digest(_ algorithm: String) async throws {
        try await withPeer("httpbin") { address in
            try await self.withTransport { transport in
                let origin = try HTTPOrigin(address)
                let right = HTTPAuth.digest(user: "ada", password: "p-w", for: origin)
                let url = "\(address)/digest-auth/auth/ada/p-w/\(algorithm)"
                for _ in 0..<3 { #expect(try await self.send(.get, url, right, by: transport).0.status == .ok) }
                let wrong = HTTPAuth.digest(user: "ada", password: "x", for: origin)
                #expect(try await self.send(.get, url, wrong, by: transport).0.status == .unauthorized)
            }
        }
    }

    @Test(
        "Authlib's server gives the program a token, by either way to prove who it is",
        arguments: [OAuth2Client.Authentication.basic, .post])
    func clientCredentials(_ authentication: OAuth2Client.Authentication) async throws {
        try await withPeer("authlib") { address in
            try await self.withTransport { transport in
                let name = authentication == .basic ? "basic" : "post"
                let client = try OAuth2Client(
                    id: name, secret: "s3cret-of.the_client~", tokenEndpoint: "\(address)/token",
                    authentication: authentication)
                let session = OAuth2Session(client, grant: .clientCredentials(scope: "read"), transport: transport)
                let auth = HTTPAuth.oauth2(session, for: try HTTPOrigin(address))
                let (head, text) = try await self.send(.get, "\(address)/resource", auth, by: transport)
                #expect(head.status == .ok && text.contains(name))
                // The server forgets its tokens: refused once, then let in with a fresh one.
                _ = try await self.send(.post, "\(address)/forget", by: transport)
                #expect(try await self.send(.get, "\(address)/resource", auth, by: transport).0.status == .ok)

                let wrong = try OAuth2Client(
                    id: name, secret: "wrong", tokenEndpoint: "\(address)/token", authentication: authentication)
                let refused = OAuth2Session(wrong, grant: .clientCredentials(), transport: transport)
                let error = await #expect(throws: OAuth2Error.self) { try await refused.token() }
                #expect(error?.kind == .invalidClient)
            }
        }
    }

    @Test("Authlib's server takes our code with PKCE, rotates refresh tokens, and sees none of ours twice")
    func rotation() async throws {
        try await withPeer("authlib") { address in
            try await self.withTransport { transport in
                let client = try OAuth2Client(
                    id: "public", tokenEndpoint: "\(address)/token", authorizationEndpoint: "\(address)/authorize",
                    redirectURI: "http://127.0.0.1:1/callback")
                let signIn = client.authorization(scope: "read")
                let location = try #require(
                    try await self.send(.get, signIn.url, by: transport).0.headerFields[.location])
                // A code without the verifier it was asked for is worth nothing.
                let other = try await self.send(.get, client.authorization().url, by: transport).0
                let stolen = try #require(other.headerFields[.location]).replacing(
                    /state=[^&]*/, with: "state=\(signIn.state.reveal())")
                let error = await #expect(throws: OAuth2Error.self) {
                    try await client.token(redirectedTo: stolen, of: signIn, transport: transport)
                }
                #expect(error?.kind == .invalidGrant)

                let token = try await client.token(redirectedTo: location, of: signIn, transport: transport)
                let store = InMemoryOAuth2TokenStore()
                let session = OAuth2Session(client, grant: .refreshToken, store: store, transport: transport)
                try await session.start(with: token)
                let auth = HTTPAuth.oauth2(session, for: try HTTPOrigin(address))
                for _ in 0..<3 {
                    _ = try await self.send(.post, "\(address)/forget", by: transport)
                    // Refused all together; a refresh token that came twice would end the family.
                    try await withThrowingTaskGroup(of: HTTPResponse.Status.self) { group in
                        for _ in 0..<20 {
                            group.addTask {
                                try await self.send(.get, "\(address)/resource", auth, by: transport).0.status
                            }
                        }
                        for try await status in group { #expect(status == .ok) }
                    }
                }
                #expect(try await store.load()?.refreshToken != token.refreshToken)

                // The first refresh token is spent; using it again ends everything, as it should.
                let thief = OAuth2Session(
                    client, grant: .refreshToken,
                    store: InMemoryOAuth2TokenStore(
                        OAuth2Token(
                            accessToken: "x", refreshToken: token.refreshToken, issuedAt: token.issuedAt,
                            expiresAt: token.issuedAt)), transport: transport)
                let refusal = await #expect(throws: OAuth2Error.self) { try await thief.token() }
                #expect(refusal?.kind == .invalidGrant)
                session.refuse(try await session.token())
                await #expect(throws: OAuth2Error.self) { try await session.token() }
            }
        }
    }

    @Test("oidc-provider-mock signs a person in for us, and refreshes the token")
    func openID() async throws {
        try await withPeer("oidc") { address in
            try await self.withTransport { transport in
                let client = try OAuth2Client(
                    id: "any", secret: "any-secret", tokenEndpoint: "\(address)/oauth2/token",
                    authorizationEndpoint: "\(address)/oauth2/authorize", redirectURI: "http://127.0.0.1:1/callback",
                    authentication: .basic)
                let signIn = client.authorization(scope: "openid email offline_access")
                let (head, _) = try await self.send(.post, signIn.url, form: "sub=ada@example.org", by: transport)
                let location = try #require(head.headerFields[.location])
                let token = try await client.token(redirectedTo: location, of: signIn, transport: transport)
                #expect(token.idToken != nil && token.refreshToken != nil && token.expiresAt != nil)
                let session = OAuth2Session(client, grant: .refreshToken, transport: transport)
                try await session.start(with: token)
                let auth = HTTPAuth.oauth2(session, for: try HTTPOrigin(address))
                let (first, text) = try await self.send(.get, "\(address)/userinfo", auth, by: transport)
                #expect(first.status == .ok && text.contains("ada@example.org"))
                session.refuse(token)
                #expect(try await session.token().accessToken != token.accessToken)
                #expect(try await self.send(.get, "\(address)/userinfo", auth, by: transport).0.status == .ok)

                // The person said no.
                let denied = client.authorization(scope: "openid")
                let (no, _) = try await self.send(.post, denied.url, form: "action=deny", by: transport)
                let back = try #require(no.headerFields[.location])
                await #expect(throws: OAuth2Error.self) {
                    try await client.token(redirectedTo: back, of: denied, transport: transport)
                }
            }
        }
    }
}
