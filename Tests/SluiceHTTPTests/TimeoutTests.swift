// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// The transport's limits in time, where nothing else could end the call.
@Suite("Timeouts of a transport", .timeLimit(.minutes(5)))
struct TimeoutTests {
    /// Sends one request through a client whose clock stands still, so that no policy ends it, and checks that nothing is left.
    private func error(
        _ port: Int, _ request: (inout APIRequest) -> Void = { _ in },
        _ change: (inout HTTPTransportSettings) -> Void
    ) async throws -> APIClientError {
        var settings = HTTPTransportSettings.local
        change(&settings)
        let transport = try AsyncHTTPClientTransport(settings: settings)
        let client = APIClient(
            "test", configuration: APIClientConfiguration(maximumAttempts: 1), transport: transport,
            time: VirtualTime(patience: .seconds(600)))
        var outgoing = APIRequest(.get, "http://127.0.0.1:\(port)/")
        request(&outgoing)
        let error = await #expect(throws: APIClientError.self) { try await client.send(outgoing) }
        #expect(transport.running == 0)
        await client.close()
        return try #require(error)
    }

    @Test("a connection that is neither made nor refused is given up, and nothing was sent")
    func connect() async throws {
        let error = try await withFullBacklog { port in
            try await self.error(port) { $0.connectTimeout = .milliseconds(50) }
        }
        #expect(error.kind == .unreachable && error.wasNeverSent)
        #expect(error.message.contains("connect timeout"))
        #expect(error.isServerFailure)
    }

    @Test("a connection that hangs does not outlive its call: the deadline and a cancellation end it")
    func connectAndDeadline() async throws {
        let settings = HTTPTransportSettings(
            rules: AddressRules(allowsPrivateAddresses: true), connectTimeout: .seconds(600))
        let transport = try AsyncHTTPClientTransport(settings: settings)
        let time = VirtualTime()
        let client = APIClient(
            "test", configuration: APIClientConfiguration(maximumAttempts: 1), transport: transport, time: time)
        try await withFullBacklog { port in
            let late = Task { try await client.get("http://127.0.0.1:\(port)/") }
            await time.waitForAlarms(1)
            time.advance(by: .seconds(10))
            await #expect(throws: TimeoutError.self) { try await late.value }
            let cancelled = Task { try await client.get("http://127.0.0.1:\(port)/") }
            await time.waitForAlarms(1)
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
        }
        #expect(transport.running == 0)
        await client.close()
    }

    @Test("a request whose body brings nothing more is given up, and its connection closed")
    func write() async throws {
        let (hasClosed, never) = (Gate(), Gate())
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            try? await connection.waitForClose()
            hasClosed.open()
        } _: { server in
            let sent = Locked(0)
            let parts = AsyncThrowingStream<ByteBuffer, any Error> {
                let isFirst = sent.withLock { sent in
                    sent += 1
                    return sent == 1
                }
                if !isFirst { try await never.pass() }
                return ByteBuffer(string: "first")
            }
            let error = try await self.error(server.port) {
                $0.method = .put
                $0.content = HTTPContent(.stream(once: parts), type: nil)
            } _: {
                $0.writeTimeout = .milliseconds(50)
            }
            #expect(error.kind == .writeTimeout && !error.wasNeverSent)
            #expect(!error.isServerFailure)
            try await hasClosed.pass()
        }
    }

    @Test("who waits for a connection is told within the pool's timeout, and leaves no place taken")
    func pool() async throws {
        let (hasBegun, mayEnd) = (Gate(), Gate())
        let time = VirtualTime()
        var settings = HTTPTransportSettings.local
        (settings.poolTimeout, settings.maximumConnectionsPerHost) = (.seconds(2), 1)
        let transport = try AsyncHTTPClientTransport(settings: settings, time: time)
        let client = APIClient(
            "test", configuration: APIClientConfiguration(maximumAttempts: 1), transport: transport, time: time)
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            hasBegun.open()
            try await mayEnd.pass()
            try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            try await connection.waitForClose()
        } _: { server in
            let url = "http://127.0.0.1:\(server.port)/"
            let first = Task { try await client.get(url) }
            try await hasBegun.pass()
            let waiting = (0..<3).map { _ in Task { try await client.get(url) } }
            // The deadline of all four, and the pool's own for the three.
            await time.waitForAlarms(7)
            time.advance(by: .seconds(2))
            for task in waiting {
                let error = await #expect(throws: APIClientError.self) { try await task.value }
                #expect(error?.kind == .poolExhausted && error?.wasNeverSent == true)
                #expect(error?.isServerFailure == false)
            }
            #expect(transport.running == 1)
            mayEnd.open()
            _ = try await first.value
            #expect(transport.running == 0)
        }
        await client.close()
    }
}
