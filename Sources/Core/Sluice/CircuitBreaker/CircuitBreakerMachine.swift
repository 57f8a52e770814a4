// SPDX-License-Identifier: Apache-2.0

/// The rules of a circuit breaker alone: events in, decisions out, and no clock, lock or I/O.
public struct CircuitBreakerMachine: Sendable {
    /// Who decides: the calls' results, or an operator.
    public enum Mode: String, Sendable, Hashable, CaseIterable {
        /// Results open and close it.
        case automatic
        /// Every call is turned away.
        case forcedOpen
        /// Every call runs and nothing is counted.
        case disabled
        /// Every call runs; results are counted and transitions reported, as if it worked.
        case observing
    }

    /// What ``admit(at:)`` decides about one call.
    public enum Admission: Hashable, Sendable {
        /// The call runs; its end is to be reported with this ticket.
        case run(Ticket)
        /// The call is turned away; nil if nobody knows until when.
        case reject(retryAfter: Duration?)
    }

    /// Ties a call's end to the state it was admitted in, so that a stale result moves nothing.
    public struct Ticket: Hashable, Sendable {
        let generation: UInt64
        /// Whether the call is a probe.
        public let isProbe: Bool
    }

    /// What an event has changed.
    public enum Transition: String, Sendable {
        case opened, closed
        /// Nothing: the result was from before the last change of state.
        case stale
    }

    /// What it is doing.
    public enum Phase: String, Sendable, Hashable {
        case closed, open, halfOpen
    }

    private enum State {
        /// Calls run; `failures` in a row so far. Becomes `open`.
        case closed(failures: Int)
        /// Calls are turned away until the instant. Becomes `halfOpen`.
        case open(until: Instant)
        /// Probes run and other calls are turned away; after the instant a new round of probes begins. Becomes `closed`, `open`.
        case halfOpen(Probes, leaseUntil: Instant)
    }

    private struct Probes {
        var admitted = 0
        var succeeded = 0
        var failed = 0
    }

    private var state = State.closed(failures: 0)
    private var window: CallWindow
    /// Counts changes of state.
    private var generation: UInt64 = 0
    /// How often it has opened since it was last closed.
    private var openings = 0
    /// Who decides.
    public private(set) var mode = Mode.automatic
    /// The values it works by.
    public private(set) var settings: CircuitBreakerSettings
    /// Whether calls must be measured.
    private(set) var usesWindow: Bool

    /// Creates a closed breaker.
    public init(_ settings: CircuitBreakerSettings = CircuitBreakerSettings()) {
        self.settings = settings.checked()
        self.usesWindow = settings.usesWindow
        self.window = settings.emptyWindow
    }

    /// What it is doing.
    public var phase: Phase {
        switch self.state {
        case .closed: .closed
        case .open: .open
        case .halfOpen: .halfOpen
        }
    }

    /// The ticket of a call through a breaker that is closed and decides by itself; nil if ``admit(at:)`` must be asked.
    public var closedTicket: Ticket? {
        guard case .closed = self.state, self.mode == .automatic else { return nil }
        return Ticket(generation: self.generation, isProbe: false)
    }

    /// Whether a success with this ticket changes nothing, so that it need not be recorded.
    public func isUnmoved(bySuccess ticket: Ticket) -> Bool {
        guard case .closed(0) = self.state, ticket.generation == self.generation else { return false }
        return !self.usesWindow
    }

    /// Decides about one call; `now` is asked for only if the breaker is not closed.
    public mutating func admit(at now: @autoclosure () -> Instant) -> Admission {
        if let ticket = self.closedTicket { return .run(ticket) }
        switch self.mode {
        case .automatic: return self.admitUnlessOpen(at: now())
        case .forcedOpen: return .reject(retryAfter: nil)
        case .disabled, .observing: return .run(Ticket(generation: self.generation, isProbe: false))
        }
    }

    private mutating func admitUnlessOpen(at now: Instant) -> Admission {
        switch self.state {
        case .closed:
            return .run(Ticket(generation: self.generation, isProbe: false))
        case .open(let until):
            if now < until { return .reject(retryAfter: now.duration(to: until)) }
            return self.beginProbing(at: now)
        case .halfOpen(var probes, let leaseUntil):
            if probes.admitted < self.settings.probes {
                probes.admitted += 1
                // The newest probe has its whole time, or one that took a place given back would be doubled too soon.
                self.state = .halfOpen(probes, leaseUntil: now.advanced(by: self.settings.openFor))
                return .run(Ticket(generation: self.generation, isProbe: true))
            }
            if now < leaseUntil { return .reject(retryAfter: now.duration(to: leaseUntil)) }
            return self.beginProbing(at: now)
        }
    }

