// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

@Suite("Streams", .timeLimit(.minutes(5)))
struct StreamingTests {
    let time = VirtualTime()

    private func client(_ answer: ScriptedTransport.Answer) -> APIClient {
        APIClient("test", transport: ScriptedTransport { _, _ in answer }, time: self.time)
    }

    private func answer(_ text: String, size: Int, _ fields: HTTPFields = [:]) -> ScriptedTransport.Answer {
        let bytes = Array(text.utf8)
        let parts = stride(from: 0, to: bytes.count, by: size).map {
            ByteBuffer(bytes: bytes[$0..<min($0 + size, bytes.count)])
        }
        return .init(.ok, fields: fields, parts: parts)
    }

    private static let page =
        "\u{FEFF}: comment\r\nevent: add\rdata: one\ndata:two\r\n\r\ndata\n\nid: 7\ndata:  x\n\nid\ndata: y\n\n"
        + "retry: 1500\nretry: 1x\nunknown: z\nevent: none\n\ndata: cut off"
    private static let events = [
        ServerSentEvent(event: "add", data: "one\ntwo"), ServerSentEvent(data: ""),
        ServerSentEvent(data: " x", id: "7"),
        ServerSentEvent(data: "y"),
    ]

    @Test("events are the same wherever the parts end", arguments: [1, 2, 3, 5, 7, 1_000])
    func events(size: Int) async throws {
        let stream = try await self.client(self.answer(Self.page, size: size)).stream(
            APIRequest(.get, "https://example.org/"))
        var events: [ServerSentEvent] = []
        for try await event in stream.events() { events.append(event) }
        #expect(events == Self.events)
    }

