// SPDX-License-Identifier: Apache-2.0
import Foundation
public import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A TCP server on loopback that does on each connection exactly what the test says, down to the byte, however wrong.
public struct ScriptedServer: Sendable {
    /// One accepted connection.
    public struct Connection: Sendable {
        let channel: any Channel
        let reader: Reader
        let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

        /// Reads up to the end of a request's head.
        ///
        /// - Returns: The head as text, or nil if the client closed the connection first.
        public func requestHead() async throws -> String? {
            var head = ""
            while let part = try await self.reader.next() {
                head += String(buffer: part)
                if head.contains("\r\n\r\n") { return head }
            }
            return nil
        }

        /// Reads a request, its body included.
        ///
        /// - Returns: The head, and the body without its framing; nil if the client closed the connection first.
        public func request() async throws -> (head: String, body: String)? {
            var text = ""
            while true {
                if let end = text.range(of: "\r\n\r\n") {
                    let (head, rest) = (String(text[..<end.lowerBound]), text[end.upperBound...])
                    if let body = Self.body(head.lowercased(), rest) { return (head, body) }
                }
                guard let part = try await self.reader.next() else { return nil }
                text += String(buffer: part)
            }
        }

        /// The body, if the whole of it is in `rest`.
        private static func body(_ head: String, _ rest: Substring) -> String? {
            if head.contains("transfer-encoding: chunked") {
                var (body, rest) = ("", rest.utf8)
                while let line = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    guard let size = Int(Substring(rest[..<line].dropLast()), radix: 16) else { return nil }
                    rest = rest[rest.index(after: line)...]
                    guard rest.count >= size + 2 else { return nil }
                    body += String(Substring(rest.prefix(size)))
                    rest = rest.dropFirst(size + 2)
                    if size == 0 { return body }
                }
                return nil
            }
            let length = head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                .flatMap { Int($0.split(separator: ":")[1].filter(\.isNumber)) }
            return rest.utf8.count >= length ?? 0 ? String(rest) : nil
        }

        /// Reads whatever comes next; nil if the client closed the connection.
        public func read() async throws -> ByteBuffer? { try await self.reader.next() }

        /// Sends bytes, and returns once the kernel has taken all of them.
        public func write(_ bytes: ByteBuffer) async throws {
            try await self.channel.writeAndFlush(bytes).get()
        }

        /// Sends text as it is.
        public func write(_ text: String) async throws {
            try await self.outbound.write(ByteBuffer(string: text))
        }

        /// Ends what is sent, while what comes can still be read.
        public func endOutput() async throws {
            try await self.channel.close(mode: .output)
        }

        /// Returns when the client has closed the connection, or the server ends.
        public func waitForClose() async throws {
            // At the end of the test nobody may be left to close it.
            try await withTaskCancellationHandler {
                try await self.channel.closeFuture.get()
            } onCancel: {
                self.channel.close(promise: nil)
            }
        }

        /// Ends the connection at once, without the closing handshake.
        public func reset() async throws {
            // Lingering for zero seconds makes close send a reset.
            let socket = self.channel as? any SocketOptionProvider
            try await socket?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
            try await self.channel.close()
        }
    }

    /// The port it listens on.
    public let port: Int

    /// Runs a server as long as `body` runs.
    ///
    /// - Parameters:
    ///   - receiveBuffer: How many bytes the system takes in before the script reads them, or about; its own choice if nil.
    ///   - script: Called for each connection, which is closed when it returns or throws.
    ///   - body: Given the server.
    public static func run<Value: Sendable>(
        receiveBuffer: Int? = nil,
        _ script: @escaping @Sendable (Connection) async throws -> Void,
        _ body: @Sendable (ScriptedServer) async throws -> Value
    ) async throws -> Value {
        // Nil once nothing is accepted any more.
        let running = Locked<[Task<Void, Never>]?>([])
        var bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        if let receiveBuffer {
            bootstrap = bootstrap.serverChannelOption(.socketOption(.so_rcvbuf), value: receiveBuffer)
        }
        let listener =
            try await bootstrap
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try running.withLock { tasks in
                        guard tasks != nil else { return Result<Void, any Error>.failure(ChannelError.alreadyClosed) }
                        return Result {
                            let connection = try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                                wrappingChannelSynchronously: channel)
                            // Unstructured, and begun here: NIO stops the program if a connection that was accepted is dropped
                            // before somebody has it. Awaited below.
                            tasks?.append(Task { await Self.serve(connection, script) })
                        }
                    }.get()
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(ScriptedServer(port: listener.localAddress?.port ?? 0)))
        } catch {
            result = .failure(error)
        }
        try? await listener.close()
        let tasks = running.withLock { tasks in
            defer { tasks = nil }
            return tasks ?? []
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        return try result.get()
    }

    private static func serve(
        _ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>, _ script: @Sendable (Connection) async throws -> Void
    ) async {
        try? await connection.executeThenClose { inbound, outbound in
            try await script(Connection(channel: connection.channel, reader: Reader(inbound), outbound: outbound))
        }
    }
}

extension ScriptedServer {
    /// The one iterator over a connection's bytes.
    ///
    /// - Note: Unchecked: a connection's script is the only one to read, in one task.
    final class Reader: @unchecked Sendable {
        private var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator

        init(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>) {
            self.iterator = inbound.makeAsyncIterator()
        }

        func next() async throws -> ByteBuffer? {
            try await self.iterator.next(isolation: #isolation)
        }
    }
}
