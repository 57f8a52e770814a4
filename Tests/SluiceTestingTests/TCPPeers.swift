// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import SluiceTesting
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

typealias TCPChannel = NIOAsyncChannel<ByteBuffer, ByteBuffer>

/// How a stream of bytes came to its end.
enum StreamEnd: Equatable {
    case end
    case reset
    case failed(String)

    init(_ error: any Error) {
        // A reset may come before connecting has ended, which then fails with it.
        let cause = (error as? NIOConnectionError)?.connectionErrors.last?.error ?? error
        if let cause = cause as? IOError, cause.errnoCode == ECONNRESET {
            self = .reset
        } else {
            self = .failed("\(error)")
        }
    }
}

/// One end of a TCP connection, used by one task.
final class TCPPeer {
    let channel: any Channel
    let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private var rest = ByteBuffer()

    init(
        _ channel: any Channel, _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.channel = channel
        self.inbound = inbound.makeAsyncIterator()
        self.outbound = outbound
    }

    func write(_ text: String) async throws { try await self.outbound.write(ByteBuffer(string: text)) }

    /// Ends the connection at once, without the closing handshake.
    func reset() async throws {
        let socket = try #require(self.channel as? any SocketOptionProvider)
        try await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        try await self.channel.close()
    }

    /// Reads what there is.
    func next() async throws -> ByteBuffer? { try await self.inbound.next(isolation: #isolation) }

    /// Reads exactly so many bytes.
    func read(_ count: Int) async throws -> String {
        while self.rest.readableBytes < count {
            var part = try #require(try await self.inbound.next(isolation: #isolation), "ended before \(count) bytes")
            self.rest.writeBuffer(&part)
        }
        return self.rest.readString(length: count) ?? ""
    }

    /// Reads to the end and counts.
    func countToEnd() async throws -> Int {
        var count = self.rest.readableBytes
        while let part = try await self.inbound.next(isolation: #isolation) { count += part.readableBytes }
        return count
    }

    /// Reads everything, whatever the end is.
    func readToEnd() async -> (text: String, end: StreamEnd) {
        do {
            while var part = try await self.inbound.next(isolation: #isolation) { self.rest.writeBuffer(&part) }
            return (String(buffer: self.rest), .end)
        } catch {
            return (String(buffer: self.rest), StreamEnd(error))
        }
    }
}

/// Runs a server on loopback as long as `body` runs; `serve` is called for each connection, which is closed when it returns.
func withTCPServer<Value: Sendable>(
    _ serve: @escaping @Sendable (TCPPeer) async throws -> Void, _ body: (_ port: Int) async throws -> Value
) async throws -> Value {
    // Nil when the server has ended. A channel that has been wrapped has to be used: NIO stops the program if it is dropped,
    // as the stream of a listener does with those it has not handed out.
    let running = Locked<[Task<Void, Never>]?>([])
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .childChannelOption(.allowRemoteHalfClosure, value: true)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try running.withLock { tasks in
                    Result {
                        if tasks == nil { throw ChannelError.alreadyClosed }
                        let connection = try TCPChannel(halfClosing: channel)
                        tasks?.append(Task { await use(connection, serve) })
                    }
                }.get()
            }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    let result: Result<Value, any Error>
    do {
        result = .success(try await body(listener.localAddress?.port ?? 0))
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

private func use(_ connection: TCPChannel, _ serve: @Sendable (TCPPeer) async throws -> Void) async {
    try? await connection.executeThenClose { inbound, outbound in
        try await serve(TCPPeer(connection.channel, inbound, outbound))
    }
}

/// Sends back what it gets, and ends when the client does.
@Sendable func echo(_ peer: TCPPeer) async throws {
    while let part = try await peer.next() { try await peer.outbound.write(part) }
}

/// Connects to a port on loopback as long as `body` runs.
func withTCPClient<Value: Sendable>(_ port: Int, _ body: (TCPPeer) async throws -> Value) async throws -> Value {
    let wrapped = Locked<TCPChannel?>(nil)
    let connecting = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .channelOption(.allowRemoteHalfClosure, value: true)
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let connection = try TCPChannel(halfClosing: channel)
                wrapped.withLock { $0 = connection }
            }
        }
        .connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: port))
    let connected: Result<any Channel, any Error>
    do { connected = .success(try await connecting.get()) } catch { connected = .failure(error) }
    let connection = try #require(wrapped.withLock { $0 })
    // Also when it is not connected: see `withTCPServer`.
    return try await connection.executeThenClose { inbound, outbound in
        _ = try connected.get()
        return try await body(TCPPeer(connection.channel, inbound, outbound))
    }
}

/// Connects, says something, and reads to the end; a reset may come as early as it likes.
func converse(_ port: Int, saying text: String = "") async -> (text: String, end: StreamEnd) {
    do {
        return try await withTCPClient(port) { client in
            if !text.isEmpty { try? await client.write(text) }
            return await client.readToEnd()
        }
    } catch {
        return ("", StreamEnd(error))
    }
}

/// Waits for a condition that others bring about.
func until(_ condition: () -> Bool) async {
    while !condition() { await Task.yield() }
}

extension NIOAsyncChannel where Inbound == ByteBuffer, Outbound == ByteBuffer {
    init(halfClosing channel: any Channel) throws {
        try self.init(
            wrappingChannelSynchronously: channel, configuration: Configuration(isOutboundHalfClosureEnabled: true))
    }
}
