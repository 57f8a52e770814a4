// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// The rules of a connection pool alone, with no clock, lock, chance or connection: events in, ``Effects`` out.
///
/// A connection is a number, from the moment that it is to be opened until it is reported ``closed(_:at:)``, and all the while it
/// takes one of `size + overflow` places: so the server never sees more. Idle connections are lent last-returned-first, so that
/// warm ones stay warm and those not needed grow old; callers are served first-come-first-served, whatever they want.
public struct ConnectionPoolMachine: Sendable {
    /// Names one caller that waits.
    public typealias Ticket = UInt64

    /// What asking for a connection came to.
    public enum Answer: Sendable, Hashable {
        /// Here it is.
        case lent(Int)
        /// The caller waits, for its turn or for its connection to be pinged.
        case waiting(Ticket)
        /// As many wait as may.
        case full
        /// The server was found to turn us away a short while ago, and nothing is open that could be lent.
        case unreachable
        /// The pool is closed.
        case closed
    }

    /// What one connection is up to.
    enum Phase: Sendable, Hashable {
        case connecting, idle, exclusive, shared, closing
    }

    struct Member: Sendable {
        var id: Int
        var phase = Phase.connecting
        /// How often it is lent: 1 if exclusive.
        var load = 0
        /// When it came back last, or was opened.
        var since = Instant(nanoseconds: 0)
        /// When one of those who share it was done last, or the first of them began.
        var progress = Instant(nanoseconds: 0)
        /// When it is too old.
        var expires = Instant.distantFuture
        /// Why it is to be closed once nobody uses it.
        var doom: PoolCloseReason?
        /// Whether it is being asked if it is alive; it is lent to whoever waits for that, and to nobody else.
        var isPinged = false
        /// Who waits for the ping.
        var pingTicket: Ticket?
    }

    /// The values it works by.
    public let settings: PoolSettings
    /// Whether nothing is lent any more.
    public internal(set) var isClosed = false

    /// Who takes which place, nil being a free one.
    ///
    /// A connection's number is made of its place and of how many there were before.
    var members: [Member?]
    var freePlaces: [Int]
    var lastSerial = 0
    /// Connections up to this serial number were opened before the pool was invalidated last.
    var lastDistrusted = 0
    /// The places of idle connections, the last returned at the end.
    var idle: [Int] = []
    /// The places of shared connections, the longest shared first.
    var shared: [Int] = []
    var connectingCount = 0
    var closingCount = 0
    var leaseCount = 0

    var queue = PoolQueue()
    var lastTicket: Ticket = 0
    /// The places of connections that are pinged, by who waits for that.
    var pinged: [Ticket: Int] = [:]

    /// Attempts to connect that failed in a row.
    var failureCount = 0
    /// Until when no connection is opened, after a failure.
    var retryAt: Instant?
    /// Whether the failure was one that does not pass by itself.
    var isTurnedAway = false
    /// When the next connection that is idle now is idle for too long or too old, or earlier.
    var sweepAt = Instant.distantFuture

    /// Creates a pool that has opened nothing yet.
    public init(_ settings: PoolSettings) {
        self.settings = settings.checked()
        self.members = Array(repeating: nil, count: settings.capacity)
        self.freePlaces = (0..<settings.capacity).reversed()
    }

    /// How many of what there is.
    public var status: PoolStatus {
        let used = self.usedCount
        return PoolStatus(
            size: used, idle: self.idle.count,
            lent: used - self.idle.count - self.connectingCount - self.closingCount, connecting: self.connectingCount,
            closing: self.closingCount, leases: self.leaseCount, waiting: self.queue.count + self.pinged.count)
    }

    /// Whether no connection takes a place, nor will if the pool is closed.
    public var isDrained: Bool { self.usedCount == 0 }

    /// When ``tick(at:)`` is next to be called, if at all; sooner does no harm.
    public var nextTick: Instant? {
        var next = self.sweepAt
        if let retryAt = self.retryAt, !self.queue.isEmpty { next = min(next, retryAt) }
        return next == .distantFuture ? nil : next
    }

