// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Tells a connection of the proxy what happens on one of its two sides.
final class FaultProxyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: FaultProxyLink
    private let side: FaultProxyLink.Side
    private var hasFailed = false

    init(link: FaultProxyLink, side: FaultProxyLink.Side) {
        self.link = link
        self.side = side
    }

    func channelActive(context: ChannelHandlerContext) {
        if self.side == .client { self.link.begin() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.link.received(self.unwrapInboundIn(data), from: self.side)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.link.readIfRoom()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { self.link.ended(self.side) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.hasFailed = true
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.link.lost(self.side, hasFailed: self.hasFailed)
    }
}
