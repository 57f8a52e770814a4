// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice
import SluiceTesting
import SluiceWebSocket
import Testing

@Suite("Other people's programs")
struct PeerTests {
    static let libraries = ["websockets", "aiohttp", "wsproto"]

    private static func configuration(_ compression: String) -> WebSocketConfiguration {
        WebSocketConfiguration.patient(compression: compression == "deflate" ? WebSocketCompression() : nil)
    }

    @Test("talk to our server", arguments: Self.libraries, ["plain", "deflate"])
    func clients(library: String, compression: String) async throws {
        let (python, script) = try PeerProcess.python()
        let options = WebSocketServer.Options(connection: Self.configuration(compression), subprotocols: ["a"])
        let closures = Locked<[WebSocketClosure]>([])
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            do {
                try await echo(connection)
            } catch let error as WebSocketError {
                if let closure = error.closure { closures.withLock { $0.append(closure) } }
            }
        }
        try await withServer(options: options, serving: serve) { _, port in
            try await PeerProcess.run(python, [script, "client", library, "\(port)", compression]) { peer in
                let ended = await peer.ended()
                #expect(ended.status == 0, "\(ended.errors)")
            }
        }
        let code = WebSocketCloseCode(rawValue: 3_001)
        #expect(closures.withLock { $0 } == [WebSocketClosure(code: code, reason: "done", isByPeer: true)])
    }

    @Test("are talked to by our client", arguments: Self.libraries, ["plain", "deflate"])
    func servers(library: String, compression: String) async throws {
        let (python, script) = try PeerProcess.python()
        try await PeerProcess.run(python, [script, "server", library, compression]) { peer in
            let port = try await peer.port()
            let client = try WebSocketClient(configuration: Self.configuration(compression))
            let url = "ws://127.0.0.1:\(port)/"
            try await client.withConnection(url, subprotocols: ["b", "a"]) { connection in
                #expect(connection.subprotocol == "a")
                #expect(connection.isCompressed == (compression == "deflate"))
                let long = String(decoding: (0..<300_000).map { UInt8(32 + $0 * $0 / 7 % 95) }, as: UTF8.self)
                for text in ["", "hello", "κόσμε 👩‍👩‍👧‍👦", String(repeating: "x", count: 126), long, "again", "again"] {
                    try await connection.send(text)
                    #expect(try await connection.receive() == .text(text))
                }
                for bytes in [[], [0, 255, 128], Array(0..<255) + Array(repeating: 7, count: 100_000)] as [[UInt8]] {
                    try await connection.send(ByteBuffer(bytes: bytes))
                    #expect(try await connection.receive() == .binary(ByteBuffer(bytes: bytes)))
                }
                let parts = ["in ", "", "three ", "fragments"].map { ByteBuffer(string: $0) }
                try await connection.send(fragments: parts.asynchronous, isText: true)
                #expect(try await connection.receive() == .text("in three fragments"))
                #expect(try await connection.ping() > .zero)
                if compression == "deflate" { #expect(connection.statistics.compressionRatio ?? 1 < 0.95) }
            }
            try await client.withConnection(url, subprotocols: ["a"]) { connection in
                try await connection.send("please close")
                let code = WebSocketCloseCode(rawValue: 4_001)
                let closure = WebSocketClosure(code: code, reason: "as you wish", isByPeer: true)
                let error = await #expect(throws: WebSocketError.self) { try await connection.receive() }
                #expect(error?.kind == .closed)
                #expect(error?.closure == closure)
            }
        }
    }

    /// Tells over the connection how it went; the server writes it down.
    private static let script = """
        const socket = new WebSocket('ws://127.0.0.1:PORT/', ['b', 'a']);
        socket.binaryType = 'arraybuffer';
        const long = 'the quick brown fox '.repeat(5000);
        const sent = ['hello', 'κόσμε', long, long, new Uint8Array([0, 255, 128]).buffer, new ArrayBuffer(100000)];
        const size = value => typeof value === 'string' ? value : value.byteLength;
        let next = 0;
        socket.onopen = () => socket.send(sent[0]);
        socket.onmessage = event => {
            if (size(event.data) !== size(sent[next])) { socket.close(3002, 'another answer'); return; }
            next += 1;
            if (next < sent.length) socket.send(sent[next]);
            else socket.close(3001, socket.protocol + ' ' + socket.extensions.split(';')[0]);
        };
        """

    @Test("a browser talks to our server", arguments: ["plain", "deflate"])
    func chromium(compression: String) async throws {
        let page = "<!doctype html><script>\(Self.script)</script>"
        let closures = Locked<[String]>([])
        let done = Gate()
        let origins = Locked<String>("")
        let options = WebSocketServer.Options(
            connection: Self.configuration(compression), subprotocols: ["a"], origins: .any)
        let accept: @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance = { request in
            origins.withLock { $0 = request.headers[.origin] ?? "none" }
            return .accept()
        }
        let serve: @Sendable (WebSocketConnection) async throws -> Void = { connection in
            do {
                try await echo(connection)
            } catch let error as WebSocketError {
                closures.withLock { $0.append("\(error.closure?.code ?? .abnormal) \(error.closure?.reason ?? "")") }
                done.open()
            }
        }
        try await withServer(options: options, accept: accept, serving: serve) { _, port in
            let html = page.replacing("PORT", with: "\(port)")
            let answer =
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: \(html.utf8.count)\r\n"
                + "Connection: close\r\n\r\n\(html)"
            try await ScriptedServer.run { connection in
                guard try await connection.requestHead() != nil else { return }
                try await connection.write(answer)
            } _: { pages in
                try await Chromium.open("http://127.0.0.1:\(pages.port)/") { try await done.pass() }
                #expect(origins.withLock { $0 } == "http://127.0.0.1:\(pages.port)")
            }
        }
        let agreed = compression == "deflate" ? "permessage-deflate" : ""
        #expect(closures.withLock { $0 } == ["3001 a \(agreed)"])
    }
}

extension Array where Element: Sendable {
    /// The elements as a sequence that is waited for.
    var asynchronous: AsyncStream<Element> {
        AsyncStream { continuation in
            for element in self { continuation.yield(element) }
            continuation.finish()
        }
    }
}
