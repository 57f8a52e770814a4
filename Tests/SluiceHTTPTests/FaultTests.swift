// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// Servers that mean ill: a typed error, and no connection is left.
@Suite("Faults", .timeLimit(.minutes(5)))
struct FaultTests {
    private func settings(_ change: (inout HTTPTransportSettings) -> Void = { _ in }) -> HTTPTransportSettings {
        var settings = HTTPTransportSettings.local
        change(&settings)
        return settings
    }

    /// Fetches from a server with one attempt, and checks that its connection ends.
    private func kind(
        _ change: (inout HTTPTransportSettings) -> Void = { _ in }, limit: Int = 1 << 20,
        _ script: @escaping @Sendable (ScriptedServer.Connection) async throws -> Void
    ) async throws -> APIClientError.Kind? {
        let hasClosed = Gate()
        let transport = try AsyncHTTPClientTransport(settings: self.settings(change))
        let client = APIClient(
            "test", configuration: APIClientConfiguration(maximumAttempts: 1, maximumBodyBytes: limit),
            transport: transport, time: VirtualTime(patience: .seconds(600)))
        let kind = try await ScriptedServer.run { connection in
            // A server that is cut off fails to write; what counts is that it ends.
            try? await script(connection)
            try? await connection.waitForClose()
            hasClosed.open()
        } _: { server -> APIClientError.Kind? in
            let error = await #expect(throws: APIClientError.self) {
                try await client.get("http://127.0.0.1:\(server.port)/")
            }
            try await hasClosed.pass()
            return error?.kind
        }
        #expect(transport.running == 0)
        await client.close()
        return kind
    }

    @Test("a server that reads nothing, says nothing, or stops in the middle is ended by the read timeout")
    func silent() async throws {
        let short: (inout HTTPTransportSettings) -> Void = { $0.readTimeout = .milliseconds(50) }
        #expect(try await self.kind(short) { _ in } == .readTimeout)
        #expect(try await self.kind(short) { _ = try await $0.requestHead() } == .readTimeout)
        let stopped = try await self.kind(short) { connection in
            _ = try await connection.requestHead()
            try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        }
        #expect(stopped == .readTimeout)
    }

    @Test("a body without end, and one announced too large, end at the limit")
    func oversized() async throws {
        let endless = try await self.kind(limit: 1_000) { connection in
            _ = try await connection.requestHead()
            try await connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while true {
                try await connection.write(ByteBuffer(string: "64\r\n\(String(repeating: "x", count: 100))\r\n"))
            }
        }
        #expect(endless == .bodyTooLarge)
        let announced = try await self.kind(limit: 1_000) { connection in
            _ = try await connection.requestHead()
            try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n")
        }
        #expect(announced == .bodyTooLarge)
    }

    @Test("fields without end are no answer")
    func headerFlood() async throws {
        let kind = try await self.kind { connection in
            _ = try await connection.requestHead()
            try await connection.write("HTTP/1.1 200 OK\r\n")
            let field = ByteBuffer(string: "x-field: \(String(repeating: "y", count: 8_000))\r\n")
            while true { try await connection.write(field) }
        }
        #expect(kind == .invalidResponse)
    }

    @Test("a length that is no number, or two that differ, are no answer")
    func wrongLength() async throws {
        for fields in ["content-length: x", "content-length: 1\r\ncontent-length: 2"] {
            let kind = try await self.kind { connection in
                _ = try await connection.requestHead()
                try await connection.write("HTTP/1.1 200 OK\r\n\(fields)\r\n\r\nab")
            }
            #expect(kind == .invalidResponse)
        }
    }

    @Test("redirects in a circle end at the limit")
    func redirectLoop() async throws {
        let count = Locked(0)
        let kind = try await self.kind { connection in
            while try await connection.requestHead() != nil {
                count.withLock { $0 += 1 }
                let close = count.withLock { $0 } == 6 ? "connection: close\r\n" : ""
                try await connection.write("HTTP/1.1 302 Found\r\nlocation: /\r\n\(close)content-length: 0\r\n\r\n")
            }
        }
        #expect(kind == .tooManyRedirects)
        #expect(count.withLock { $0 } == 6)
    }

    @Test("a place is passed on to who waits, in order, and a cancelled one leaves the queue")
    func gate() async throws {
        let time = VirtualTime()
        let gate = ConnectionGate(self.settings { $0.maximumConnectionsPerHost = 1 }, time: time)
        let first = try await gate.enter("a")
        let cancelled = Task { try await gate.enter("a") }
        await time.waitForAlarms(1)
        let next = Task { try await gate.enter("a") }
        await time.waitForAlarms(2)
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        #expect(gate.waiting == 1)
        let other = try await gate.enter("b")
        first.leave()
        first.leave()
        let second = try await next.value
        #expect(gate.running == 2)
        second.leave()
        other.leave()
        #expect(gate.running == 0 && gate.waiting == 0)
        #expect(time.alarmCount == 0)
    }

    @Test("an origin has one share of places however it is written, and no more of them once it speaks HTTP/1.1 again")
    func origins() async throws {
        let time = VirtualTime()
        let gate = ConnectionGate(self.settings { $0.maximumConnectionsPerHost = 1 }, time: time)
        let first = try await gate.enter("https://a")
        let second = Task { try await gate.enter("https://a:443") }
        await time.waitForAlarms(1)
        #expect(gate.running == 1)
        gate.note("https://a:443", isMultiplexed: true)
        let places = [first, try await second.value, try await gate.enter("https://a")]
        for place in places { place.leave() }
        gate.note("https://a", isMultiplexed: false)
        let third = try await gate.enter("https://a")
        let fourth = Task { try await gate.enter("https://a:443") }
        await time.waitForAlarms(1)
        third.leave()
        try await fourth.value.leave()
        // The same port is another origin where it is not the scheme's own.
        let others = [try await gate.enter("http://a"), try await gate.enter("http://a:443")]
        for place in others { place.leave() }
        #expect(gate.running == 0 && time.alarmCount == 0)
    }

    // MARK: TLS and HTTP/2, against nghttpd

    private func withServer<Value>(days: Int, _ body: (_ port: Int, _ certificate: String) async throws -> Value)
        async throws
        -> Value
    {
        let certificate = try await Certificate.make(days: days)
        try String(repeating: "x", count: 300_000).write(
            to: certificate.folder.appendingPathComponent("large.txt"), atomically: true, encoding: .utf8)
        return try await Peer.nghttpd(certificate) { try await body($0, certificate.certificate) }
    }

    @Test("HTTP/2 to nghttpd: many exchanges at once on one connection")
    func http2() async throws {
        try await self.withServer(days: 2) { port, certificate in
            let settings = self.settings { $0.trustedCertificates = certificate }
            let transport = try AsyncHTTPClientTransport(settings: settings)
            let client = APIClient(
                "test",
                configuration: APIClientConfiguration(baseURL: "https://localhost:\(port)", callsPerMinute: 10_000),
                transport: transport)
            let results = try await client.batch(
                (0..<200).map { _ in APIRequest(.get, "/large.txt") }, maximumConcurrent: 50)
            #expect(try results.allSatisfy { try $0.get().body.readableBytes == 300_000 })
            let missing = await #expect(throws: APIClientError.self) { try await client.get("/missing") }
            #expect(missing?.status == 404)
            #expect(transport.running == 0)
            await client.close()
        }
    }

    @Test(
        "a certificate that nobody has signed, or that has expired, is not trusted, and not tried again",
        arguments: [2, -1])
    func untrusted(days: Int) async throws {
        try await self.withServer(days: days) { port, certificate in
            // Trusted itself, it can be refused only for having expired.
            let settings = self.settings { if days < 0 { $0.trustedCertificates = certificate } }
            let client = APIClient("test", transport: try AsyncHTTPClientTransport(settings: settings))
            let error = await #expect(throws: APIClientError.self) {
                try await client.get("https://localhost:\(port)/large.txt")
            }
            #expect(error?.kind == .untrusted)
            #expect(error?.attempts == 1)
            await client.close()
        }
    }
}
