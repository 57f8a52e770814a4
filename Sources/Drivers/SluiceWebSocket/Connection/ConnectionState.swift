// SPDX-License-Identifier: Apache-2.0
import DequeModule
import NIOCore
import Synchronization

/// What a connection's tasks and its event loop share: the messages between them, who waits for what, and how it ended.
///
/// Everything is decided under one lock and done outside it.
final class ConnectionState: Sendable {
    enum End: Sendable {
        /// Nothing went wrong.
        case orderly
        case failed(WebSocketError)
    }

    enum Received: Sendable {
        case message(WebSocketMessage)
        case end(End)
        case cancelled
    }

    /// How a wait for room or a turn ended.
    enum Turn: Sendable {
        case ready
        case cancelled
    }

    /// What is to be sent, on its way from a task to the event loop.
    enum Outgoing: Sendable {
        case message(WebSocketMessage)
        case fragment(isText: Bool, ByteBuffer, isLast: Bool)
        case ping(number: UInt64)
        case close(WebSocketCloseCode, String)

        var byteCount: Int {
            switch self {
            case .message(let message): message.byteCount
            case .fragment(_, let bytes, _): bytes.readableBytes
            case .ping, .close: 0
            }
        }
    }

    struct State {
        // Received.
        var queue: Deque<WebSocketMessage> = []
        var queuedBytes = 0
        var receivers = Waiters<Received>()
        var isReadHeld = false
        /// Whether a message was handed out whose receiver has not come back for the next one.
        var isBusy = false
        /// Whether the event loop waits until the application has received everything, to answer the peer's close frame.
        var isAnswerOwed = false
        var end: End?
        // To be sent.
        var outbox: [Outgoing] = []
        var outboxBytes = 0
        var isWakeScheduled = false
        var isWritable = true
        var isSendingOver = false
        var isStreaming = false
        /// Those who wait until the peer takes more.
        var senders = Waiters<Turn>()
        /// Those who wait until a message in fragments has ended.
        var turns = Waiters<Turn>()
        // The connection.
        var pings: [UInt64: CheckedContinuation<Turn, Never>] = [:]
        var lastPing: UInt64 = 0
        var closure: WebSocketClosure?
        var isGone = false
        var closers = Waiters<Turn>()
        var statistics = WebSocketStatistics()

        /// What a task is told that wants something of a connection whose end is near or here.
        var closedError: WebSocketError {
            if case .failed(let error) = self.end { return error }
            return .closed(self.closure ?? WebSocketClosure(code: .normal, isByPeer: false))
        }
    }

    let state = Mutex(State())
    let limits: WebSocketLimits

    init(limits: WebSocketLimits) {
        self.limits = limits
    }

    var statistics: WebSocketStatistics { self.state.withLock { $0.statistics } }
    var closure: WebSocketClosure? { self.state.withLock { $0.closure } }

    /// Changes the statistics; called on the event loop.
    func count(_ body: @Sendable (inout WebSocketStatistics) -> Void) {
        self.state.withLock { body(&$0.statistics) }
    }

    /// Says that no message will follow; only the first end counts.
    ///
    /// What is in the queue can still be received.
    func finishReceiving(_ end: End, _ closure: WebSocketClosure?) {
        let receivers = self.state.withLock { state in
            state.isSendingOver = true
            return Self.finishReceiving(end, closure, &state)
        }
        for receiver in receivers { receiver.resume(returning: .end(end)) }
    }

    /// Says that the peer has closed.
    ///
    /// - Returns: Whether the application still has messages to receive or to answer. Then it may go on sending until it has come
    ///   to the end, which ``take()`` tells.
    func finishReceivingByPeer(_ end: End, _ closure: WebSocketClosure) -> Bool {
        let (receivers, isBusy) = self.state.withLock { state in
            let isBusy = !state.isSendingOver && (state.isBusy || !state.queue.isEmpty)
            state.isAnswerOwed = isBusy
            if !isBusy { state.isSendingOver = true }
            return (Self.finishReceiving(end, closure, &state), isBusy)
        }
        for receiver in receivers { receiver.resume(returning: .end(end)) }
        return isBusy
    }

    private static func finishReceiving(
        _ end: End, _ closure: WebSocketClosure?, _ state: inout State
    ) -> [CheckedContinuation<Received, Never>] {
        if let closure, state.closure == nil { state.closure = closure }
        guard state.end == nil else { return [] }
        state.end = end
        return state.receivers.removeAll()
    }

    /// Says that nothing is sent any more.
    func finishSending() { self.state.withLock { $0.isSendingOver = true } }

    /// Says that the connection is gone: whoever waits for anything learns it.
    func finish(_ end: End, _ closure: WebSocketClosure) {
        self.finishReceiving(end, closure)
        let waiting = self.state.withLock { state in
            state.isGone = true
            state.isSendingOver = true
            state.outbox = []
            state.outboxBytes = 0
            defer { state.pings = [:] }
            return state.senders.removeAll() + state.turns.removeAll() + state.closers.removeAll()
                + Array(state.pings.values)
        }
        for waiter in waiting { waiter.resume(returning: .ready) }
    }
}
