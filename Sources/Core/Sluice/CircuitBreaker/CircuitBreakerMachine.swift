// SPDX-License-Identifier: Apache-2.0

/// The rules of a circuit breaker alone: events in, decisions out, and no clock, lock or I/O.
public struct CircuitBreakerMachine: Sendable {
    /// What ``admit(at:)`` decides about one call.
    public enum Admission: Hashable, Sendable {
        /// The call runs; its end is to be reported with this ticket.
        case run(Ticket)
        /// The call is turned away.
        case reject(retryAfter: Duration)
    }

    /// Ties a call's end to the state it was admitted in, so that a stale result moves nothing.
    public struct Ticket: Hashable, Sendable {
        let generation: UInt64
        /// Whether the call is a probe.
        public let isProbe: Bool
    }

    /// What an event has changed.
    public enum Transition: String, Sendable {
        case opened, probing, closed
    }

    private enum State {
        /// Calls run; `failures` in a row so far. Becomes `open`.
        case closed(failures: Int)
        /// Calls are turned away until the instant. Becomes `probing`.
        case open(until: Instant)
        /// One call is out and the rest are turned away; after the instant its place goes to another. Becomes `closed`, `open`.
        case probing(leaseUntil: Instant)
        /// The probe was given back unsettled; the next call takes its place. Becomes `probing`.
        case waitingForProbe
    }

    private var state = State.closed(failures: 0)
    /// Counts changes of state.
    private var generation: UInt64 = 0
    private let threshold: Int
    private let openFor: Duration

    /// Creates a closed breaker.
    ///
    /// - Parameters:
    ///   - threshold: Failures in a row that open it; at least 1.
    ///   - openFor: How long it stays open, and how long a probe may take before its place goes to another call.
    public init(threshold: Int, openFor: Duration) {
        precondition(threshold >= 1, "threshold must be at least 1 (is \(threshold))")
        precondition(openFor > .zero, "openFor must be more than zero (is \(openFor))")
        self.threshold = threshold
        self.openFor = openFor
    }

    /// Decides about one call; `now` is asked for only if the breaker is not closed.
    public mutating func admit(at now: @autoclosure () -> Instant) -> Admission {
        if case .closed = self.state { return .run(Ticket(generation: self.generation, isProbe: false)) }
        let now = now()
        switch self.state {
        case .open(let until) where now < until:
            return .reject(retryAfter: now.duration(to: until))
        case .probing(let leaseUntil) where now < leaseUntil:
            return .reject(retryAfter: now.duration(to: leaseUntil))
        case .closed, .open, .probing, .waitingForProbe:
            self.enter(.probing(leaseUntil: now.advanced(by: self.openFor)))
            return .run(Ticket(generation: self.generation, isProbe: true))
        }
    }

    /// Whether calls flow, without asking for one.
    public var isClosed: Bool {
        if case .closed = self.state { true } else { false }
    }

    /// A call has succeeded.
    public mutating func recordSuccess(_ ticket: Ticket) -> Transition? {
        guard ticket.generation == self.generation else { return nil }
        let wasProbing = ticket.isProbe
        if wasProbing {
            self.enter(.closed(failures: 0))
        } else {
            self.state = .closed(failures: 0)
        }
        return wasProbing ? .closed : nil
    }

    /// A call has failed.
    public mutating func recordFailure(_ ticket: Ticket, at now: Instant) -> Transition? {
        guard ticket.generation == self.generation else { return nil }
        if case .closed(let failures) = self.state, failures + 1 < self.threshold {
            self.state = .closed(failures: failures + 1)
            return nil
        }
        self.enter(.open(until: now.advanced(by: self.openFor)))
        return .opened
    }

    /// A call has ended without proving anything; a probe's place goes to the next call.
    public mutating func recordIgnored(_ ticket: Ticket) {
        guard ticket.isProbe, ticket.generation == self.generation else { return }
        self.enter(.waitingForProbe)
    }

    private mutating func enter(_ state: State) {
        self.state = state
        self.generation &+= 1
    }
}