    private mutating func beginProbing(at now: Instant) -> Admission {
        self.enter(.halfOpen(Probes(admitted: 1), leaseUntil: now.advanced(by: self.settings.openFor)))
        return .run(Ticket(generation: self.generation, isProbe: true))
    }

    /// A call has succeeded, or has shown otherwise that the other side works; `now` is asked for only if there is a window.
    public mutating func recordSuccess(
        _ ticket: Ticket, at now: @autoclosure () -> Instant, duration: Duration = .zero
    ) -> Transition? {
        guard ticket.generation == self.generation else { return .stale }
        switch self.state {
        case .closed(let failures):
            if failures != 0 { self.state = .closed(failures: 0) }
            return self.usesWindow ? self.judgeWindow(isFailure: false, duration, at: now()) : nil
        case .halfOpen(var probes, let leaseUntil):
            probes.succeeded += 1
            return self.judge(probes, leaseUntil, at: now())
        case .open:
            return nil
        }
    }

    /// A call has failed.
    public mutating func recordFailure(_ ticket: Ticket, at now: Instant, duration: Duration = .zero) -> Transition? {
        guard ticket.generation == self.generation else { return .stale }
        switch self.state {
        case .closed(let failures):
            self.state = .closed(failures: failures + 1)
            if self.settings.consecutiveFailures > 0, failures + 1 >= self.settings.consecutiveFailures {
                return self.open(at: now)
            }
            return self.usesWindow ? self.judgeWindow(isFailure: true, duration, at: now) : nil
        case .halfOpen(var probes, let leaseUntil):
            probes.failed += 1
            return self.judge(probes, leaseUntil, at: now)
        case .open:
            return nil
        }
    }

    /// A call has ended without proving anything; a probe's place goes to the next call.
    public mutating func recordIgnored(_ ticket: Ticket) {
        guard ticket.generation == self.generation, case .halfOpen(var probes, let leaseUntil) = self.state else {
            return
        }
        probes.admitted -= 1
        self.state = .halfOpen(probes, leaseUntil: leaseUntil)
    }

    /// Lets an operator decide, or lets results decide again; either way from a closed and empty state.
    public mutating func setMode(_ mode: Mode) {
        self.mode = mode
        self.reset()
    }

    /// Closes it and forgets every result.
    public mutating func reset() {
        self.enter(.closed(failures: 0))
        self.window.clear()
        self.openings = 0
    }

    /// Works by other values and keeps its state; the window starts anew only if it has another size.
    public mutating func update(_ settings: CircuitBreakerSettings) throws(InvalidSettingError) {
        try settings.validate()
        if settings.windowCalls != self.settings.windowCalls || settings.windowTime != self.settings.windowTime {
            self.window = settings.emptyWindow
        }
        self.settings = settings
        self.usesWindow = settings.usesWindow
    }

    // MARK: Judging

    private mutating func judgeWindow(isFailure: Bool, _ duration: Duration, at now: Instant) -> Transition? {
        self.window.record(isFailure: isFailure, isSlow: duration >= self.settings.slowCall, at: now)
        let counts = self.window.counts(at: now)
        guard counts.calls >= self.settings.minimumCalls else { return nil }
        // Divided, since a product is rounded up now and then: 0.28 * 25 is more than 7, and 7 / 25 is 0.28.
        let calls = Double(counts.calls)
        let fails = self.settings.failureRate > 0 && Double(counts.failures) / calls >= self.settings.failureRate
        let drags = self.settings.slowCallRate > 0 && Double(counts.slow) / calls >= self.settings.slowCallRate
        return fails || drags ? self.open(at: now) : nil
    }

    private mutating func judge(_ probes: Probes, _ leaseUntil: Instant, at now: Instant) -> Transition? {
        if self.suffices(probes.succeeded) {
            self.reset()
            return .closed
        }
        // Even if every other probe succeeds it will not be enough.
        if !self.suffices(self.settings.probes - probes.failed) { return self.open(at: now) }
        self.state = .halfOpen(probes, leaseUntil: leaseUntil)
        return nil
    }

    private func suffices(_ succeeded: Int) -> Bool {
        succeeded > 0 && Double(succeeded) / Double(self.settings.probes) >= self.settings.closeRatio
    }

    private mutating func open(at now: Instant) -> Transition {
        self.window.clear()
        if self.mode == .observing {
            self.enter(.closed(failures: 0))
            return .opened
        }
        self.openings = min(self.openings + 1, 62)
        let (doubled, overflow) = self.settings.openFor.clampedNanoseconds.multipliedReportingOverflow(
            by: 1 << Int64(self.openings - 1))
        let openFor = overflow ? self.settings.maximumOpenFor : min(.nanoseconds(doubled), self.settings.maximumOpenFor)
        self.enter(.open(until: now.advanced(by: openFor)))
        return .opened
    }

    private mutating func enter(_ state: State) {
        self.state = state
        self.generation &+= 1
    }
}
