// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// The real transport against servers that misbehave.
@Suite("AsyncHTTPClient transport", .timeLimit(.minutes(5)))
struct TransportTests {
    /// A client that tries once, so that an error is the transport's; on a time that nobody moves, so that none is the clock's.
    private func get(
        _ port: Int, time: any TimeSource = VirtualTime(patience: .seconds(600))
    ) async throws -> HTTPReply {
        let client = APIClient(
            "test", configuration: APIClientConfiguration(maximumAttempts: 1),
            transport: AsyncHTTPClientTransport.local(), time: time)
        do {
            let reply = try await client.get("http://127.0.0.1:\(port)/x")
            await client.close()
            return reply
        } catch {
            await client.close()
            throw error
        }
    }

    @Test("brings an answer")
    func answer() async throws {
        try await ScriptedServer.run { connection in
            let head = try await connection.requestHead()
            #expect(head?.hasPrefix("GET /x HTTP/1.1\r\n") == true)
            try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: \"1\"\r\n\r\nhi")
            try await connection.waitForClose()
        } _: { server in
            let reply = try await self.get(server.port)
            #expect(String(buffer: reply.body) == "hi")
            #expect(reply.fields[.eTag] == "\"1\"")
        }
    }

    @Test("a server that trickles is ended by the attempt's timeout, on time")
    func trickle() async throws {
        let time = VirtualTime()
        let hasBegun = Gate()
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            try await connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            hasBegun.open()
            // Until nobody is there to take it.
            while true { try await connection.write("1\r\nx\r\n") }
        } _: { server in
            let task = Task { try await self.get(server.port, time: time) }
            try await hasBegun.pass()
            await time.waitForAlarms(1)
            time.advance(by: .seconds(10))
            let error = await #expect(throws: TimeoutError.self) { try await task.value }
            #expect(error?.policy == "timeout")
        }
    }

    @Test("an answer that begins before its request's body is sent is read whole, however long it is")
    func earlyAnswer() async throws {
        let length = 2 * ConnectionWatch.maximumHeadBytes
        let hasHead = Gate()
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: \(length)\r\n\r\n")
            var received = ""
            while !received.contains("second"), let part = try await connection.read() {
                received += String(buffer: part)
            }
            try await connection.write(ByteBuffer(repeating: 120, count: length))
            try await connection.waitForClose()
        } _: { server in
            let transport = AsyncHTTPClientTransport.local()
            let sent = Locked(0)
            let parts = AsyncThrowingStream<ByteBuffer, any Error> {
                let number = sent.withLock { sent in
                    sent += 1
                    return sent
                }
                if number == 2 { try await hasHead.pass() }
                return number > 2 ? nil : ByteBuffer(string: number == 1 ? "first" : "second")
            }
            let request = HTTPRequest(method: .post, scheme: "http", authority: "127.0.0.1:\(server.port)", path: "/")
            let response = try await transport.send(request, body: .stream(once: parts))
            hasHead.open()
            #expect(try await response.collect(upTo: length).readableBytes == length)
            await transport.close()
        }
    }

    @Test("an answer can be read to its end when nobody else holds its transport any more")
    func released() async throws {
        let isReleased = Gate()
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst")
            try await isReleased.pass()
            try await connection.write("other")
            try await connection.waitForClose()
        } _: { server in
            let request = HTTPRequest(method: .get, scheme: "http", authority: "127.0.0.1:\(server.port)", path: "/")
            let made: [() -> any HTTPTransport] = [
                { AsyncHTTPClientTransport.local() },
                {
                    URLSessionTransport(
                        settings: HTTPTransportSettings.local)
                },
            ]
            var answers: [HTTPTransportResponse] = []
            for make in made { answers.append(try await make().send(request, body: nil)) }
            isReleased.open()
            for answer in answers { #expect(String(buffer: try await answer.collect(upTo: 10)) == "firstother") }
        }
    }

    @Test("what is no URL is refused as such, by either way to send")
    func noURL() async throws {
        let transport = AsyncHTTPClientTransport.local()
        let request = HTTPRequest(method: .get, scheme: "http", authority: "127.0.0.1:no-port", path: "/")
        let sent = await #expect(throws: APIClientError.self) { try await transport.send(request, body: nil) }
        #expect(sent?.kind == .urlNotAllowed)
        let fetched = await #expect(throws: APIClientError.self) {
            try await transport.fetch(request, body: nil, upTo: 1)
        }
        #expect(fetched?.kind == .urlNotAllowed)
        #expect(transport.running == 0)
        await transport.close()
    }

    @Test(
        "a private address is refused before anything is sent",
        arguments: ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
    func privateAddress(host: String) async throws {
        let wasAsked = Locked(false)
        try await ScriptedServer.run { connection in
            if try await connection.requestHead() != nil { wasAsked.withLock { $0 = true } }
        } _: { server in
            let client = APIClient("test", transport: AsyncHTTPClientTransport())
            let error = await #expect(throws: APIClientError.self) {
                try await client.get("http://\(host):\(server.port)/")
            }
            #expect(error?.kind == .addressNotAllowed)
            await client.close()
        }
        #expect(!wasAsked.withLock { $0 })
    }

    /// Fetches through a transport whose look-up lets everything pass, so that only the check on the connection is left.
    private func getPastLookUp(_ port: Int, _ transport: (AsyncHTTPClientTransport) -> any HTTPTransport) async throws
        -> APIClientError?
    {
        let real = try AsyncHTTPClientTransport(
            settings: HTTPTransportSettings(), check: AddressCheck(rules: AddressRules(allowsPrivateAddresses: true)))
        let client = APIClient("test", transport: transport(real))
        let error = await #expect(throws: APIClientError.self) {
            try await client.get("http://name-that-lies.example.org:\(port)/")
        }
        await real.close()
        return error
    }

    /// Sends every request to 127.0.0.1, as a name would whose address changed after it was looked up.
    private struct Rebinding: HTTPTransport {
        let base: AsyncHTTPClientTransport

        func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
            var request = request
            request.authority = request.authority?.replacing("name-that-lies.example.org", with: "127.0.0.1")
            return try await self.base.send(request, body: body)
        }

        func close() async {}
    }

    /// Answers the first request with a redirect to 127.0.0.1 and sends the others on.
    private struct Redirecting: HTTPTransport {
        let base: AsyncHTTPClientTransport
        let port: Int

        func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
            guard request.authority?.hasPrefix("name-that-lies") == true else {
                return try await self.base.send(request, body: body)
            }
            let head = HTTPResponse(status: .found, headerFields: [.location: "http://127.0.0.1:\(self.port)/"])
            return HTTPTransportResponse(head: head, body: AsyncThrowingStream { $0.finish() })
        }

        func close() async {}
    }

    @Test(
        "the connection's own address is checked, so a name that lies, or a redirect, leads no request to a private one"
    )
    func checkedOnConnection() async throws {
        let wasAsked = Locked(false)
        try await ScriptedServer.run { connection in
            if try await connection.requestHead() != nil { wasAsked.withLock { $0 = true } }
        } _: { server in
            let rebound = try await self.getPastLookUp(server.port) { Rebinding(base: $0) }
            #expect(rebound?.kind == .addressNotAllowed)
            let redirected = try await self.getPastLookUp(server.port) { Redirecting(base: $0, port: server.port) }
            #expect(redirected?.kind == .addressNotAllowed)
        }
        #expect(!wasAsked.withLock { $0 })
    }
}
