// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Synchronization
import Testing

@testable import SluiceWebSocket

@Suite("A connection", .timeLimit(.minutes(5)))
struct ConnectionTests {
    private static func url(_ port: Int) -> String { "ws://127.0.0.1:\(port)/" }

    @Test("reads no further than its queue, and takes its own slowness for nobody's silence")
    func backPressure() async throws {
        let open = Gate()
        let time = VirtualTime()
        let slow = Locked<WebSocketConnection?>(nil)
        let options = WebSocketServer.Options(
            connection: WebSocketConfiguration(
                limits: WebSocketLimits(queuedMessages: 4), compression: nil, pingInterval: .seconds(20),
                pingTimeout: .seconds(5), time: time))
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            slow.withLock { $0 = connection }
            try await open.pass()
            try await echo(connection)
        }
        try await withServer(options: options, serving: serve) { _, port in
            try await WebSocketClient(configuration: .patient()).withConnection(Self.url(port)) { connection in
                let text = String(repeating: "x", count: 100_000)
                let isSent = Locked(0)
                // More than the sockets and the queue hold, so that sending must come to wait.
                async let sending: Void = {
                    for _ in 0..<200 {
                        try await connection.send(text)
                        isSent.withLock { $0 += 1 }
                    }
                }()
                while slow.withLock({ $0?.state.state.withLock { $0.isReadHeld } }) != true { await Task.yield() }
                while connection.state.state.withLock({ $0.senders.isEmpty }) { await Task.yield() }
                // Beside the queue lies what was read with its last message: four times 64 KiB at most.
                let received = slow.withLock { $0?.statistics.messagesReceived } ?? 0
                #expect((4...7).contains(received), "\(received) messages were read")
                // Behind what nobody reads, so its answer has to wait for that.
                async let latency = connection.ping()
                for wait in [20, 5, 5] {
                    let alarms = time.alarmsEverSet
                    time.advance(by: .seconds(wait))
                    while time.alarmsEverSet == alarms { await Task.yield() }
                }
                #expect(isSent.withLock { $0 } < 200)
                #expect(slow.withLock { $0?.statistics.messagesReceived } == received)
                open.open()
                for _ in 0..<200 { #expect(try await connection.receive() == .text(text)) }
                try await sending
                #expect(try await latency > .zero)
            }
            slow.withLock { $0 = nil }
        }
    }

    @Test("answers pings while nobody receives")
    func pingsBesideTheQueue() async throws {
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { _ in try await Gate().pass() }
        try await withServer(serving: serve) { _, port in
            let connection = try await WebSocketClient(configuration: .patient()).connect(Self.url(port))
            for _ in 0..<10 { try await connection.send("nobody receives this") }
            #expect(try await connection.ping() > .zero)
            #expect(connection.statistics.latency != nil)
            connection.cut()
        }
    }

    @Test("is cut when the peer is silent after a ping, and says so")
    func keepAlive() async throws {
        let time = VirtualTime()
        try await ScriptedServer.run { connection in
            guard let request = try await connection.requestHead() else { return }
            try await connection.write(WireConnectionTests.answer(to: request, nil))
            try await connection.waitForClose()
        } _: { server in
            let configuration = WebSocketConfiguration(
                compression: nil, pingInterval: .seconds(20), pingTimeout: .seconds(5), time: time)
            let connection = try await WebSocketClient(configuration: configuration).connect(Self.url(server.port))
            async let end = #expect(throws: WebSocketError.self) { try await connection.receive() }
            await time.waitForAlarms(1)
            let alarms = time.alarmsEverSet
            time.advance(by: .seconds(20))
            while time.alarmsEverSet == alarms { await Task.yield() }
            time.advance(by: .seconds(5))
            #expect(await end?.kind == .keepAliveTimedOut)
            #expect(await end?.retryAdvice == .ifIdempotent(after: nil))
        }
    }

    @Test("is cut when the peer does not answer a close frame")
    func closeTimeout() async throws {
        let time = VirtualTime()
        try await ScriptedServer.run { connection in
            guard let request = try await connection.requestHead() else { return }
            try await connection.write(WireConnectionTests.answer(to: request, nil))
            try await connection.waitForClose()
        } _: { server in
            let configuration = WebSocketConfiguration(compression: nil, pingInterval: nil, time: time)
            let connection = try await WebSocketClient(configuration: configuration).connect(Self.url(server.port))
            async let closing: Void = connection.close(reason: "bye")
            await time.waitForAlarms(1)
            time.advance(by: .seconds(10))
            await closing
            #expect(connection.closure == WebSocketClosure(code: .abnormal, isByPeer: false))
            #expect(try await connection.receive() == nil)
            let error = await #expect(throws: WebSocketError.self) { try await connection.send("late") }
            #expect(error?.kind == .closed)
        }
    }

