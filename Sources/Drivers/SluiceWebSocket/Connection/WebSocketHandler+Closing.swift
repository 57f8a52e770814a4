// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice

extension WebSocketHandler {
    /// Sends a close frame, unless one went already, and gives the peer time to answer.
    func beginClose(_ code: WebSocketCloseCode, _ reason: String) {
        if self.phase == .draining { return self.answerClose() }
        guard self.phase == .open else { return }
        self.phase = .closing
        self.closure = WebSocketClosure(code: code, reason: reason, isByPeer: false)
        self.writer.writeClose(code, reason, into: &self.pending)
        self.flush()
        self.setCloseAlarm()
        // Else the peer's close frame could be behind messages that nobody reads.
        self.goOn()
    }

    /// Answers the peer's close frame: at once, or, if the application is at work on messages, when it has come to the end of them.
    func receivedClose(_ code: WebSocketCloseCode, _ reason: String) {
        guard self.phase == .open else { return self.closeTransport() }
        let closure = WebSocketClosure(code: code, reason: reason, isByPeer: true)
        self.closure = closure
        self.phase = .draining
        self.setCloseAlarm()
        let isBusy = self.state.finishReceivingByPeer(
            code.isOrderly ? .orderly : .failed(.closed(closure)), closure)
        if !isBusy { self.answerClose() }
    }

    func answerClose() {
        guard self.phase == .draining, let closure = self.closure else { return }
        for outgoing in self.state.drain() { self.encode(outgoing) }
        self.state.finishSending()
        self.writer.writeClose(closure.code, "", into: &self.pending)
        self.closeTransport()
    }

    /// Both close frames went: a server closes the connection first, and a client waits for it (RFC 6455 §7.1.1).
    private func closeTransport() {
        self.phase = .over
        self.state.finishReceiving(.orderly, self.closure)
        self.flush(thenClose: self.role == .server ? .all : nil)
    }

    func fail(_ failure: ProtocolFailure) {
        guard self.phase == .open || self.phase == .closing else { return }
        let error = WebSocketError(failure)
        self.failure = error
        self.closure = error.closure
        if self.phase == .open { self.writer.writeClose(failure.code, failure.message, into: &self.pending) }
        self.phase = .over
        self.held = nil
        self.state.finishReceiving(.failed(error), error.closure)
        self.setCloseAlarm()
        // Only our half, and the rest is read away: closing with bytes unread would take our close frame from the peer.
        self.flush(thenClose: .output)
        if self.isReadHeld { self.goOn() }
    }

    /// Cuts the connection.
    func cut() { self.context?.close(promise: nil) }

    func finish() {
        guard self.phase != .gone else { return }
        let wasClosed = self.phase == .over || self.phase == .draining
        self.phase = .gone
        for alarm in [self.keepAliveAlarm, self.closeAlarm].compactMap(\.self) { self.configuration.time.cancel(alarm) }
        let abnormal = WebSocketClosure(code: .abnormal, isByPeer: false)
        if let failure = self.failure {
            self.state.finish(.failed(failure), failure.closure ?? abnormal)
        } else if let closure = self.closure {
            // Already told if both close frames went; otherwise we have closed and the peer did not answer.
            self.state.finish(.orderly, wasClosed ? closure : abnormal)
        } else {
            let lost = WebSocketError(
                .connectionLost, message: "the connection ended without a close frame", closure: abnormal,
                cause: self.cause)
            self.state.finish(.failed(lost), abnormal)
        }
        self.reportEnd()
    }

    private func reportEnd() {
        guard let connectedAt = self.connectedAt.take() else { return }
        let code = self.state.closure?.code ?? .abnormal
        self.configuration.report(
            .webSocketDisconnected, outcome: "\(code)",
            duration: connectedAt.duration(to: self.configuration.time.now))
    }
}
