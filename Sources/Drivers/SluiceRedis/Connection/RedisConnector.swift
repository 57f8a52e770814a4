// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import NIOSSL
import Sluice

/// Makes connections to one server.
struct RedisConnector: Sendable {
    let target: RedisURL
    let timeout: Duration
    let group: any EventLoopGroup
    /// For `rediss`, nil otherwise.
    let tls: NIOSSLContext?

    init(_ target: RedisURL, timeout: Duration, group: any EventLoopGroup, tls: TLSConfiguration) throws(RedisError) {
        self.target = target
        self.timeout = timeout
        self.group = group
        guard target.isSecure else {
            self.tls = nil
            return
        }
        do {
            self.tls = try NIOSSLContext(configuration: tls)
        } catch {
            throw RedisError(.configuration, message: "the TLS configuration cannot be used: \(error)", hasRun: false)
        }
    }

    /// Begins to make a connection, which tells its client how that ends.
    func start(_ connection: RedisConnection, at now: Instant) {
        let deadline = now.advanced(by: self.timeout)
        connection.eventLoop.execute {
            guard connection.isWanted else { return }
            connection.expectOpening(by: deadline)
            self.connect(connection)
        }
    }

    private func connect(_ connection: RedisConnection) {
        let (target, tls) = (self.target, self.tls)
        ClientBootstrap(group: connection.eventLoop)
            .connectTimeout(.nanoseconds(self.timeout.clampedNanoseconds))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard connection.isWanted else { throw CancellationError() }
                    let pipeline = channel.pipeline.syncOperations
                    if let tls {
                        let isAddress = (try? SocketAddress(ipAddress: target.host, port: 0)) != nil
                        try pipeline.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : target.host))
                    }
                    try pipeline.addHandler(connection)
                }
            }
            .connect(host: target.host, port: target.port)
            .whenFailure { error in
                connection.end(
                    RedisError(
                        .unreachable, message: "\(target.host):\(target.port) cannot be reached: \(error)",
                        hasRun: false))
            }
    }
}
