// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Stops calling an operation that keeps failing, until it has had time to recover.
///
/// Closed, it counts failures in a row, and the rates of failed and slow calls in a window if asked to; past a threshold it opens
/// and turns calls away without running them. After `openFor` it lets probes through and closes, or opens again, by their
/// results. Cancelled and rejected calls prove nothing and count neither way; a result that began before the last change of
/// state is ignored; a probe that never reports loses its place after `openFor`.
public final class CircuitBreaker: TunablePolicy {
    /// The policy's name in descriptions, events and errors.
    public static let policyName = "circuitBreaker"

    private let machine: Mutex<CircuitBreakerMachine>
    private let isFailure: @Sendable (any Error) -> Bool

    /// Creates a closed breaker.
    ///
    /// - Parameters:
    ///   - settings: The values it works by.
    ///   - isFailure: Whether an operation's error speaks against the operation's health; by default every error does.
    public init(_ settings: CircuitBreakerSettings, isFailure: @escaping @Sendable (any Error) -> Bool = { _ in true })
    {
        self.machine = Mutex(CircuitBreakerMachine(settings))
        self.isFailure = isFailure
    }

    /// Creates a closed breaker that failures in a row open.
    ///
    /// - Parameters:
    ///   - consecutiveFailures: Failures in a row that open it; at least 1.
    ///   - openFor: How long it turns calls away before it lets a probe through.
    ///   - isFailure: Whether an operation's error speaks against the operation's health; by default every error does.
    public convenience init(
        consecutiveFailures: Int = Defaults.consecutiveFailures,
        openFor: Duration = Defaults.openFor,
        isFailure: @escaping @Sendable (any Error) -> Bool = { _ in true }
    ) {
        self.init(
            CircuitBreakerSettings(consecutiveFailures: consecutiveFailures, openFor: openFor), isFailure: isFailure)
    }

    /// Creates a closed breaker that a rate of failures opens.
    ///
    /// - Parameters:
    ///   - failureRate: The part of calls that must fail, in `0...1`, and more than 0.
    ///   - window: How far back calls count.
    ///   - minimumCalls: How many calls there must be before the rate is looked at.
    ///   - openFor: How long it turns calls away before it lets a probe through.
    ///   - isFailure: Whether an operation's error speaks against the operation's health; by default every error does.
    public convenience init(
        failureRate: Double, over window: Duration = .seconds(30), minimumCalls: Int = 20,
        openFor: Duration = Defaults.openFor, isFailure: @escaping @Sendable (any Error) -> Bool = { _ in true }
    ) {
        self.init(
            CircuitBreakerSettings(
                consecutiveFailures: 0, failureRate: failureRate, windowTime: window, minimumCalls: minimumCalls,
                openFor: openFor), isFailure: isFailure)
    }

    /// The values it works by now.
    public var settings: CircuitBreakerSettings { self.machine.withLock { $0.settings } }
    /// What it is doing.
    public var phase: CircuitBreakerMachine.Phase { self.machine.withLock { $0.phase } }
    /// Who decides.
    public var mode: CircuitBreakerMachine.Mode { self.machine.withLock { $0.mode } }
    /// Whether calls flow: false while it is open or probing, or was opened by hand.
    public var isClosed: Bool { self.machine.withLock { $0.phase == .closed && $0.mode != .forcedOpen } }

    /// Works by other values from now on, and keeps its state and what its window holds.
    public func update(_ settings: CircuitBreakerSettings) throws(InvalidSettingError) {
        let checked = try settings.valid()
        let refused = self.machine.withLock { machine -> InvalidSettingError? in
            do throws(InvalidSettingError) { try machine.update(checked) } catch { return error }
            return nil
        }
        if let refused { throw refused }
    }

    /// Turns every call away until ``reset()``.
    public func isolate() { self.machine.withLock { $0.setMode(.forcedOpen) } }
    /// Lets every call run and counts nothing, until ``reset()``.
    public func disable() { self.machine.withLock { $0.setMode(.disabled) } }
    /// Lets every call run and only reports what it would do, until ``reset()``.
    public func observe() { self.machine.withLock { $0.setMode(.observing) } }
    /// Closes it, forgets every result, and lets results decide again.
    public func reset() { self.machine.withLock { $0.setMode(.automatic) } }

