// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import Sluice
import SluiceHTTP
import SluiceServer
import SluiceTesting
import Testing

/// Passes requests on to a server, so that a responder without one keeps a contract that needs one.
private struct Relay: HTTPResponder {
    typealias Context = BasicRequestContext

    let base: AsyncHTTPClientTransport

    func respond(to request: Request, context: Context) async throws -> Response {
        var head = request.head
        let length = head.headerFields[.contentLength].flatMap { Int64($0) }
        head.headerFields[.contentLength] = nil
        let carries = length != nil || [.post, .put, .patch].contains(head.method)
        let body = carries ? HTTPBody.stream(length: length, once: Untyped(base: request.body)) : nil
        let response = try await self.base.send(head, body: body)
        return Response(
            status: response.head.status, headers: response.head.headerFields,
            body: ResponseBody { writer in
                var parts: any AsyncIteratorProtocol<ByteBuffer, any Error> = response.body.makeAsyncIterator()
                while let part = try await parts.next(isolation: #isolation) { try await writer.write(part) }
                try await writer.finish(nil)
            })
    }
}

/// A request's body whose errors have no type of their own.
private struct Untyped: AsyncSequence, Sendable {
    let base: RequestBody

    struct Iterator: AsyncIteratorProtocol {
        var base: RequestBody.AsyncIterator

