// SPDX-License-Identifier: Apache-2.0
import Sluice

@testable import SluiceSQL

/// A connection pool as plain lists that are searched from end to end; connections are named by how many there were before.
struct NaivePool {
    typealias Effects = ConnectionPoolMachine.Effects

    enum State { case connecting, idle, pinged, lent, closing }

    struct Connection {
        let name: Int
        var state = State.connecting
        var isShared = false
        var users = 0
        var since: Int64 = 0
        /// When a sharer was done last, or the first began.
        var progress: Int64 = 0
        var expires = Int64.max
        var doom: PoolCloseReason?
        var isDistrusted = false
        var ticket: UInt64?
        /// When, in order of events, it became idle or shared.
        var order = 0
    }

    let settings: PoolSettings
    var all: [Connection] = []
    var waiting: [(ticket: UInt64, kind: LeaseKind)] = []
    var names = 0
    var tickets: UInt64 = 0
    var events = 0
    var failures = 0
    var retryAt: Int64?
    var isTurnedAway = false
    var isClosed = false

    init(_ settings: PoolSettings) {
        self.settings = settings
    }

    func all(_ state: State) -> [Connection] { self.all.filter { $0.state == state } }

    var status: PoolStatus {
        PoolStatus(
            size: self.all.count, idle: self.all(.idle).count, lent: self.all(.lent).count + self.all(.pinged).count,
            connecting: self.all(.connecting).count, closing: self.all(.closing).count,
            leases: self.all.map(\.users).reduce(0, +),
            waiting: self.waiting.count + self.all.filter { $0.ticket != nil }.count)
    }

    /// When something is to happen by itself.
    var due: Int64? {
        let ends = self.all(.idle).flatMap { [$0.expires, $0.since + self.nanoseconds(self.settings.idleTimeout)] }
        return (ends + (self.waiting.isEmpty ? [] : [self.retryAt].compactMap(\.self))).min()
    }

    private func nanoseconds(_ duration: Duration) -> Int64 { duration.clampedNanoseconds }

    private mutating func change(_ name: Int, _ change: (inout Connection) -> Void) {
        for index in self.all.indices where self.all[index].name == name { change(&self.all[index]) }
    }

    private mutating func ready(at now: Int64) {
        if let retryAt, retryAt <= now { (self.retryAt, self.isTurnedAway) = (nil, false) }
    }

    // MARK: Events

    mutating func ask(_ kind: LeaseKind, at now: Int64) -> (ConnectionPoolMachine.Answer, Effects) {
        var effects = Effects()
        let kind = self.settings.statementsPerConnection == 1 ? LeaseKind.exclusive : kind
        if self.isClosed { return (.closed, effects) }
        self.ready(at: now)
        if self.waiting.isEmpty {
            if let found = self.find(kind, at: now, &effects) {
                guard found.needsPing else { return (.lent(found.name), effects) }
                self.tickets += 1
                let ticket = self.tickets
                self.change(found.name) { $0.ticket = ticket }
                effects.ping = [found.name]
                return (.waiting(ticket), effects)
            }
        }
        if self.isTurnedAway { return (.unreachable, effects) }
        if self.waiting.count >= self.settings.maximumWaiting { return (.full, effects) }
        self.tickets += 1
        self.waiting.append((self.tickets, kind))
        self.open(at: now, &effects)
        return (.waiting(self.tickets), effects)
    }

    mutating func take(_ kind: LeaseKind, at now: Int64) -> (Int?, Effects) {
        var effects = Effects()
        guard !self.isClosed, self.waiting.isEmpty else { return (nil, effects) }
        self.ready(at: now)
        for connection in self.idle.reversed() where !self.retire(connection, at: now, &effects) {
            if now - connection.since > self.nanoseconds(self.settings.pingAfterIdle) { return (nil, effects) }
            break
        }
        let kind = self.settings.statementsPerConnection == 1 ? LeaseKind.exclusive : kind
        return (self.find(kind, at: now, &effects)?.name, effects)
    }

    mutating func giveUp(_ ticket: UInt64, at now: Int64) -> (Bool, Effects) {
        var effects = Effects()
        if let connection = self.all.first(where: { $0.ticket == ticket }) {
            self.change(connection.name) { $0.ticket = nil }
            return (true, effects)
        }
        guard self.waiting.contains(where: { $0.ticket == ticket }) else { return (false, effects) }
        self.waiting.removeAll { $0.ticket == ticket }
        self.serve(at: now, &effects)
        return (true, effects)
    }