    @Test("an event, or a line, over the limit is an error, in one part or many", arguments: [1, 64, 1_000])
    func bounds(size: Int) async throws {
        let long = String(repeating: "x", count: 200)
        for text in ["data: \(long)", "data: \(long)\n\n", "data: \(long.prefix(80))\ndata: \(long.prefix(80))\n\n"] {
            let stream = try await self.client(self.answer(text, size: size)).stream(
                APIRequest(.get, "https://example.org/"))
            let error = await #expect(throws: APIClientError.self) {
                for try await _ in stream.events(maximumEventBytes: 100) {}
            }
            #expect(error?.kind == .bodyTooLarge)
        }
        let stream = try await self.client(self.answer(long, size: size)).stream(
            APIRequest(.get, "https://example.org/"))
        await #expect(throws: APIClientError.self) { for try await _ in stream.lines(maximumLineBytes: 100) {} }
    }

    private struct Row: Codable, Equatable, Sendable {
        let n: Int
    }

    @Test("lines of JSON are values, empty ones are skipped, the last one needs no end", arguments: [1, 3, 100])
    func records(size: Int) async throws {
        let text = "{\"n\":1}\r\n\n  \n{\"n\":2}\n{\"n\":3}"
        let stream = try await self.client(self.answer(text, size: size)).stream(
            APIRequest(.get, "https://example.org/"))
        var rows: [Row] = []
        for try await row in stream.records(as: Row.self) { rows.append(row) }
        #expect(rows == [Row(n: 1), Row(n: 2), Row(n: 3)])
        let bad = try await self.client(self.answer("{\"n\":1}\n{n}\n", size: size)).stream(
            APIRequest(.get, "https://example.org/"))
        let error = await #expect(throws: APIClientError.self) { for try await _ in bad.records(as: Row.self) {} }
        #expect(error?.kind == .undecodable)
    }

    @Test("a call is not tried again once its answer was handed out")
    func noRetryAfterDelivery() async throws {
        let transport = ScriptedTransport { _, _ in
            .init(.ok, parts: [ByteBuffer(string: "half")], failure: APIClientError(.connectionLost, message: "cut"))
        }
        let client = APIClient("test", transport: transport, time: self.time)
        let stream = try await client.stream(APIRequest(.get, "https://example.org/"))
        await #expect(throws: APIClientError.self) { try await stream.collect(upTo: 100) }
        #expect(transport.requests.count == 1)
        // A body that is read whole was handed to nobody yet.
        let settings = APIClientConfiguration(backoff: .constant(.zero))
        let whole = APIClient("test", configuration: settings, transport: transport, time: self.time)
        await #expect(throws: APIClientError.self) { try await whole.get("https://example.org/") }
        #expect(transport.requests.count == 4)
    }

    @Test("a stream with a deadline ends at it, even while the server is silent")
    func deadline() async throws {
        let gate = Gate()
        let body = AsyncThrowingStream<ByteBuffer, any Error> {
            try await gate.pass()
            return nil
        }
        struct Silent: HTTPTransport {
            let body: AsyncThrowingStream<ByteBuffer, any Error>
            func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
                HTTPTransportResponse(head: HTTPResponse(status: .ok), body: self.body)
            }
            func close() async {}
        }
        let client = APIClient("test", transport: Silent(body: body), time: self.time)
        var request = APIRequest(.get, "https://example.org/")
        request.deadline = .seconds(5)
        let stream = try await client.stream(request)
        let task = Task { try await stream.collect(upTo: 10) }
        await gate.waitForArrivals(1)
        await self.time.waitForAlarms(1)
        self.time.advance(by: .seconds(5))
        let error = await #expect(throws: TimeoutError.self) { try await task.value }
        #expect(error == TimeoutError(policy: "deadline", limit: .seconds(5)))
    }

    @Test("a stream of events connects anew with the last id after the server's wait, and ends at 204")
    func reconnection() async throws {
        let type: HTTPFields = [.contentType: "text/event-stream; charset=utf-8"]
        let transport = ScriptedTransport { _, number in
            switch number {
            case 1: .init(.ok, fields: type, body: "retry: 2000\nid: 5\ndata: a\n\n")
            case 2: .init(.ok, fields: type, body: "data: b\n\n")
            default: .init(.noContent)
            }
        }
        let client = APIClient("test", transport: transport, time: self.time)
        let source = client.events(
            APIRequest(.get, "https://example.org/events"), reconnection: EventReconnection(maximumAttempts: 3))
        let task = Task {
            var events: [String] = []
            for try await event in source { events.append(event.data) }
            return events
        }
        for _ in 0..<2 {
            await self.time.waitForAlarms(1)
            self.time.advance(by: .seconds(2))
        }
        #expect(try await task.value == ["a", "b"])
        #expect(transport.requests.map { $0.headerFields[.lastEventID] } == [nil, "5", "5"])
        #expect(transport.requests.allSatisfy { $0.headerFields[.accept] == "text/event-stream" })
        let notEvents = self.client(.init(.ok, fields: [.contentType: "text/html"])).events(
            APIRequest(.get, "https://example.org/"))
        await #expect(throws: APIClientError.self) { for try await _ in notEvents {} }
    }

    @Test("a stream of events outlasts the client's own breaker: it waits until that lets it ask again")
    func brokenEvents() async throws {
        let (asked, isOver) = (Locked<[Instant]>([]), Locked(false))
        let time = self.time
        let transport = ScriptedTransport { _, number in
            asked.withLock { $0.append(time.now) }
            if number == 1 { throw APIClientError(.unreachable, message: "refused") }
            return .init(.ok, fields: [.contentType: "text/event-stream"], body: "data: a\n\n")
        }
        // No limit of the calls themselves, since time runs on while they are under way.
        let settings = APIClientConfiguration(
            deadline: .seconds(1_000_000), attemptTimeout: .seconds(1_000_000), maximumAttempts: 1, breakerFailures: 1,
            breakerOpenFor: .seconds(60))
        let client = APIClient("test", configuration: settings, transport: transport, time: time)
        let source = client.events(
            APIRequest(.get, "https://example.org/events"),
            reconnection: EventReconnection(maximumAttempts: 2, delay: .seconds(1)))
        let task = Task {
            defer { isOver.withLock { $0 = true } }
            var events = source.makeAsyncIterator()
            return try await events.next()?.data
        }
        while !isOver.withLock({ $0 }) {
            if time.alarmCount > 0 { time.advance(by: .seconds(1)) }
            await Task.yield()
        }
        #expect(try await task.value == "a")
        let times = asked.withLock { $0 }
        #expect(times.count == 2)
        #expect(times.last.map { times[0].duration(to: $0) >= .seconds(60) } == true)
    }
}
