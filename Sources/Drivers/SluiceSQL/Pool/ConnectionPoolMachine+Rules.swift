// SPDX-License-Identifier: Apache-2.0
import Sluice

// What follows from an event.
extension ConnectionPoolMachine {
    var usedCount: Int { self.members.count - self.freePlaces.count }
    /// Connections that are open or will be.
    private var openCount: Int { self.usedCount - self.closingCount }

    /// Connecting may be tried again.
    mutating func wake(at now: Instant) {
        guard let retryAt = self.retryAt, retryAt <= now else { return }
        self.retryAt = nil
        self.isTurnedAway = false
    }

    // MARK: Lending

    /// Serves callers in order of arrival for as long as there is something for the first of them, and opens more for the rest.
    mutating func serve(_ now: Instant, _ effects: inout Effects) {
        while let (ticket, kind) = self.queue.first() {
            if let place = self.popIdle(now, &effects) {
                self.queue.removeFirst()
                let id = self.lend(place, kind, now)
                if self.needsPing(place, now) {
                    self.ping(place, for: ticket, &effects)
                } else {
                    effects.lent.append(Effects.Loan(ticket: ticket, connection: id))
                }
            } else if kind == .shared, let id = self.share(now) {
                self.queue.removeFirst()
                effects.lent.append(Effects.Loan(ticket: ticket, connection: id))
            } else {
                break
            }
        }
        self.replenish(now, &effects)
    }

    /// The idle connection that came back last and is not too old.
    mutating func popIdle(_ now: Instant, _ effects: inout Effects) -> Int? {
        while let place = self.idle.popLast() {
            guard let reason = self.reasonToRetire(place, now) else { return place }
            self.close(place, reason, &effects)
        }
        return nil
    }

    /// Lends an idle connection.
    mutating func lend(_ place: Int, _ kind: LeaseKind, _ now: Instant) -> Int {
        self.leaseCount += 1
        self.members[place]?.load = 1
        self.members[place]?.progress = now
        self.members[place]?.phase = kind == .exclusive ? .exclusive : .shared
        if kind == .shared { self.shared.append(place) }
        return self.members[place]?.id ?? 0
    }

    /// Lends the least loaded shared connection once more, the longest shared of equals.
    ///
    /// Not while one more may be opened below `size`: nobody is to stand behind a statement that takes long without need.
    mutating func share(_ now: Instant) -> Int? {
        if self.openCount < self.settings.size, self.mayConnect(now) { return nil }
        var best: (place: Int, id: Int, load: Int)?
        for place in self.shared {
            guard let member = self.members[place], self.isShareable(member, now),
                member.load < best?.load ?? self.settings.statementsPerConnection
            else { continue }
            best = (place, member.id, member.load)
        }
        guard let best else { return nil }
        self.leaseCount += 1
        self.members[best.place]?.load += 1
        return best.id
    }

    /// After so long without an answer those who share a connection are at something that takes long, and nobody joins them.
    static let sharingPatience: Duration = .milliseconds(100)

    private func isShareable(_ member: Member, _ now: Instant) -> Bool {
        now < member.progress.advanced(by: Self.sharingPatience) && member.doom == nil && !member.isPinged
            && now < member.expires && !self.isDistrusted(member.id)
    }

    func needsPing(_ place: Int, _ now: Instant) -> Bool {
        self.members[place].map { $0.since.duration(to: now) > self.settings.pingAfterIdle } ?? false
    }

    mutating func ping(_ place: Int, for ticket: Ticket, _ effects: inout Effects) {
        self.members[place]?.isPinged = true
        self.members[place]?.pingTicket = ticket
        self.pinged[ticket] = place
        if let id = self.members[place]?.id { effects.ping.append(id) }
    }

    // MARK: Coming back

    /// A connection that nobody uses is kept or closed.
    mutating func settle(_ place: Int, _ now: Instant, _ effects: inout Effects) {
        guard let member = self.members[place] else { return }
        if member.phase == .shared { self.shared.removeAll { $0 == place } }
        self.members[place]?.phase = .idle
        self.members[place]?.since = now
        if let reason = self.reasonToClose(member, now) { return self.close(place, reason, &effects) }
        self.idle.append(place)
        self.noteSweep(place)
    }

