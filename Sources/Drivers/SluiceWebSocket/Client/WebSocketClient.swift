// SPDX-License-Identifier: Apache-2.0
public import HTTPTypes
public import NIOCore
public import NIOPosix
public import NIOSSL
import Sluice

/// Connects to WebSocket servers.
///
/// ```swift
/// let client = try WebSocketClient()
/// let chat = try await client.connect("wss://chat.example.com/rooms/7", headers: [.authorization: "Bearer …"])
/// try await chat.send("hello")
/// ```
public struct WebSocketClient: Sendable {
    /// What every connection keeps to.
    public let configuration: WebSocketConfiguration
    private let tls: NIOSSLContext
    private let group: any EventLoopGroup
    private let isAddressAllowed: (@Sendable (SocketAddress?) -> Bool)?

    /// Creates a client.
    ///
    /// - Parameters:
    ///   - configuration: What every connection keeps to.
    ///   - tls: For `wss`; by default the server's certificate and name are verified against the system's roots.
    ///   - isAddressAllowed: Asked about the address of each connection before anything is sent on it, so that a server which connects
    ///     for its users cannot be sent where they must not go; `AddressRules` of SluiceHTTP has a function that fits.
    ///   - group: Where the connections live.
    /// - Throws: `NIOSSLError` if `tls` cannot be used.
    public init(
        configuration: WebSocketConfiguration = WebSocketConfiguration(),
        tls: TLSConfiguration = .makeClientConfiguration(),
        isAddressAllowed: (@Sendable (SocketAddress?) -> Bool)? = nil,
        group: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup
    ) throws {
        self.configuration = configuration
        self.tls = try NIOSSLContext(configuration: tls)
        self.isAddressAllowed = isAddressAllowed
        self.group = group
    }

    /// Connects and shakes hands.
    ///
    /// - Parameters:
    ///   - url: `ws:` or `wss:`, percent-encoded.
    ///   - headers: Sent with the handshake; those of the handshake itself are made here.
    ///   - subprotocols: What can be spoken, most wanted first.
    /// - Returns: A connection, to be closed by the caller.
    /// - Throws: ``WebSocketError``, of kind `timedOut` if it all takes longer than the configuration's `handshakeTimeout` or the current
    ///   operation's deadline allow; `CancellationError`.
    public func connect(
        _ url: String, headers: HTTPFields = [:], subprotocols: [String] = []
    ) async throws -> WebSocketConnection {
        try Task.checkCancellation()
        let target = try WebSocketURL(url)
        let time = self.configuration.time
        var deadline = time.now.advanced(by: self.configuration.handshakeTimeout)
        if let context = OperationContext.current, context.time === time { deadline = min(deadline, context.deadline) }
        let attempt = ConnectAttempt()
        let alarm = time.schedule(at: deadline) {
            attempt.settle(
                .failure(WebSocketError(.timedOut, message: "connection and handshake took longer than allowed")))
        }
        defer { time.cancel(alarm) }
        let handshake = ClientHandshake(
            authority: target.authority, target: target.target, headers: headers, subprotocols: subprotocols,
            compression: self.configuration.compression)
        self.start(attempt, target, handshake)
        do {
            return try await attempt.value()
        } catch let error as WebSocketError {
            self.configuration.report(.webSocketConnectFailed, outcome: "\(error.kind)")
            throw error
        }
    }

    /// Connects, runs `body`, and closes the connection.
    ///
    /// - Parameters:
    ///   - placement: Where `body` runs; by default on the connection's event loop, where it must not block and where a message costs no
    ///     change of threads.
    ///   - body: Given the connection.
    /// - Throws: As ``connect(_:headers:subprotocols:)``, and what `body` throws.
    public func withConnection<Value>(
        _ url: String, headers: HTTPFields = [:], subprotocols: [String] = [],
        placement: WebSocketPlacement = .eventLoop, _ body: (WebSocketConnection) async throws -> Value
    ) async throws -> Value {
        try await self.connect(url, headers: headers, subprotocols: subprotocols).serve(placement, body)
    }

    private func start(_ attempt: ConnectAttempt, _ target: WebSocketURL, _ handshake: ClientHandshake) {
        ClientBootstrap(group: self.group)
            .connectTimeout(.nanoseconds(self.configuration.handshakeTimeout.clampedNanoseconds))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: target.host, port: target.port)
            .whenComplete { result in
                switch result {
                case .failure(let error):
                    attempt.settle(
                        .failure(
                            WebSocketError(
                                .unreachable, message: "\(target.host):\(target.port) cannot be reached", cause: error)
                        ))
                case .success(let channel):
                    guard attempt.take(channel) else { return channel.close(promise: nil) }
                    // On the channel's event loop, before anything was read from it.
                    do {
                        try self.prepare(channel, attempt, target, handshake)
                    } catch {
                        attempt.settle(.failure(error))
                    }
                }
            }
    }

    private func prepare(
        _ channel: any Channel, _ attempt: ConnectAttempt, _ target: WebSocketURL, _ handshake: ClientHandshake
    ) throws {
        if let isAddressAllowed, !isAddressAllowed(channel.remoteAddress) {
            throw WebSocketError(.addressNotAllowed, message: "\(target.host) has an address that is not allowed")
        }
        let pipeline = channel.pipeline.syncOperations
        if target.isSecure {
            let isAddress = (try? SocketAddress(ipAddress: target.host, port: 0)) != nil
            try pipeline.addHandler(
                NIOSSLClientHandler(context: self.tls, serverHostname: isAddress ? nil : target.host))
        }
        try pipeline.addHandler(
            ClientHandshakeHandler(handshake: handshake, configuration: self.configuration, attempt: attempt))
    }
}
