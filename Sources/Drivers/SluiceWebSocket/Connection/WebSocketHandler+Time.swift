// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice

extension WebSocketHandler {
    /// Cuts the connection unless it ends in time; called once its end has begun.
    func setCloseAlarm() {
        guard self.closeAlarm == nil else { return }
        let time = self.configuration.time
        self.closeAlarm = self.alarm(at: time.now.advanced(by: self.configuration.closeTimeout)) { handler in
            // The application did not come to the end of its messages in time.
            handler.answerClose()
            handler.cut()
        }
    }

    func setKeepAliveAlarm(_ instant: Instant) {
        self.keepAliveAlarm = self.alarm(at: instant) { $0.checkKeepAlive() }
    }

    private func alarm(at instant: Instant, _ body: @escaping @Sendable (WebSocketHandler) -> Void) -> TimerToken? {
        guard let loop = self.context?.eventLoop else { return nil }
        let bound = NIOLoopBound(self, eventLoop: loop)
        return self.configuration.time.schedule(at: instant) { loop.execute { body(bound.value) } }
    }

    private func checkKeepAlive() {
        guard self.phase == .open else { return }
        let now = self.configuration.time.now
        switch self.keepAlive?.check(now: now, isPaused: self.isReadHeld || self.held != nil) {
        case .ping(let until):
            self.sendPing(self.state.numberPing())
            self.flush()
            self.setKeepAliveAlarm(until)
        case .wait(let until):
            self.setKeepAliveAlarm(until)
        case .giveUp:
            let closure = WebSocketClosure(code: .abnormal, isByPeer: false)
            self.failure = WebSocketError(
                .keepAliveTimedOut, message: "the peer was silent after a ping", closure: closure)
            self.cut()
        case nil:
            break
        }
    }

    func sendPing(_ number: UInt64) {
        if self.pingTimes.count >= 64 { self.pingTimes.removeFirst() }
        self.pingTimes.append((number, self.configuration.time.now))
        self.writer.writeControl(.ping, ByteBuffer(integer: number), into: &self.pending)
    }
}
