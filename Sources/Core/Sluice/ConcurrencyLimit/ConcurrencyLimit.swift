// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets so many calls run at once; some of the rest wait in a bounded queue, and what is more is turned away.
///
/// Higher priorities are served first, and push lower ones out of a full queue. Who waits leaves at the deadline, after
/// `patience`, or when cancelled. An adaptive limit finds how many at once by itself.
public final class ConcurrencyLimit: TunablePolicy {
    /// The policy's name in descriptions, events and errors.
    public static let policyName = "concurrencyLimit"

    private struct State {
        var machine: ConcurrencyMachine
        var waiters: [ConcurrencyMachine.Ticket: QueuedCall] = [:]
    }

    private let state: Mutex<State>
    private let isOverload: @Sendable (any Error) -> Bool

    /// Creates a limit.
    ///
    /// - Parameters:
    ///   - settings: The values it works by.
    ///   - isOverload: Whether an error says that the other side had too much to do, which shrinks an adaptive limit; by default
    ///     one whose ``RetryAdvice`` names a wait. A timeout always does.
    public init(
        _ settings: ConcurrencyLimitSettings,
        isOverload: @escaping @Sendable (any Error) -> Bool = ConcurrencyLimit.namesWait
    ) {
        self.state = Mutex(State(machine: ConcurrencyMachine(settings)))
        self.isOverload = isOverload
    }

    /// Creates a fixed limit.
    ///
    /// - Parameters:
    ///   - maximum: Calls at once; at least 1.
    ///   - maximumQueued: How many may wait; at least 0.
    public convenience init(_ maximum: Int = Defaults.maximumConcurrent, maximumQueued: Int = 1_000) {
        self.init(ConcurrencyLimitSettings(maximum: maximum, maximumQueued: maximumQueued))
    }

    /// Whether an error's ``RetryAdvice`` names a wait.
    @Sendable
    public static func namesWait(_ error: any Error) -> Bool {
        switch (error as? any RetryAdvising)?.retryAdvice {
        case .always(.some), .ifIdempotent(.some): true
        case .always, .ifIdempotent, .never, nil: false
        }
    }

    /// The values it works by now.
    public var settings: ConcurrencyLimitSettings { self.state.withLock { $0.machine.settings } }
    /// How many may run at once at this moment.
    public var limit: Int { self.state.withLock { $0.machine.limit } }
    /// How many run.
    public var inFlight: Int { self.state.withLock { $0.machine.inFlight } }
    /// How many wait.
    public var queued: Int { self.state.withLock { $0.machine.queued } }

    /// Its settings, and how many run and wait.
    public var description: PolicyDescription {
        let (machine, name) = (self.state.withLock { $0.machine }, Self.policyName)
        return PolicyDescription(
            name, settings: machine.settings.texts,
            state: "\(machine.inFlight) of \(machine.limit) running, \(machine.queued) waiting")
    }

