// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Sits where requests and answers are not bytes yet, or not any more: ends an exchange whose server falls silent, and tells a
/// connection's ``ConnectionWatch`` of each request.
///
/// Silence is the time from when a request is complete and more of its answer is asked of the connection until the next part comes.
/// While whoever reads the answer takes its time, nothing is asked for. One alarm serves all exchanges of a connection, or the one
/// of a stream of HTTP/2: when it rings it is set anew for what is left, where the library's own timers, set anew for each part,
/// take a tenth of a small exchange.
final class ExchangeWatch: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart

    private enum Phase {
        /// No exchange is under way. Becomes `sending`.
        case idle
        /// A part of the request is still to come. Becomes `waiting`, or `idle` if the answer ends before its request.
        case sending
        /// A part of the answer is still to come. Becomes `idle`.
        case waiting
    }

    private let limit: TimeAmount
    private let connection: ConnectionWatch?
    private var phase = Phase.idle
    /// Whether the connection was asked for more since the last part came; a new one is asked by itself.
    private var isAsked = true
    private var silentSince = NIODeadline.uptimeNanoseconds(0)
    private var alarm: Scheduled<Void>?

    /// - Parameters:
    ///   - limit: The longest silence.
    ///   - connection: Who is told of each request; nil on a connection of one exchange.
    init(limit: TimeAmount, connection: ConnectionWatch? = nil) {
        self.limit = limit
        self.connection = connection
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.unwrapOutboundIn(data) {
        case .head:
            self.connection?.begin()
            self.phase = .sending
        case .end where self.phase == .sending:
            self.phase = .waiting
            if self.isAsked { self.listen(context) }
        case .body, .end: break
        }
        context.write(data, promise: promise)
    }

    func read(context: ChannelHandlerContext) {
        if !self.isAsked {
            self.isAsked = true
            if self.phase == .waiting { self.listen(context) }
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.isAsked = false
        if case .end = self.unwrapInboundIn(data) { self.phase = .idle }
        context.fireChannelRead(data)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.alarm?.cancel()
        // An alarm that rings in this very turn of the loop cannot be cancelled any more.
        self.phase = .idle
    }

    // MARK: The alarm

    private func listen(_ context: ChannelHandlerContext) {
        self.silentSince = context.eventLoop.now
        if self.alarm == nil { self.setAlarm(context) }
    }

    private func setAlarm(_ context: ChannelHandlerContext) {
        self.alarm = context.eventLoop.assumeIsolated().scheduleTask(deadline: self.silentSince + self.limit) {
            self.alarm = nil
            guard self.phase == .waiting, self.isAsked else { return }
            if context.eventLoop.now < self.silentSince + self.limit {
                self.setAlarm(context)
            } else {
                context.fireErrorCaught(HTTPClientError.readTimeout)
            }
        }
    }
}
