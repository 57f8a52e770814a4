// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// Answers that announce an answer: RFC 9110 §15.2.
@Suite("Interim answers", .timeLimit(.minutes(5)))
struct InterimTests {
    private func withClient<Value: Sendable>(
        time: any TimeSource = VirtualTime(patience: .seconds(600)),
        _ script: @escaping @Sendable (ScriptedServer.Connection) async throws -> Void,
        _ body: @Sendable (APIClient, String) async throws -> Value
    ) async throws -> Value {
        let transport = AsyncHTTPClientTransport.local()
        let client = APIClient(
            "test", configuration: APIClientConfiguration(maximumAttempts: 1), transport: transport, time: time)
        let value = try await ScriptedServer.run(script) { server in
            try await body(client, "http://127.0.0.1:\(server.port)/")
        }
        #expect(transport.running == 0)
        await client.close()
        return value
    }

    private static let interims = [
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\netag: \"not this\"\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
    ]
    /// Longer than an answer's head may be, and without an empty line.
    private static let body = String(repeating: "x", count: 600_000)
    private static var final: String {
        "HTTP/1.1 200 OK\r\ncontent-length: \(Self.body.utf8.count)\r\n\r\n\(Self.body)"
    }

    @Test("are passed over, one or several, apart from the answer or in one piece with it", arguments: [true, false])
    func passedOver(isOnePiece: Bool) async throws {
        try await self.withClient { connection in
            while try await connection.requestHead() != nil {
                if isOnePiece {
                    try await connection.write(ByteBuffer(string: Self.interims.joined() + Self.final))
                } else {
                    for interim in Self.interims { try await connection.write(ByteBuffer(string: interim)) }
                    try await connection.write(ByteBuffer(string: Self.final))
                }
            }
        } _: { client, url async throws in
            for _ in 0..<2 {
                let reply = try await client.get(url)
                #expect(reply.status == .ok && reply.fields[.eTag] == nil && reply.fields[.link] == nil)
                #expect(reply.body.readableBytes == Self.body.utf8.count)
            }
        }
    }

    @Test("a body is sent whether or not the server says to go on")
    func goOn() async throws {
        try await self.withClient { connection in
            while let head = try await connection.requestHead() {
                try await connection.write("HTTP/1.1 100 Continue\r\n\r\n")
                var text = head
                while !text.hasSuffix("the body") {
                    guard let part = try await connection.read() else { return }
                    text += String(buffer: part)
                }
                try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
            }
        } _: { client, url async throws in
            let expecting: HTTPFields = [HTTPField.Name("Expect")!: "100-continue"]
            let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
                stream.yield(ByteBuffer(string: "the body"))
                stream.finish()
            }
            let body = HTTPBody.stream(length: 8, once: parts)
            #expect(try await client.post(url, HTTPContent(body, type: nil), fields: expecting).text == "hi")
        }
    }

    @Test("without end they are no answer, and no more of them is read than a head may have")
    func endless() async throws {
        let written = Locked(0)
        let hasClosed = Gate()
        try await self.withClient { connection in
            _ = try await connection.requestHead()
            defer { hasClosed.open() }
            while true {
                try await connection.write(ByteBuffer(string: Self.interims[2]))
                written.withLock { $0 += Self.interims[2].utf8.count }
            }
        } _: { client, url async throws in
            let error = await #expect(throws: APIClientError.self) { try await client.get(url) }
            #expect(error?.kind == .invalidResponse)
            try await hasClosed.pass()
        }
        // What the system's buffers hold comes on top of it.
        #expect(written.withLock { $0 } < ConnectionWatch.maximumHeadBytes + (16 << 20))
    }

    @Test("one now and then keeps a call no longer than its limit")
    func slow() async throws {
        let time = VirtualTime()
        let (hasBegun, hasClosed) = (Gate(), Gate())
        try await self.withClient(time: time) { connection in
            _ = try await connection.requestHead()
            for interim in Self.interims { try await connection.write(interim) }
            hasBegun.open()
            try? await connection.waitForClose()
            hasClosed.open()
        } _: { client, url async throws in
            let task = Task { try await client.get(url) }
            try await hasBegun.pass()
            await time.waitForAlarms(1)
            time.advance(by: .seconds(10))
            await #expect(throws: TimeoutError.self) { try await task.value }
            try await hasClosed.pass()
        }
    }

    @Test("a server that ends after one has seen the request, so that a POST is not sent again")
    func endedAfterwards() async throws {
        for interim in Self.interims {
            let requests = Locked(0)
            try await self.withClient { connection in
                guard try await connection.request() != nil else { return }
                requests.withLock { $0 += 1 }
                try await connection.write(interim)
            } _: { client, url async throws in
                let error = await #expect(throws: APIClientError.self) { try await client.post(url, .text("x")) }
                #expect(error?.kind == .connectionLost && error?.wasNeverSent == false)
            }
            #expect(requests.withLock { $0 } == 1)
        }
    }
}
