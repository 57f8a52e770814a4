// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// Every way of authentication where it is used: within a client, with its policies.
@Suite("API client with credentials", .timeLimit(.minutes(5)))
struct ClientAuthTests {
    /// One way of authentication, and what of a request shows that it was used.
    enum Way: CaseIterable {
        case bearer, basic, keyInField, keyInQuery, digest, oauth2

        func auth() throws -> HTTPAuth {
            let origin: HTTPOrigin = "https://api.example.org"
            return switch self {
            case .bearer: .bearer("hunter2", for: origin)
            case .basic: .basic(user: "ada", password: "hunter2", for: origin)
            case .keyInField: .apiKey("hunter2", for: origin)
            case .keyInQuery: .apiKey("hunter2", query: "key", for: origin)
            case .digest: .digest(user: "ada", password: "hunter2", for: origin)
            case .oauth2:
                .oauth2(try OAuth2SessionTests().session(OAuth2SessionTests.tokens()), for: origin)
            }
        }

        func isIn(_ request: HTTPRequest) -> Bool {
            let authorization = request.headerFields[.authorization] ?? ""
            return switch self {
            case .bearer: authorization == "Bearer hunter2"
            case .basic: authorization == "Basic YWRhOmh1bnRlcjI="
            case .keyInField: request.headerFields[.apiKey] == "hunter2"
            case .keyInQuery: request.path?.hasSuffix("key=hunter2") == true
            case .digest: authorization.hasPrefix("Digest username=\"ada\"") && !authorization.contains("hunter2")
            case .oauth2: authorization.hasPrefix("Bearer a")
            }
        }
    }

    static let challenge: HTTPFields = [
        .wwwAuthenticate: #"Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256"#
    ]
    let time = VirtualTime()

    private func client(
        _ transport: any HTTPTransport, _ auth: HTTPAuth, maximumAttempts: Int = 1, breakerFailures: Int = 100,
        callsPerMinute: Int = 10_000, observer: (any PolicyObserver)? = nil
    ) -> APIClient {
        APIClient(
            "test",
            configuration: APIClientConfiguration(
                baseURL: "https://api.example.org", maximumAttempts: maximumAttempts, backoff: .constant(.zero),
                breakerFailures: breakerFailures, callsPerMinute: callsPerMinute),
            transport: transport, auth: auth, time: self.time, observer: observer)
    }

    @Test("every attempt has credentials, and so has every later call", arguments: Way.allCases)
    func attempts(_ way: Way) async throws {
        let transport = ScriptedTransport { request, number in
            if way == .digest, request.headerFields[.authorization] == nil {
                return .init(.unauthorized, fields: Self.challenge)
            }
            return .init(number % 2 == 0 ? .serviceUnavailable : .ok)
        }
        let client = self.client(transport, try way.auth(), maximumAttempts: 3)
        for _ in 0..<4 { _ = try await client.get("/a") }
        let sent = transport.requests
        #expect(sent.count >= 6)
        #expect(sent.dropFirst(way == .digest ? 1 : 0).allSatisfy(way.isIn))
    }

    @Test("a redirect to another origin takes none along, and neither does a URL there", arguments: Way.allCases)
    func elsewhere(_ way: Way) async throws {
        let transport = ScriptedTransport { request, _ in
            guard request.authority == "api.example.org" else { return .init(.ok) }
            if way == .digest, request.headerFields[.authorization] == nil {
                return .init(.unauthorized, fields: Self.challenge)
            }
            return .init(.temporaryRedirect, fields: [.location: "https://other.example/b"])
        }
        let client = self.client(transport, try way.auth())
        _ = try await client.post("/a", .text("body"))
        _ = try await client.get("https://other.example/c")
        _ = try await client.get("https://api.example.org:8443/d")
        let away = transport.requests.filter { $0.authority != "api.example.org" }
        #expect(away.map(\.path) == ["/b", "/c", "/d"])
        #expect(away.allSatisfy { !way.isIn($0) && !$0.headerFields.contains(.authorization) })
        #expect(transport.requests.contains(where: way.isIn))
    }

    @Test("a challenge from another origin is not answered")
    func foreignChallenge() async throws {
        let transport = ScriptedTransport { request, _ in
            request.authority == "api.example.org"
                ? .init(.found, fields: [.location: "https://other.example/b"])
                : .init(.unauthorized, fields: Self.challenge)
        }
        let client = self.client(transport, try Way.digest.auth())
        let error = await #expect(throws: APIClientError.self) { try await client.get("/a") }
        #expect(error?.status == 401)
        #expect(transport.requests.count == 2)
        #expect(transport.requests.allSatisfy { !$0.headerFields.contains(.authorization) })
    }

