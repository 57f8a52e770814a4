// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceWebSocket

@Suite("The server")
struct ServerTests {
    private static func head(_ request: String, _ port: Int) async throws -> String {
        try await RawClient.connect(port: port) { client in
            try await client.write(request)
            return try await client.head()
        }
    }

    @Test("answers what is no handshake with an HTTP error")
    func refusals() async throws {
        let good = RawClient.handshake()
        let cases: [(String, Int)] = [
            (good, 101), (good.replacing("GET", with: "POST"), 405),
            (good.replacing("HTTP/1.1\r\nHost", with: "HTTP/1.0\r\nHost"), 400),
            (good.replacing("Upgrade: websocket\r\n", with: ""), 426),
            (good.replacing("keep-alive, Upgrade", with: "close"), 426),
            (good.replacing("Version: 13", with: "Version: 8"), 426),
            (good.replacing("jZQ==", with: "jZQ"), 400), (good.replacing("Host: 127.0.0.1:80\r\n", with: ""), 400),
            (good.replacing("\r\n\r\n", with: "\r\nOrigin: http://evil.com\r\n\r\n"), 403),
            (good.replacing("\r\n\r\n", with: "\r\nContent-Length: 5\r\n\r\n"), 400),
            (good.replacing("\r\n\r\n", with: "\r\nSec-WebSocket-Extensions: a; b=\"\r\n\r\n"), 400),
            (good.replacing("Upgrade: websocket", with: "Upgrade : websocket"), 400), ("\r\n\r\n", 400),
            ("HELLO\r\n\r\n", 400),
            (String(repeating: "x", count: 20_000), 400),
        ]
        try await withServer { _, port in
            for (request, status) in cases {
                let head = try await Self.head(request, port)
                #expect(head.hasPrefix("HTTP/1.1 \(status) "), "\(request): \(head)")
            }
        }
    }

    @Test("keeps what a client sends right behind its handshake")
    func earlyData() async throws {
        try await withServer { _, port in
            try await RawClient.connect(port: port) { client in
                let frame = WireFrame.text("early").bytes(from: .client)
                try await client.write(Array(RawClient.handshake().utf8) + frame.prefix(4))
                #expect(try await client.head().contains("101"))
                try await client.write(Array(frame.dropFirst(4)))
                var reader = MessageReader(role: .client, limits: WebSocketLimits())
                var rest = client.reader.rest
                while true {
                    if let event = try reader.next(&rest) {
                        #expect(event == .message(.text("early")))
                        return
                    }
                    rest = try #require(try await client.reader.next())
                }
            }
        }
    }

