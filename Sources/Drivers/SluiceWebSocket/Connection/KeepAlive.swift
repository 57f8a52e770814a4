// SPDX-License-Identifier: Apache-2.0
package import Sluice

/// When to ping, and when silence after a ping means that the peer is gone.
///
/// Any byte from the peer counts as a sign of life, so a long message on its way is not mistaken for silence; and time in which we
/// did not read does not count, so a slow application is not mistaken for a dead peer.
///
/// A state machine without clock or I/O.
package struct KeepAlive {
    package enum Decision: Equatable {
        /// Ping, and come back at the instant.
        case ping(until: Instant)
        /// Come back at the instant.
        case wait(until: Instant)
        /// The peer is gone.
        case giveUp
    }

    private enum State {
        /// The next ping is due at the instant. Becomes `pinged`.
        case idle(until: Instant)
        /// A ping was sent; its answer is due at `until`. Becomes `idle`, or the connection ends.
        case pinged(sentAt: Instant, until: Instant)
    }

    private let interval: Duration
    private let timeout: Duration?
    private var state: State
    private var hasHeard = false
    private var hasPaused = false

    package init(interval: Duration, timeout: Duration?, now: Instant) {
        self.interval = interval
        self.timeout = timeout
        self.state = .idle(until: now.advanced(by: interval))
    }

    /// When ``check(now:isPaused:)`` has something to say.
    package var next: Instant {
        switch self.state {
        case .idle(let until), .pinged(_, let until): until
        }
    }

    /// Something came from the peer.
    package mutating func heard() { self.hasHeard = true }

    /// Reading has stopped.
    package mutating func paused() { self.hasPaused = true }

    /// What to do now.
    ///
    /// - Parameters:
    ///   - now: The present.
    ///   - isPaused: Whether reading stands still, because the application is slow.
    package mutating func check(now: Instant, isPaused: Bool) -> Decision {
        guard now >= self.next else { return .wait(until: self.next) }
        switch self.state {
        case .idle:
            self.hasHeard = false
            self.hasPaused = isPaused
            self.state = .pinged(sentAt: now, until: now.advanced(by: self.timeout ?? self.interval))
            return .ping(until: self.next)
        case .pinged(let sentAt, _):
            if self.hasHeard || self.timeout == nil {
                self.state = .idle(until: max(now, sentAt.advanced(by: self.interval)))
                return .wait(until: self.next)
            }
            guard self.hasPaused, let timeout = self.timeout else { return .giveUp }
            self.hasPaused = isPaused
            self.state = .pinged(sentAt: sentAt, until: now.advanced(by: timeout))
            return .wait(until: self.next)
        }
    }
}
