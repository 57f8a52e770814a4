// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

extension ConnectionState {
    /// Bytes that may wait for the event loop before those who send do.
    private static let outboxLimit = 1 << 16

    /// What became of something that is to be sent.
    enum Posted {
        /// It is on its way. The event loop must be told if `mustWake`; more can be sent at once if `hasRoom`.
        case taken(mustWake: Bool, hasRoom: Bool)
        /// A message in fragments is under way; to be tried again after it.
        case busy
        case refused(WebSocketError)
    }

    /// Puts something into the outbox.
    ///
    /// - Parameter isOfStream: Whether it is a fragment of the message that is under way.
    func post(_ outgoing: Outgoing, isOfStream: Bool = false) -> Posted {
        self.state.withLock { state in
            if state.isSendingOver { return .refused(state.closedError) }
            if case .message = outgoing, state.isStreaming, !isOfStream { return .busy }
            if case .close = outgoing { state.isSendingOver = true }
            state.outbox.append(outgoing)
            state.outboxBytes += outgoing.byteCount
            let mustWake = !state.isWakeScheduled
            state.isWakeScheduled = true
            return .taken(mustWake: mustWake, hasRoom: state.isWritable && state.outboxBytes < Self.outboxLimit)
        }
    }

    /// On the event loop: whether a message may be sent at once, and what is to be sent before it.
    func admit(_ message: WebSocketMessage) -> (posted: Posted, before: [Outgoing]) {
        self.state.withLock { state in
            if state.isSendingOver { return (.refused(state.closedError), []) }
            if state.isStreaming { return (.busy, []) }
            return (.taken(mustWake: false, hasRoom: state.isWritable), Self.emptied(&state))
        }
    }

    /// On the event loop: all that is to be sent.
    func drain() -> [Outgoing] {
        self.state.withLock { state in
            state.isWakeScheduled = false
            return Self.emptied(&state)
        }
    }

    private static func emptied(_ state: inout State) -> [Outgoing] {
        if state.outbox.isEmpty { return [] }
        defer {
            state.outbox = []
            state.outboxBytes = 0
        }
        return state.outbox
    }

    /// On the event loop: takes note of messages that were encoded, and lets those go on who waited for room.
    func sent(messages: Int, bytes: Int, wireBytes: Int) {
        self.state.withLock { state in
            state.statistics.messagesSent += messages
            state.statistics.bytesSent += bytes
            state.statistics.wireBytesSent += wireBytes
        }
    }

    /// On the event loop: takes note of whether the peer takes more, and lets those go on who waited for that.
    func setWritable(_ isWritable: Bool) {
        let senders = self.state.withLock { state in
            state.isWritable = isWritable
            return isWritable ? state.senders.removeAll() : []
        }
        for sender in senders { sender.resume(returning: .ready) }
    }

    /// On the event loop: lets those go on who waited for the outbox to be emptied.
    func wakeSenders() {
        let senders = self.state.withLock { state in
            state.isWritable && !state.senders.isEmpty ? state.senders.removeAll() : []
        }
        for sender in senders { sender.resume(returning: .ready) }
    }

    /// Whether the peer takes more at present.
    var isWritable: Bool { self.state.withLock { $0.isWritable } }

    /// Waits until the peer takes more, or the connection is gone.
    func waitForRoom() async -> Turn {
        await self.wait(\.senders) { state in
            state.isGone || (state.isWritable && state.outboxBytes < Self.outboxLimit)
        }
    }

    /// Waits until no message in fragments is under way.
    func waitForTurn() async -> Turn {
        await self.wait(\.turns) { $0.isGone || !$0.isStreaming }
    }

    /// Waits until the connection is gone.
    func waitForEnd() async -> Turn {
        await self.wait(\.closers) { $0.isGone }
    }

    private func wait(
        _ waiters: any WritableKeyPath<State, Waiters<Turn>> & Sendable, unless isReady: (borrowing State) -> Bool
    ) async -> Turn {
        let id = self.state.withLock { $0[keyPath: waiters].makeID() }
        let turn = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = self.state.withLock { state -> Turn? in
                    if isReady(state) { return .ready }
                    return state[keyPath: waiters].add(id, continuation) ? nil : .cancelled
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            self.state.withLock { $0[keyPath: waiters].leave(id) }?.resume(returning: .cancelled)
        }
        if Task.isCancelled { self.state.withLock { $0[keyPath: waiters].forget(id) } }
        return turn
    }

    // MARK: Messages in fragments

    /// Begins a message in fragments, during which no other message is sent.
    func beginStream() -> Posted {
        self.state.withLock { state in
            if state.isSendingOver { return .refused(state.closedError) }
            if state.isStreaming { return .busy }
            state.isStreaming = true
            return .taken(mustWake: false, hasRoom: true)
        }
    }

    /// Lets other messages be sent again.
    func endStream() {
        let turns = self.state.withLock { state in
            state.isStreaming = false
            return state.turns.removeAll()
        }
        for turn in turns { turn.resume(returning: .ready) }
    }

    // MARK: Pings

    /// Numbers a ping, the keep-alive's among them, so that each pong finds its ping.
    func numberPing() -> UInt64 {
        self.state.withLock { state in
            state.lastPing += 1
            return state.lastPing
        }
    }

    /// Waits until ping `number`, which `send` sends, or a later one is answered, or the connection is gone.
    func waitForPong(_ number: UInt64, _ send: () -> Void) async -> Turn {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = self.state.withLock { state -> Turn? in
                    if state.isGone { return .ready }
                    state.pings[number] = continuation
                    return nil
                }
                if let early { return continuation.resume(returning: early) }
                // A cancellation before this line found nobody; one after it does.
                if Task.isCancelled {
                    self.state.withLock { $0.pings.removeValue(forKey: number) }?.resume(returning: .cancelled)
                } else {
                    send()
                }
            }
        } onCancel: {
            self.state.withLock { $0.pings.removeValue(forKey: number) }?.resume(returning: .cancelled)
        }
    }

    /// On the event loop: ping `number` and all before it are answered (RFC 6455 §5.5.3).
    func answered(_ number: UInt64, after latency: Duration) {
        let answered = self.state.withLock { state in
            state.statistics.latency = latency
            let numbers = state.pings.keys.filter { $0 <= number }
            return numbers.compactMap { state.pings.removeValue(forKey: $0) }
        }
        for ping in answered { ping.resume(returning: .ready) }
    }
}
