// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// What a connection keeps to, on either side.
public struct WebSocketConfiguration: Sendable {
    /// How large things may become.
    public var limits: WebSocketLimits
    /// What is offered or accepted of compression; nil for none.
    public var compression: WebSocketCompression?
    /// How often the peer is pinged; nil for never.
    public var pingInterval: Duration?
    /// How long after a ping the peer may be silent, as long as we read; nil for however long it likes.
    public var pingTimeout: Duration?
    /// How long the peer has to answer a close frame, and a server to close the connection, before it is cut; more than zero.
    public var closeTimeout: Duration
    /// How long a handshake may take, for a client with the look-up of the name, TCP and TLS; more than zero.
    public var handshakeTimeout: Duration
    /// What the connections are for, in events, logs and metrics.
    public var name: String
    /// The time line of every limit in time.
    public var time: any TimeSource
    /// Who is told of every connection: events `webSocket.…` of `PolicyEventKind`, on the connection's event loop.
    public var observer: (any PolicyObserver)?

    /// Creates a configuration.
    public init(
        limits: WebSocketLimits = WebSocketLimits(), compression: WebSocketCompression? = WebSocketCompression(),
        pingInterval: Duration? = .seconds(20), pingTimeout: Duration? = .seconds(20),
        closeTimeout: Duration = .seconds(10), handshakeTimeout: Duration = .seconds(10),
        name: String = "webSocket", time: any TimeSource = SystemTime.shared, observer: (any PolicyObserver)? = nil
    ) {
        precondition(pingInterval.map { $0 > .zero } ?? true, "pingInterval must be more than zero")
        precondition(pingTimeout.map { $0 > .zero } ?? true, "pingTimeout must be more than zero")
        precondition(closeTimeout > .zero, "closeTimeout must be more than zero (is \(closeTimeout))")
        precondition(handshakeTimeout > .zero, "handshakeTimeout must be more than zero (is \(handshakeTimeout))")
        self.limits = limits
        self.compression = compression
        self.pingInterval = pingInterval
        self.pingTimeout = pingTimeout
        self.closeTimeout = closeTimeout
        self.handshakeTimeout = handshakeTimeout
        self.name = name
        self.time = time
        self.observer = observer
    }

    /// Tells the observer, if there is one.
    func report(_ kind: PolicyEventKind, outcome: String, duration: Duration? = nil) {
        guard let observer = self.observer else { return }
        OperationContext(name: self.name, time: self.time, observer: observer)
            .record(PolicyEvent(kind, policy: self.name, outcome: outcome, duration: duration))
    }
}
