// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
public import NIOCore
public import NIOPosix
public import NIOSSL
import Sluice
import Synchronization

/// A server that speaks nothing but WebSocket; beside other routes there is `SluiceServer`'s.
///
/// ```swift
/// let server = WebSocketServer(port: 9000) { connection in
///     for try await message in connection.messages { try await connection.send(message) }
/// }
/// try await server.run()
/// ```
public struct WebSocketServer: Sendable {
    /// What a server keeps to.
    public struct Options: Sendable {
        /// What every connection keeps to.
        public var connection: WebSocketConfiguration
        /// The subprotocols spoken here, most wanted first.
        public var subprotocols: [String]
        /// Which pages may connect.
        public var origins: WebSocketOrigins
        /// How many connections there may be, those that shake hands included; at least 1.
        ///
        /// More are answered with 503.
        public var maximumConnections: Int
        /// Where connections are served; by default on their event loops, where what serves them must not block.
        public var placement: WebSocketPlacement
        /// For `wss`; nil for `ws`.
        public var tls: TLSConfiguration?

        /// Creates options.
        public init(
            connection: WebSocketConfiguration = WebSocketConfiguration(), subprotocols: [String] = [],
            origins: WebSocketOrigins = .same, maximumConnections: Int = 65_536,
            placement: WebSocketPlacement = .eventLoop, tls: TLSConfiguration? = nil
        ) {
            precondition(maximumConnections >= 1, "maximumConnections must be at least 1 (is \(maximumConnections))")
            precondition(subprotocols.allSatisfy(HTTPText.isToken), "a subprotocol must be a token")
            self.connection = connection
            self.subprotocols = subprotocols
            self.origins = origins
            self.maximumConnections = maximumConnections
            self.placement = placement
            self.tls = tls
        }
    }

    /// What a server has done so far.
    public struct Statistics: Sendable, Hashable {
        /// Connections there are, those that shake hands included.
        public internal(set) var connections = 0
        /// Handshakes that ended in a connection.
        public internal(set) var accepted = 0
        /// Connections that ended before they could be used.
        public internal(set) var refused = 0
        /// Connections that ended, by their close code; 1006 if there was no close frame.
        public internal(set) var closures: [WebSocketCloseCode: Int] = [:]
    }

    private final class Counts: Sendable {
        let statistics = Mutex(Statistics())
    }

    private struct Arrival: Sendable {
        let channel: any Channel
        let request: EventLoopFuture<WebSocketRequest>
        let handler: NIOLoopBound<ServerHandshakeHandler>
    }

    /// Hands an arrival to its task, which gives it up after the handshake: else request and handler lived as long as the connection.
    private final class Handover: Sendable {
        private let arrival: Mutex<Arrival?>

        init(_ arrival: Arrival) {
            self.arrival = Mutex(arrival)
        }

        func take() -> Arrival? { self.arrival.withLock { $0.take() } }
    }

    private let host: String
    private let port: Int
    private let options: Options
    private let group: any EventLoopGroup
    private let counts = Counts()
    private let accept: @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance
    private let serve: @Sendable (WebSocketConnection) async throws -> Void

    /// Creates a server.
    ///
    /// - Parameters:
    ///   - host: The address to listen on.
    ///   - port: 0 for any that is free.
    ///   - options: What it keeps to.
    ///   - group: Where the connections live.
    ///   - accept: Decides about a handshake that is in order; if it throws, the answer is 500.
    ///   - serve: Runs for each connection, which is closed when it returns (with 1000) or throws (with 1011).
    public init(
        host: String = "127.0.0.1", port: Int, options: Options = Options(),
        group: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup,
        accept: @escaping @Sendable (WebSocketRequest) async throws -> WebSocketAcceptance = { _ in .accept() },
        serve: @escaping @Sendable (WebSocketConnection) async throws -> Void
    ) {
        self.host = host
        self.port = port
        self.options = options
        self.group = group
        self.accept = accept
        self.serve = serve
    }

    /// What it has done so far.
    public var statistics: Statistics { self.counts.statistics.withLock { $0 } }

    /// Serves until its task is cancelled; then every connection is closed with 1001.
    ///
    /// - Parameter onServing: Called with the port once connections are accepted.
    /// - Throws: What binding to the address throws; `NIOSSLError` if the certificate cannot be used.
    public func run(onServing: @Sendable (_ port: Int) async -> Void = { _ in }) async throws {
        let tls = try self.options.tls.map { try NIOSSLContext(configuration: $0) }
        let listener = try await ServerBootstrap(group: self.group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A connection keeps the buffer it read into last; it begins small, and grows with what comes.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 64, initial: 512, maximum: 65_536)
            )
            .bind(host: self.host, port: self.port) { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel, tls) }
            }
        await onServing(listener.channel.localAddress?.port ?? 0)
        try await listener.executeThenClose { arrivals in
            try await withThrowingDiscardingTaskGroup { group in
                for try await arrival in arrivals {
                    let handover = Handover(arrival)
                    group.addTask { await self.handle(handover) }
                }
            }
        }
    }

    private func prepare(_ channel: any Channel, _ tls: NIOSSLContext?) throws -> Arrival {
        let options = self.options
        let handler = ServerHandshakeHandler(
            handshake: ServerHandshake(
                compression: options.connection.compression, subprotocols: options.subprotocols,
                origins: options.origins),
            configuration: options.connection, request: channel.eventLoop.makePromise())
        if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
        try channel.pipeline.syncOperations.addHandler(handler)
        return Arrival(
            channel: channel, request: handler.requestFuture,
            handler: NIOLoopBound(handler, eventLoop: channel.eventLoop))
    }

    /// One connection from its handshake to its end; its failures are its own.
    private func handle(_ handover: Handover) async {
        let isWithinLimit = self.counts.statistics.withLock { statistics in
            statistics.connections += 1
            return statistics.connections <= self.options.maximumConnections
        }
        defer { self.counts.statistics.withLock { $0.connections -= 1 } }
        guard let connection = await self.connection(handover, isWithinLimit) else {
            return self.counts.statistics.withLock { $0.refused += 1 }
        }
        self.counts.statistics.withLock { $0.accepted += 1 }
        // What a connection ends with is in its closure; the server has nobody to tell.
        try? await connection.serve(self.options.placement, self.serve)
        let code = connection.closure?.code ?? .abnormal
        self.counts.statistics.withLock { $0.closures[code, default: 0] += 1 }
    }

    private func connection(_ handover: Handover, _ isWithinLimit: Bool) async -> WebSocketConnection? {
        guard let arrival = handover.take() else { return nil }
        do {
            return try await self.shakeHands(arrival, isWithinLimit)
        } catch {
            arrival.channel.close(promise: nil)
            return nil
        }
    }

    private func shakeHands(_ arrival: Arrival, _ isWithinLimit: Bool) async throws -> WebSocketConnection? {
        let request = try await withTaskCancellationHandler {
            try await arrival.request.get()
        } onCancel: {
            arrival.channel.close(promise: nil)
        }
        var acceptance = WebSocketAcceptance.refuse(status: 503, message: "there are too many connections")
        if isWithinLimit {
            do {
                acceptance = try await self.accept(request)
            } catch let error where !(error is CancellationError) {
                acceptance = .refuse(status: 500, message: "the request could not be decided about")
            }
        }
        let decided = acceptance
        return try await arrival.channel.eventLoop.submit { try arrival.handler.value.answer(request, decided) }.get()
    }
}
