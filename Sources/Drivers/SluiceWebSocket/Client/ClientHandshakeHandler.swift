// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Sends the client's handshake, reads the server's answer, and gives way to the connection with every byte behind the answer.
final class ClientHandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The most bytes that all heads may have, the interim ones and the last: four of the longest there may be.
    static let maximumHeadBytes = 4 * HTTPHead.limit

    private let handshake: ClientHandshake
    private let configuration: WebSocketConfiguration
    private let attempt: ConnectAttempt
    private var received = ByteBuffer()
    private var headBytes = 0
    private var isDone = false

    init(handshake: ClientHandshake, configuration: WebSocketConfiguration, attempt: ConnectAttempt) {
        self.handshake = handshake
        self.configuration = configuration
        self.attempt = attempt
    }

    func handlerAdded(context: ChannelHandlerContext) {
        var request = context.channel.allocator.buffer(capacity: 512)
        self.handshake.request.write(to: &request)
        context.writeAndFlush(self.wrapOutboundOut(request), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        guard !self.isDone else { return context.fireChannelRead(data) }
        self.received.writeBuffer(&bytes)
        while !self.isDone {
            let before = self.received.readableBytes
            let outcome = HTTPHead.read(&self.received)
            self.headBytes += before - self.received.readableBytes
            guard self.headBytes <= Self.maximumHeadBytes else {
                return self.fail(
                    context, WebSocketError(.invalidHandshake, message: "the server's interim answers do not end"))
            }
            switch outcome {
            case .incomplete: return
            case .malformed:
                return self.fail(
                    context, WebSocketError(.invalidHandshake, message: "the server's answer is not HTTP/1.1"))
            case .head(let head):
                // Interim answers announce the answer.
                if let status = head.status, status != 101, (100...199).contains(status) {
                    self.received.discardReadBytes()
                    continue
                }
                self.finish(context, head)
            }
        }
    }

    private func finish(_ context: ChannelHandlerContext, _ head: HTTPHead) {
        let agreement: Agreement
        do throws(WebSocketError) {
            agreement = try self.handshake.check(head)
        } catch {
            return self.fail(context, error)
        }
        self.isDone = true
        let connection: WebSocketConnection
        do {
            connection = try WebSocketConnection.install(
                .client, in: context, after: self, self.configuration, agreement, head.fields)
        } catch {
            return self.fail(context, error)
        }
        if self.received.readableBytes > 0 {
            context.fireChannelRead(NIOAny(self.received))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
        self.attempt.settle(.success(connection))
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !self.isDone {
            self.fail(
                context, WebSocketError(.connectionLost, message: "the server closed the connection in the handshake"))
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !self.isDone else { return context.fireErrorCaught(error) }
        self.fail(
            context, WebSocketError(.unreachable, message: "the connection failed in the handshake", cause: error))
    }

    private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
        self.isDone = true
        self.attempt.settle(.failure(error))
        context.close(promise: nil)
    }
}
