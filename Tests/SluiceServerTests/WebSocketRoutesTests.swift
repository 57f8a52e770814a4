// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import SluiceServer
import SluiceTesting
import SluiceWebSocket
import Testing

@Suite("WebSockets beside HTTP")
struct WebSocketRoutesTests {
    /// Runs an application with a route of each kind as long as `body` runs.
    private static func withApplication(_ body: @escaping @Sendable (Int) async throws -> Void) async throws {
        var sockets = WebSocketRoutes()
        sockets.add("/echo") { connection in
            for try await message in connection.messages { try await connection.send(message) }
        }
        sockets.add("/closed", accept: { _ in .refuse(status: 401, message: "no") }) { _ in }
        let router = Router()
        router.get("/") { _, _ in "hello" }
        router.get("/echo") { _, _ in "this is HTTP" }
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let application = Application(
            router: router, server: .http1(configuration: .init(idleTimeout: .seconds(60)), webSockets: sockets),
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in continuation.yield(channel.localAddress?.port ?? 0) },
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let group = ServiceGroup(configuration: .init(services: [application], logger: application.logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { continuation.finish() }
                try await group.run()
            }
            var iterator = ports.makeAsyncIterator()
            let port = try #require(await iterator.next())
            do { try await body(port) } catch { Issue.record(error) }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Sends text on a connection, and returns what comes until `count` bytes are there or the server has closed.
    private static func exchange(_ port: Int, _ parts: [(text: String, answerEnds: String)]) async throws -> [String] {
        let connection = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await connection.executeThenClose { inbound, outbound in
            var iterator = inbound.makeAsyncIterator()
            var answers: [String] = []
            for part in parts {
                try await outbound.write(ByteBuffer(string: part.text))
                var answer = ""
                while !answer.hasSuffix(part.answerEnds), let more = try await iterator.next() {
                    answer += String(buffer: more)
                }
                answers.append(answer)
            }
            return answers
        }
    }

    private static func handshake(_ path: String) -> String {
        "GET \(path) HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    }

    @Test("both are served, and a shutdown closes them")
    func both() async throws {
        let left = Locked<WebSocketConnection?>(nil)
        try await Self.withApplication { port in
            let client = try WebSocketClient(
                configuration: WebSocketConfiguration(pingInterval: nil, handshakeTimeout: .seconds(600)))
            try await client.withConnection("ws://127.0.0.1:\(port)/echo?a=b") { connection in
                for size in [0, 100, 100_000] {
                    let text = String(repeating: "x", count: size)
                    try await connection.send(text)
                    #expect(try await connection.receive() == .text(text))
                }
                #expect(connection.isCompressed)
            }
            let answers = try await Self.exchange(
                port,
                [
                    ("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", "this is HTTP"),
                    ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "hello"),
                ])
            #expect(answers.allSatisfy { $0.hasPrefix("HTTP/1.1 200") })
            let connection = try await client.connect("ws://127.0.0.1:\(port)/echo")
            left.withLock { $0 = connection }
        }
        let connection = try #require(left.withLock { $0 })
        #expect(try await connection.receive() == nil)
        #expect(connection.closure == WebSocketClosure(code: .goingAway, reason: "the server stops", isByPeer: true))
    }

    @Test("a handshake may follow other requests, and be followed at once by frames")
    func laterHandshake() async throws {
        try await Self.withApplication { port in
            // A text frame of two bytes, final, masked with zeros.
            var early = ByteBuffer(string: Self.handshake("/echo"))
            early.writeBytes([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
            let answers = try await Self.raw(port, [ByteBuffer(string: "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), early]) {
                bytes in
                bytes.count > 4 && bytes.suffix(4) == [0x81, 0x02, 0x68, 0x69]
            }
            #expect(answers.contains("hello"))
            #expect(answers.contains("HTTP/1.1 101"))
        }
    }

    private static func raw(
        _ port: Int, _ parts: [ByteBuffer], until isDone: ([UInt8]) -> Bool
    ) async throws -> String {
        let connection = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await connection.executeThenClose { inbound, outbound in
            var iterator = inbound.makeAsyncIterator()
            var bytes: [UInt8] = []
            for (index, part) in parts.enumerated() {
                try await outbound.write(part)
                let isLast = index == parts.count - 1
                while isLast ? !isDone(bytes) : !String(decoding: bytes, as: UTF8.self).hasSuffix("hello"),
                    let more = try await iterator.next()
                {
                    bytes += Array(more.readableBytesView)
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    @Test("a handshake for anything else is an ordinary request, and a bad one an HTTP error")
    func refusals() async throws {
        try await Self.withApplication { port in
            for (request, status) in [
                (Self.handshake("/"), 200), (Self.handshake("/nowhere"), 404), (Self.handshake("/closed"), 401),
                (Self.handshake("/echo").replacing("Version: 13", with: "Version: 7"), 426),
                (Self.handshake("/echo").replacing("Host: h\r\n", with: "Host: h\r\nOrigin: http://evil\r\n"), 403),
            ] {
                let answer = try await Self.exchange(port, [(request, "nothing ends so")])[0]
                #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
            }
        }
    }
}
