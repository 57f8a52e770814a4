// SPDX-License-Identifier: Apache-2.0
import NIOCore

extension WebSocketHandler {
    /// Sends a message from a task that runs on the event loop.
    func send(_ message: WebSocketMessage) -> ConnectionState.Posted {
        let (posted, before) = self.state.admit(message)
        guard case .taken = posted else { return posted }
        for outgoing in before { self.encode(outgoing) }
        self.encode(.message(message))
        self.scheduleFlush()
        // Writing may have filled the channel.
        return .taken(mustWake: false, hasRoom: self.context?.channel.isWritable ?? true)
    }

    /// Sends what tasks elsewhere have put into the outbox.
    func drain() {
        for outgoing in self.state.drain() { self.encode(outgoing) }
        self.flush()
        self.state.wakeSenders()
    }

    func encode(_ outgoing: ConnectionState.Outgoing) {
        guard self.phase == .open || self.phase == .draining else { return }
        switch outgoing {
        case .message(let message):
            let wireBytes = self.writer.write(message, into: &self.pending)
            self.state.sent(messages: 1, bytes: message.byteCount, wireBytes: wireBytes)
        case .fragment(let isText, let bytes, let isLast):
            let wireBytes = self.writer.writeFragment(isText: isText, bytes, isLast: isLast, into: &self.pending)
            self.state.sent(messages: isLast ? 1 : 0, bytes: bytes.readableBytes, wireBytes: wireBytes)
            if isLast { self.sendDeferred() }
        case .ping(let number): self.sendPing(number)
        case .close(let code, let reason): self.beginClose(code, reason)
        }
        if self.pending.readableBytes > Self.writeLimit { self.flush() }
    }

    private func sendDeferred() {
        for shared in self.deferred {
            self.writer.write(shared, into: &self.pending)
            self.state.sent(
                messages: 1, bytes: shared.message.byteCount, wireBytes: shared.message.byteCount)
        }
        self.deferred = []
        self.deferredBytes = 0
    }

    /// Writes at the end of this turn, so that what a task sends in one go leaves in one write.
    private func scheduleFlush() {
        guard !self.isFlushScheduled, let context = self.context else { return }
        self.isFlushScheduled = true
        context.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.flush()
        }
    }

    /// Writes what is pending, and then closes as much as is said.
    func flush(thenClose mode: CloseMode? = nil) {
        guard let context = self.context else { return }
        let isEmpty = self.pending.readableBytes == 0
        guard let mode else {
            guard !isEmpty else { return }
            let bytes = self.pending
            self.pending = ByteBuffer()
            return context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
        }
        let bytes = self.pending
        self.pending = ByteBuffer()
        context.writeAndFlush(self.wrapOutboundOut(bytes)).assumeIsolated().whenComplete { _ in
            let closed = context.eventLoop.makePromise(of: Void.self)
            // Where half a connection cannot be closed, all of it is.
            closed.futureResult.assumeIsolated().whenFailure { _ in context.close(promise: nil) }
            context.close(mode: mode, promise: closed)
        }
    }
}