    mutating func release(_ name: Int, isReusable: Bool, at now: Int64) -> Effects {
        var effects = Effects()
        self.change(name) { connection in
            connection.users -= 1
            connection.progress = now
            if !isReusable, connection.doom == nil { connection.doom = .broken }
        }
        self.comeBack(name, at: now, &effects)
        self.serve(at: now, &effects)
        return effects
    }

    mutating func connected(_ name: Int, at now: Int64, fraction: Double) -> Effects {
        var effects = Effects()
        (self.failures, self.retryAt, self.isTurnedAway) = (0, nil, false)
        let life = self.settings.maximumLifetime * (0.9 + 0.2 * fraction)
        self.change(name) { connection in
            connection.state = .lent
            connection.expires = now + life.clampedNanoseconds
        }
        self.comeBack(name, at: now, &effects)
        self.serve(at: now, &effects)
        return effects
    }

    mutating func connectFailed(_ name: Int, isPermanent: Bool, at now: Int64, fraction: Double) -> Effects {
        var effects = Effects()
        self.all.removeAll { $0.name == name }
        if self.isClosed { return effects }
        self.ready(at: now)
        if self.retryAt == nil {
            self.failures += 1
            var wait = Double(self.nanoseconds(self.settings.connectBackoff))
            for _ in 1..<max(self.failures, 1) where wait < 1e18 { wait *= 2 }
            wait = min(wait, Double(self.nanoseconds(self.settings.maximumConnectBackoff)))
            self.retryAt = now + Int64(wait / 2 + wait / 2 * fraction)
        }
        if isPermanent {
            self.isTurnedAway = true
            effects.refused = self.waiting.map(\.ticket)
            self.waiting = []
        }
        return effects
    }

    mutating func pinged(_ name: Int, isAlive: Bool, at now: Int64) -> Effects {
        var effects = Effects()
        guard let connection = self.all.first(where: { $0.name == name }) else { return effects }
        self.change(name) { ($0.state, $0.ticket) = (.lent, nil) }
        if isAlive, let ticket = connection.ticket {
            effects.lent.append(Effects.Loan(ticket: ticket, connection: name))
        } else {
            self.change(name) { $0.users = 0 }
            if !isAlive {
                self.change(name) { $0.doom = .pingFailed }
                self.distrust(because: name, &effects)
                if let ticket = connection.ticket, self.isTurnedAway { effects.refused.append(ticket) }
                if let ticket = connection.ticket, !self.isTurnedAway {
                    self.waiting.insert((ticket, connection.isShared ? .shared : .exclusive), at: 0)
                }
            }
            self.comeBack(name, at: now, &effects)
        }
        self.serve(at: now, &effects)
        return effects
    }

    mutating func invalidate(because name: Int?, at now: Int64) -> Effects {
        var effects = Effects()
        self.distrust(because: name, &effects)
        self.serve(at: now, &effects)
        return effects
    }

    mutating func closed(_ name: Int, at now: Int64) -> Effects {
        var effects = Effects()
        self.all.removeAll { $0.name == name }
        self.open(at: now, &effects)
        return effects
    }

    mutating func tick(at now: Int64) -> Effects {
        var effects = Effects()
        for connection in self.idle { self.retire(connection, at: now, &effects) }
        self.open(at: now, &effects)
        return effects
    }

    mutating func close() -> Effects {
        var effects = Effects()
        self.isClosed = true
        effects.refused = self.all.compactMap(\.ticket).sorted() + self.waiting.map(\.ticket)
        self.waiting = []
        for index in self.all.indices { self.all[index].ticket = nil }
        for connection in self.idle { self.close(connection.name, .poolClosed, &effects) }
        return effects
    }

    // MARK: What follows

    /// In the order in which they came back.
    private var idle: [Connection] { self.all(.idle).sorted { $0.order < $1.order } }

    private func isOpenToOthers(_ connection: Connection, at now: Int64) -> Bool {
        connection.state == .lent && connection.isShared && connection.doom == nil && !connection.isDistrusted
            && now < connection.expires && now < connection.progress + 100_000_000
    }

    /// Closes an idle connection that is too old.
    @discardableResult
    private mutating func retire(_ connection: Connection, at now: Int64, _ effects: inout Effects) -> Bool {
        if now >= connection.expires {
            self.close(connection.name, .lifetime, &effects)
        } else if now - connection.since >= self.nanoseconds(self.settings.idleTimeout) {
            self.close(connection.name, .idle, &effects)
        } else {
            return false
        }
        return true
    }

