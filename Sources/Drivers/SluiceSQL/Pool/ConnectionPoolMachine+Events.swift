// SPDX-License-Identifier: Apache-2.0
public import Sluice

// What happens to connections, reported by whoever opens, pings and closes them.
extension ConnectionPoolMachine {
    /// A connection is open.
    ///
    /// - Parameters:
    ///   - connection: Its number, from ``Effects/connect``.
    ///   - now: The time.
    ///   - fraction: Drawn uniformly from `0...1`: where between nine and eleven tenths of the maximum its lifetime ends.
    public mutating func connected(_ connection: Int, at now: Instant, fraction: Double) -> Effects {
        let place = self.expect(connection, .connecting)
        var effects = Effects()
        self.connectingCount -= 1
        self.failureCount = 0
        self.retryAt = nil
        self.isTurnedAway = false
        self.members[place]?.expires = now.advanced(by: self.settings.lifetime(fraction: fraction))
        self.settle(place, now, &effects)
        self.serve(now, &effects)
        return effects
    }

    /// A connection could not be opened, and nothing of it is left.
    ///
    /// - Parameters:
    ///   - connection: Its number, from ``Effects/connect``.
    ///   - isPermanent: Whether trying again does not help, as with a wrong password: then everybody who waits is refused.
    ///   - now: The time.
    ///   - fraction: Drawn uniformly from `0...1`: where between half and all of the wait the next attempt comes.
    public mutating func connectFailed(
        _ connection: Int, isPermanent: Bool, at now: Instant, fraction: Double
    ) -> Effects {
        let place = self.expect(connection, .connecting)
        var effects = Effects()
        self.connectingCount -= 1
        self.free(place)
        guard !self.isClosed else { return effects }
        self.wake(at: now)
        // Those that were under way together fail together, and count as one.
        if self.retryAt == nil {
            self.failureCount += 1
            self.retryAt = now.advanced(by: self.settings.connectDelay(after: self.failureCount, fraction: fraction))
        }
        if isPermanent {
            self.isTurnedAway = true
            effects.refused = self.queue.removeAll()
        }
        return effects
    }

    /// A connection has, or has not, answered that it is alive.
    ///
    /// If it is dead, so may be all that were opened before: see ``invalidate(because:at:)``. Who waited for it goes first.
    public mutating func pinged(_ connection: Int, isAlive: Bool, at now: Instant) -> Effects {
        let place = Self.place(of: connection)
        guard let member = self.members[place], member.id == connection, member.isPinged else {
            preconditionFailure("connection \(connection) was not to be pinged")
        }
        var effects = Effects()
        self.members[place]?.isPinged = false
        self.members[place]?.pingTicket = nil
        if let ticket = member.pingTicket { self.pinged[ticket] = nil }
        if isAlive, let ticket = member.pingTicket {
            effects.lent.append(Effects.Loan(ticket: ticket, connection: connection))
        } else {
            self.members[place]?.load = 0
            self.leaseCount -= 1
            if !isAlive {
                self.members[place]?.doom = .pingFailed
                self.distrust(because: connection, &effects)
                if let ticket = member.pingTicket {
                    if self.isTurnedAway {
                        effects.refused.append(ticket)
                    } else {
                        self.queue.prepend(ticket, member.phase == .exclusive ? .exclusive : .shared)
                    }
                }
            }
            self.settle(place, now, &effects)
        }
        self.serve(now, &effects)
        return effects
    }

    /// Closes everything that was opened before this moment: what is idle now, what is lent when it comes back.
    ///
    /// - Parameters:
    ///   - connection: The one that was found dead. Nothing happens if it was distrusted already: many connections die
    ///     together and are found dead one after the other, and what was opened in between is sound.
    ///   - now: The time.
    public mutating func invalidate(because connection: Int? = nil, at now: Instant) -> Effects {
        var effects = Effects()
        self.distrust(because: connection, &effects)
        self.serve(now, &effects)
        return effects
    }

    /// The server has nothing of a connection any more, or cannot be reached: its place is free.
    public mutating func closed(_ connection: Int, at now: Instant) -> Effects {
        let place = self.expect(connection, .closing)
        var effects = Effects()
        self.closingCount -= 1
        self.free(place)
        self.replenish(now, &effects)
        return effects
    }

    /// Time has come to ``nextTick``: closes what is too old or was idle too long, and tries again to connect.
    public mutating func tick(at now: Instant) -> Effects {
        var effects = Effects()
        self.sweepAt = .distantFuture
        let idle = self.idle
        self.idle = []
        for place in idle {
            if let reason = self.reasonToRetire(place, now) {
                self.close(place, reason, &effects)
            } else {
                self.idle.append(place)
                self.noteSweep(place)
            }
        }
        self.replenish(now, &effects)
        return effects
    }

    /// Lends nothing any more: closes what is idle, refuses all who wait, and closes what is lent when it comes back.
    public mutating func close() -> Effects {
        var effects = Effects()
        self.isClosed = true
        self.sweepAt = .distantFuture
        self.retryAt = nil
        effects.refused = self.pinged.keys.sorted() + self.queue.removeAll()
        for place in self.pinged.values { self.members[place]?.pingTicket = nil }
        self.pinged = [:]
        for place in self.idle { self.close(place, .poolClosed, &effects) }
        self.idle = []
        return effects
    }

    private func expect(_ connection: Int, _ phase: Phase) -> Int {
        let place = Self.place(of: connection)
        guard let member = self.members[place], member.id == connection, member.phase == phase else {
            preconditionFailure("connection \(connection) is not \(phase)")
        }
        return place
    }
}
