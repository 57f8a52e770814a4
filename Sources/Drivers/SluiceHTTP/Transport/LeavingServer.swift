// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP2

/// Remembers on an HTTP/2 connection which stream the server looked at last before it left.
///
/// The HTTP/2 layer ends the streams behind that one with the code `CANCEL`, by which a server may also end one it has looked at.
///
/// - Source: RFC 9113 §6.8.
final class LeavingServer: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias InboundOut = HTTP2Frame

    private(set) var lastStream: HTTP2StreamID?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .goAway(let lastStream, _, _) = self.unwrapInboundIn(data).payload {
            // A server may leave in steps, and name an earlier stream each time.
            self.lastStream = min(lastStream, self.lastStream ?? lastStream)
        }
        context.fireChannelRead(data)
    }

    /// Puts one where frames are.
    static func add(to connection: any Channel) -> EventLoopFuture<Void> {
        connection.eventLoop.submit {
            let pipeline = connection.pipeline.syncOperations
            let http2 = try pipeline.handler(type: NIOHTTP2Handler.self)
            try pipeline.addHandler(LeavingServer(), position: .after(http2))
        }
    }
}

/// Tells of a stream that a server left without having looked at it as of one that it refused.
final class LeftStream: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let closed = error as? NIOHTTP2Errors.StreamClosed, closed.errorCode == .cancel,
            let server = try? context.channel.parent?.pipeline.syncOperations.handler(type: LeavingServer.self),
            let lastStream = server.lastStream, closed.streamID > lastStream
        else { return context.fireErrorCaught(error) }
        context.fireErrorCaught(NIOHTTP2Errors.streamClosed(streamID: closed.streamID, errorCode: .refusedStream))
    }
}
