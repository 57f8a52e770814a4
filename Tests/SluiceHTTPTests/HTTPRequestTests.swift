// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

@Suite("Requests", .timeLimit(.minutes(5)))
struct HTTPRequestTests {
    let time = VirtualTime()

    private func client(
        _ transport: ScriptedTransport, baseURL: String? = "https://api.example.org/v2/",
        auth: (any HTTPMiddleware)? = nil
    )
        -> APIClient
    {
        let settings = APIClientConfiguration(
            baseURL: baseURL, fields: [.userAgent: "test"], backoff: .constant(.zero), breakerFailures: 100)
        return APIClient("test", configuration: settings, transport: transport, auth: auth, time: self.time)
    }

    @Test(
        "go to a path below the base URL, or to a URL of their own",
        arguments: [
            ("/users", "api.example.org", "/v2/users"), ("users", "api.example.org", "/v2/users"),
            ("", "api.example.org", "/v2/"),
            ("?a=1", "api.example.org", "/v2?a=1"), ("//evil.org/x", "api.example.org", "/v2//evil.org/x"),
            ("/a b/ü", "api.example.org", "/v2/a%20b/%C3%BC"), ("https://other.org/x", "other.org", "/x"),
            ("http://other.org", "other.org", "/"),
        ])
    func targets(path: String, authority: String, sent: String) async throws {
        let transport = ScriptedTransport { _, _ in .init(.ok) }
        _ = try await self.client(transport).get(path)
        #expect(transport.requests.map(\.authority) == [authority])
        #expect(transport.requests.map(\.path) == [sent])
    }

