// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Sluice

/// Sends requests for http to a proxy, which AsyncHTTPClient would have it tunnel: many proxies tunnel to the port of https alone.
///
/// - Source: RFC 9112 §3.2.2 for the absolute form, RFC 9110 §11.7.2 for the credentials.
final class ForwardProxy: Sendable {
    /// Connected to the proxy alone.
    let client: HTTPClient
    /// The proxy, as what connections are made to.
    let origin: String

    /// - Parameter configuration: How connections are made and kept, without a proxy.
    init(_ proxy: HTTPProxy, _ configuration: HTTPClient.Configuration) {
        let host = proxy.host.contains(":") ? "[\(proxy.host)]" : proxy.host
        self.origin = "http://\(host):\(proxy.port)"
        let authorization = proxy.username.map { HTTPAuth.basic($0, proxy.password ?? "") }
        var configuration = configuration
        let prepare = configuration.http1_1ConnectionDebugInitializer
        configuration.http1_1ConnectionDebugInitializer = { channel in
            let prepared = prepare?(channel) ?? channel.eventLoop.makeSucceededVoidFuture()
            return prepared.flatMapThrowing {
                let pipeline = channel.pipeline.syncOperations
                let encoder = try pipeline.handler(type: HTTPRequestEncoder.self)
                try pipeline.addHandler(
                    ForwardProxyHandler(authorization: authorization), position: .after(encoder))
            }
        }
        self.client = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: configuration)
    }
}

/// Puts requests into absolute form, and tells the proxy who asks.
private final class ForwardProxyHandler: ChannelOutboundHandler {
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let authorization: Secret?

    init(authorization: Secret?) {
        self.authorization = authorization
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = self.unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        head.uri = "http://\(head.headers.first(name: "host") ?? "")\(head.uri)"
        if let authorization { head.headers.replaceOrAdd(name: "proxy-authorization", value: authorization.reveal()) }
        context.write(self.wrapOutboundOut(.head(head)), promise: promise)
    }
}
