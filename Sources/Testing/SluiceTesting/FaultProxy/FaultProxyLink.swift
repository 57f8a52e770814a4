// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One connection that the proxy has accepted, with its connection to the server.
///
/// - Note: Unchecked: what varies is touched on the event loop of `client` alone, which is that of `upstream` too.
final class FaultProxyLink: @unchecked Sendable {
    /// One of its two ends.
    enum Side {
        case client, upstream
    }

    /// Bytes the system may hold unread: without a bound of ours, all would be read at once when the peer closes.
    static let receiveBuffer: ChannelOptions.Types.SocketOption.Value = 128 * 1024

    let id: Int
    let client: any Channel
    /// Succeeds when both sides are gone.
    let closed: EventLoopFuture<Void>

    private let gone: EventLoopPromise<Void>
    private let server: (host: String, port: Int)
    private let registry: FaultProxyRegistry
    private let toUpstream: FaultPump
    private let toClient: FaultPump
    private var current: FaultProxyRegistry.Current
    private var upstream: (any Channel)?
    /// Sides that are open, or may yet be.
    private var openSides = 1
    /// How one side was lost while the mode kept that from the other.
    private var heldBack: FaultProxy.Disconnection?
    private var isEnding = false

    init(
        id: Int, client: any Channel, server: (host: String, port: Int), registry: FaultProxyRegistry,
        current: FaultProxyRegistry.Current
    ) {
        self.id = id
        self.client = client
        self.server = server
        self.registry = registry
        self.current = current
        self.toUpstream = FaultPump(.toUpstream, mode: current.mode)
        self.toClient = FaultPump(.toClient, mode: current.mode)
        self.gone = client.eventLoop.makePromise()
        self.closed = self.gone.futureResult
        client.closeFuture.whenComplete { _ in self.sideClosed() }
    }

    /// Connects to the server, unless the mode ends the connection at once.
    func begin() {
        self.adopt()
        if self.current.mode == .refuse { self.end(.close) }
        if self.isEnding { return }
        self.openSides += 1
        ClientBootstrap(group: self.client.eventLoop)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.socketOption(.so_rcvbuf), value: Self.receiveBuffer)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FaultProxyHandler(link: self, side: .upstream))
                }
            }
            .connect(host: self.server.host, port: self.server.port)
            .whenComplete { self.connected($0) }
    }

    /// Brings the mode up to date; called before anything else is done, so that `set` holds once it has returned.
    func adopt() {
        let latest = self.registry.current(of: self.id)
        guard latest.number != self.current.number || latest.mode == .reset else { return }
        self.current = latest
        if latest.mode == .reset { return self.end(.reset) }
        if latest.mode != .blackhole, let how = self.heldBack { return self.end(how) }
        self.toUpstream.adopt(latest.mode)
        self.toClient.adopt(latest.mode)
        self.readIfRoom()
    }

    /// Takes bytes one side has sent.
    func received(_ bytes: ByteBuffer, from side: Side) {
        self.adopt()
        let pump = self.pump(from: side)
        self.registry.count(bytes.readableBytes, pump.direction)
        pump.receive(bytes)
    }

    /// Notes that one side will send no more.
    func ended(_ side: Side) {
        self.adopt()
        if side == .client { self.registry.clientEnded(self.id) }
        self.pump(from: side).receiveEnd()
    }

    /// Notes that one side is gone.
    ///
    /// If it has been told the end, and has not failed, it is just the first to be done: the other may still be written to.
    func lost(_ side: Side, hasFailed: Bool) {
        self.adopt()
        if side == .client { self.registry.clientEnded(self.id) }
        if hasFailed || !self.pump(to: side).isShut {
            self.tellOtherSide(.reset)
        } else {
            self.pump(from: side).receiveEnd()
        }
    }

    /// Reads on where the other side keeps up.
    func readIfRoom() {
        if self.toUpstream.hasRoom { self.client.read() }
        if self.toClient.hasRoom { self.upstream?.read() }
    }

    /// Ends both sides.
    func end(_ how: FaultProxy.Disconnection) {
        guard !self.isEnding else { return }
        self.isEnding = true
        self.toUpstream.stop()
        self.toClient.stop()
        self.close(self.client, how)
        if let upstream = self.upstream { self.close(upstream, how) }
    }
}

extension FaultProxyLink {
    private func pump(from side: Side) -> FaultPump { side == .client ? self.toUpstream : self.toClient }
    private func pump(to side: Side) -> FaultPump { side == .client ? self.toClient : self.toUpstream }

    private func connected(_ result: Result<any Channel, any Error>) {
        self.adopt()
        guard case .success(let upstream) = result else {
            self.sideClosed()
            return self.tellOtherSide(.reset)
        }
        upstream.closeFuture.whenComplete { _ in self.sideClosed() }
        if self.isEnding { return upstream.close(promise: nil) }
        self.upstream = upstream
        self.toUpstream.start(into: upstream, onCut: self.end, onRoom: self.readIfRoom)
        self.toClient.start(into: self.client, onCut: self.end, onRoom: self.readIfRoom)
        self.readIfRoom()
    }

    private func tellOtherSide(_ how: FaultProxy.Disconnection) {
        if self.current.mode == .blackhole {
            self.heldBack = how
        } else {
            self.end(how)
        }
    }

    private func close(_ channel: any Channel, _ how: FaultProxy.Disconnection) {
        guard how == .reset, let socket = channel as? any SocketOptionProvider else {
            return channel.close(promise: nil)
        }
        // Lingering for zero seconds makes close send a reset.
        socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
    }

    private func sideClosed() {
        self.openSides -= 1
        guard self.openSides == 0 else { return }
        self.toUpstream.stop()
        self.toClient.stop()
        self.registry.remove(self.id)
        self.gone.succeed()
    }
}
