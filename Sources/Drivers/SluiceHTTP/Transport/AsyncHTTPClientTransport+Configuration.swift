// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOSSL
import Sluice
import Synchronization
import Tracing

extension AsyncHTTPClientTransport {
    /// What to trust beside the system's certificates; nil if that is nothing.
    static func trust(_ settings: HTTPTransportSettings) throws -> TLSConfiguration? {
        guard let file = settings.trustedCertificates else { return nil }
        var tls = TLSConfiguration.makeClientConfiguration()
        do {
            tls.additionalTrustRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(file))]
        } catch {
            throw APIClientError(.untrusted, message: "the certificates in \(file) cannot be read", cause: error)
        }
        return tls
    }

    /// How the library makes and keeps connections, and is told of HTTP/2.
    static func configuration(
        _ settings: HTTPTransportSettings, _ http2: SharedFlag
    ) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = .nanoseconds(settings.connectTimeout.clampedNanoseconds)
        configuration.timeout.write = .nanoseconds(settings.writeTimeout.clampedNanoseconds)
        configuration.connectionPool.idleTimeout = .nanoseconds(settings.idleTimeout.clampedNanoseconds)
        // The gate lets no more through than this, so nobody waits within the pool.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = settings.maximumConnectionsPerHost
        // One place tries again: our own retry, which knows the deadline and the budget.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = settings.usesHTTP2 ? .automatic : .http1Only
        configuration.proxy = settings.proxy.map(Self.proxy)
        // Without a tracer each request would still be told to one that does nothing.
        if configuration.tracing.tracer is NoOpTracer { configuration.tracing.tracer = nil }
        let silence = TimeAmount.nanoseconds(settings.readTimeout.clampedNanoseconds)
        let rules = settings.rules
        let isProxied = settings.proxy != nil
        let check: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            guard !isProxied, !rules.allows(channel.remoteAddress) else {
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(APIClientError(.addressNotAllowed, message: "a private address"))
        }
        configuration.http1_1ConnectionDebugInitializer = { channel in
            check(channel).flatMap { Self.addWatches(to: channel, silence) }
        }
        configuration.http2ConnectionDebugInitializer = { channel in
            http2.set()
            return check(channel).flatMap { LeavingServer.add(to: channel) }
        }
        configuration.http2StreamChannelDebugInitializer = { stream in
            stream.eventLoop.makeCompletedFuture {
                let pipeline = stream.pipeline.syncOperations
                try pipeline.addHandler(LeftStream(), position: .first)
                let codec = try pipeline.handler(type: HTTP2FramePayloadToHTTP1ClientCodec.self)
                try pipeline.addHandler(ExchangeWatch(limit: silence), position: .after(codec))
            }
        }
        return configuration
    }

    /// Where bytes are HTTP: right after TLS, if there is TLS; and where they are messages.
    private static func addWatches(to channel: any Channel, _ silence: TimeAmount) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            let tls = try? pipeline.handler(type: NIOSSLClientHandler.self)
            let watch = ConnectionWatch()
            try pipeline.addHandler(watch, position: tls.map { .after($0) } ?? .first)
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
            try pipeline.addHandler(ExchangeWatch(limit: silence, connection: watch), position: .after(decoder))
        }
    }

    private static func proxy(_ proxy: HTTPProxy) -> HTTPClient.Configuration.Proxy {
        switch (proxy.kind, proxy.username) {
        case (.socks, _): .socksServer(host: proxy.host, port: proxy.port)
        case (.http, nil): .server(host: proxy.host, port: proxy.port)
        case (.http, let username?):
            .server(
                host: proxy.host, port: proxy.port,
                authorization: .basic(username: username, password: proxy.password?.reveal() ?? ""))
        }
    }
}

/// Something that happened at least once.
final class SharedFlag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { self.value.load(ordering: .relaxed) }
    func set() { self.value.store(true, ordering: .relaxed) }
}
