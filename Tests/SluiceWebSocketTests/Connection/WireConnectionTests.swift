// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice
import SluiceTesting
import Testing

@testable import SluiceWebSocket

@Suite("The table of right and wrong frames, on real connections")
struct WireConnectionTests {
    /// What a connection that offers and accepts everything agrees on, as a case wants it.
    private static func options(for wire: WireCase) -> WebSocketConfiguration {
        var compression: WebSocketCompression?
        if let agreed = wire.compression {
            compression = WebSocketCompression(
                serverNoContextTakeover: agreed.serverNoContextTakeover,
                clientNoContextTakeover: agreed.clientNoContextTakeover,
                serverMaxWindowBits: agreed.serverMaxWindowBits, clientMaxWindowBits: agreed.clientMaxWindowBits)
        }
        return WebSocketConfiguration.patient(limits: WireCases.limits, compression: compression)
    }

    /// The frames of whoever echoes, as the table writes them, up to its close frame.
    private static func answers(
        _ rest: ByteBuffer, as role: Role, _ wire: WireCase, _ next: () async throws -> ByteBuffer?
    ) async throws -> [String] {
        var reader = MessageReader(
            role: role, limits: WebSocketLimits(), inflater: wire.compression?.inflater(for: role))
        var answers: [String] = []
        var input = rest
        while true {
            while let event = try reader.next(&input) {
                switch event {
                case .message(let message): answers.append(WireCase.summary(message))
                case .pong(let payload): answers.append("pong:\(String(buffer: payload))")
                case .ping: break
                case .close(let code, _):
                    answers.append("close:\(code)")
                    return answers
                }
            }
            guard let more = try await next() else { return answers }
            input = more
        }
    }

    /// Right frames are all answered.
    ///
    /// What came before a wrong one may be, if the application was quick.
    private static func expect(_ answers: [String], _ wire: WireCase) {
        if wire.isGood {
            // Pongs may overtake messages.
            #expect(answers.sortedPongs == wire.answers.sortedPongs, "\(wire)")
        } else {
            #expect(answers.last == wire.answers.last, "\(wire)")
            #expect(wire.answers.starts(with: answers.dropLast()), "\(wire)")
        }
    }

    @Test("our server answers as it must")
    func server() async throws {
        let settings = Dictionary(grouping: WireCases.all, by: { $0.compression.map { "\($0)" } ?? "none" })
        for cases in settings.values {
            let options = WebSocketServer.Options(connection: Self.options(for: cases[0]))
            try await withServer(options: options) { _, port in
                _ = try await cases.concurrentMap(limit: 8) { wire in
                    try await RawClient.connect(port: port) { client in
                        try await client.write(
                            RawClient.handshake(
                                "/", port: port,
                                wire.compression == nil
                                    ? [] : ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]))
                        #expect(try await client.head().hasPrefix("HTTP/1.1 101"))
                        try await client.write(wire.bytes(from: .client))
                        let answers = try await Self.answers(client.reader.rest, as: .client, wire) {
                            try await client.reader.next()
                        }
                        Self.expect(answers, wire)
                    }
                }
            }
        }
    }

    @Test("our client answers as it must")
    func client() async throws {
        _ = try await WireCases.all.concurrentMap(limit: 8) { wire in
            try await Self.client(wire)
        }
    }

    private static func client(_ wire: WireCase) async throws {
        let heard = Locked<[String]>([])
        try await ScriptedServer.run { connection in
            guard let request = try await connection.requestHead() else { return }
            try await connection.write(Self.answer(to: request, wire.compression))
            try await connection.write(ByteBuffer(bytes: wire.bytes(from: .server)))
            let answers = try await Self.answers(ByteBuffer(), as: .server, wire) { try await connection.read() }
            heard.withLock { $0 = answers }
        } _: { server in
            let client = try WebSocketClient(configuration: Self.options(for: wire))
            do {
                try await client.withConnection("ws://127.0.0.1:\(server.port)/", echo)
            } catch is WebSocketError {}
        }
        Self.expect(heard.withLock { $0 }, wire)
    }

    static func answer(to request: String, _ compression: AgreedCompression?) -> String {
        let key = request.split(separator: "\r\n").first { $0.hasPrefix("Sec-WebSocket-Key: ") }?.dropFirst(19) ?? ""
        var lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Accept: \(HandshakeKey.accept(String(key)))",
        ]
        if let compression {
            var extensions = "permessage-deflate"
            if compression.serverNoContextTakeover { extensions += "; server_no_context_takeover" }
            if compression.clientNoContextTakeover { extensions += "; client_no_context_takeover" }
            extensions += "; server_max_window_bits=\(compression.serverMaxWindowBits)"
            lines.append("Sec-WebSocket-Extensions: \(extensions)")
        }
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }
}

extension [String] {
    /// Pongs first: they are sent beside the messages, and may overtake them.
    fileprivate var sortedPongs: [String] {
        self.filter { $0.hasPrefix("pong") } + self.filter { !$0.hasPrefix("pong") }
    }
}
