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
    /// What looks the host up; the system if nil.
    let resolver: (any Resolver & Sendable)?

    init(
        _ target: RedisURL, timeout: Duration, group: any EventLoopGroup, tls: TLSConfiguration,
        resolver: (any Resolver & Sendable)? = nil
    ) throws(RedisError) {
        self.resolver = resolver
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
        ClientBootstrap(group: connection.eventLoop)
            .connectTimeout(.nanoseconds(self.timeout.clampedNanoseconds))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .resolver(self.resolver)
            .connect(host: self.target.host, port: self.target.port)
            .whenComplete { result in
                switch result {
                case .failure(let error):
                    connection.end(
                        RedisError(
                            .unreachable,
                            message: "\(self.target.host):\(self.target.port) cannot be reached: \(error)",
                            hasRun: false
                        ))
                case .success(let channel):
                    // Only now: a host has several addresses, and each is tried on a channel of its own.
                    self.open(connection, on: channel)
                }
            }
    }

    /// Called on the channel's event loop, before anything was read from it.
    private func open(_ connection: RedisConnection, on channel: any Channel) {
        guard connection.isWanted else { return channel.close(promise: nil) }
        do {
            let pipeline = channel.pipeline.syncOperations
            if let tls = self.tls {
                let isAddress = (try? SocketAddress(ipAddress: self.target.host, port: 0)) != nil
                try pipeline.addHandler(
                    NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : self.target.host))
            }
            try pipeline.addHandler(connection)
        } catch {
            channel.close(promise: nil)
            connection.end(
                RedisError(.unreachable, message: "the connection ended at once: \(error)", hasRun: false))
        }
    }
}
