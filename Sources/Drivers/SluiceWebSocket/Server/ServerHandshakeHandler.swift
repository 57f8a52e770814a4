// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import Sluice

/// Reads a client's handshake and answers it once the server has decided; gives way to the connection with every byte behind it.
///
/// While the server decides nothing is read, so a client that goes on sending fills no memory.
final class ServerHandshakeHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        /// The request comes. Becomes `deciding` or `over`.
        case reading
        /// It is there, and the server thinks. Becomes `over`.
        case deciding
        /// It is answered, or the client is gone.
        case over
    }

    private let handshake: ServerHandshake
    private let configuration: WebSocketConfiguration
    private let request: EventLoopPromise<WebSocketRequest>
    private var phase = Phase.reading
    private var received = ByteBuffer()
    private var isReadHeld = false
    private var alarm: TimerToken?
    private var context: ChannelHandlerContext?

    init(
        handshake: ServerHandshake, configuration: WebSocketConfiguration, request: EventLoopPromise<WebSocketRequest>
    ) {
        self.handshake = handshake
        self.configuration = configuration
        self.request = request
    }

    /// The request, once it is there and in order.
    var requestFuture: EventLoopFuture<WebSocketRequest> { self.request.futureResult }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let time = self.configuration.time
        let channel = context.channel
        self.alarm = time.schedule(at: time.now.advanced(by: self.configuration.handshakeTimeout)) {
            channel.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.end() }

    private func end() {
        if self.phase == .reading { self.request.fail(ChannelError.eof) }
        self.phase = .over
        self.context = nil
        // Whoever served the handshake may hold this for as long as the connection lives.
        self.received = ByteBuffer()
        if let alarm = self.alarm.take() { self.configuration.time.cancel(alarm) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        self.received.writeBuffer(&bytes)
        guard self.phase == .reading else { return }
        switch HTTPHead.read(&self.received) {
        case .incomplete: return
        case .malformed: self.refuse(status: 400, message: "this is not an HTTP/1.1 request", [:])
        case .head(let head):
            guard let (method, target) = head.request else {
                return self.refuse(status: 400, message: "this is not an HTTP/1.1 request", [:])
            }
            let request = WebSocketRequest(
                target: target, headers: head.fields, remoteAddress: context.channel.remoteAddress)
            if case .refuse(let status, let message, let fields) = self.handshake.refusal(method: method, request) {
                return self.refuse(status: status, message: message, fields)
            }
            self.phase = .deciding
            self.request.succeed(request)
        }
    }

    func read(context: ChannelHandlerContext) {
        if self.phase == .reading { context.read() } else { self.isReadHeld = true }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Answers; called on the event loop.
    ///
    /// - Returns: The connection, or nil if the request was refused or the client is gone.
    func answer(_ request: WebSocketRequest, _ acceptance: WebSocketAcceptance) throws -> WebSocketConnection? {
        guard self.phase == .deciding, let context = self.context else { return nil }
        switch self.handshake.answer(request, acceptance) {
        case .refuse(let status, let message, let fields):
            self.refuse(status: status, message: message, fields)
            return nil
        case .upgrade(let fields, let agreement):
            var answer = context.channel.allocator.buffer(capacity: 256)
            HTTPHead(startLine: "HTTP/1.1 101 Switching Protocols", fields: fields).write(to: &answer)
            context.writeAndFlush(self.wrapOutboundOut(answer), promise: nil)
            let connection = try WebSocketConnection.install(
                .server, in: context, after: self, self.configuration, agreement, request.headers)
            if self.received.readableBytes > 0 {
                context.fireChannelRead(NIOAny(self.received))
                context.fireChannelReadComplete()
            }
            // Our own context is gone once the handler is.
            let channel = context.channel
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
            if self.isReadHeld { channel.read() }
            return connection
        }
    }

    private func refuse(status: Int, message: String, _ fields: HTTPFields) {
        guard self.phase != .over, let context = self.context else { return }
        var fields = fields
        fields[.contentType] = "text/plain; charset=utf-8"
        fields[.contentLength] = "\(message.utf8.count)"
        fields[.connection] = fields.contains(.upgrade) ? "upgrade, close" : "close"
        let phrase = HTTPResponse.Status(code: status).reasonPhrase
        var answer = context.channel.allocator.buffer(capacity: 256)
        HTTPHead(startLine: "HTTP/1.1 \(status) \(phrase)", fields: fields).write(to: &answer)
        answer.writeString(message)
        let channel = context.channel
        if self.phase == .reading { self.request.fail(ChannelError.eof) }
        self.phase = .over
        context.writeAndFlush(self.wrapOutboundOut(answer)).whenComplete { _ in channel.close(promise: nil) }
    }
}
