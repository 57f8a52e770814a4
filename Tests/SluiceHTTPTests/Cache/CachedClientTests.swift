// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// The cache and authentication where they stand within a client.
@Suite("API client with a cache and credentials", .timeLimit(.minutes(5)))
struct CachedClientTests {
    private let clock = Locked<Int64>(1_893_456_000_000)
    private let time = VirtualTime()
    private static let fresh: HTTPFields = [.cacheControl: "max-age=60"]

    private func client(
        _ transport: any HTTPTransport, auth: HTTPAuth? = nil, callsPerMinute: Int = 1_000, breakerFailures: Int = 100,
        maximumAttempts: Int = 1
    ) -> APIClient {
        let clock = self.clock
        let cache = HTTPCache(time: self.time) { WallTime(milliseconds: clock.withLock { $0 }) }
        return APIClient(
            "test",
            configuration: APIClientConfiguration(
                maximumAttempts: maximumAttempts, backoff: .constant(.zero), breakerFailures: breakerFailures,
                callsPerMinute: callsPerMinute), transport: transport, auth: auth, cache: cache, time: self.time)
    }

    @Test("what the cache answers takes no permit, touches no breaker, and counts as a hit")
    func free() async throws {
        let transport = ScriptedTransport { _, _ in .init(.ok, fields: Self.fresh, body: "x") }
        let client = self.client(transport, callsPerMinute: 1)
        for _ in 0..<50 {
            let reply = try await client.get("https://example.org/a")
            #expect(String(buffer: reply.body) == "x")
        }
        #expect(transport.requests.count == 1)
        #expect(client.metrics.cacheHits == 49)
        #expect(client.metrics.routes.map(\.cacheHitRatio) == [0.98])
        #expect(client.metrics.count == 50)
    }

    @Test("an answer that is confirmed in the background is the cache's, whenever that begins")
    func confirmedBehind() async throws {
        let (hasAsked, mayAnswer) = (Gate(), Gate())
        let transport = ScriptedTransport { _, number in
            if number == 2 {
                hasAsked.open()
                try await mayAnswer.pass()
            }
            return .init(.ok, fields: [.cacheControl: "max-age=60, stale-while-revalidate=600"], body: "\(number)")
        }
        /// Hands an answer on only once the request in the background is on its way.
        struct Slow: HTTPMiddleware {
            let cache: HTTPCache
            let hasAsked: Gate
            let waits: Locked<Bool>

            func intercept(
                _ request: HTTPRequest, body: HTTPBody?,
                next: @escaping @Sendable (HTTPRequest, HTTPBody?) async throws -> HTTPTransportResponse
            ) async throws -> HTTPTransportResponse {
                let response = try await self.cache.intercept(request, body: body, next: next)
                if self.waits.withLock({ $0 }) { try await self.hasAsked.pass() }
                return response
            }
        }
        let clock = self.clock
        let cache = HTTPCache(time: self.time) { WallTime(milliseconds: clock.withLock { $0 }) }
        let waits = Locked(false)
        let client = APIClient(
            "test", transport: transport, cache: Slow(cache: cache, hasAsked: hasAsked, waits: waits), time: self.time)
        #expect(try await client.get("https://example.org/a").attempts == 1)
        self.clock.withLock { $0 += 61_000 }
        waits.withLock { $0 = true }
        let reply = try await client.get("https://example.org/a")
        #expect(reply.text == "1" && reply.isFromCache)
        #expect(client.metrics.routes.first?.cacheHitRatio == 0.5)
        mayAnswer.open()
        await cache.close()
    }

    @Test("a change through the client drops what was kept by a key of the caller's")
    func changed() async throws {
        let transport = ScriptedTransport { _, number in .init(.ok, body: "\(number)") }
        let client = self.client(transport)
        for _ in 0..<2 {
            let reply = try await client.get("https://example.org/users/1", cacheKey: "user:1")
            #expect(String(buffer: reply.body) == "1")
        }
        _ = try await client.put("https://example.org/users/1", nil)
        let reply = try await client.get("https://example.org/users/1", cacheKey: "user:1")
        #expect(String(buffer: reply.body) == "3")
    }