        mutating func next() async throws -> ByteBuffer? { try await self.base.next(isolation: #isolation) }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: self.base.makeAsyncIterator()) }
}

/// A relay whose connections are closed with it.
private struct RelayTransport: HTTPTransport {
    let base: AsyncHTTPClientTransport
    let transport: ResponderTransport<Relay>

    init() {
        let base = AsyncHTTPClientTransport(
            rules: AddressRules(allowsPrivateAddresses: true), connectTimeout: .seconds(60))
        self.base = base
        self.transport = ResponderTransport(Relay(base: base)) { ResponderTransportTests.context() }
    }

    func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
        try await self.transport.send(request, body: body)
    }

    func close() async { await self.base.close() }
}

@Suite("A responder as a transport", .timeLimit(.minutes(5)))
struct ResponderTransportTests {
    static func context() -> BasicRequestContext {
        BasicRequestContext(
            source: ApplicationRequestContextSource(
                channel: EmbeddedChannel(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }

    private func client(
        _ configuration: APIClientConfiguration = APIClientConfiguration(
            baseURL: "https://in.process", maximumAttempts: 1, callsPerMinute: 10_000),
        _ addRoutes: (Router<BasicRequestContext>) -> Void
    ) -> APIClient {
        let router = Router()
        addRoutes(router)
        let transport = ResponderTransport(router.buildResponder()) { Self.context() }
        return APIClient("test", configuration: configuration, transport: transport)
    }

    @Test(
        "keeps the contract, save for a network's failures", arguments: HTTPTransportContract.checks(for: .backPressure)
    )
    func contract(_ check: HTTPTransportContract.Check) async throws {
        try await check.run { RelayTransport() }
    }

    @Test("brings method, path, query, fields, length, status and body")
    func exchange() async throws {
        let client = self.client { router in
            router.on("/clubs/:id", method: .put) { request, context -> Response in
                let body = try await request.body.collect(upTo: 100)
                let text = "\(context.parameters.get("id") ?? "") \(request.uri.query ?? "") \(String(buffer: body))"
                return Response(
                    status: .created,
                    headers: [
                        .eTag: "\"1\"", .server: request.headers[.accept] ?? "",
                        .age: request.headers[.contentLength] ?? "none",
                    ], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
            }
        }
        let reply = try await client.put(
            "/clubs/7", .text("hello"), query: ["a": "b c"], fields: [.accept: "text/x-test"])
        #expect(reply.status == .created && reply.fields[.eTag] == "\"1\"" && reply.fields[.server] == "text/x-test")
        #expect(reply.fields[.age] == "5")
        #expect(reply.text == "7 a=b%20c hello")
    }

    @Test("errors are the statuses that a server would make of them")
    func errors() async throws {
        struct Unknown: Error {}
        let client = self.client { router in
            router.get("/teapot") { _, _ -> String in throw HTTPError(.init(code: 418), message: "short and stout") }
            router.get("/unknown") { _, _ -> String in throw Unknown() }
        }
        for (path, status) in [("/teapot", 418), ("/unknown", 500), ("/missing", 404)] {
            let error = await #expect(throws: APIClientError.self) { try await client.get(path) }
            #expect(error?.status == status)
        }
        let teapot = await #expect(throws: APIClientError.self) { try await client.get("/teapot") }
        #expect(teapot?.reply?.text.contains("short and stout") == true)
    }

    @Test("HEAD, 204 and 304 have no body, whatever the responder writes")
    func bodiless() async throws {
        let client = self.client { router in
            router.on("/a", method: .head) { _, _ in Response(status: .ok, body: Self.text("body")) }
            router.get("/b") { _, _ in Response(status: .noContent, body: Self.text("body")) }
            router.get("/c") { _, _ in Response(status: .notModified, body: Self.text("body")) }
        }
        #expect(try await client.head("/a").body.readableBytes == 0)
        #expect(try await client.get("/b").body.readableBytes == 0)
        #expect(try await client.get("/c", fields: [.ifNoneMatch: "\"1\""]).body.readableBytes == 0)
    }

    private static func text(_ text: String) -> ResponseBody { ResponseBody(byteBuffer: ByteBuffer(string: text)) }

    @Test("a body that breaks is a lost connection, and one that was sent badly a failed body")
    func brokenBodies() async throws {
        struct Broken: Error {}
        let client = self.client { router in
            router.get("/broken") { _, _ in
                Response(
                    status: .ok,
                    body: ResponseBody { writer in
                        try await writer.write(ByteBuffer(string: "half"))
                        throw Broken()
                    })
            }
            // Takes what it gets, and answers as if nothing had happened.
            router.post("/lenient") { request, _ -> String in
                _ = try? await request.body.collect(upTo: 100)
                return "fine"
            }
        }
        let lost = await #expect(throws: APIClientError.self) { try await client.get("/broken") }
        #expect(lost?.kind == .connectionLost)
        for length in [nil, Int64(3), Int64(5)] {
            let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
                stream.yield(ByteBuffer(string: "four"))
                stream.finish(throwing: length == nil ? Broken() : nil)
            }
            let error = await #expect(throws: APIClientError.self) {
                try await client.post("/lenient", HTTPContent(.stream(length: length, once: parts), type: nil))
            }
            #expect(error?.kind == .bodyFailed)
        }
    }

    @Test("a cancelled call cancels the responder")
    func cancelled() async throws {
        let (hasBegun, hasEnded) = (Gate(), Gate())
        let client = self.client { router in
            router.get("/slow") { _, _ -> String in
                hasBegun.open()
                defer { hasEnded.open() }
                try await Gate().pass()
                return "never"
            }
        }
        let task = Task { try await client.get("/slow") }
        try await hasBegun.pass()
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await hasEnded.pass()
    }

    @Test("a responder that is at work on a body nobody reads any more is cancelled, even if it writes nothing")
    func abandoned() async throws {
        let hasEnded = Gate()
        let client = self.client { router in
            router.get("/events") { _, _ in
                Response(
                    status: .ok,
                    body: ResponseBody { writer in
                        defer { hasEnded.open() }
                        try await writer.write(ByteBuffer(string: "data: 1\n\n"))
                        // The next event never comes.
                        try await Gate().pass()
                    })
            }
        }
        do {
            let stream = try await client.stream(APIRequest(.get, "/events"))
            for try await event in stream.events() {
                #expect(event.data == "1")
                break
            }
        }
        try await hasEnded.pass()
    }

    @Test("the client's policies stand around it: the deadline ends a responder that hangs")
    func deadline() async throws {
        let time = VirtualTime()
        let router = Router()
        router.get("/slow") { _, _ -> String in
            try await Gate().pass()
            return "never"
        }
        let client = APIClient(
            "test", configuration: APIClientConfiguration(baseURL: "https://in.process", maximumAttempts: 1),
            transport: ResponderTransport(router.buildResponder()) { Self.context() }, time: time)
        let task = Task { try await client.get("/slow") }
        await time.waitForAlarms(1)
        time.advance(by: .seconds(10))
        await #expect(throws: TimeoutError.self) { try await task.value }
    }
}
