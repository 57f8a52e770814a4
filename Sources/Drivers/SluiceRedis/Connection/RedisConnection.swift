// SPDX-License-Identifier: Apache-2.0
import DequeModule
import NIOCore
import Sluice

/// One connection: writes commands as they come, all of one turn of the event loop at once, and hands out answers in order.
///
/// - Note: Unchecked, because what varies is touched on its event loop alone.
final class RedisConnection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        /// Being made; so many of the commands that open it are not answered. Becomes `open` or `over`.
        case opening(unanswered: Int)
        /// Commands are written to it. Becomes `retired` or `over`.
        case open
        /// Nothing more is written; it is closed once nobody waits for an answer. Becomes `over`.
        case retired
        /// Closed, or about to be.
        case over
    }

    struct Sent {
        let request: RedisRequest
        let at: Instant
    }

    /// Commands shorter than this are copied together, so that many of them are one write.
    private static let copiedLength = 16 << 10

    let eventLoop: any EventLoop
    let client: Redis
    let time: any TimeSource
    var phase: Phase
    private var reader: RESPReader
    /// Written and not answered, those given up among them.
    var sent = Deque<Sent>()
    private var context: ChannelHandlerContext?
    var lastRead = Instant(nanoseconds: .min)
    private var hasAnswered = false
    /// Rings when an answer, or the opening, is overdue.
    var alarm: TimerToken?
    private var cause: (any Error)?

    init(client: Redis, eventLoop: any EventLoop) {
        self.client = client
        self.eventLoop = eventLoop
        self.time = client.time
        self.reader = RESPReader(limits: client.configuration.limits)
        self.phase = .opening(unanswered: client.target.handshake.count)
    }

    // MARK: The channel

    /// Called on a connection that stands.
    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        for command in self.client.target.handshake {
            context.write(self.wrapOutboundOut(RESPWriter.command(command.name, command.arguments)), promise: nil)
        }
        context.flush()
    }

    /// Whether somebody still wants it; given up while it was being made, it must not be opened.
    var isWanted: Bool { if case .over = self.phase { false } else { true } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.lastRead = self.time.now
        self.reader.append(self.unwrapInboundIn(data))
        do throws(RESPReader.Failure) {
            while let message = try self.reader.next() {
                // Pushes belong to subscriptions and tracking, which nobody has asked for.
                if case .reply(let answer) = message { self.take(answer) }
                if case .over = self.phase { return }
            }
        } catch {
            self.end(RedisError(.protocolViolation, message: "the server broke the protocol: \(error.message)"))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.flush()
        self.closeIfDone()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.flush()
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.cause = self.cause ?? error
        self.endLost()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.endLost()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.endLost()
        self.context = nil
    }

    private func endLost() {
        self.end(
            RedisError(.connectionLost, message: self.cause.map { "\($0)" } ?? "the server closed the connection"))
    }

    // MARK: Answers

    private func take(_ answer: RedisValue) {
        if case .opening(let unanswered) = self.phase { return self.takeOpening(answer, unanswered) }
        guard let request = self.sent.popFirst()?.request else {
            return self.end(
                RedisError(.protocolViolation, message: "the server sent an answer that nobody asked for"))
        }
        self.hasAnswered = true
        if case .error(let error) = answer {
            request.settle(.failure(error.answering(isScript: request.isScript)))
        } else {
            request.settle(.success(answer))
        }
    }

    private func takeOpening(_ answer: RedisValue, _ unanswered: Int) {
        if case .error(let error) = answer { return self.end(error.inHandshake) }
        guard unanswered == 1 else {
            self.phase = .opening(unanswered: unanswered - 1)
            return
        }
        self.phase = .open
        self.cancelAlarm()
        self.client.opened(self)
    }

    // MARK: Commands

    /// Writes what waits, as far as there is room.
    func flush() {
        guard case .open = self.phase, let context = self.context, context.channel.isWritable else { return }
        let requests = self.client.take(self.client.configuration.maximumInFlight - self.sent.count, for: self)
        guard !requests.isEmpty else { return }
        let now = self.time.now
        var joined: ByteBuffer?
        for request in requests {
            self.sent.append(Sent(request: request, at: now))
            if request.bytes.readableBytes < Self.copiedLength {
                if joined?.writeImmutableBuffer(request.bytes) == nil { joined = request.bytes }
            } else {
                if let joined { context.write(self.wrapOutboundOut(joined), promise: nil) }
                joined = nil
                context.write(self.wrapOutboundOut(request.bytes), promise: nil)
            }
        }
        if let joined { context.write(self.wrapOutboundOut(joined), promise: nil) }
        context.flush()
        self.watch()
    }

    // MARK: The end

    /// Takes no more commands, and closes once those that are waited for are answered; at once if it is not open yet.
    func retire() {
        switch self.phase {
        case .opening: self.end(.clientClosed)
        case .open:
            self.phase = .retired
            self.client.retired(self)
            self.closeIfDone()
        case .retired, .over: break
        }
    }

    private func closeIfDone() {
        guard case .retired = self.phase, self.sent.allSatisfy({ $0.request.isSettled }) else { return }
        self.end(.clientClosed)
    }

    /// Ends the connection and everything under way on it; only the first end counts.
    ///
    /// - Parameter error: For the command whose answer is at fault; what is behind it has just lost its connection.
    func end(_ error: RedisError) {
        let before = self.phase
        if case .over = before { return }
        self.phase = .over
        self.cancelAlarm()
        var error = error
        for sent in self.sent {
            sent.request.settle(.failure(error))
            if error.kind == .protocolViolation {
                error = RedisError(.connectionLost, message: "the connection was given up: \(error.message)")
            }
        }
        self.sent.removeAll()
        switch before {
        case .opening: self.client.connectFailed(error.kind == .connectionLost ? error.asUnreachable : error)
        case .open: self.client.lost(self, hasAnswered: self.hasAnswered)
        case .retired, .over: break
        }
        let client = self.client
        guard let context = self.context else { return client.gone() }
        context.channel.closeFuture.whenComplete { _ in client.gone() }
        context.close(promise: nil)
    }
}

extension RedisError {
    /// The loss of a connection that was not open yet.
    fileprivate var asUnreachable: RedisError {
        RedisError(.unreachable, message: self.message, hasRun: false)
    }
}
