// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceWebSocket

/// What observers hear of connections.
@Suite("Events of WebSockets", .timeLimit(.minutes(5)))
struct EventTests {
    private func configuration(
        _ name: String, _ observer: RecordingObserver, time: any TimeSource = SystemTime.shared,
        pingInterval: Duration? = nil
    ) -> WebSocketConfiguration {
        WebSocketConfiguration(
            compression: nil, pingInterval: pingInterval, pingTimeout: .seconds(5), closeTimeout: .seconds(600),
            handshakeTimeout: .seconds(600), name: name, time: time, observer: observer)
    }

    private func told(_ observer: RecordingObserver) -> [String] {
        observer.events.map { "\($0.policy) \($0.name) \($0.outcome ?? "")" }
    }

    private func wait(for count: Int, _ observer: RecordingObserver) async {
        while observer.events.count < count { await Task.yield() }
    }

    @Test("both sides report a connection's beginning and, with its close code, its end, once")
    func beginningAndEnd() async throws {
        let (here, there) = (RecordingObserver(), RecordingObserver())
        let time = VirtualTime(patience: .seconds(600))
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            for try await message in connection.messages where message == .text("throw") { throw CancellationError() }
        }
        try await withServer(options: .init(connection: self.configuration("chat", there)), serving: serve) { _, port in
            let client = try WebSocketClient(configuration: self.configuration("feed", here, time: time))
            let first = try await client.connect("ws://127.0.0.1:\(port)/")
            time.advance(by: .seconds(7))
            await first.close(WebSocketCloseCode(rawValue: 4_001))
            let second = try await client.connect("ws://127.0.0.1:\(port)/")
            try await second.send("throw")
            #expect(try await second.receive() == nil)
            await second.close()
            let third = try await client.connect("ws://127.0.0.1:\(port)/")
            third.cut()
            await self.wait(for: 6, here)
            await self.wait(for: 6, there)
        }
        let expected = ["4001", "1001", "1006"]
        #expect(
            self.told(here)
                == expected.flatMap { ["feed webSocket.connected client", "feed webSocket.disconnected \($0)"] })
        #expect(
            self.told(there)
                == expected.flatMap { ["chat webSocket.connected server", "chat webSocket.disconnected \($0)"] })
        #expect(here.events[1].duration == .seconds(7))
    }

    @Test("a client that gets no connection says why, and reports each wait before it tries again")
    func reconnecting() async throws {
        let observer = RecordingObserver()
        let count = Locked(0)
        let accept: @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance = { _ in
            let number = count.withLock { count in
                count += 1
                return count
            }
            return number == 2 ? .refuse(status: 503) : .accept()
        }
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            if count.withLock({ $0 }) == 1 { connection.cut() }
            try await echo(connection)
        }
        try await withServer(accept: accept, serving: serve) { _, port in
            let client = try WebSocketClient(configuration: self.configuration("feed", observer))
            try await client.reconnecting(
                to: "ws://127.0.0.1:\(port)/?token=hunter2", headers: { [.authorization: "Bearer hunter2"] },
                backoff: .constant(.milliseconds(1))
            ) { connection in
                try await connection.send("hello")
                _ = try await connection.receive()
            }
        }
        #expect(
            self.told(observer) == [
                "feed webSocket.connected client", "feed webSocket.disconnected 1006",
                "feed webSocket.reconnecting connectionLost", "feed webSocket.connectFailed refused",
                "feed webSocket.reconnecting refused", "feed webSocket.connected client",
                "feed webSocket.disconnected 1000",
            ])
        #expect(observer.events[2].duration == .milliseconds(1))
        for event in observer.events { #expect(!"\(event)".contains("hunter2")) }
    }

    @Test(
        "a peer that does not keep up is reported once each time it falls behind, however much it misses",
        arguments: ["drop", "close"])
    func slow(_ name: String) async throws {
        let observer = RecordingObserver()
        let room = WebSocketBroadcast(slow: name == "drop" ? .drop : .close, limit: 1_000_000)
        let falls = Locked(0)
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            try await room.join(connection) { while try await connection.receive() != nil {} }
        }
        try await withServer(options: .init(connection: self.configuration("room", observer)), serving: serve) {
            _, port in
            try await RawClient.connect(port: port) { deaf in
                try await deaf.write(RawClient.handshake())
                _ = try await deaf.head()
                while room.count < 1 { await Task.yield() }
                let message = WebSocketMessage.binary(ByteBuffer(repeating: 7, count: 500_000))
                // The system may take some more in between, so that the peer has caught up and falls behind again.
                var (missed, isBehind) = (0, false)
                while missed < 6, room.count > 0 {
                    let misses = await room.send(message).missed == 1
                    if misses, !isBehind { falls.withLock { $0 += 1 } }
                    (missed, isBehind) = (missed + (misses ? 1 : 0), misses)
                }
            }
        }
        let told = self.told(observer).filter { $0.contains("peerSlow") }
        #expect(told == Array(repeating: "room webSocket.peerSlow \(name)", count: falls.withLock { $0 }))
        #expect(!told.isEmpty)
    }

    @Test("a peer of which nothing comes any more is found by a ping, within its time, and reported")
    func halfOpen() async throws {
        let (observer, time) = (RecordingObserver(), VirtualTime())
        try await withServer { _, port in
            try await FaultProxy.run(upstream: "127.0.0.1", port: port) { proxy in
                let configuration = self.configuration("feed", observer, time: time, pingInterval: .seconds(20))
                let connection = try await WebSocketClient(configuration: configuration)
                    .connect("ws://127.0.0.1:\(proxy.port)/")
                try await connection.send("hello")
                #expect(try await connection.receive() == .text("hello"))
                // The peer's machine is gone without a word.
                proxy.set(.blackhole)
                async let end = #expect(throws: WebSocketError.self) { try await connection.receive() }
                await time.waitForAlarms(1)
                let alarms = time.alarmsEverSet
                time.advance(by: .seconds(20))
                while time.alarmsEverSet == alarms { await Task.yield() }
                time.advance(by: .seconds(5))
                #expect(await end?.kind == .keepAliveTimedOut)
            }
        }
        await self.wait(for: 2, observer)
        #expect(self.told(observer).last == "feed webSocket.disconnected 1006")
        #expect(observer.events.last?.duration == .seconds(25))
        #expect(time.alarmCount == 0)
    }

    @Test("a peer that goes on reading but has ended its half is gone at once")
    func endedHalf() async throws {
        let observer = RecordingObserver()
        try await ScriptedServer.run { connection in
            guard let request = try await connection.requestHead() else { return }
            try await connection.write(WireConnectionTests.answer(to: request, nil))
            try await connection.endOutput()
            try await connection.waitForClose()
        } _: { server in
            let client = try WebSocketClient(configuration: self.configuration("feed", observer))
            let connection = try await client.connect("ws://127.0.0.1:\(server.port)/")
            let error = await #expect(throws: WebSocketError.self) { try await connection.receive() }
            #expect(error?.kind == .connectionLost)
            await self.wait(for: 2, observer)
        }
        #expect(self.told(observer).last == "feed webSocket.disconnected 1006")
    }
}
