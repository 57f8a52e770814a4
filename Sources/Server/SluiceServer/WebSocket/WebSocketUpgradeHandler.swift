// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import NIOHTTP1
import SluiceWebSocket

/// Stands between HTTP's decoder and everything that answers HTTP, and takes handshakes for WebSocket routes out.
///
/// It looks at every request and not only at a connection's first, since proxies send handshakes on connections that they have
/// used before.
final class WebSocketUpgradeHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        /// Requests pass. Becomes `asked`.
        case passing
        /// A handshake came; its end is to come, or it is decided about. Becomes `over` or `upgraded`.
        case asked(WebSocketRequest, ServerHandshake)
        /// The handshake was refused, and the connection closes.
        case over
        /// What comes are no HTTP parts any more.
        case upgraded
    }

    private let routes: WebSocketRoutes
    private let decoder: ByteToMessageHandler<HTTPRequestDecoder>
    private let request: EventLoopPromise<WebSocketRequest>
    private var phase = Phase.passing
    private var isReadHeld = false
    /// Requests that are not answered yet.
    private var openRequests = 0
    private var context: ChannelHandlerContext?

    init(
        routes: WebSocketRoutes, decoder: ByteToMessageHandler<HTTPRequestDecoder>,
        request: EventLoopPromise<WebSocketRequest>
    ) {
        self.routes = routes
        self.decoder = decoder
        self.request = request
    }

    /// The connection's handshake, if there is ever one.
    var requestFuture: EventLoopFuture<WebSocketRequest> { self.request.futureResult }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.request.fail(ChannelError.eof)
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.request.fail(ChannelError.eof)
        context.fireChannelInactive()
    }

    func read(context: ChannelHandlerContext) {
        if case .asked = self.phase { self.isReadHeld = true } else { context.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.phase {
        case .upgraded: context.fireChannelRead(data)
        case .over: break
        case .asked(let request, _):
            // A handshake has no body; a bad one's is not looked at.
            if case .end = self.unwrapInboundIn(data) { self.request.succeed(request) }
        case .passing:
            guard case .head(var head) = self.unwrapInboundIn(data) else { return context.fireChannelRead(data) }
            self.openRequests += 1
            guard self.takes(&head) else { return context.fireChannelRead(self.wrapInboundOut(.head(head))) }
            self.begin(context, head)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = self.unwrapOutboundIn(data) { self.openRequests -= 1 }
        context.write(data, promise: promise)
    }

    /// Whether a request is a handshake for one of our routes.
    ///
    /// Any other that asks for WebSocket goes on as what it is without that,
    /// and the connection closes after it, since the decoder has stopped there.
    private func takes(_ head: inout HTTPRequestHead) -> Bool {
        let asks = head.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
        guard asks else { return false }
        if self.openRequests == 1, self.routes.route(for: head.uri) != nil { return true }
        head.headers.remove(name: "upgrade")
        head.headers.replaceOrAdd(name: "connection", value: "close")
        return false
    }

    private func begin(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        guard let options = self.routes.route(for: head.uri)?.options else { return }
        var fields = HTTPFields()
        for (name, value) in head.headers {
            // The decoder lets through what HTTP allows, so nothing is left out here.
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        let request = WebSocketRequest(
            target: head.uri, headers: fields, remoteAddress: context.channel.remoteAddress)
        let handshake = ServerHandshake(
            compression: options.connection.compression, subprotocols: options.subprotocols, origins: options.origins)
        self.phase = .asked(request, handshake)
        if let refusal = handshake.refusal(method: head.method.rawValue, request) { self.refuse(refusal) }
    }

    /// Answers the handshake; called on the event loop.
    ///
    /// - Returns: The connection, or nil if the handshake was refused or the client is gone.
    func answer(
        _ request: WebSocketRequest, _ acceptance: WebSocketAcceptance
    ) -> EventLoopFuture<WebSocketConnection?> {
        guard let context = self.context else { return self.request.futureResult.map { _ in nil } }
        guard case .asked(_, let handshake) = self.phase, let options = self.routes.route(for: request.target)?.options
        else { return context.eventLoop.makeSucceededFuture(nil) }
        let answer = handshake.answer(request, acceptance)
        guard case .upgrade(let fields, let agreement) = answer else {
            self.refuse(answer)
            return context.eventLoop.makeSucceededFuture(nil)
        }
        self.phase = .upgraded
        return context.eventLoop.makeCompletedFuture {
            self.writeHead(context, .switchingProtocols, fields)
            context.flush()
            let pipeline = context.pipeline.syncOperations
            let connection = try WebSocketConnection.install(
                .server, in: context, after: self, options.connection, agreement, request.headers)
            if let encoder = try? pipeline.context(handlerType: HTTPResponseEncoder.self) {
                pipeline.removeHandler(context: encoder, promise: nil)
            }
            // It hands over every byte behind the handshake before it goes; only then nobody needs us any more.
            let channel = context.channel
            let isReadHeld = self.isReadHeld
            pipeline.removeHandler(self.decoder).assumeIsolated().whenComplete { _ in
                channel.pipeline.syncOperations.removeHandler(self, promise: nil)
                if isReadHeld { channel.read() }
            }
            return connection
        }
    }

    private func writeHead(
        _ context: ChannelHandlerContext, _ status: HTTPResponseStatus, _ fields: HTTPFields
    ) {
        let headers = HTTPHeaders(fields.map { ($0.name.rawName, $0.value) })
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
    }

    private func refuse(_ answer: ServerHandshake.Answer) {
        guard case .refuse(let status, let message, var fields) = answer, let context = self.context else { return }
        self.phase = .over
        fields[.contentType] = "text/plain; charset=utf-8"
        fields[.contentLength] = "\(message.utf8.count)"
        fields[.connection] = fields.contains(.upgrade) ? "upgrade, close" : "close"
        self.writeHead(context, HTTPResponseStatus(statusCode: status), fields)
        context.write(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: message)))), promise: nil)
        let channel = context.channel
        context.writeAndFlush(self.wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }
}