    @Test("fill placeholders in as one segment each, and refuse what would change the path")
    func placeholders() async throws {
        let transport = ScriptedTransport { _, _ in .init(.ok) }
        let client = self.client(transport)
        _ = try await client.send(
            APIRequest(
                .get, "/clubs/{club}/files/{name}", path: ["club": 7, "name": "a/b ?.txt"], query: ["q": "x&y=ü"]))
        #expect(transport.requests.last?.path == "/v2/clubs/7/files/a%2Fb%20%3F.txt?q=x%26y%3D%C3%BC")
        for value in ["..", ".", ""] {
            let error = await #expect(throws: APIClientError.self) {
                try await client.send(APIRequest(.get, "/files/{name}", path: ["name": value]))
            }
            #expect(error?.kind == .urlNotAllowed)
        }
        let error = await #expect(throws: APIClientError.self) {
            try await client.send(APIRequest(.get, "/{a}/{b}", path: ["a": 1]))
        }
        #expect(error?.kind == .urlNotAllowed)
        #expect(transport.requests.count == 1)
    }

    @Test("carry JSON, forms, text and bytes with their media type")
    func content() async throws {
        let transport = ScriptedTransport { _, _ in .init(.ok) }
        let client = self.client(transport)
        _ = try await client.post("/a", .json(["x": 1]))
        _ = try await client.put("/a", .form(["a b": "c&d", "e": "ü+*"]))
        _ = try await client.patch("/a", .text("hi"))
        _ = try await client.delete("/a")
        _ = try await client.options("/a")
        _ = try await client.head("/a")
        let sent = transport.requests
        #expect(sent.map(\.method) == [.post, .put, .patch, .delete, .options, .head])
        #expect(
            transport.bodyTexts
                == ["{\"x\":1}", "a+b=c%26d&e=%C3%BC%2B*", "hi", nil, nil, nil])
        #expect(
            sent.map { $0.headerFields[.contentType] }
                == [
                    "application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8", nil, nil, nil,
                ])
        #expect(sent.allSatisfy { $0.headerFields[.userAgent] == "test" })
    }

    struct Member: Codable, Equatable {
        let name: String
        let age: Int
    }

    @Test("bring typed values, and say where a value is not what was asked for, but not what it is")
    func typed() async throws {
        let transport = ScriptedTransport { _, number in
            .init(.ok, body: number == 1 ? #"{"name":"a","age":3}"# : #"{"name":"secret","age":"x"}"#)
        }
        let client = self.client(transport)
        #expect(try await client.get("/m", as: Member.self) == Member(name: "a", age: 3))
        #expect(transport.requests.last?.headerFields[.accept] == "application/json")
        let error = await #expect(throws: APIClientError.self) { try await client.get("/m", as: Member.self) }
        #expect(error?.kind == .undecodable)
        #expect(error?.message == "the body is no Member: age is of another type")
    }

    @Test("POST is not tried again, unless it has an idempotency key or says so", arguments: [503, 429])
    func idempotency(status: Int) async throws {
        let transport = ScriptedTransport { _, _ in .init(.init(code: status)) }
        let client = self.client(transport)
        await #expect(throws: APIClientError.self) { try await client.post("/a") }
        #expect(transport.requests.count == 1)
        await #expect(throws: APIClientError.self) { try await client.post("/a", idempotencyKey: "k\"1") }
        #expect(transport.requests.count == 4)
        #expect(transport.requests.last?.headerFields[.idempotencyKey] == "\"k\\\"1\"")
        var request = APIRequest(.post, "/a")
        request.isIdempotent = true
        request.maximumAttempts = 2
        let keyed = request
        await #expect(throws: APIClientError.self) { try await client.send(keyed) }
        #expect(transport.requests.count == 6)
    }

    @Test("POST is tried again when it certainly did nothing")
    func neverSent() async throws {
        let transport = ScriptedTransport { _, number in
            if number < 3 { throw APIClientError(.unreachable, message: "refused") }
            return .init(.ok)
        }
        #expect(try await self.client(transport).post("/a", .text("x")).attempts == 3)
    }

    @Test("a request that a dead connection swallowed is sent once more, whatever its method, and only once")
    func deadConnection() async throws {
        let transport = ScriptedTransport { _, _ in
            var error = APIClientError(.connectionLost, message: "closed")
            error.wasNeverSent = true
            error.isFinal = true
            throw error
        }
        let client = self.client(transport)
        let error = await #expect(throws: APIClientError.self) { try await client.post("/a") }
        #expect(error?.attempts == 1)
        #expect(transport.requests.count == 2)
    }

    @Test("a body that exists once is not sent again once it was begun, and is while it was not")
    func oneShot() async throws {
        @Sendable func parts() -> AsyncThrowingStream<ByteBuffer, any Error> {
            AsyncThrowingStream { stream in
                stream.yield(ByteBuffer(string: "x"))
                stream.finish()
            }
        }
        let read = ScriptedTransport { _, _ in .init(.serviceUnavailable) }
        await #expect(throws: APIClientError.self) {
            try await self.client(read).put("/a", HTTPContent(.stream(once: parts()), type: nil))
        }
        #expect(read.requests.count == 1)
        let made = ScriptedTransport { _, _ in .init(.serviceUnavailable) }
        await #expect(throws: APIClientError.self) {
            try await self.client(made).put("/a", HTTPContent(.stream { parts() }, type: nil))
        }
        #expect(made.bodyTexts == ["x", "x", "x"])
    }

    @Test(
        "every status is an answer to who asks for that, with its body; those that say \"not now\" are tried again first"
    )
    func anyStatus() async throws {
        let transport = ScriptedTransport { _, number in .init(.init(code: number == 1 ? 503 : 404), body: "no") }
        let reply = try await self.client(transport).send(APIRequest(.get, "/a", acceptance: .any))
        #expect(reply.status == .notFound)
        #expect(reply.text == "no")
        #expect(reply.attempts == 2)
        let error = await #expect(throws: APIClientError.self) { try await self.client(transport).get("/a") }
        #expect(error?.reply?.text == "no")
        #expect(error?.description.contains("no\"") == false)
    }

    @Test("hooks see and change every hop")
    func hooks() async throws {
        let transport = ScriptedTransport { _, number in
            number == 1 ? .init(.found, fields: [.location: "/b"]) : .init(.ok)
        }
        let seen = Locked<[Int]>([])
        let hooks = APIClientHooks(
            beforeRequest: { $0.headerFields[.referer] = "\($0.path ?? "")" },
            afterReply: { _, head, _ in seen.withLock { $0.append(head.status.code) } })
        let client = APIClient("test", transport: transport, hooks: hooks, time: self.time)
        _ = try await client.get("https://example.org/a")
        #expect(transport.requests.map { $0.headerFields[.referer] } == ["/a", "/b"])
        #expect(seen.withLock { $0 } == [302, 200])
    }

    @Test("a batch brings what each brought, in order, and runs no more at once than it may")
    func batch() async throws {
        let (running, most) = (Locked(0), Locked(0))
        let transport = ScriptedTransport { request, _ in
            let now = running.withLock { running in
                running += 1
                return running
            }
            most.withLock { $0 = max($0, now) }
            await Task.yield()
            running.withLock { $0 -= 1 }
            return request.path == "/v2/3" ? .init(.notFound) : .init(.ok, body: request.path ?? "")
        }
        let requests = (0..<20).map { APIRequest(.get, "/\($0)") }
        let results = try await self.client(transport).batch(requests, maximumConcurrent: 5)
        #expect(results.count == 20)
        for (number, result) in results.enumerated() {
            switch result {
            case .success(let reply): #expect(reply.text == "/v2/\(number)")
            case .failure(let error): #expect(number == 3 && (error as? APIClientError)?.status == 404)
            }
        }
        #expect(most.withLock { $0 } <= 5)
    }

    @Test("metrics tell how long calls took: least, most, on average, and within which most of them ended")
    func latency() async throws {
        let time = VirtualTime()
        let transport = ScriptedTransport { _, number in
            time.advance(by: .milliseconds(number))
            return .init(.ok)
        }
        let client = APIClient(
            "test", configuration: APIClientConfiguration(callsPerMinute: 10_000), transport: transport, time: time)
        for _ in 0..<100 { _ = try await client.get("https://example.org/a") }
        let route = try #require(client.metrics.routes.first)
        #expect(route.minimum == .milliseconds(1) && route.maximum == .milliseconds(100))
        #expect(route.mean == .microseconds(50_500))
        for (value, exact) in [(route.median, 50), (route.percentile95, 95), (route.percentile99, 99)] {
            // At most 12.5 % too high, as they say of themselves.
            #expect(value >= .milliseconds(exact) && value <= .milliseconds(exact) * 1.125, "\(value) of \(exact)")
        }
    }

    @Test("are counted by method and route, ids left out")
    func metrics() async throws {
        let transport = ScriptedTransport { request, number in
            if request.path?.hasSuffix("/9") == true { return .init(.notFound) }
            return number == 1 ? .init(.serviceUnavailable) : .init(.ok)
        }
        let client = self.client(transport)
        for id in [7, 8] { _ = try await client.get("/users/\(id)?full=1") }
        await #expect(throws: APIClientError.self) { try await client.get("/users/9") }
        _ = try await client.send(APIRequest(.post, "/clubs/{club}", path: ["club": 3]))
        let metrics = client.metrics
        #expect(metrics.routes.map(\.route) == ["/users/{id}", "/clubs/{club}"])
        let users = try #require(metrics.routes.first)
        #expect(users.count == 3 && users.successes == 2)
        #expect(users.failures == 1 && users.retries == 1)
        #expect(metrics.count == 4)
    }

    @Test("a health check tries once and throws")
    func health() async throws {
        let transport = ScriptedTransport { _, number in number == 1 ? .init(.serviceUnavailable) : .init(.ok) }
        let client = self.client(transport)
        await #expect(throws: APIClientError.self) { try await client.checkHealth("/health") }
        #expect(transport.requests.count == 1)
        try await client.checkHealth("/health")
        #expect(client.hostStates.map(\.breaker) == ["closed"])
    }
}

extension ScriptedTransport {
    /// The bodies as text.
    fileprivate var bodyTexts: [String?] { self.bodies.map { body in body.map { String(buffer: $0) } } }
}
