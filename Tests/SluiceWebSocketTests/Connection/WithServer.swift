// SPDX-License-Identifier: Apache-2.0
import SluiceTesting
import SluiceWebSocket

/// Runs a server as long as `body` runs.
func withServer<Value: Sendable>(
    options: WebSocketServer.Options = WebSocketServer.Options(connection: .patient()),
    accept: @escaping @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance = { _ in .accept() },
    serving serve: @escaping @Sendable (WebSocketConnection) async throws -> Void = echo,
    _ body: @Sendable (WebSocketServer, _ port: Int) async throws -> Value
) async throws -> Value {
    let server = WebSocketServer(port: 0, options: options, accept: accept, serve: serve)
    let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            // Ends by cancellation; had it not begun, nobody would get a port.
            defer { continuation.finish() }
            try? await server.run { continuation.yield($0) }
        }
        defer { group.cancelAll() }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else { throw CancellationError() }
        return try await body(server, port)
    }
}

/// Sends every message back.
@Sendable
func echo(_ connection: WebSocketConnection) async throws {
    for try await message in connection.messages { try await connection.send(message) }
}

extension WebSocketConfiguration {
    /// One whose limits in real time a busy machine does not come to.
    static func patient(
        limits: WebSocketLimits = WebSocketLimits(), compression: WebSocketCompression? = WebSocketCompression()
    ) -> WebSocketConfiguration {
        WebSocketConfiguration(
            limits: limits, compression: compression, pingInterval: nil, closeTimeout: .seconds(600),
            handshakeTimeout: .seconds(600))
    }
}
