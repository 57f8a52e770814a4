// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

@Suite("OAuth 2 session", .timeLimit(.minutes(5)))
struct OAuth2SessionTests {
    static let start: Int64 = 1_893_456_000_000
    let clock = Locked(Self.start)

    /// Answers token requests with `a1`, `r1`, then `a2`, `r2` and so on.
    static func tokens(_ body: @escaping @Sendable (Int) -> ScriptedTransport.Answer = { Self.token($0) })
        -> ScriptedTransport
    {
        ScriptedTransport { _, number in body(number) }
    }

    static func token(_ number: Int, life: Int = 3_600) -> ScriptedTransport.Answer {
        .init(
            .ok, fields: [.contentType: "application/json"],
            body: """
                {"access_token": "a\(number)", "token_type": "bearer", "expires_in": \(life), "refresh_token": "r\(number)"}
                """)
    }

    func session(
        _ transport: any HTTPTransport, grant: OAuth2Session.Grant = .clientCredentials(scope: "read"),
        store: any OAuth2TokenStore = InMemoryOAuth2TokenStore(), time: any TimeSource = SystemTime.shared,
        onStoreFailure: @escaping @Sendable (any Error) -> Void = { _ in }
    ) throws -> OAuth2Session {
        let client = try OAuth2Client(
            id: "the id", secret: "hunter2 &=%", tokenEndpoint: "https://auth.example.org/token")
        let clock = self.clock
        return OAuth2Session(
            client, grant: grant, store: store, transport: transport, time: time,
            now: { WallTime(milliseconds: clock.withLock { $0 }) }, onStoreFailure: onStoreFailure)
    }

    private func advance(_ seconds: Int64) { self.clock.withLock { $0 += seconds * 1_000 } }

    @Test("asks as the protocol wants it, and once")
    func asks() async throws {
        let forms = Locked<[String]>([])
        let transport = SpyTransport { request, body in
            forms.withLock { $0.append(body) }
            #expect(request.method == .post && request.path == "/token")
            // RFC 6749 §2.3.1: encoded like a form before it is encoded like a password.
            let expected = Data("the+id:hunter2+%26%3D%25".utf8).base64EncodedString()
            #expect(request.headerFields[.authorization] == "Basic \(expected)")
            return Self.token(1)
        }
        let session = try self.session(transport)
        #expect(try await session.token().accessToken.reveal() == "a1")
        #expect(try await session.token().accessToken.reveal() == "a1")
        #expect(forms.withLock { $0 } == ["grant_type=client_credentials&scope=read"])
    }

