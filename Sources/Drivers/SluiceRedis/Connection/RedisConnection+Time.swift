// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Sluice

extension RedisConnection {
    /// Gives up if it is not open by an instant.
    func expectOpening(by instant: Instant) {
        self.setAlarm(at: instant)
    }

    /// Makes sure that an answer which does not come is noticed, also where everybody has stopped waiting for it.
    func watch() {
        guard self.alarm == nil, let first = self.sent.first else { return }
        self.setAlarm(at: max(first.at, self.lastRead).advanced(by: self.client.configuration.timeout))
    }

    private func setAlarm(at instant: Instant) {
        self.alarm = self.time.schedule(at: instant) {
            self.eventLoop.execute { self.ring() }
        }
    }

    /// Gives up nothing any more.
    func cancelAlarm() {
        if let alarm = self.alarm.take() { self.time.cancel(alarm) }
    }

    private func ring() {
        self.alarm = nil
        switch self.phase {
        case .over: break
        case .opening:
            self.end(
                RedisError(.unreachable, message: "connecting and logging in took longer than allowed", hasRun: false))
        case .open, .retired:
            guard let first = self.sent.first else { break }
            let due = max(first.at, self.lastRead).advanced(by: self.client.configuration.timeout)
            if due <= self.time.now {
                self.end(RedisError(.connectionLost, message: "the server has stopped answering"))
            } else {
                self.setAlarm(at: due)
            }
        }
    }

    /// A command's deadline came without its answer.
    ///
    /// If nothing at all has come since it was sent, the network may be gone: new commands go to a new connection, while this one
    /// still gives its answers to those who wait longer.
    func suspect(_ request: RedisRequest) {
        guard case .open = self.phase, let sent = self.sent.first(where: { $0.request === request }),
            self.lastRead < sent.at
        else { return }
        self.retire()
    }
}
