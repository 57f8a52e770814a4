// SPDX-License-Identifier: Apache-2.0

/// The rules of a concurrency limit alone: who runs, who waits and who is turned away, with no clock, lock or continuation.
public struct ConcurrencyMachine: Sendable {
    /// Names one call that waits.
    public typealias Ticket = UInt64

    /// What asking for a place came to.
    public enum Answer: Sendable, Hashable {
        /// The call runs.
        case run
        /// The call waits; if `shedding` is another call's ticket, that one has given up its place in the queue.
        case wait(Ticket, shedding: Ticket?)
        /// The queue is full.
        case full
    }

    /// How a call ended, as far as the limit is concerned.
    public enum Result: Sendable, Hashable {
        /// It ran well for so long.
        case success(Duration)
        /// It was too much for the other side: timed out, or refused as overload.
        case dropped
        /// It says nothing about load: turned away, cancelled, or failed for its own reasons.
        case ignored
    }

    /// Whose turn a place going free is.
    public struct Turn: Sendable, Hashable {
        /// They run now.
        public var admitted: [Ticket] = []
        /// They waited too long and are turned away.
        public var expired: [Ticket] = []
    }

    private var queue = WaitQueue()
    private var nextTicket: Ticket = 0
    private var adaptive: AdaptiveLimit?
    /// The last time that was asked for.
    private var latest: Instant?
    /// When the queue was last seen empty, for CoDel.
    private var lastEmpty: Instant?
    /// The values it works by.
    public private(set) var settings: ConcurrencyLimitSettings
    /// How many may run at once at this moment.
    public private(set) var limit: Int
    /// How many run.
    public private(set) var inFlight = 0

    /// Creates a limit that nobody has come to.
    public init(_ settings: ConcurrencyLimitSettings) {
        self.settings = settings.checked()
        self.adaptive = AdaptiveLimit(settings)
        self.limit = self.adaptive?.limit ?? settings.maximum
    }

    /// How many wait.
    public var queued: Int { self.queue.count }

    /// Takes a place if one is free and nobody waits.
    ///
    /// - Returns: Whether the call runs; if not, ``ask(_:at:)`` says what becomes of it.
    public mutating func enter() -> Bool {
        guard self.inFlight < self.limit, self.queue.count == 0 else { return false }
        self.inFlight += 1
        return true
    }

    /// Gives back the place of a call that went well, if neither somebody waits nor the limit learns from it.
    ///
    /// - Returns: False if ``release(_:at:)`` must be told how it went.
    public mutating func leave() -> Bool {
        guard self.adaptive == nil, self.queue.count == 0 else { return false }
        self.inFlight -= 1
        return true
    }

    /// Asks for a place; `now` is asked for only if the call has to wait.
    public mutating func ask(_ priority: OperationPriority, at now: @autoclosure () -> Instant) -> Answer {
        if self.enter() { return .run }
        var shed: Ticket?
        if self.queue.count >= self.settings.maximumQueued {
            guard let victim = self.queue.popLower(than: priority) else { return .full }
            shed = victim.ticket
        }
        let now = now()
        self.latest = now
        if self.queue.count == 0, shed == nil { self.lastEmpty = now }
        self.nextTicket += 1
        self.queue.append(WaitQueue.Waiter(ticket: self.nextTicket, arrival: now), priority)
        return .wait(self.nextTicket, shedding: shed)
    }

    /// Leaves the queue.
    ///
    /// - Returns: False if the turn had come already.
    public mutating func giveUp(_ ticket: Ticket) -> Bool { self.queue.remove(ticket) }

    /// A call has ended; `now` is asked for only if somebody waits or the limit adapts.
    public mutating func release(_ result: Result, at now: @autoclosure () -> Instant) -> Turn {
        self.inFlight -= 1
        if self.adaptive == nil, self.queue.count == 0 { return Turn() }
        let now = now()
        self.latest = now
        if var adaptive = self.adaptive {
            adaptive.record(result, inFlight: self.inFlight + 1, at: now)
            self.limit = adaptive.limit
            self.adaptive = adaptive
        }
        return self.admit(at: now)
    }

    /// Works by other values; who runs goes on, who waits stays, and a limit that adapts keeps what it has learned.
    public mutating func update(_ settings: ConcurrencyLimitSettings) throws(InvalidSettingError) -> Turn {
        try settings.validate()
        self.settings = settings
        if settings.algorithm == .fixed || self.adaptive == nil {
            self.adaptive = AdaptiveLimit(settings)
        } else {
            self.adaptive?.update(settings)
        }
        self.limit = self.adaptive?.limit ?? settings.maximum
        // Nobody waits where no time was ever asked for.
        return self.latest.map { self.admit(at: $0) } ?? Turn()
    }

    private mutating func admit(at now: Instant) -> Turn {
        var turn = Turn()
        while self.inFlight < self.limit, let waiter = self.queue.pop(newest: self.settings.order == .lifo) {
            if self.isOverdue(waiter, at: now) {
                turn.expired.append(waiter.ticket)
            } else {
                self.inFlight += 1
                turn.admitted.append(waiter.ticket)
            }
        }
        if self.queue.count == 0 { self.lastEmpty = now }
        return turn
    }

    private func isOverdue(_ waiter: WaitQueue.Waiter, at now: Instant) -> Bool {
        guard self.settings.order == .codel, let lastEmpty = self.lastEmpty else { return false }
        let isStanding = lastEmpty.duration(to: now) > self.settings.codelInterval
        let tolerated = isStanding ? self.settings.codelTarget : self.settings.codelInterval
        return waiter.arrival.duration(to: now) > tolerated
    }
}
