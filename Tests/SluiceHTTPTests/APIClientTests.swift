// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceHTTP
import SluiceTesting
import Testing

@Suite("API client", .timeLimit(.minutes(5)))
struct APIClientTests {
    let time = VirtualTime()
    let settings = APIClientConfiguration(backoff: Backoff.constant(.zero), maximumBodyBytes: 100)

    private func client(_ transport: ScriptedTransport, _ change: (inout APIClientConfiguration) -> Void = { _ in })
        -> APIClient
    {
        var settings = self.settings
        change(&settings)
        return APIClient("test", configuration: settings, transport: transport, time: self.time)
    }

    @Test("tries again what may be tried again", arguments: [408, 425, 429, 500, 502, 503, 504])
    func retried(status: Int) async throws {
        let transport = ScriptedTransport { _, number in
            number < 3 ? .init(.init(code: status)) : .init(.ok, body: "done")
        }
        let reply = try await self.client(transport).get("https://example.org/a?b=c")
        #expect(String(buffer: reply.body) == "done")
        #expect(transport.requests.map(\.path) == ["/a?b=c", "/a?b=c", "/a?b=c"])
    }

    @Test("does not try again what would end the same way", arguments: [400, 401, 403, 404, 410, 422, 501])
    func notRetried(status: Int) async throws {
        let transport = ScriptedTransport { _, _ in .init(.init(code: status)) }
        let error = await #expect(throws: APIClientError.self) {
            try await self.client(transport).get("https://example.org/")
        }
        #expect(error?.status == status)
        #expect(transport.requests.count == 1)
    }

    @Test("waits as long as Retry-After says, and no shorter")
    func retryAfter() async throws {
        let transport = ScriptedTransport { _, number in
            number == 1 ? .init(.tooManyRequests, fields: [.retryAfter: "7"]) : .init(.ok)
        }
        let client = self.client(transport)
        let task = Task { try await client.get("https://example.org/") }
        await self.time.waitForAlarms(1)
        self.time.advance(by: .milliseconds(6_999))
        #expect(self.time.alarmCount == 1)
        #expect(transport.requests.count == 1)
        self.time.advance(by: .milliseconds(1))
        _ = try await task.value
        #expect(transport.requests.count == 2)
    }

    @Test("gives up at once when Retry-After outlasts the deadline, and says how long to wait")
    func retryAfterTooLong() async {
        let transport = ScriptedTransport { _, _ in .init(.serviceUnavailable, fields: [.retryAfter: "3600"]) }
        let client = self.client(transport)
        let error = await #expect(throws: APIClientError.self) { try await client.get("https://example.org/") }
        #expect(error?.retryAfter == .seconds(3_600))
        #expect(error?.attempts == 1)
        // What the server asked for holds for the next call too.
        let rejection = RejectionError(policy: "rateLimit", reason: .rateLimited, retryAfter: .seconds(3_600))
        await #expect(throws: rejection) { try await client.get("https://example.org/") }
        #expect(transport.requests.count == 1)
    }

    @Test("a failing host is left alone, and the others are not")
    func breaker() async throws {
        let transport = ScriptedTransport { request, _ in
            if request.authority == "down.example.org" { throw APIClientError(.unreachable, message: "refused") }
            return .init(.ok)
        }
        let client = self.client(transport) { $0.breakerFailures = 2 }
        await #expect(throws: RejectionError.self) { try await client.get("https://down.example.org/") }
        let error = await #expect(throws: RejectionError.self) {
            try await client.get("https://down.example.org/other")
        }
        #expect(error?.policy == "circuitBreaker")
        #expect(error?.retryAfter == .seconds(60))
        #expect(transport.requests.count == 2)
        _ = try await client.get("https://up.example.org/")
        self.time.advance(by: .seconds(60))
        await #expect(throws: (any Error).self) { try await client.get("https://down.example.org/") }
        #expect(transport.requests.count == 4)
    }

    @Test("what the server says of the client does not open the breaker", arguments: [404, 408, 425, 429])
    func clientErrorsAreHealthy(status: Int) async {
        let transport = ScriptedTransport { _, _ in .init(.init(code: status)) }
        let client = self.client(transport) { ($0.breakerFailures, $0.maximumAttempts) = (1, 1) }
        for _ in 0..<3 { await #expect(throws: APIClientError.self) { try await client.get("https://example.org/") } }
        #expect(transport.requests.count == 3)
    }

    @Test("a body over the limit is an error, announced or not")
    func bodyLimit() async {
        let body = String(repeating: "x", count: 101)
        for fields in [HTTPFields(), [.contentLength: "101"]] {
            let transport = ScriptedTransport { _, _ in .init(.ok, fields: fields, body: body) }
            let error = await #expect(throws: APIClientError.self) {
                try await self.client(transport).get("https://example.org/")
            }
            #expect(error?.kind == .bodyTooLarge)
            #expect(transport.requests.count == 1)
        }
    }

    @Test("follows redirects, without credentials to another origin")
    func redirects() async throws {
        let transport = ScriptedTransport { _, number in
            switch number {
            case 1: .init(.found, fields: [.location: "/b"])
            case 2: .init(.permanentRedirect, fields: [.location: "https://other.example.org/c"])
            default: .init(.ok)
            }
        }
        let client = self.client(transport)
        _ = try await client.get(
            "https://example.org/a", fields: [.authorization: "Bearer t", .cookie: "c=1", .accept: "a/b"])
        let sent = transport.requests
        #expect(sent.map(\.path) == ["/a", "/b", "/c"])
        #expect(sent.map { $0.headerFields[.authorization] } == ["Bearer t", "Bearer t", nil])
        #expect(sent.map { $0.headerFields[.cookie] } == ["c=1", "c=1", nil])
        #expect(sent.map { $0.headerFields[.accept] } == ["a/b", "a/b", "a/b"])
    }

    @Test(
        "refuses redirects without end, to http, or to another scheme",
        arguments: [
            ("https://example.org/loop", APIClientError.Kind.tooManyRedirects),
            ("http://example.org/", .tooManyRedirects),
            ("file:///etc/passwd", .urlNotAllowed), ("gopher://example.org/", .urlNotAllowed),
        ])
    func badRedirects(location: String, kind: APIClientError.Kind) async {
        let transport = ScriptedTransport { _, _ in .init(.found, fields: [.location: location]) }
        let error = await #expect(throws: APIClientError.self) {
            try await self.client(transport).get("https://example.org/")
        }
        #expect(error?.kind == kind)
        #expect(transport.requests.count <= 6)
    }

    @Test(
        "fetches only http and https URLs",
        arguments: [
            "", "example.org", "/path", "ftp://example.org/", "file:///etc/passwd", "http://",
            "https://user:secret@example.org/",
            "javascript:alert(1)", "http:///nohost",
        ])
    func badURLs(url: String) async {
        let transport = ScriptedTransport { _, _ in .init(.ok) }
        let error = await #expect(throws: APIClientError.self) { try await self.client(transport).get(url) }
        #expect(error?.kind == .urlNotAllowed)
        #expect(error?.description.contains("secret") == false)
        #expect(transport.requests.isEmpty)
    }

    @Test("a rate limit turns away at once what could not be in time")
    func rateLimit() async throws {
        let transport = ScriptedTransport { _, _ in .init(.ok) }
        let client = self.client(transport) { $0.callsPerMinute = 2 }
        for _ in 0..<2 { _ = try await client.get("https://example.org/") }
        // The third turn comes after 30 s, and with it the deadline.
        let error = await #expect(throws: RejectionError.self) { try await client.get("https://example.org/") }
        #expect(error?.policy == "rateLimit")
        #expect(error?.retryAfter == .seconds(30))
        #expect(self.time.alarmCount == 0)
        #expect(transport.requests.count == 2)
    }

    @Test("cancelling ends the call, and nothing is tried again")
    func cancelled() async {
        let gate = Gate()
        let transport = ScriptedTransport { _, _ in
            try await gate.pass()
            return .init(.ok)
        }
        let client = self.client(transport)
        let task = Task { try await client.get("https://example.org/") }
        await gate.waitForArrivals(1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(transport.requests.count == 1)
        #expect(self.time.alarmCount == 0)
    }
}