    private func reasonToClose(_ member: Member, _ now: Instant) -> PoolCloseReason? {
        if self.isClosed { return .poolClosed }
        if let doom = member.doom { return doom }
        if self.isDistrusted(member.id) { return .invalidated }
        if now >= member.expires { return .lifetime }
        // What is being opened does not count, or it would push out one that is warm.
        let isSurplus = self.openCount - self.connectingCount > self.settings.size
        return isSurplus && self.queue.isEmpty ? .overflow : nil
    }

    /// Why an idle connection is not to be lent any more.
    func reasonToRetire(_ place: Int, _ now: Instant) -> PoolCloseReason? {
        guard let member = self.members[place] else { return nil }
        if now >= member.expires { return .lifetime }
        return member.since.advanced(by: self.settings.idleTimeout) <= now ? .idle : nil
    }

    mutating func noteSweep(_ place: Int) {
        guard let member = self.members[place] else { return }
        self.sweepAt = min(self.sweepAt, member.expires, member.since.advanced(by: self.settings.idleTimeout))
    }

    private func isDistrusted(_ id: Int) -> Bool { id >> 16 <= self.lastDistrusted }

    mutating func distrust(because connection: Int?, _ effects: inout Effects) {
        if let connection, self.isDistrusted(connection) { return }
        self.lastDistrusted = self.lastSerial
        for place in self.idle { self.close(place, .invalidated, &effects) }
        self.idle = []
    }

    // MARK: Opening and closing

    /// Opens connections for those who wait, one for each; beyond `size` as few as they can share, and only for one who wants a
    /// connection alone or when none has room soon.
    mutating func replenish(_ now: Instant, _ effects: inout Effects) {
        guard !self.queue.isEmpty, !self.isClosed else { return }
        self.wake(at: now)
        let depth = self.settings.statementsPerConnection
        let wanted = self.queue.exclusiveCount + (self.queue.sharedCount + depth - 1) / depth
        let waiting = self.queue.exclusiveCount + self.queue.sharedCount
        while waiting > self.connectingCount, self.openCount < self.settings.size, self.mayConnect(now) {
            self.connect(&effects)
        }
        guard wanted > self.connectingCount, self.mayConnect(now) else { return }
        let hasRoomSoon = self.shared.contains { self.members[$0].map { self.isShareable($0, now) } ?? false }
        let limit =
            self.queue.exclusiveCount > 0 || !hasRoomSoon ? self.settings.capacity : self.settings.size
        while wanted > self.connectingCount, self.openCount < limit, self.mayConnect(now) { self.connect(&effects) }
    }

    /// After a failure connections are opened one at a time until one succeeds, so that no storm meets a server that comes back.
    private func mayConnect(_ now: Instant) -> Bool {
        let isDue = self.retryAt.map { $0 <= now } ?? true
        let maximum = self.failureCount > 0 ? 1 : self.settings.maximumConnecting
        return isDue && self.connectingCount < maximum && !self.freePlaces.isEmpty
    }

    private mutating func connect(_ effects: inout Effects) {
        guard let place = self.freePlaces.popLast() else { return }
        self.lastSerial += 1
        // The place takes 16 bits: the settings allow 20,000 at most.
        let id = self.lastSerial << 16 | place
        self.members[place] = Member(id: id)
        self.connectingCount += 1
        effects.connect.append(id)
    }

    mutating func close(_ place: Int, _ reason: PoolCloseReason, _ effects: inout Effects) {
        guard let id = self.members[place]?.id else { return }
        self.members[place]?.phase = .closing
        self.closingCount += 1
        effects.close.append(Effects.Closing(connection: id, reason: reason))
    }

    mutating func free(_ place: Int) {
        self.members[place] = nil
        self.freePlaces.append(place)
    }
}