    @Test("lets a cancelled task go and loses no message to it")
    func cancellation() async throws {
        try await withServer { _, port in
            let connection = try await WebSocketClient(configuration: .patient()).connect(Self.url(port))
            let receiving = Task { try await connection.receive() }
            while connection.state.state.withLock({ $0.receivers.isEmpty }) { await Task.yield() }
            receiving.cancel()
            await #expect(throws: CancellationError.self) { try await receiving.value }
            try await connection.send("a")
            #expect(try await connection.receive() == .text("a"))
            await connection.close()
        }
        // One who answers the handshake and nothing else, and then one who does not even do that.
        let hasHeard = Gate()
        try await ScriptedServer.run { connection in
            guard let request = try await connection.requestHead() else { return }
            if !request.contains("/silent") {
                try await connection.write(WireConnectionTests.answer(to: request, nil))
            } else {
                hasHeard.open()
            }
            try await connection.waitForClose()
        } _: { server in
            let client = try WebSocketClient(configuration: .patient())
            let connection = try await client.connect(Self.url(server.port))
            let pinging = Task { try await connection.ping() }
            while connection.state.state.withLock({ $0.pings.isEmpty }) { await Task.yield() }
            pinging.cancel()
            await #expect(throws: CancellationError.self) { try await pinging.value }
            connection.cut()
            let connecting = Task { try await client.connect(Self.url(server.port) + "silent") }
            try await hasHeard.pass()
            connecting.cancel()
            await #expect(throws: CancellationError.self) { try await connecting.value }
        }
    }

    @Test("sends a message in fragments as one, and others behind it")
    func fragments() async throws {
        try await withServer { _, port in
            try await WebSocketClient(configuration: .patient()).withConnection(Self.url(port)) { connection in
                let (stream, parts) = AsyncStream.makeStream(of: ByteBuffer.self)
                async let streaming: Void = connection.send(fragments: stream)
                while !connection.state.state.withLock({ $0.isStreaming }) { await Task.yield() }
                parts.yield(ByteBuffer(string: "one "))
                async let other: Void = connection.send("behind")
                #expect(try await connection.ping() > .zero)
                parts.yield(ByteBuffer(string: "two"))
                parts.finish()
                _ = try await (streaming, other)
                #expect(try await connection.receive() == .binary(ByteBuffer(string: "one two")))
                #expect(try await connection.receive() == .text("behind"))
            }
        }
    }

    @Test("ends its messages in good order, or with an error that says why")
    func ends() async throws {
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            struct Failure: Error {}
            guard case .text(let text) = try await connection.receive() else { return }
            if text == "fail" { throw Failure() }
            if text == "cut" { connection.cut() }
            if text == "code" { await connection.close(WebSocketCloseCode(rawValue: 4_000), reason: "why") }
        }
        try await withServer(serving: serve) { server, port in
            let client = try WebSocketClient(configuration: .patient())
            for (text, kind, code) in [
                ("return", nil, 1_000), ("fail", .closed, 1_011), ("code", .closed, 4_000),
                ("cut", .connectionLost, 1_006),
            ] as [(String, WebSocketError.Kind?, UInt16)] {
                let connection = try await client.connect(Self.url(port))
                try await connection.send(text)
                do {
                    #expect(try await connection.receive() == nil)
                    #expect(kind == nil, "\(text)")
                } catch let error as WebSocketError {
                    #expect(error.kind == kind, "\(text)")
                    #expect(!error.description.contains("why"))
                }
                #expect(connection.closure?.code.rawValue == code, "\(text)")
            }
            while server.statistics.closures.values.reduce(0, +) < 4 { await Task.yield() }
            #expect(server.statistics.closures[.internalError] == 1)
        }
    }

    @Test("is closed when nobody holds it any more")
    func released() async throws {
        try await withServer { server, port in
            do { _ = try await WebSocketClient(configuration: .patient()).connect(Self.url(port)) }
            while server.statistics.connections > 0 { await Task.yield() }
            #expect(server.statistics.accepted == 1)
        }
    }
}
