// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

/// A TCP client that sends exactly what the test says.
struct RawClient: Sendable {
    /// The one iterator over what the server sends.
    ///
    /// - Note: Unchecked: a test reads in one task.
    final class Reader: @unchecked Sendable {
        private var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        var rest = ByteBuffer()

        init(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) {
            self.iterator = inbound.makeAsyncIterator()
        }

        func next() async throws -> ByteBuffer? { try await self.iterator.next(isolation: #isolation) }
    }

    let reader: Reader
    let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    let channel: any Channel

    static func connect<Value: Sendable>(
        port: Int, _ body: @Sendable (RawClient) async throws -> Value
    ) async throws -> Value {
        let connection = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await connection.executeThenClose { inbound, outbound in
            try await body(
                RawClient(reader: Reader(inbound), outbound: outbound, channel: connection.channel))
        }
    }

    func write(_ bytes: [UInt8]) async throws { try await self.outbound.write(ByteBuffer(bytes: bytes)) }
    func write(_ text: String) async throws { try await self.outbound.write(ByteBuffer(string: text)) }

    /// The head of the server's answer; what follows it is in the reader's `rest`.
    func head() async throws -> String {
        while true {
            let text = String(buffer: self.reader.rest)
            if let end = text.firstRange(of: "\r\n\r\n") {
                let head = String(text[..<end.upperBound])
                self.reader.rest.moveReaderIndex(forwardBy: head.utf8.count)
                return head
            }
            guard var more = try await self.reader.next() else { return text }
            self.reader.rest.writeBuffer(&more)
        }
    }

    /// A handshake that is in order, with more headers if need be.
    static func handshake(_ target: String = "/", port: Int = 80, _ more: [String] = []) -> String {
        let lines = [
            "GET \(target) HTTP/1.1", "Host: 127.0.0.1:\(port)", "Upgrade: websocket",
            "Connection: keep-alive, Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
        ]
        return (lines + more).joined(separator: "\r\n") + "\r\n\r\n"
    }
}
