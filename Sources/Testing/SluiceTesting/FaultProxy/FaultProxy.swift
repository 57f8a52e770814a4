// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

/// A TCP proxy on loopback that does to connections what networks do to them, when the test says so.
///
/// It stands in front of a server, of a database for instance, on a port of its own. It begins in the mode ``Mode/pass`` and
/// connects to the server once for each connection it accepts; a client sees a reset if that fails.
///
/// In each direction of a connection it holds less than 1 MiB: a reader that is slow, or is made slow, slows the
/// writer down.
public final class FaultProxy: Sendable {
    /// The port it listens on, at 127.0.0.1.
    public let port: Int

    private let listener: any Channel
    private let registry: FaultProxyRegistry

    private init(listener: any Channel, registry: FaultProxyRegistry) {
        self.listener = listener
        self.port = listener.localAddress?.port ?? 0
        self.registry = registry
    }

    /// Starts a proxy, which listens until it is closed.
    ///
    /// - Parameters:
    ///   - host: Where the server is. Nothing is sent to it before a client has connected.
    ///   - port: The port it listens on.
    /// - Throws: What the system says if it has no port left.
    public static func start(upstream host: String, port: Int) async throws -> FaultProxy {
        let registry = FaultProxyRegistry()
        let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_rcvbuf), value: FaultProxyLink.receiveBuffer)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { client in
                let link = registry.admit { id, current in
                    FaultProxyLink(id: id, client: client, server: (host, port), registry: registry, current: current)
                }
                guard let link else { return client.eventLoop.makeFailedFuture(ChannelError.alreadyClosed) }
                return client.eventLoop.makeCompletedFuture {
                    try client.pipeline.syncOperations.addHandler(FaultProxyHandler(link: link, side: .client))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return FaultProxy(listener: listener, registry: registry)
    }

    /// Runs a proxy as long as `body` runs, and closes it.
    ///
    /// - Parameters:
    ///   - host: Where the server is.
    ///   - port: The port it listens on.
    ///   - body: Given the proxy.
    public static func run<Value: Sendable>(
        upstream host: String, port: Int, _ body: (FaultProxy) async throws -> Value
    ) async throws -> Value {
        let proxy = try await Self.start(upstream: host, port: port)
        do {
            let value = try await body(proxy)
            await proxy.close()
            return value
        } catch {
            await proxy.close()
            throw error
        }
    }

    /// What it does to new connections now.
    public var mode: Mode { self.registry.current.mode }

    /// Connections that are open now, each with its connection to the server.
    public var connectionCount: Int { self.registry.connectionCount }

    /// Those of ``connectionCount`` whose client has not ended its side.
    ///
    /// It tells that a client has hung up also where the proxy does not pass that on, as in ``Mode/blackhole``.
    public var clientCount: Int { self.registry.clientCount }

    /// Connections ever accepted, those included that were refused or reset at once.
    public var acceptedCount: Int { self.registry.acceptedCount }

    /// Bytes read so far on their way in a direction, of all connections, whatever became of them.
    public func bytesRead(_ direction: Direction) -> Int {
        self.registry.bytesRead(direction)
    }

    /// Changes what happens to connections, open and new, or to those alone that are open now.
    ///
    /// What is read from now on is treated in the new way, and so is what is held: bytes that wait for a delay go on at once in
    /// ``Mode/pass``, for instance. The next change for all connections is one for those, too, that had a mode of their own.
    public func set(_ mode: Mode, for scope: Scope = .allConnections) {
        mode.validate()
        for link in self.registry.set(mode, for: scope) {
            link.client.eventLoop.execute { link.adopt() }
        }
    }

    /// Ends the connections that are open now.
    ///
    /// What is on its way is lost, and new connections are not affected. The old ones are gone once ``connectionCount`` says so.
    public func disconnectAll(_ how: Disconnection) {
        for link in self.registry.links {
            link.client.eventLoop.execute { link.end(how) }
        }
    }

    /// Ends the proxy and every connection, and returns when all is gone.
    ///
    /// It may be called again.
    public func close() async {
        let links = self.registry.close()
        try? await self.listener.close()
        for link in links {
            link.client.eventLoop.execute { link.end(.close) }
        }
        for link in links {
            try? await link.closed.get()
        }
    }
}
