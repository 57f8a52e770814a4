// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// Streams that a foreign HTTP/2 server refuses or leaves without an answer, against python-hyper's h2.
@Suite("HTTP/2 streams without an answer", .timeLimit(.minutes(5)))
struct HTTP2Tests {
    /// Runs a client of one attempt, so that what is sent again is sent by the transport's knowledge alone.
    private func withClient<Value: Sendable>(
        _ body: (APIClient, AsyncHTTPClientTransport) async throws -> Value
    ) async throws -> Value {
        let certificate = try await Certificate.make()
        return try await Peer.h2(certificate) { port in try await self.withClient(port, certificate, body) }
    }

    private func withClient<Value: Sendable>(
        _ port: Int, _ certificate: Certificate, readTimeout: Duration = .seconds(60),
        _ body: (APIClient, AsyncHTTPClientTransport) async throws -> Value
    ) async throws -> Value {
        var settings = HTTPTransportSettings.local
        (settings.readTimeout, settings.trustedCertificates) = (readTimeout, certificate.certificate)
        let transport = try AsyncHTTPClientTransport(settings: settings)
        let client = APIClient(
            "test",
            configuration: APIClientConfiguration(
                baseURL: "https://localhost:\(port)", deadline: .seconds(120), attemptTimeout: .seconds(60),
                maximumAttempts: 1, breakerFailures: 100, callsPerMinute: 1_000_000), transport: transport)
        do {
            let value = try await body(client, transport)
            #expect(transport.running == 0)
            await client.close()
            return value
        } catch {
            await client.close()
            throw error
        }
    }

    private func count(_ client: APIClient, _ name: String) async throws -> Int? {
        Int(try await client.get("/count/\(name)").text)
    }

    @Test("a refused stream is sent once more, also with a body and whatever the method")
    func refused() async throws {
        try await self.withClient { client, _ async throws in
            #expect(try await client.get("/refuse/1/get").text == "ok")
            #expect(try await client.post("/refuse/1/post", .text("body")).text == "ok")
            #expect(try await client.patch("/refuse/1/patch", .text("body")).text == "ok")
            for name in ["get", "post", "patch"] { #expect(try await self.count(client, name) == 2) }
        }
    }

    @Test("and no more than once; it is known to have never been looked at")
    func refusedAlways() async throws {
        try await self.withClient { client, _ async throws in
            let error = await #expect(throws: APIClientError.self) {
                try await client.post("/refuse/9/always", .text("body"))
            }
            #expect(error?.kind == .connectionLost && error?.wasNeverSent == true)
            #expect(try await self.count(client, "always") == 2)
        }
    }

    @Test("a stream that exists once is not sent again once a part of it is gone")
    func refusedOnce() async throws {
        try await self.withClient { client, _ async throws in
            let parts = AsyncThrowingStream<ByteBuffer, any Error> { stream in
                stream.yield(ByteBuffer(string: "body"))
                stream.finish()
            }
            let error = await #expect(throws: APIClientError.self) {
                try await client.post("/refuse/1/once", HTTPContent(.stream(once: parts), type: nil))
            }
            #expect(error?.kind == .connectionLost)
            #expect(try await self.count(client, "once") == 1)
        }
    }

    @Test("a server that leaves without having looked at a stream gets it again on another connection")
    func left() async throws {
        try await self.withClient { client, _ async throws in
            _ = try await client.get("/first")
            #expect(try await client.post("/leave/post", .text("body")).text == "ok")
            #expect(try await client.get("/leave/get").text == "ok")
            for name in ["post", "get"] { #expect(try await self.count(client, name) == 2) }
        }
    }

    @Test(
        "a stream that was reset for another reason, or may have been looked at, is the caller's",
        arguments: ["/reset/2/a", "/reset/8/a", "/reset/11/a", "/drop/a"])
    func notAgain(_ path: String) async throws {
        try await self.withClient { client, _ async throws in
            let error = await #expect(throws: APIClientError.self) { try await client.post(path, .text("body")) }
            #expect(error?.kind == .connectionLost && error?.wasNeverSent == false)
            #expect(try await self.count(client, "a") == 1)
        }
    }

    @Test("a stream on which the server is silent is given up, and the connection is not")
    func silent() async throws {
        let certificate = try await Certificate.make()
        try await Peer.h2(certificate) { port in
            try await self.withClient(port, certificate) { patient, _ async throws in
                try await self.withClient(port, certificate, readTimeout: .milliseconds(50)) { client, _ async throws in
                    let error = await #expect(throws: APIClientError.self) { try await client.get("/silent/a") }
                    #expect(error?.kind == .readTimeout)
                    // Told on the connection, which has not ended.
                    while try await self.count(patient, "reset-a") != 1 { await Task.yield() }
                }
            }
        }
    }

    @Test("many streams refused together all arrive in the end")
    func together() async throws {
        try await self.withClient { client, _ async throws in
            let requests = (0..<50).map { APIRequest(.post, "/refuse/1/\($0)", content: .text("body")) }
            let results = try await client.batch(requests, maximumConcurrent: 50)
            #expect(try results.allSatisfy { try $0.get().text == "ok" })
        }
    }
}