    /// The longest wait, and the queue.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds {
        let settings = self.settings
        return settings.maximumQueued == 0
            ? inner : inner.delayed(by: settings.patience).queueing(settings.maximumQueued)
    }

    /// Works by other values from now on; who runs goes on, and who waits stays.
    public func update(_ settings: ConcurrencyLimitSettings) throws(InvalidSettingError) {
        let checked = try settings.valid()
        let (turn, refused) = self.state.withLock { state -> ([(QueuedCall, Bool)], InvalidSettingError?) in
            do throws(InvalidSettingError) {
                return (Self.take(try state.machine.update(checked), &state), nil)
            } catch {
                return ([], error)
            }
        }
        if let refused { throw refused }
        for (waiter, isAdmitted) in turn { waiter.settle(isAdmitted ? .admitted : .expired) }
    }

    /// Runs `next` when there is a place.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        guard self.enter() else { return await self.executeLater(context, isolation: #isolation, next) }
        // `next` never throws, so this always reaches the release below.
        let outcome = await next(context)
        if case .success = outcome, self.leave() { return outcome }
        self.settle(outcome, context)
        return outcome
    }

    // Takes the isolation as a parameter, so that the way back to it is in this branch and not in everybody's.
    @usableFromInline
    func executeLater<Value, Failure: Error>(
        _ context: OperationContext, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        var context = context
        switch await self.ask(context) {
        case .admitted: context.attemptStart = context.time.now
        case .cancelled: return .cancelled
        case .expired: return .rejected(self.rejection(.queueExpired, context))
        case .tooLate: return .rejected(self.rejection(.deadlineWouldBeMissed, context))
        case .shed: return .rejected(self.rejection(.shed, context))
        case .full: return .rejected(self.rejection(.queueFull, context))
        }
        let outcome = await next(context)
        self.settle(outcome, context)
        return outcome
    }

    /// Takes a place if one is free and nobody waits.
    @usableFromInline
    func enter() -> Bool { self.state.withLock { $0.machine.enter() } }

    /// Gives a place back, if neither somebody waits nor the limit learns from it.
    @usableFromInline
    func leave() -> Bool { self.state.withLock { $0.machine.leave() } }

    private func ask(_ context: OperationContext) async -> QueuedCall.End {
        let (end, waiter, shed) = self.state.withLock {
            state -> (QueuedCall.End?, QueuedCall?, QueuedCall?) in
            switch state.machine.ask(context.priority, at: context.time.now) {
            case .run: return (.admitted, nil, nil)
            case .full: return (.full, nil, nil)
            case .wait(let ticket, let shedding):
                let waiter = QueuedCall(ticket)
                state.waiters[ticket] = waiter
                return (nil, waiter, shedding.flatMap { state.waiters.removeValue(forKey: $0) })
            }
        }
        shed?.settle(.shed)
        guard let waiter else { return end ?? .full }
        context.record(PolicyEvent(.concurrencyQueued, policy: Self.policyName))
        return await waiter.wait(self.settings.patience, in: context) { self.leave(waiter.ticket) }
    }

    /// Takes a waiter out of the queue, unless its turn has come.
    private func leave(_ ticket: ConcurrencyMachine.Ticket) -> Bool {
        self.state.withLock { state in
            guard state.machine.giveUp(ticket) else { return false }
            state.waiters[ticket] = nil
            return true
        }
    }

    private func rejection(_ reason: RejectionError.Reason, _ context: OperationContext) -> RejectionError {
        context.record(PolicyEvent(.concurrencyRejected, policy: Self.policyName))
        return RejectionError(policy: Self.policyName, reason: reason, in: context)
    }

    @usableFromInline
    func settle<Value, Failure: Error>(_ outcome: Outcome<Value, Failure>, _ context: OperationContext) {
        switch outcome {
        case .success: self.release(.success(context.attemptStart.duration(to: context.time.now)), context)
        case .timedOut: self.release(.dropped, context)
        // The caller's predicate runs outside the lock.
        case .failure(let error): self.release(self.isOverload(error) ? .dropped : .ignored, context)
        case .rejected, .cancelled: self.release(.ignored, context)
        }
    }

    private func release(_ result: ConcurrencyMachine.Result, _ context: OperationContext) {
        let (turn, hasMoved) = self.state.withLock { state -> ([(QueuedCall, Bool)], Bool) in
            let before = state.machine.limit
            let turn = state.machine.release(result, at: context.time.now)
            return (Self.take(turn, &state), state.machine.limit != before)
        }
        for (waiter, isAdmitted) in turn { waiter.settle(isAdmitted ? .admitted : .expired) }
        if hasMoved { context.record(PolicyEvent(.concurrencyLimitChanged, policy: Self.policyName)) }
    }

    /// The waiters whose turn has come, or who are overdue, to be resumed outside the lock.
    private static func take(_ turn: ConcurrencyMachine.Turn, _ state: inout State) -> [(QueuedCall, Bool)] {
        turn.admitted.compactMap { ticket in state.waiters.removeValue(forKey: ticket).map { ($0, true) } }
            + turn.expired.compactMap { ticket in state.waiters.removeValue(forKey: ticket).map { ($0, false) } }
    }
}

extension ConcurrencyLimit: StatefulPolicy {}