    /// The place that a connection takes: below `size + overflow`, and nobody else's until it is closed.
    public static func place(of connection: Int) -> Int { connection & 0xFFFF }

    /// Whether connecting is put off, after a failure, or is tried one at a time because of it.
    public var isRecovering: Bool { self.failureCount > 0 }

    /// Whether a caller waits for its connection to be pinged.
    public func isPinging(_ ticket: Ticket) -> Bool { self.pinged[ticket] != nil }

    /// Whether a connection is still being opened.
    public func isConnecting(_ connection: Int) -> Bool {
        self.members[Self.place(of: connection)].map { $0.id == connection && $0.phase == .connecting } ?? false
    }

    // MARK: Asking

    /// Asks for a connection.
    public mutating func ask(_ kind: LeaseKind, at now: Instant) -> (answer: Answer, effects: Effects) {
        var effects = Effects()
        return (self.ask(self.kind(kind), now, &effects), effects)
    }

    private mutating func ask(_ kind: LeaseKind, _ now: Instant, _ effects: inout Effects) -> Answer {
        if self.isClosed { return .closed }
        self.wake(at: now)
        if self.queue.isEmpty {
            if let place = self.popIdle(now, &effects) {
                let id = self.lend(place, kind, now)
                guard self.needsPing(place, now) else { return .lent(id) }
                self.lastTicket += 1
                self.ping(place, for: self.lastTicket, &effects)
                return .waiting(self.lastTicket)
            }
            if kind == .shared, let id = self.share(now) { return .lent(id) }
        }
        if self.isTurnedAway { return .unreachable }
        guard self.queue.count < self.settings.maximumWaiting else { return .full }
        self.lastTicket += 1
        self.queue.append(self.lastTicket, kind)
        self.replenish(now, &effects)
        return .waiting(self.lastTicket)
    }

    /// Takes a connection if one is at hand that needs no ping.
    public mutating func take(_ kind: LeaseKind, at now: Instant) -> (connection: Int?, effects: Effects) {
        var effects = Effects()
        guard !self.isClosed, self.queue.isEmpty else { return (nil, effects) }
        self.wake(at: now)
        if let place = self.popIdle(now, &effects) {
            if !self.needsPing(place, now) { return (self.lend(place, self.kind(kind), now), effects) }
            self.idle.append(place)
            return (nil, effects)
        }
        return (self.kind(kind) == .shared ? self.share(now) : nil, effects)
    }

    /// Leaves the queue.
    ///
    /// - Returns: False if the turn had come already. Who stood behind may be served now.
    public mutating func giveUp(_ ticket: Ticket, at now: Instant) -> (hasLeft: Bool, effects: Effects) {
        var effects = Effects()
        if let place = self.pinged.removeValue(forKey: ticket) {
            self.members[place]?.pingTicket = nil
            return (true, effects)
        }
        guard self.queue.remove(ticket) else { return (false, effects) }
        self.serve(now, &effects)
        return (true, effects)
    }

    /// A connection comes back from one borrower.
    ///
    /// - Parameters:
    ///   - connection: Its number; it must be lent.
    ///   - isReusable: False if it is to be closed, as soon as nobody else uses it.
    ///   - now: The time.
    public mutating func release(_ connection: Int, isReusable: Bool, at now: Instant) -> Effects {
        let place = Self.place(of: connection)
        guard var member = self.members[place], member.id == connection, member.load > 0, !member.isPinged else {
            preconditionFailure("connection \(connection) came back and is not lent")
        }
        var effects = Effects()
        member.load -= 1
        member.progress = now
        if !isReusable, member.doom == nil { member.doom = .broken }
        self.members[place] = member
        self.leaseCount -= 1
        if member.load == 0 { self.settle(place, now, &effects) }
        self.serve(now, &effects)
        return effects
    }

    /// What a wish comes to: where nothing is shared, whoever would share has a connection alone.
    private func kind(_ kind: LeaseKind) -> LeaseKind {
        self.settings.statementsPerConnection == 1 ? .exclusive : kind
    }
}