    @Test("is renewed before it expires, with the refresh token that came last")
    func early() async throws {
        let forms = Locked<[String]>([])
        let transport = SpyTransport { _, body in
            let number = forms.withLock { forms in
                forms.append(body)
                return forms.count
            }
            return Self.token(number)
        }
        let session = try self.session(transport)
        _ = try await session.token()
        self.advance(3_569)
        #expect(try await session.token().accessToken.reveal() == "a1")
        self.advance(1)
        #expect(try await session.token().accessToken.reveal() == "a2")
        self.advance(3_570)
        #expect(try await session.token().accessToken.reveal() == "a3")
        #expect(
            forms.withLock { $0.dropFirst() } == [
                "grant_type=refresh_token&refresh_token=r1", "grant_type=refresh_token&refresh_token=r2",
            ])
    }

    @Test("a token of a short life is used for most of it")
    func short() async throws {
        let transport = Self.tokens { Self.token($0, life: 10) }
        let session = try self.session(transport)
        _ = try await session.token()
        self.advance(7)
        _ = try await session.token()
        #expect(transport.requests.count == 1)
        self.advance(1)
        _ = try await session.token()
        #expect(transport.requests.count == 2)
    }

    @Test("a hundred calls at once ask once, though the first is cancelled")
    func singleFlight() async throws {
        let gate = Gate()
        let transport = ScriptedTransport { _, number in
            try await gate.pass()
            return Self.token(number)
        }
        let session = try self.session(transport)
        let first = Task { try await session.token() }
        await gate.waitForArrivals(1)
        let others = (0..<99).map { _ in Task { try await session.token() } }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        gate.open()
        for other in others { #expect(try await other.value.accessToken.reveal() == "a1") }
        #expect(transport.requests.count == 1)
    }

    @Test("a renewal goes on when everybody has left, since the old refresh token is spent")
    func goesOn() async throws {
        let gate = Gate()
        let store = InMemoryOAuth2TokenStore(
            OAuth2Token(
                accessToken: "old", refreshToken: "r0", issuedAt: WallTime(milliseconds: 0),
                expiresAt: WallTime(milliseconds: 1)))
        let transport = ScriptedTransport { _, number in
            try await gate.pass()
            return Self.token(number)
        }
        let session = try self.session(transport, grant: .refreshToken, store: store)
        let only = Task { try await session.token() }
        await gate.waitForArrivals(1)
        only.cancel()
        await #expect(throws: CancellationError.self) { try await only.value }
        gate.open()
        await session.close()
        #expect(try await store.load()?.refreshToken?.reveal() == "r1")
        #expect(try await session.token().accessToken.reveal() == "a1")
        #expect(transport.requests.count == 1)
    }

    @Test("who waits leaves when its deadline comes, and the renewal goes on")
    func deadline() async throws {
        let time = VirtualTime()
        let gate = Gate()
        let transport = ScriptedTransport { _, number in
            try await gate.pass()
            return Self.token(number)
        }
        let session = try self.session(transport, time: time)
        let call = Task {
            try await Pipeline("call", time: time) { Deadline(.seconds(5)) }({ try await session.token() })
        }
        await gate.waitForArrivals(1)
        time.advance(by: .seconds(5))
        await #expect(throws: (any Error).self) { try await call.value }
        gate.open()
        #expect(try await session.token().accessToken.reveal() == "a1")
        #expect(transport.requests.count == 1)
    }

    @Test("a server that does not answer is given up on, and asked again by the next call")
    func timeout() async throws {
        let time = VirtualTime()
        let gate = Gate()
        let transport = ScriptedTransport { _, number in
            if number == 1 { try await gate.pass() }
            return Self.token(number)
        }
        let session = try self.session(transport, time: time)
        let call = Task { try await session.token() }
        await gate.waitForArrivals(1)
        time.advance(by: .seconds(30))
        await #expect(throws: TimeoutError.self) { try await call.value }
        #expect(try await session.token().accessToken.reveal() == "a2")
    }

    @Test("a token is saved before anybody has it")
    func saved() async throws {
        let store = InMemoryOAuth2TokenStore()
        let session = try self.session(Self.tokens(), store: store)
        let token = try await session.token()
        #expect(try await store.load() == token)
    }

    @Test("a new session goes on with the refresh token that the last one left in a file")
    func restart() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("token-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let store = FileOAuth2TokenStore(path: path)
        #expect(try await store.load() == nil)
        _ = try await self.session(Self.tokens(), store: store).token()
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)

        let forms = Locked<[String]>([])
        let transport = SpyTransport { _, body in
            forms.withLock { $0.append(body) }
            return Self.token(2)
        }
        let second = try self.session(transport, grant: .refreshToken, store: FileOAuth2TokenStore(path: path))
        #expect(try await second.token().accessToken.reveal() == "a1")
        self.advance(3_600)
        #expect(try await second.token().accessToken.reveal() == "a2")
        #expect(forms.withLock { $0 } == ["grant_type=refresh_token&refresh_token=r1"])
        try await store.remove()
        #expect(try await store.load() == nil)
    }

    private struct Full: Error {}

    /// A store whose disk is full.
    private final class FullStore: OAuth2TokenStore {
        func load() async throws -> OAuth2Token? { nil }
        func save(_ token: OAuth2Token) async throws { throw Full() }
        func remove() async throws {}
    }

    @Test("a token that cannot be saved is used all the same, with its refresh token, and somebody is told")
    func unsaved() async throws {
        let forms = Locked<[String]>([])
        let failures = Locked(0)
        let transport = SpyTransport { _, body in
            let number = forms.withLock { forms in
                forms.append(body)
                return forms.count
            }
            return Self.token(number)
        }
        let session = try self.session(transport, store: FullStore()) { _ in failures.withLock { $0 += 1 } }
        let token = try await session.token()
        session.refuse(token)
        #expect(try await session.token().accessToken.reveal() == "a2")
        #expect(forms.withLock { $0 }.last == "grant_type=refresh_token&refresh_token=r1")
        #expect(failures.withLock { $0 } == 2)
    }

    @Test("a refresh token that keeps its validity need not be repeated by the server")
    func unrotated() async throws {
        let transport = Self.tokens { number in
            number == 1
                ? Self.token(1) : .init(.ok, body: #"{"access_token": "a\#(number)", "token_type": "Bearer"}"#)
        }
        let store = InMemoryOAuth2TokenStore()
        let session = try self.session(transport, store: store)
        session.refuse(try await session.token())
        #expect(try await session.token().accessToken.reveal() == "a2")
        #expect(try await store.load()?.refreshToken?.reveal() == "r1")
        // Without `expires_in` it is used until it is refused.
        self.advance(1_000_000)
        #expect(try await session.token().accessToken.reveal() == "a2")
    }

    @Test("a refresh token that is not valid any more means that somebody has to sign in")
    func invalidGrant() async throws {
        let store = InMemoryOAuth2TokenStore(
            OAuth2Token(accessToken: "a0", refreshToken: "r0", issuedAt: WallTime(milliseconds: Self.start)))
        let transport = Self.tokens { _ in
            .init(.badRequest, body: #"{"error": "invalid_grant", "error_description": "revoked\u0007"}"#)
        }
        let session = try self.session(transport, grant: .refreshToken, store: store)
        session.refuse(try await session.token())
        let error = await #expect(throws: OAuth2Error.self) { try await session.token() }
        #expect(error?.kind == .invalidGrant)
        #expect(error?.description == "OAuth 2 invalid_grant: revoked")
        #expect(try await store.load() == nil)
    }

    @Test("what another process has got by then is used")
    func otherProcess() async throws {
        let store = InMemoryOAuth2TokenStore(
            OAuth2Token(accessToken: "a0", refreshToken: "r0", issuedAt: WallTime(milliseconds: Self.start)))
        let transport = ScriptedTransport { _, _ in
            // While we ask with r0, the other has exchanged it.
            try await store.save(
                OAuth2Token(accessToken: "b", refreshToken: "s", issuedAt: WallTime(milliseconds: Self.start + 1)))
            return .init(.badRequest, body: #"{"error": "invalid_grant"}"#)
        }
        let session = try self.session(transport, grant: .refreshToken, store: store)
        session.refuse(try await session.token())
        #expect(try await session.token().accessToken.reveal() == "b")
        #expect(transport.requests.count == 1)
    }

    @Test("without a token and a way to get one nothing is sent")
    func signIn() async throws {
        let transport = Self.tokens()
        let session = try self.session(transport, grant: .refreshToken)
        let error = await #expect(throws: OAuth2Error.self) { try await session.token() }
        #expect(error?.kind == .signInRequired)
        #expect(transport.requests.isEmpty)
        try await session.start(
            with: OAuth2Token(accessToken: "a0", refreshToken: "r0", issuedAt: WallTime(milliseconds: Self.start)))
        #expect(try await session.token().accessToken.reveal() == "a0")
    }

    @Test("errors are typed, and worth another try only if the server says so")
    func errors() async throws {
        for (status, body, kind, advice) in [
            (401, #"{"error": "invalid_client"}"#, OAuth2Error.Kind.invalidClient, RetryAdvice.never),
            (400, #"{"error": "temporarily_unavailable"}"#, .temporarilyUnavailable, .ifIdempotent(after: nil)),
            (200, #"{"access_token": "a", "token_type": "mac"}"#, .invalidResponse, .never),
            (200, #"{"token_type": "bearer"}"#, .invalidResponse, .never), (200, "<html>", .invalidResponse, .never),
        ] {
            let session = try self.session(Self.tokens { _ in .init(.init(code: status), body: body) })
            let error = await #expect(throws: OAuth2Error.self, "\(body)") { try await session.token() }
            #expect(error?.kind == kind && error?.retryAdvice == advice, "\(body)")
        }
        let session = try self.session(Self.tokens { _ in .init(.badGateway, body: "<html>") })
        let error = await #expect(throws: APIClientError.self) { try await session.token() }
        #expect(error?.status == 502)
    }

    @Test("nothing that is printed of it shows a secret")
    func redacted() async throws {
        let session = try self.session(Self.tokens())
        let token = try await session.token()
        let client = try OAuth2Client(id: "i", secret: "hunter2", tokenEndpoint: "https://auth.example.org/token")
        var dumped = ""
        dump(token, to: &dumped)
        dump(client, to: &dumped)
        for text in ["\(token)", String(reflecting: token), "\(client)", String(reflecting: client), dumped] {
            #expect(!text.contains("hunter2") && !text.contains("\"a1\"") && !text.contains("r1"), "\(text)")
        }
    }

    @Test("an endpoint that would be asked without encryption is refused, save on this machine")
    func encrypted() throws {
        #expect(throws: APIClientError.self) {
            try OAuth2Client(id: "i", tokenEndpoint: "http://auth.example.org/token")
        }
        for local in ["http://127.0.0.1:1/token", "http://localhost/token", "http://[::1]:1/token"] {
            _ = try OAuth2Client(id: "i", tokenEndpoint: local)
        }
    }
}

/// A transport that answers from a function of the request and its body.
final class SpyTransport: HTTPTransport {
    private let answer: @Sendable (HTTPRequest, String) -> ScriptedTransport.Answer

    init(_ answer: @escaping @Sendable (HTTPRequest, String) -> ScriptedTransport.Answer) {
        self.answer = answer
    }

    func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        var text = ""
        if let parts = try body?.parts() { for try await part in parts { text += String(buffer: part) } }
        let answer = self.answer(request, text)
        return try await ScriptedTransport { _, _ in answer }.send(request, body: nil)
    }

    func close() async {}
}
