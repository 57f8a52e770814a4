// SPDX-License-Identifier: Apache-2.0
import DequeModule
import NIOCore
import Synchronization

extension ConnectionState {
    /// Hands a message to whoever waits, or puts it into the queue.
    ///
    /// - Returns: Whether the queue is full, and whether it holds more bytes than it may.
    func deliver(_ message: WebSocketMessage) -> (isFull: Bool, isOverfull: Bool) {
        let count = message.byteCount
        let (receiver, isFull, isOverfull) = self.state.withLock {
            state -> (CheckedContinuation<Received, Never>?, Bool, Bool) in
            state.statistics.messagesReceived += 1
            state.statistics.bytesReceived += count
            if let receiver = state.receivers.popFirst() {
                state.isBusy = true
                return (receiver, false, false)
            }
            state.queue.append(message)
            state.queuedBytes += count
            let isOverfull = state.queuedBytes >= self.limits.queuedBytes
            return (nil, isOverfull || state.queue.count >= self.limits.queuedMessages, isOverfull)
        }
        receiver?.resume(returning: .message(message))
        return (isFull, isOverfull)
    }

    /// Whether reading must wait; then the task that makes room says when it may go on, or the close frame that is on its way.
    func holdRead() -> Bool {
        self.state.withLock { state in
            let isFull =
                state.queue.count >= self.limits.queuedMessages || state.queuedBytes >= self.limits.queuedBytes
            state.isReadHeld = isFull && state.end == nil
            return state.isReadHeld
        }
    }

    /// The next message or the end, if there is one, and whether the event loop must be told to go on.
    func take() -> (received: Received?, mustTell: Bool) {
        self.state.withLock { self.take(&$0) }
    }

    private func take(_ state: inout State) -> (received: Received?, mustTell: Bool) {
        guard let message = state.queue.popFirst() else {
            state.isBusy = false
            guard let end = state.end else { return (nil, false) }
            defer { state.isAnswerOwed = false }
            return (.end(end), state.isAnswerOwed)
        }
        state.isBusy = true
        state.queuedBytes -= message.byteCount
        // At half, so that reading does not begin and stop with every message.
        let hasRoom =
            state.queue.count <= self.limits.queuedMessages / 2 && state.queuedBytes <= self.limits.queuedBytes / 2
        let mustRead = state.isReadHeld && hasRoom
        if mustRead { state.isReadHeld = false }
        return (.message(message), mustRead)
    }

    /// Waits for the next message or the end; `goOn` is called if the event loop must be told to go on.
    func waitForMessage(_ goOn: () -> Void) async -> Received {
        let id = self.state.withLock { $0.receivers.makeID() }
        let received = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (early, mustTell) = self.state.withLock { state -> (Received?, Bool) in
                    if case (let received?, let mustTell) = self.take(&state) { return (received, mustTell) }
                    return (state.receivers.add(id, continuation) ? nil : .cancelled, false)
                }
                if mustTell { goOn() }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            self.state.withLock { $0.receivers.leave(id) }?.resume(returning: .cancelled)
        }
        if Task.isCancelled { self.state.withLock { $0.receivers.forget(id) } }
        return received
    }
}
