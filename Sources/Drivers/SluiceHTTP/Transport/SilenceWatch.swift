// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Sluice

/// Ends an exchange in which the server falls silent, or takes in nothing more.
///
/// AsyncHTTPClient's own timeouts set and remove alarms for each exchange, a sixth of what it costs. Here a connection has one alarm,
/// which looks when it rings how long the silence has lasted. A body that nobody reads makes no silence of the server's.
final class SilenceWatch: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart

    private let readTimeout: TimeAmount
    private let writeTimeout: TimeAmount
    /// Since when the next part of an answer is awaited; nil while the request is being sent, and between two exchanges.
    private var waitingSince: NIODeadline?
    /// Since when the connection has taken in no more of a request; nil while it does.
    private var blockedSince: NIODeadline?
    /// Whether the answer to the request under way is complete, which it may be before the request is.
    private var isAnswered = true
    /// Whether anybody wants to read.
    private var isReading = false
    private var alarm: (task: Scheduled<Void>, time: NIODeadline)?

    init(readTimeout: Duration, writeTimeout: Duration) {
        self.readTimeout = .nanoseconds(min(readTimeout, Self.longest).clampedNanoseconds)
        self.writeTimeout = .nanoseconds(min(writeTimeout, Self.longest).clampedNanoseconds)
    }

    /// A year: what is longer would overflow the clock.
    private static let longest: Duration = .seconds(31_536_000)

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.unwrapOutboundIn(data) {
        case .head: self.isAnswered = false
        case .end where !self.isAnswered:
            let now = NIODeadline.now()
            self.waitingSince = now
            self.setAlarm(at: now + self.readTimeout, context)
        case .body, .end: break
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            self.blockedSince = nil
        } else {
            let now = NIODeadline.now()
            self.blockedSince = now
            self.setAlarm(at: now + self.writeTimeout, context)
        }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if !self.isReading {
            self.isReading = true
            if self.waitingSince != nil { self.waitingSince = .now() }
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .end = self.unwrapInboundIn(data) {
            self.isAnswered = true
            self.waitingSince = nil
        } else if self.waitingSince != nil {
            self.waitingSince = .now()
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.isReading = false
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.alarm?.task.cancel()
        self.alarm = nil
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.alarm?.task.cancel()
        self.alarm = nil
    }

    /// Has the alarm ring at `time`, or earlier.
    private func setAlarm(at time: NIODeadline, _ context: ChannelHandlerContext) {
        if let alarm = self.alarm {
            if alarm.time <= time { return }
            alarm.task.cancel()
        }
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: time) { self.look(context) }
        self.alarm = (task, time)
    }

    private func look(_ context: ChannelHandlerContext) {
        self.alarm = nil
        let now = NIODeadline.now()
        if let since = self.blockedSince {
            let end = since + self.writeTimeout
            guard now < end else { return self.fail(.writeTimeout, context) }
            self.setAlarm(at: end, context)
        }
        if let since = self.waitingSince {
            let end = (self.isReading ? since : now) + self.readTimeout
            guard now < end else { return self.fail(.readTimeout, context) }
            self.setAlarm(at: end, context)
        }
    }

    private func fail(_ error: HTTPClientError, _ context: ChannelHandlerContext) {
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }
}
