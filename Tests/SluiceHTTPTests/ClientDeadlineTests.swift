// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceHTTP

/// The client's time limits, on a transport that watches the deadline itself and on one that does not.
@Suite("Deadlines of the API client", .timeLimit(.minutes(5)))
struct ClientDeadlineTests {
    /// A transport whose answers never come.
    private struct Silent: HTTPTransport {
        func send(_ request: HTTPRequest, body: HTTPBody?) async throws -> HTTPTransportResponse {
            try await Gate().pass()
            throw CancellationError()
        }

        func close() async {}
    }

    /// Runs `body` with a client whose first failure opens the breaker, and whose server never answers.
    private func run(
        watching: Bool, deadline: Duration, attempt: Duration, hooks: APIClientHooks = APIClientHooks(),
        _ body: @Sendable (APIClient, _ url: String, VirtualTime) async throws -> Void
    ) async throws {
        let time = VirtualTime()
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            try? await connection.waitForClose()
        } _: { server in
            let transport: any HTTPTransport =
                watching ? AsyncHTTPClientTransport.local() : Silent()
            let client = APIClient(
                "test",
                configuration: APIClientConfiguration(
                    deadline: deadline, attemptTimeout: attempt, maximumAttempts: 1, breakerFailures: 1),
                transport: transport, hooks: hooks, time: time)
            try await body(client, "http://127.0.0.1:\(server.port)/", time)
            await client.close()
            if let transport = transport as? AsyncHTTPClientTransport { #expect(transport.running == 0) }
        }
        #expect(time.alarmCount == 0)
    }

    @Test("an attempt's own limit counts against the host", arguments: [true, false])
    func attempt(watching: Bool) async throws {
        try await self.run(watching: watching, deadline: .seconds(30), attempt: .seconds(5)) { client, url, time in
            let call = Task { try await client.get(url) }
            await time.waitForAlarms(1)
            time.advance(by: .seconds(5))
            let error = await #expect(throws: TimeoutError.self) { try await call.value }
            #expect(error?.policy == "timeout")
            #expect(client.hostStates.map(\.breaker) == ["open"])
        }
    }

    @Test("the call's limit is reported as its own, and does not count against the host", arguments: [true, false])
    func call(watching: Bool) async throws {
        try await self.run(watching: watching, deadline: .seconds(5), attempt: .seconds(30)) { client, url, time in
            let call = Task { try await client.get(url) }
            await time.waitForAlarms(1)
            time.advance(by: .seconds(5))
            let error = await #expect(throws: TimeoutError.self) { try await call.value }
            #expect(error?.policy == "deadline")
            #expect(client.hostStates.map(\.breaker) == ["closed"])
        }
    }

    @Test("an earlier deadline of the operation around it ends a call with a time-out", arguments: [true, false])
    func around(watching: Bool) async throws {
        try await self.run(watching: watching, deadline: .seconds(30), attempt: .seconds(20)) { client, url, time in
            let around = Pipeline("around", time: time) { Deadline(.seconds(3)) }
            let call = Task { try await around { try await client.get(url) } }
            await time.waitForAlarms(2)
            time.advance(by: .seconds(3))
            await #expect(throws: TimeoutError.self) { try await call.value }
            #expect(client.hostStates.map(\.breaker) == ["closed"])
        }
    }

    @Test("a hook that takes its time is ended by the call's limit")
    func hook() async throws {
        let hooks = APIClientHooks(beforeRequest: { _ in try await Gate().pass() })
        try await self.run(watching: true, deadline: .seconds(5), attempt: .seconds(30), hooks: hooks) {
            client, url, time in
            let call = Task { try await client.get(url) }
            await time.waitForAlarms(1)
            time.advance(by: .seconds(5))
            let error = await #expect(throws: TimeoutError.self) { try await call.value }
            #expect(error?.policy == "deadline")
        }
    }

    @Test("a cancelled call is cancelled, whatever time it is", arguments: [true, false])
    func cancelled(watching: Bool) async throws {
        try await self.run(watching: watching, deadline: .seconds(30), attempt: .seconds(5)) { client, url, time in
            let call = Task { try await client.get(url) }
            await time.waitForAlarms(1)
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
            #expect(client.hostStates.map(\.breaker) == ["closed"])
        }
    }
}
