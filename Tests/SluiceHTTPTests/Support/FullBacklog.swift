// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

/// Runs a listener on loopback that accepts nobody and has no room for more, so that a connection to it is neither made nor refused.
func withFullBacklog<Value>(_ body: (_ port: Int) async throws -> Value) async throws -> Value {
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .serverChannelOption(.backlog, value: 0)
        .serverChannelOption(.autoRead, value: false)
        .bind(host: "127.0.0.1", port: 0).get()
    let port = listener.localAddress?.port ?? 0
    // The one that the system takes into the queue by itself; it drops what asks to come after it.
    let filler = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connect(host: "127.0.0.1", port: port).get()
    let result: Result<Value, any Error>
    do { result = .success(try await body(port)) } catch { result = .failure(error) }
    try? await filler.close()
    try? await listener.close()
    return try result.get()
}
