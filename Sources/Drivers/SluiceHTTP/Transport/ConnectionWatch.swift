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
        /// An answer's head has begun and not ended.
        case head
        /// An answer's head is complete.
        case answered
    }

    /// The longest head of an answer, in bytes: the HTTP layer has no bound of its own.
    static let maximumHeadBytes = 262_144

    private var headBytes = 0
    /// How many ends of line there were last, one right after the other: two end the head, and may come apart.
    private var lineEnds = 0
    private var state = State.idle
    private var wasReused = false
    private var hasAnswered = false

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if self.state != .waiting {
            self.wasReused = self.hasAnswered
            self.state = .waiting
            self.headBytes = 0
            self.lineEnds = 0
        }
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if self.state != .answered {
            let bytes = self.unwrapInboundIn(data)
            let endsHead = self.endsHead(bytes)
            if self.state != .head, Self.isInterim(bytes) {
                self.state = .interim
            } else {
                self.state = endsHead ? .answered : .head
                self.hasAnswered = true
            }
            self.headBytes += bytes.readableBytes
            if self.state != .answered, self.headBytes > Self.maximumHeadBytes {
                context.fireErrorCaught(HTTPParserError.headerOverflow)
                context.close(promise: nil)
                return
            }
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch self.state {
        case .waiting: context.fireErrorCaught(ConnectionEnded(wasReused: self.wasReused))
        case .interim: context.fireErrorCaught(ConnectionEnded(wasReused: false))
        case .idle, .head, .answered: break
        }
        context.fireChannelInactive()
    }

    /// Whether the empty line that ends a head is in these bytes, or ends with them.
    private func endsHead(_ bytes: ByteBuffer) -> Bool {
        bytes.withUnsafeReadableBytes { bytes in
            for byte in bytes {
                if byte == UInt8(ascii: "\n") {
                    self.lineEnds += 1
                    if self.lineEnds == 2 { return true }
                } else if byte != UInt8(ascii: "\r") {
                    self.lineEnds = 0
                }
            }
            return false
        }
    }

    /// Whether bytes begin as an interim answer does: `HTTP/1.1 1…`.
    private static func isInterim(_ bytes: ByteBuffer) -> Bool {
        let start = bytes.readableBytesView.prefix(10)
        return start.count == 10 && start.starts(with: "HTTP/1.".utf8) && start.last == UInt8(ascii: "1")
    }
}
