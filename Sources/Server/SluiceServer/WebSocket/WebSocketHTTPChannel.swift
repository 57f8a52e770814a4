// SPDX-License-Identifier: Apache-2.0
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import SluiceWebSocket

/// A connection that begins as HTTP/1.1 and may become a WebSocket.
struct WebSocketHTTPChannel: ServerChildChannel {
    struct Value: ServerChildChannelValue {
        let http: HTTP1Channel.Value
        let request: EventLoopFuture<WebSocketRequest>
        let upgrade: NIOLoopBound<WebSocketUpgradeHandler>

        var channel: any Channel { self.http.channel }
    }

    let http: HTTP1Channel
    let routes: WebSocketRoutes

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        self.http.setup(channel: channel, logger: logger).flatMapThrowing { http in
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            // Another decoder in its place: Hummingbird's drops what follows the head of a handshake, and clients do send there.
            let keeping = ByteToMessageHandler(self.makeDecoder())
            let upgrade = WebSocketUpgradeHandler(
                routes: self.routes, decoder: keeping, request: channel.eventLoop.makePromise())
            try pipeline.addHandler(keeping, position: .after(decoder))
            try pipeline.addHandler(upgrade, position: .after(keeping))
            pipeline.removeHandler(decoder, promise: nil)
            return Value(
                http: http, request: upgrade.requestFuture,
                upgrade: NIOLoopBound(upgrade, eventLoop: channel.eventLoop))
        }
    }

    private func makeDecoder() -> HTTPRequestDecoder {
        let wanted = self.http.configuration.httpDecoder
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = wanted.maxHeaderFieldSize
        limits.maxHeaderListSize = wanted.maxHeaderListSize
        limits.maxHeaderFieldCount = wanted.maxHeaderFieldCount
        return HTTPRequestDecoder(
            leftOverBytesStrategy: .forwardBytes, informationalResponseStrategy: .drop, limitConfiguration: limits)
    }

    func handle(value: Value, logger: Logger) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.serve(value) }
            // Hears nothing more of a connection that has become a WebSocket until it ends.
            await self.http.handle(value: value.http, logger: logger)
        }
    }

    private func serve(_ value: Value) async {
        // Fails when the connection ends without a handshake, as most do.
        guard let request = try? await value.request.get(), let route = self.routes.route(for: request.target) else {
            return
        }
        var acceptance: WebSocketAcceptance
        do {
            acceptance = try await route.accept(request)
        } catch {
            acceptance = .refuse(status: 500, message: "the request could not be decided about")
        }
        let decided = acceptance
        let connection = try? await value.channel.eventLoop.flatSubmit {
            value.upgrade.value.answer(request, decided)
        }.get()
        // What a connection ends with is in its closure; there is nobody else to tell.
        try? await connection?.serve(route.options.placement, route.serve)
    }
}
