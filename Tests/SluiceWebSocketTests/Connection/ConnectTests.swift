// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceWebSocket

@Suite("Making a connection", .timeLimit(.minutes(5)))
struct ConnectTests {
    private static func url(_ port: Int) -> String { "ws://127.0.0.1:\(port)/" }

    @Test("waits at most so long for the handshake")
    func handshakeTimeout() async throws {
        let time = VirtualTime()
        try await ScriptedServer.run { connection in
            _ = try await connection.requestHead()
            try await connection.waitForClose()
        } _: { server in
            let configuration = WebSocketConfiguration(handshakeTimeout: .seconds(3), time: time)
            async let end = #expect(throws: WebSocketError.self) {
                try await WebSocketClient(configuration: configuration).connect(Self.url(server.port))
            }
            await time.waitForAlarms(1)
            time.advance(by: .seconds(3))
            #expect(await end?.kind == .timedOut)
        }
    }

    @Test("is not made to an address that is not allowed")
    func addresses() async throws {
        try await withServer { server, port in
            let client = try WebSocketClient(
                configuration: .patient(), isAddressAllowed: { $0?.ipAddress != "127.0.0.1" })
            let error = await #expect(throws: WebSocketError.self) { try await client.connect(Self.url(port)) }
            #expect(error?.kind == .addressNotAllowed)
        }
    }

    @Test("is made again after it was lost, with fresh headers, until its user has done")
    func reconnects() async throws {
        let tokens = Locked<[String]>([])
        let accept: @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance = { request in
            let count = tokens.withLock { seen in
                seen.append(request.headers[.authorization] ?? "none")
                return seen.count
            }
            return count == 2 ? .refuse(status: 503) : .accept()
        }
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            let count = tokens.withLock { $0.count }
            if count == 1 { connection.cut() }
            if count == 3 { await connection.close(.goingAway) }
            try await echo(connection)
        }
        try await withServer(accept: accept, serving: serve) { _, port in
            let asked = Locked(0)
            let answers = Locked(0)
            try await WebSocketClient(configuration: .patient()).reconnecting(
                to: Self.url(port),
                headers: {
                    [.authorization: "Bearer \(asked.withLock { asked -> Int in asked += 1; return asked })"]
                }, backoff: .constant(.milliseconds(1))
            ) { connection in
                try await connection.send("hello")
                guard try await connection.receive() == .text("hello") else { return }
                answers.withLock { $0 += 1 }
            }
            #expect(tokens.withLock { $0 } == (1...4).map { "Bearer \($0)" })
            #expect(answers.withLock { $0 } == 1)
        }
        let client = try WebSocketClient(configuration: .patient())
        try await withServer(accept: { _ in .refuse(status: 403) }) { _, port in
            let error = await #expect(throws: WebSocketError.self) {
                try await client.reconnecting(to: Self.url(port)) { _ in }
            }
            #expect(error?.status == 403)
        }
    }

    @Test(
        "takes no answer that does not fit its handshake",
        arguments: [
            ("HTTP/1.1 200 OK\r\n\r\n", WebSocketError.Kind.refused), ("SSH-2.0\r\n\r\n", .invalidHandshake),
            ("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", .invalidHandshake),
            ("ACCEPT\r\nSec-WebSocket-Protocol: other\r\n\r\n", .invalidHandshake),
            ("ACCEPT\r\nSec-WebSocket-Extensions: permessage-bzip2\r\n\r\n", .invalidHandshake),
            (
                "ACCEPT\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15\r\n\r\n",
                .invalidHandshake
            ),
            ("", .connectionLost),
        ])
    func badAnswers(answer: String, kind: WebSocketError.Kind) async throws {
        try await ScriptedServer.run { connection in
            guard let request = try await connection.requestHead() else { return }
            let accept = WireConnectionTests.answer(to: request, nil).dropLast(4)
            try await connection.write(answer.replacing("ACCEPT", with: accept))
        } _: { server in
            let error = await #expect(throws: WebSocketError.self) {
                try await WebSocketClient(configuration: .patient()).connect(
                    Self.url(server.port), subprotocols: ["mine"])
            }
            #expect(error?.kind == kind)
        }
    }

    @Test("waits through interim answers, but not through more of them than fit into its memory", arguments: [3, 100])
    func interimAnswers(count: Int) async throws {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: <\(String(repeating: "x", count: 10_000))>\r\n\r\n"
        try await ScriptedServer.run { connection in
            guard let request = try await connection.requestHead() else { return }
            for _ in 0..<count { try await connection.write(interim) }
            try await connection.write(WireConnectionTests.answer(to: request, nil))
            try await connection.waitForClose()
        } _: { server in
            let client = try WebSocketClient(configuration: .patient())
            do {
                try await client.connect(Self.url(server.port)).cut()
                #expect(count == 3)
            } catch let error as WebSocketError {
                #expect(count == 100 && error.kind == .invalidHandshake)
            }
        }
    }
}