    @Test("asks whether a handshake is welcome, and chooses the subprotocol it likes best")
    func acceptance() async throws {
        struct Broken: Error {}
        let options = WebSocketServer.Options(connection: .patient(), subprotocols: ["new", "old"])
        let accept: @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance = { request in
            switch request.path {
            case "/broken": throw Broken()
            case "/private": .refuse(status: 401, message: "who are you?", headers: [.wwwAuthenticate: "Bearer"])
            default: .accept(headers: [.setCookie: "a=b"])
            }
        }
        try await withServer(options: options, accept: accept) { server, port in
            let client = try WebSocketClient(configuration: .patient())
            let connection = try await client.connect("ws://127.0.0.1:\(port)/x?y=z", subprotocols: ["old", "new"])
            #expect(connection.subprotocol == "new")
            #expect(connection.headers[.setCookie] == "a=b")
            await connection.close()
            #expect(try await client.connect("ws://127.0.0.1:\(port)/", subprotocols: ["other"]).subprotocol == nil)
            for (path, status) in [("/private?token=1", 401), ("/broken", 500)] {
                let error = await #expect(throws: WebSocketError.self) {
                    try await client.connect("ws://127.0.0.1:\(port)\(path)")
                }
                #expect(error?.kind == .refused)
                #expect(error?.status == status)
            }
            #expect(server.statistics.accepted == 2)
        }
    }

    @Test("turns connections away beyond its limit")
    func limit() async throws {
        let options = WebSocketServer.Options(connection: .patient(), maximumConnections: 1)
        try await withServer(options: options) { _, port in
            let client = try WebSocketClient(configuration: .patient())
            let first = try await client.connect("ws://127.0.0.1:\(port)/")
            let error = await #expect(throws: WebSocketError.self) {
                try await client.connect("ws://127.0.0.1:\(port)/")
            }
            #expect(error?.status == 503)
            try await first.send("still there")
            #expect(try await first.receive() == .text("still there"))
            await first.close()
        }
    }

    @Test("closes a handshake that does not end in time")
    func slowHandshake() async throws {
        let time = VirtualTime()
        let options = WebSocketServer.Options(connection: WebSocketConfiguration(time: time))
        try await withServer(options: options) { _, port in
            try await RawClient.connect(port: port) { client in
                try await client.write("GET / HTTP/1.1\r\n")
                await time.waitForAlarms(1)
                time.advance(by: .seconds(10))
                // Closed or reset, if what was sent came too late to be read.
                #expect(((try? await client.reader.next()) ?? nil) == nil)
            }
        }
    }

    @Test("closes every connection with 1001 when it stops")
    func stops() async throws {
        let closure = Locked<WebSocketClosure?>(nil)
        let connection = try await withServer { _, port in
            let connection = try await WebSocketClient(configuration: .patient()).connect("ws://127.0.0.1:\(port)/")
            try await connection.send("a")
            _ = try await connection.receive()
            return connection
        }
        #expect(try await connection.receive() == nil)
        closure.withLock { $0 = connection.closure }
        #expect(closure.withLock { $0 } == WebSocketClosure(code: .goingAway, isByPeer: true))
    }

    @Test("sends a message to many, compressed once, beside messages to one", arguments: [true, false])
    func broadcast(isCompressed: Bool) async throws {
        let room = WebSocketBroadcast()
        let configuration = WebSocketConfiguration.patient(
            compression: isCompressed ? WebSocketCompression(threshold: 1) : nil)
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            try await room.join(connection) {
                while let message = try await connection.receive() {
                    try await connection.send(message)
                    if message == .text("all") {
                        _ = await room.send(.text("to all: the quick brown fox jumps"), except: connection)
                        try await connection.send("done")
                    }
                }
            }
        }
        try await withServer(options: .init(connection: configuration), serving: serve) { _, port in
            let client = try WebSocketClient(configuration: configuration)
            var connections: [WebSocketConnection] = []
            for _ in 0..<5 {
                let connection = try await client.connect("ws://127.0.0.1:\(port)/")
                #expect(connection.isCompressed == isCompressed)
                // Fills the windows with what later messages could refer to.
                try await connection.send("the quick brown fox")
                #expect(try await connection.receive() == .text("the quick brown fox"))
                connections.append(connection)
            }
            for _ in 0..<3 {
                try await connections[0].send("all")
                #expect(try await connections[0].receive() == .text("all"))
                #expect(try await connections[0].receive() == .text("done"))
                for connection in connections.dropFirst() {
                    #expect(try await connection.receive() == .text("to all: the quick brown fox jumps"))
                    try await connection.send("the quick brown fox")
                    #expect(try await connection.receive() == .text("the quick brown fox"))
                }
            }
            #expect(room.count == 5)
            for connection in connections { await connection.close() }
        }
        #expect(room.count == 0)
    }

    @Test("a slow peer holds nobody up", arguments: [WebSocketBroadcast.SlowPeers.drop, .close])
    func slowPeers(slow: WebSocketBroadcast.SlowPeers) async throws {
        let room = WebSocketBroadcast(slow: slow, limit: 1_000_000)
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            try await room.join(connection) { while try await connection.receive() != nil {} }
        }
        let configuration = WebSocketConfiguration.patient(compression: nil)
        try await withServer(options: .init(connection: configuration), serving: serve) { _, port in
            try await RawClient.connect(port: port) { deaf in
                try await deaf.write(RawClient.handshake())
                _ = try await deaf.head()
                let quick = try await WebSocketClient(configuration: configuration).connect("ws://127.0.0.1:\(port)/")
                while room.count < 2 { await Task.yield() }
                let message = WebSocketMessage.binary(ByteBuffer(repeating: 7, count: 500_000))
                var missed = 0
                // Sockets hold some megabytes before a peer counts as slow.
                while missed == 0 {
                    let reach = await room.send(message)
                    #expect(reach.sent >= 1)
                    missed = reach.missed
                    #expect(try await quick.receive() == message)
                }
                #expect(missed == 1)
                let next = await room.send(.text("next"))
                #expect(next.sent == 1)
                #expect(try await quick.receive() == .text("next"))
                await quick.close()
            }
        }
    }
}