    @Test("a refused token is replaced once, body and all; a second refusal is the caller's, in one attempt")
    func refused() async throws {
        let tokens = OAuth2SessionTests.tokens()
        let auth = HTTPAuth.oauth2(try OAuth2SessionTests().session(tokens), for: "https://api.example.org")
        let transport = ScriptedTransport { request, _ in
            request.headerFields[.authorization] == "Bearer a2" ? .init(.ok) : .init(.unauthorized)
        }
        let client = self.client(transport, auth, maximumAttempts: 3)
        let reply = try await client.post("/a", .text("body"))
        #expect(reply.attempts == 1)
        #expect(transport.bodies.map { $0.map { String(buffer: $0) } } == ["body", "body"])

        let hopeless = ScriptedTransport { _, _ in .init(.unauthorized) }
        let other = self.client(hopeless, auth, maximumAttempts: 3, breakerFailures: 1)
        for _ in 0..<3 {
            let error = await #expect(throws: APIClientError.self) { try await other.get("/a") }
            #expect(error?.status == 401 && error?.attempts == 1)
        }
        #expect(hopeless.requests.count == 6)
        #expect(other.hostStates.map(\.breaker) == ["closed"])
    }

    @Test("however many calls are refused together, the token is renewed once, by the refresh token that came last")
    func together() async throws {
        let forms = Locked<[String]>([])
        let tokens = SpyTransport { _, form in
            OAuth2SessionTests.token(
                forms.withLock { forms in
                    forms.append(form)
                    return forms.count
                })
        }
        let session = try OAuth2SessionTests().session(tokens, grant: .refreshToken)
        try await session.start(
            with: OAuth2Token(
                accessToken: "a0", refreshToken: "r0", issuedAt: WallTime(milliseconds: OAuth2SessionTests.start)))
        let valid = Locked("Bearer a0")
        let (arrivals, gate) = (Locked(0), Gate())
        let transport = ScriptedTransport { request, _ in
            let sent = request.headerFields[.authorization]
            guard sent != valid.withLock({ $0 }) else { return .init(.ok) }
            // All are refused together, so that all ask for a fresh token at once.
            if arrivals.withLock({ count in
                count += 1
                return count
            }) == 100 {
                gate.open()
            }
            try await gate.pass()
            return .init(.unauthorized)
        }
        let client = self.client(transport, .oauth2(session, for: "https://api.example.org"))
        _ = try await client.get("/first")
        #expect(forms.withLock { $0 }.isEmpty)
        valid.withLock { $0 = "Bearer a1" }
        let results = try await client.batch((0..<100).map { APIRequest(.get, "/\($0)") }, maximumConcurrent: 100)
        for result in results { #expect(try result.get().status == .ok) }
        valid.withLock { $0 = "Bearer a2" }
        _ = try await client.get("/last")
        #expect(
            forms.withLock { $0 } == [
                "grant_type=refresh_token&refresh_token=r0", "grant_type=refresh_token&refresh_token=r1",
            ])
        #expect(transport.requests.count == 1 + 200 + 2)
    }

    @Test("what fails where tokens come from does not speak against the service, and what fails there does")
    func foreignFailures() async throws {
        struct Failure: Error {}
        let isDown = Locked(true)
        let transport = ScriptedTransport { _, number in .init(number == 1 ? .ok : .badGateway) }
        let failures: [any Error] = [
            APIClientError(.unreachable, message: "no token server"), Failure(),
            TimeoutError(policy: "timeout", limit: .seconds(1)),
        ]
        for failure in failures {
            isDown.withLock { $0 = true }
            let auth = HTTPAuth.custom(for: "https://api.example.org") { _, _ in
                if isDown.withLock({ $0 }) { throw failure }
            }
            let client = self.client(transport, auth, breakerFailures: 1)
            for _ in 0..<3 {
                let error = await #expect(throws: (any Error).self) { try await client.get("/a") }
                #expect(error.map { type(of: $0) == type(of: failure) } == true)
            }
            #expect(client.hostStates.map(\.breaker) == ["closed"])
            isDown.withLock { $0 = false }
            _ = try? await client.get("/a")
            _ = try? await client.get("/a")
            #expect(client.hostStates.map(\.breaker) == ["open"])
        }
    }

    @Test("a token server that is silent until the attempt's end does not speak against the service")
    func silentTokenServer() async throws {
        let gate = Gate()
        let auth = HTTPAuth.custom(for: "https://api.example.org") { _, _ in try await gate.pass() }
        let client = self.client(ScriptedTransport { _, _ in .init(.ok) }, auth, breakerFailures: 1)
        let task = Task { try await client.get("/a") }
        await gate.waitForArrivals(1)
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(10))
        let error = await #expect(throws: TimeoutError.self) { try await task.value }
        #expect(error == TimeoutError(policy: "timeout", limit: .seconds(10)))
        #expect(client.hostStates.map(\.breaker) == ["closed"])
    }

    @Test("a call that is turned away costs no token: by the breaker, and by the rate limit")
    func turnedAway() async throws {
        let tokens = OAuth2SessionTests.tokens()
        let auth = HTTPAuth.oauth2(try OAuth2SessionTests().session(tokens), for: "https://api.example.org")
        let limited = self.client(ScriptedTransport { _, _ in .init(.ok) }, auth, callsPerMinute: 1)
        let open = self.client(ScriptedTransport { _, _ in .init(.badGateway) }, auth, breakerFailures: 1)
        _ = try await limited.get("/a")
        await #expect(throws: APIClientError.self) { try await open.get("/a") }
        #expect(tokens.requests.count == 1)
        let used = tokens.requests.count
        await #expect(throws: RejectionError.self) { try await limited.get("/b") }
        await #expect(throws: RejectionError.self) { try await open.get("/b") }
        #expect(tokens.requests.count == used)
    }
}