    /// Its settings and its state.
    public var description: PolicyDescription {
        let (settings, phase, mode) = self.machine.withLock { ($0.settings, $0.phase, $0.mode) }
        return PolicyDescription(
            Self.policyName, settings: settings.texts, state: mode == .automatic ? phase.rawValue : mode.rawValue)
    }

    /// Runs `next` unless the breaker is open.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        // A ticket and no permit: `next` never throws, so this always reaches the settling below.
        let ticket: CircuitBreakerMachine.Ticket
        if let closed = self.closedTicket {
            ticket = closed
        } else {
            switch self.admit(context) {
            case .run(let admitted): ticket = admitted
            case .reject(let retryAfter): return .rejected(self.rejection(retryAfter, context))
            }
        }
        let outcome = await next(context)
        switch outcome {
        case .success: if !self.isUnmoved(bySuccess: ticket) { self.recordSuccess(ticket, context) }
        case .failure(let error): self.record(error, ticket, context)
        case .timedOut(let error): self.record(error, ticket, context)
        case .rejected, .cancelled: self.recordIgnored(ticket)
        }
        return outcome
    }

    @usableFromInline
    var closedTicket: CircuitBreakerMachine.Ticket? { self.machine.withLock { $0.closedTicket } }

    @usableFromInline
    func isUnmoved(bySuccess ticket: CircuitBreakerMachine.Ticket) -> Bool {
        self.machine.withLock { $0.isUnmoved(bySuccess: ticket) }
    }

    @usableFromInline
    func admit(_ context: OperationContext) -> CircuitBreakerMachine.Admission {
        // The clock is read under the lock, so that times are ordered as the events are.
        let admission = self.machine.withLock { $0.admit(at: context.time.now) }
        if case .run(let ticket) = admission, ticket.isProbe {
            context.record(PolicyEvent(.circuitBreakerProbing, policy: Self.policyName))
        }
        return admission
    }

    @usableFromInline
    func rejection(_ retryAfter: Duration?, _ context: OperationContext) -> RejectionError {
        context.record(PolicyEvent(.circuitBreakerRejected, policy: Self.policyName, duration: retryAfter))
        return RejectionError(
            policy: Self.policyName, reason: retryAfter == nil ? .circuitIsolated : .circuitOpen,
            retryAfter: retryAfter,
            in: context)
    }

    @usableFromInline
    func recordSuccess(_ ticket: CircuitBreakerMachine.Ticket, _ context: OperationContext) {
        let transition = self.machine.withLock { machine -> CircuitBreakerMachine.Transition? in
            guard machine.mode != .disabled else { return nil }
            guard machine.usesWindow else { return machine.recordSuccess(ticket, at: context.time.now) }
            let now = context.time.now
            return machine.recordSuccess(ticket, at: now, duration: context.attemptStart.duration(to: now))
        }
        if let transition { self.report(transition, context) }
    }

    @usableFromInline
    func record(_ error: any Error, _ ticket: CircuitBreakerMachine.Ticket, _ context: OperationContext) {
        // The caller's predicate runs outside the lock. An error that is no failure shows that the other side works.
        guard self.isFailure(error) else { return self.recordSuccess(ticket, context) }
        let transition = self.machine.withLock { machine -> CircuitBreakerMachine.Transition? in
            guard machine.mode != .disabled else { return nil }
            let now = context.time.now
            return machine.recordFailure(ticket, at: now, duration: context.attemptStart.duration(to: now))
        }
        if let transition { self.report(transition, context) }
    }

    @usableFromInline
    func recordIgnored(_ ticket: CircuitBreakerMachine.Ticket) {
        self.machine.withLock { $0.recordIgnored(ticket) }
    }

    private func report(_ transition: CircuitBreakerMachine.Transition, _ context: OperationContext) {
        let kind: PolicyEventKind =
            switch transition {
            case .opened: .circuitBreakerOpened
            case .closed: .circuitBreakerClosed
            case .stale: .circuitBreakerStale
            }
        context.record(PolicyEvent(kind, policy: Self.policyName))
    }
}

extension CircuitBreaker: FailureSensitive {}
extension CircuitBreaker: StatefulPolicy {}
