// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A connection ended before the first byte of an answer came.
struct ConnectionEnded: Error {
    /// Whether it had brought an answer before: then the server most probably closed it before it saw this request.
    let wasReused: Bool
}

/// Sits between TLS and HTTP/1.1 on a connection and says how much of an answer had come when it ended, which the HTTP layer does
/// not tell from a request it never wrote.
final class ConnectionWatch: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private enum State {
        /// No request is under way.
        case idle
        /// A request, or a part of it, was written and nothing has been read since.
        case waiting
        /// What was read since may be no more than an interim answer.
        case interim
        /// An answer has begun.
        case answered
    }

    private var state = State.idle
    private var wasReused = false
    private var hasAnswered = false

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if self.state != .waiting {
            self.wasReused = self.hasAnswered
            self.state = .waiting
        }
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if self.state != .answered {
            let bytes = self.unwrapInboundIn(data)
            self.state = Self.isInterim(bytes) ? .interim : .answered
            self.hasAnswered = self.hasAnswered || self.state == .answered
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch self.state {
        case .waiting: context.fireErrorCaught(ConnectionEnded(wasReused: self.wasReused))
        case .interim: context.fireErrorCaught(ConnectionEnded(wasReused: false))
        case .idle, .answered: break
        }
        context.fireChannelInactive()
    }

    /// `HTTP/1.1 1…`
    private static func isInterim(_ bytes: ByteBuffer) -> Bool {
        let start = bytes.readableBytesView.prefix(10)
        return start.count == 10 && start.starts(with: "HTTP/1.".utf8) && start.last == UInt8(ascii: "1")
    }
}