    private mutating func find(_ kind: LeaseKind, at now: Int64, _ effects: inout Effects)
        -> (name: Int, needsPing: Bool)?
    {
        for connection in self.idle.reversed() where !self.retire(connection, at: now, &effects) {
            let needsPing = now - connection.since > self.nanoseconds(self.settings.pingAfterIdle)
            self.events += 1
            let order = self.events
            self.change(connection.name) { lent in
                lent.state = needsPing ? .pinged : .lent
                lent.isShared = kind == .shared
                lent.users = 1
                lent.progress = now
                lent.order = order
            }
            return (connection.name, needsPing)
        }
        guard kind == .shared, !(self.openCount < self.settings.size && self.mayOpen(at: now)) else { return nil }
        let candidates = self.all.filter {
            self.isOpenToOthers($0, at: now) && $0.users < self.settings.statementsPerConnection
        }
        guard let best = candidates.min(by: { ($0.users, $0.order) < ($1.users, $1.order) }) else { return nil }
        self.change(best.name) { $0.users += 1 }
        return (best.name, false)
    }

    private mutating func serve(at now: Int64, _ effects: inout Effects) {
        while let first = self.waiting.first, let found = self.find(first.kind, at: now, &effects) {
            self.waiting.removeFirst()
            if found.needsPing {
                self.change(found.name) { $0.ticket = first.ticket }
                effects.ping.append(found.name)
            } else {
                effects.lent.append(Effects.Loan(ticket: first.ticket, connection: found.name))
            }
        }
        self.open(at: now, &effects)
    }

    private mutating func comeBack(_ name: Int, at now: Int64, _ effects: inout Effects) {
        guard let connection = self.all.first(where: { $0.name == name }), connection.users == 0 else { return }
        let open = self.all(.idle).count + self.all(.lent).count + self.all(.pinged).count
        if self.isClosed {
            self.close(name, .poolClosed, &effects)
        } else if let doom = connection.doom {
            self.close(name, doom, &effects)
        } else if connection.isDistrusted {
            self.close(name, .invalidated, &effects)
        } else if now >= connection.expires {
            self.close(name, .lifetime, &effects)
        } else if open > self.settings.size, self.waiting.isEmpty {
            self.close(name, .overflow, &effects)
        } else {
            self.events += 1
            let order = self.events
            self.change(name) { ($0.state, $0.isShared, $0.since, $0.order) = (.idle, false, now, order) }
        }
    }

    private mutating func close(_ name: Int, _ reason: PoolCloseReason, _ effects: inout Effects) {
        self.change(name) { ($0.state, $0.users) = (.closing, 0) }
        effects.close.append(Effects.Closing(connection: name, reason: reason))
    }

    private mutating func distrust(because name: Int?, _ effects: inout Effects) {
        if let name, self.all.first(where: { $0.name == name })?.isDistrusted ?? true { return }
        for index in self.all.indices { self.all[index].isDistrusted = true }
        for connection in self.idle { self.close(connection.name, .invalidated, &effects) }
    }

    private mutating func open(at now: Int64, _ effects: inout Effects) {
        guard !self.isClosed, !self.waiting.isEmpty else { return }
        self.ready(at: now)
        while true {
            let exclusive = self.waiting.filter { $0.kind == .exclusive }.count
            let shared = Double(self.waiting.count - exclusive)
            if self.openCount < self.settings.size, self.all(.connecting).count < self.waiting.count,
                self.openOne(at: now, &effects)
            {
                continue
            }
            let wanted = exclusive + Int((shared / Double(self.settings.statementsPerConnection)).rounded(.up))
            let mayOverflow = exclusive > 0 || !self.all.contains { self.isOpenToOthers($0, at: now) }
            let limit = self.settings.size + (mayOverflow ? self.settings.overflow : 0)
            guard self.all(.connecting).count < wanted, self.openCount < limit,
                self.openOne(at: now, &effects)
            else { return }
        }
    }

    private var openCount: Int { self.all.count - self.all(.closing).count }

    private func mayOpen(at now: Int64) -> Bool {
        self.retryAt ?? now <= now && self.all.count < self.settings.size + self.settings.overflow
            && self.all(.connecting).count < (self.failures > 0 ? 1 : self.settings.maximumConnecting)
    }

    private mutating func openOne(at now: Int64, _ effects: inout Effects) -> Bool {
        guard self.mayOpen(at: now) else { return false }
        self.names += 1
        self.all.append(Connection(name: self.names))
        effects.connect.append(self.names)
        return true
    }
}