    @Test("an open breaker is one more failure that a stale answer stands in for")
    func bridged() async throws {
        let transport = ScriptedTransport { _, number in
            if number > 1 { throw APIClientError(.unreachable, message: "refused") }
            return .init(.ok, fields: [.cacheControl: "max-age=60, stale-if-error=600"], body: "kept")
        }
        let client = self.client(transport, breakerFailures: 1)
        _ = try await client.get("https://example.org/a")
        self.clock.withLock { $0 += 61_000 }
        for _ in 0..<5 {
            let reply = try await client.get("https://example.org/a")
            #expect(String(buffer: reply.body) == "kept")
        }
        #expect(transport.requests.count == 2)
        await #expect(throws: RejectionError.self) { try await client.get("https://example.org/b") }
    }

    @Test("a server that fails is tried again before a stale answer stands in")
    func retried() async throws {
        let transport = ScriptedTransport { _, number in
            number == 1
                ? .init(.ok, fields: [.cacheControl: "max-age=60, stale-if-error=600"], body: "kept")
                : .init(.serviceUnavailable)
        }
        let client = self.client(transport, maximumAttempts: 3)
        _ = try await client.get("https://example.org/a")
        self.clock.withLock { $0 += 61_000 }
        let reply = try await client.get("https://example.org/a")
        #expect(String(buffer: reply.body) == "kept")
        #expect(transport.requests.count == 4)
    }

    @Test("a kept error is an error, and not asked for again")
    func keptError() async throws {
        let transport = ScriptedTransport { _, _ in .init(.notFound, fields: Self.fresh) }
        let client = self.client(transport)
        for _ in 0..<3 {
            let error = await #expect(throws: APIClientError.self) { try await client.get("https://example.org/a") }
            #expect(error?.status == 404)
        }
        #expect(transport.requests.count == 1)
    }

    @Test("every attempt has the token of its moment, and no other origin ever sees one")
    func tokens() async throws {
        let tokens = OAuth2SessionTests.tokens()
        let session = try OAuth2SessionTests().session(tokens)
        let seen = Locked<[String]>([])
        let transport = ScriptedTransport { request, number in
            seen.withLock { $0.append("\(request.authority ?? "") \(request.headerFields[.authorization] ?? "none")") }
            switch number {
            case 1: return .init(.serviceUnavailable)
            case 2: return .init(.unauthorized)
            case 3: return .init(.found, fields: [.location: "https://other.example/b"])
            default: return .init(.ok)
            }
        }
        let auth = HTTPAuth.oauth2(session, for: "https://example.org")
        let client = self.client(transport, auth: auth, maximumAttempts: 3)
        _ = try await client.get("https://example.org/a")
        #expect(
            seen.withLock { $0 } == [
                "example.org Bearer a1", "example.org Bearer a1", "example.org Bearer a2", "other.example none",
            ])
    }

    @Test("a sign-in that has run out is said as such, tried once, and does not speak against the service's health")
    func signedOut() async throws {
        let tokens = OAuth2SessionTests.tokens()
        let session = try OAuth2SessionTests().session(tokens, grant: .refreshToken)
        let transport = ScriptedTransport { _, _ in .init(.ok) }
        let auth = HTTPAuth.oauth2(session, for: "https://example.org")
        let client = self.client(transport, auth: auth, breakerFailures: 1, maximumAttempts: 3)
        for _ in 0..<3 {
            let error = await #expect(throws: OAuth2Error.self) { try await client.get("https://example.org/a") }
            #expect(error?.kind == .signInRequired)
        }
        #expect(transport.requests.isEmpty)
        try await session.start(
            with: OAuth2Token(accessToken: "a0", issuedAt: WallTime(milliseconds: 1_893_456_000_000)))
        _ = try await client.get("https://example.org/a")
    }

    @Test("a kept answer needs no token")
    func noToken() async throws {
        let tokens = OAuth2SessionTests.tokens()
        let session = try OAuth2SessionTests().session(tokens)
        let transport = ScriptedTransport { _, _ in .init(.ok, fields: Self.fresh) }
        let client = self.client(transport, auth: .oauth2(session, for: "https://example.org"))
        _ = try await client.get("https://example.org/a")
        session.refuse(try await session.token())
        _ = try await client.get("https://example.org/a")
        #expect(tokens.requests.count == 1)
    }
}
