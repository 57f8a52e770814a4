// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1

/// A connection ended before the first byte of an answer came.
struct ConnectionEnded: Error {
    /// Whether it had brought an answer before: then the server most probably closed it before it saw this request.
    let wasReused: Bool
}

/// Sits between TLS and HTTP/1.1 on a connection and says how much of an answer had come when it ended, which the HTTP layer does
/// not tell from a request it never wrote.
final class ConnectionWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// The longest head of an answer, in bytes, those of interim answers before it included: the HTTP layer has no bound of its own.
    static let maximumHeadBytes = 262_144

    /// Whether a request was begun.
    private var hasRequest = false
    private var scanner = AnswerScanner()
    /// Whether the connection had brought an answer before the request under way.
    private var wasReused = false

    /// A request begins, whose answer is the next.
    ///
    /// By its bytes it could not be told from what is left of the request before, whose answer may begin, and even end, while its
    /// body is being sent.
    func begin() {
        self.wasReused = self.scanner.position == .answered
        self.hasRequest = true
        self.scanner = AnswerScanner()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if self.scanner.position != .answered {
            self.scanner.scan(self.unwrapInboundIn(data))
            if self.scanner.position != .answered, self.scanner.headBytes > Self.maximumHeadBytes {
                context.fireErrorCaught(HTTPParserError.headerOverflow)
                context.close(promise: nil)
                return
            }
        }
        context.fireChannelRead(data)
    }

    /// A connection that was kept and is reset before an answer has begun was closed by the server while it was idle, as one that
    /// ended in good order.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is IOError || error is ChannelError, self.hasRequest, self.wasReused, self.scanner.position == .none
        else { return context.fireErrorCaught(error) }
        self.hasRequest = false
        context.fireErrorCaught(ConnectionEnded(wasReused: true))
    }

    func channelInactive(context: ChannelHandlerContext) {
        if self.hasRequest {
            switch self.scanner.position {
            case .none: context.fireErrorCaught(ConnectionEnded(wasReused: self.wasReused))
            // The server has seen the request.
            case .interim: context.fireErrorCaught(ConnectionEnded(wasReused: false))
            case .head, .answered: break
            }
        }
        context.fireChannelInactive()
    }
}
