// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import SluiceHTTP

extension HTTPTransportContract {
    private struct BodyError: Error {}

    /// Runs a server that echoes one request's body.
    private static func echo(_ body: @Sendable (Int) async throws -> Void) async throws -> String {
        let head = Locked("")
        try await ScriptedServer.run { connection in
            guard let request = try await connection.request() else { return }
            head.withLock { $0 = request.head.lowercased() }
            try await connection.write(
                "HTTP/1.1 200 OK\r\ncontent-length: \(request.body.utf8.count)\r\n\r\n\(request.body)")
            try await connection.waitForClose()
        } _: { server in
            try await body(server.port)
        }
        return head.withLock { $0 }
    }

    private static func parts(_ parts: [String], failing: Bool = false) -> AsyncThrowingStream<ByteBuffer, any Error> {
        AsyncThrowingStream { stream in
            for part in parts { stream.yield(ByteBuffer(string: part)) }
            stream.finish(throwing: failing ? BodyError() : nil)
        }
    }

    static let bodies: [Check] = [
        Check("sends bytes with their length") { transport in
            let head = try await Self.echo { port in
                let response = try await transport.send(
                    Self.request(.post, port), body: .bytes(ByteBuffer(string: "some text")))
                try Self.expectEqual(try await Self.text(response), "some text", "the echo")
            }
            try Self.expect(head.contains("content-length: 9"), "the length in \(head)")
        },
        Check("sends a stream whose length is known, and one whose is not") { transport in
            for length in [Int64(10), nil] {
                _ = try await Self.echo { port in
                    let body = HTTPBody.stream(length: length, once: Self.parts(["01234", "56789"]))
                    let response = try await transport.send(Self.request(.put, port), body: body)
                    try Self.expectEqual(try await Self.text(response), "0123456789", "the echo")
                }
            }
        },
        Check("a body that throws, or is not as long as it says, is a failed body") { transport in
            for (length, failing) in [(nil, true), (Int64(20), false), (Int64(5), false)] {
                try await ScriptedServer.run { connection in
                    _ = try await connection.request()
                    try await connection.waitForClose()
                } _: { server in
                    let body = HTTPBody.stream(length: length, once: Self.parts(["01234", "56789"], failing: failing))
                    try await Self.expectError(.bodyFailed, what: "length \(length ?? -1)") {
                        _ = try await transport.send(Self.request(.put, server.port), body: body)
                    }
                }
            }
        },
        Check("hands parts on as they arrive", isStreamed: true) { transport in
            let hasRead = Gate()
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
                try await hasRead.pass()
                try await connection.write("3\r\ntwo\r\n0\r\n\r\n")
                try await connection.waitForClose()
            } _: { server in
                let response = try await transport.send(Self.request(server.port), body: nil)
                func read(_ body: some AsyncSequence<ByteBuffer, any Error>) async throws -> String {
                    var text = ""
                    for try await part in body {
                        text += String(buffer: part)
                        if text == "one" { hasRead.open() }
                    }
                    return text
                }
                try Self.expectEqual(try await read(response.body), "onetwo", "the body")
            }
        },
        Check(
            "who reads slowly holds the server up: no more is taken in than 16 MiB", needs: .backPressure,
            isStreamed: true
        ) { transport in
            let (total, allowed) = (64 << 20, 24 << 20)
            let written = Locked(0)
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: \(total)\r\n\r\n")
                let piece = ByteBuffer(repeating: 120, count: 1 << 16)
                for _ in 0..<(total >> 16) {
                    try await connection.write(piece)
                    written.withLock { $0 += 1 << 16 }
                }
                try await connection.waitForClose()
            } _: { server in
                let response = try await transport.send(Self.request(server.port), body: nil)
                func read(_ body: some AsyncSequence<ByteBuffer, any Error>) async throws {
                    var count = 0
                    for try await part in body {
                        count += part.readableBytes
                        let ahead = written.withLock { $0 } - count
                        // The kernel's buffers hold up to 10 MiB on top of what the transport may.
                        try Self.expect(ahead <= allowed, "\(ahead) bytes were taken in ahead of their reader")
                        for _ in 0..<8 { await Task.yield() }
                    }
                    try Self.expectEqual(count, total, "the number of bytes")
                }
                try await read(response.body)
            }
        },
        Check("an answer that nobody reads gives its connection up", isStreamed: true) { transport in
            let hasClosed = Gate()
            try await ScriptedServer.run { connection in
                _ = try await connection.requestHead()
                try await connection.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
                try await connection.waitForClose()
                hasClosed.open()
            } _: { server in
                do { _ = try await transport.send(Self.request(server.port), body: nil) }
                try await hasClosed.pass()
            }
        },
    ]
}
