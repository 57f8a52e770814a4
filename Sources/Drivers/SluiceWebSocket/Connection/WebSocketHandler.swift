// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice

/// The connection's half on the event loop: bytes to messages and back, and everything that is answered without the application.
///
/// Frames are taken out of what was read in one loop, and what is sent in one turn of the event loop goes out in one write.
final class WebSocketHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    enum Phase {
        /// Messages flow both ways.
        case open
        /// The peer has closed, and the application still works on what came before. Becomes `over`.
        case draining
        /// We sent a close frame and wait for the peer's. Becomes `over`.
        case closing
        /// Both close frames went, or the peer broke the protocol: nothing is read any more but the end.
        case over
        /// The channel is closed.
        case gone
    }

    /// Beyond this much what is to be sent is written at once and not at the end of the turn.
    static let writeLimit = 1 << 16

    let state: ConnectionState
    let role: Role
    let configuration: WebSocketConfiguration
    var reader: MessageReader
    var writer: FrameWriter
    var context: ChannelHandlerContext?
    var phase = Phase.open
    /// Frames that wait for the end of the turn.
    var pending = ByteBuffer()
    var isFlushScheduled = false
    /// Messages for many that wait for the end of one in fragments, and how many bytes they have.
    var deferred: [SharedMessage] = []
    var deferredBytes = 0
    /// Read, but not looked at yet, since the queue holds as many bytes as it may.
    var held: ByteBuffer?
    private let isCompressed: Bool
    private var isQueueFull = false
    var isReadHeld = false
    var keepAlive: KeepAlive?
    var keepAliveAlarm: TimerToken?
    var closeAlarm: TimerToken?
    /// The last ping that came while the peer took nothing; it is answered once it does.
    private var owedPong: ByteBuffer?
    /// Ping numbers and when they were sent; the oldest are given up.
    var pingTimes: [(number: UInt64, at: Instant)] = []
    var failure: WebSocketError?
    var closure: WebSocketClosure?
    var cause: (any Error)?
    /// When the connection began; nil if it never did.
    var connectedAt: Instant?
    /// Whether the peer was too slow for the last message that went to many.
    var isPeerSlow = false

    init(state: ConnectionState, role: Role, configuration: WebSocketConfiguration, agreed: AgreedCompression?) {
        self.state = state
        self.role = role
        self.configuration = configuration
        self.reader = MessageReader(
            role: role, limits: configuration.limits, inflater: agreed?.inflater(for: role))
        self.isCompressed = agreed != nil
        let wanted = configuration.compression
        self.writer = FrameWriter(
            role: role, deflater: wanted.flatMap { agreed?.deflater(for: role, $0.effort) },
            threshold: wanted?.threshold ?? 1)
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.state.setWritable(context.channel.isWritable)
        self.connectedAt = self.configuration.time.now
        self.configuration.report(.webSocketConnected, outcome: self.role == .client ? "client" : "server")
        guard let interval = self.configuration.pingInterval else { return }
        let now = self.configuration.time.now
        let keepAlive = KeepAlive(interval: interval, timeout: self.configuration.pingTimeout, now: now)
        self.keepAlive = keepAlive
        self.setKeepAliveAlarm(keepAlive.next)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.finish()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        self.keepAlive?.heard()
        if self.held != nil {
            self.held?.writeBuffer(&bytes)
        } else {
            self.process(&bytes)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.flush()
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        while self.isQueueFull, self.phase == .open {
            self.isQueueFull = false
            if self.state.holdRead() {
                self.isReadHeld = true
                self.keepAlive?.paused()
                return
            }
            // A task has made room since, and was not told to say so: what was put aside comes before what is read next.
            guard var bytes = self.held.take() else { break }
            self.parse(&bytes)
            self.flush()
        }
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        let isWritable = context.channel.isWritable
        if isWritable, let owed = self.owedPong.take(), self.phase == .open {
            self.writer.writeControl(.pong, owed, into: &self.pending)
            self.flush()
        }
        self.state.setWritable(isWritable)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        // What was read before the end can still be received.
        if var bytes = self.held.take() { self.parse(&bytes) }
        self.finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.cause = self.cause ?? error
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: context.close(promise: nil)
        case is ChannelShouldQuiesceEvent: self.beginClose(.goingAway, "the server stops")
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    /// What handlers behind ours still want to say is HTTP, and no longer of interest.
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.ioOnClosedChannel)
    }

    /// Nor may they close what is ours.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        promise?.succeed()
    }

    // MARK: Reading

    private func process(_ bytes: inout ByteBuffer) {
        let count = bytes.readableBytes
        self.state.count { $0.wireBytesReceived += count }
        self.parse(&bytes)
    }

    private func parse(_ bytes: inout ByteBuffer) {
        do throws(ProtocolFailure) {
            while self.phase == .open || self.phase == .closing, let event = try self.reader.next(&bytes) {
                let isOverfull = self.handle(event)
                // Without compression what was read is no larger for being in messages.
                if isOverfull, self.isCompressed, bytes.readableBytes > 0 {
                    self.held = bytes
                    return
                }
            }
        } catch {
            self.fail(error)
        }
    }

    /// - Returns: Whether the queue holds more bytes than it may.
    private func handle(_ event: MessageReader.Event) -> Bool {
        switch event {
        case .message(let message):
            guard self.phase == .open else {
                self.state.count { $0.messagesDropped += 1 }
                return false
            }
            let (isFull, isOverfull) = self.state.deliver(message)
            if isFull { self.isQueueFull = true }
            return isOverfull
        case .ping(let payload):
            self.state.count { $0.pingsReceived += 1 }
            guard self.phase == .open else { return false }
            if self.context?.channel.isWritable == true {
                self.writer.writeControl(.pong, payload, into: &self.pending)
                if self.pending.readableBytes > Self.writeLimit { self.flush() }
            } else {
                self.owedPong = payload
            }
        case .pong(var payload):
            guard payload.readableBytes == 8, let number = payload.readInteger(as: UInt64.self) else { return false }
            self.receivedPong(number)
        case .close(let code, let reason):
            self.receivedClose(code, reason)
        }
        return false
    }

    private func receivedPong(_ number: UInt64) {
        guard let index = self.pingTimes.firstIndex(where: { $0.number == number }) else { return }
        let sentAt = self.pingTimes[index].at
        self.pingTimes.removeFirst(index + 1)
        self.state.answered(number, after: sentAt.duration(to: self.configuration.time.now))
    }

    /// Goes on after the application has made room, or has received the last message.
    func goOn() {
        if self.phase == .draining { return self.answerClose() }
        guard self.isReadHeld || self.held != nil, let context = self.context else { return }
        self.isReadHeld = false
        if var bytes = self.held.take() {
            self.parse(&bytes)
            self.flush()
        }
        self.read(context: context)
    }
}
