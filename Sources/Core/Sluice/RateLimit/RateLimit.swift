// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets a number of calls through in a period, and makes the rest wait for their turn or turns them away.
///
/// A call whose turn would come after its deadline is turned away at once. Who waits is served by priority and order of arrival,
/// and one that is cancelled delays nobody behind.
public final class RateLimit: TunablePolicy {
    /// The policy's name in descriptions, events and errors.
    public static let policyName = "rateLimit"

    /// The longest that a server's hint pauses a limit.
    public static let maximumPause = Duration.seconds(3_600)

    private struct State {
        var machine: RateLimitMachine
        var calls: [RateLimitMachine.Ticket: QueuedCall] = [:]
        /// For the first in the queue.
        var alarm = QueueAlarm()
        /// The time line of those who wait; which one it is is known to the calls alone.
        var time: (any TimeSource)?
    }

    private let state: Mutex<State>
    private let cost: (@Sendable (OperationContext) -> Int)?
    @usableFromInline let obeysHints: Bool

    /// Creates a limit.
    ///
    /// - Parameters:
    ///   - settings: The values it works by.
    ///   - obeysHints: Whether a failure whose ``RetryAdvice`` names a wait, such as a reply 429 with `Retry-After`, pauses the
    ///     whole limit for that long, at most ``maximumPause``.
    ///   - cost: How much a call takes out of the limit, at least 1; by default 1.
    public init(
        _ settings: RateLimitSettings, obeysHints: Bool = false, cost: (@Sendable (OperationContext) -> Int)? = nil
    ) {
        self.state = Mutex(State(machine: RateLimitMachine(settings)))
        self.obeysHints = obeysHints
        self.cost = cost
    }

    /// Creates a limit that lets bursts through.
    ///
    /// - Parameters:
    ///   - count: Calls a period on average; at least 1. In one period up to `count + burst` may pass.
    ///   - period: The period's length; more than zero.
    ///   - burst: Calls that may come at once; `count` by default.
    ///   - patience: The longest a call waits for its turn; zero turns it away instead.
    public convenience init(_ count: Int, per period: Duration, burst: Int? = nil, patience: Duration = .seconds(30)) {
        self.init(RateLimitSettings(count: count, period: period, burst: burst, patience: patience))
    }

    /// The values it works by now.
    public var settings: RateLimitSettings { self.state.withLock { $0.machine.settings } }
    /// How many wait.
    public var queued: Int { self.state.withLock { $0.machine.queued } }

    /// Works by other values from now on; what calls have taken out stays taken, and who waits stays.
    public func update(_ settings: RateLimitSettings) throws(InvalidSettingError) {
        let checked = try settings.valid()
        let (time, refused) = self.state.withLock { state -> ((any TimeSource)?, InvalidSettingError?) in
            do throws(InvalidSettingError) { try state.machine.update(checked) } catch { return (nil, error) }
            return (state.time, nil)
        }
        if let refused { throw refused }
        // Whoever waits may have to wait less now.
        guard let time else { return }
        let now = time.now
        if let next = self.state.withLock({ $0.machine.nextWake(at: now) }) { self.wake(at: next, on: time) }
    }

    /// Lets no call pass before `instant`, for example because the server said so.
    public func pause(until instant: Instant) {
        self.state.withLock { $0.machine.pause(until: instant) }
    }

    /// The longest wait for a turn, and the queue.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds {
        let settings = self.settings
        return settings.patience == .zero
            ? inner : inner.delayed(by: settings.patience).queueing(settings.maximumQueued)
    }

    /// Runs `next` when its turn has come.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        let cost = self.weight(of: context)
        guard self.enter(context, cost) else {
            return await self.executeLater(context, cost, isolation: #isolation, next)
        }
        let outcome = await next(context)
        if self.obeysHints, case .failure(let error) = outcome { self.obey(error, context) }
        return outcome
    }

    // Takes the isolation as a parameter, so that the way back to it is in this branch and not in everybody's.
    @usableFromInline
    func executeLater<Value, Failure: Error>(
        _ context: OperationContext, _ cost: Int, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        switch await self.turn(cost, context) {
        case .run: break
        case .cancelled: return .cancelled
        case .rejected(let error): return .rejected(error)
        }
        var context = context
        context.attemptStart = context.time.now
        let outcome = await next(context)
        if self.obeysHints, case .failure(let error) = outcome { self.obey(error, context) }
        return outcome
    }

    /// Takes a place if one is free and nobody waits.
    @usableFromInline
    func enter(_ context: OperationContext, _ cost: Int) -> Bool {
        self.state.withLock { $0.machine.enter(at: context.attemptStart, cost: cost) }
    }

    /// What a call takes; a weight that makes no sense takes one, and is no reason to stop a server.
    @usableFromInline
    func weight(of context: OperationContext) -> Int {
        guard let cost = self.cost else { return 1 }
        return max(1, cost(context))
    }

    enum Turn {
        case run
        case cancelled
        case rejected(RejectionError)
    }

    /// Waits for a place.
    func turn(_ cost: Int, _ context: OperationContext) async -> Turn {
        let time = context.time
        let now = time.now
        // A turn that comes with the deadline comes too late.
        let remaining = Duration.nanoseconds(
            context.deadline.nanoseconds.subtractingSaturated(now.nanoseconds).subtractingSaturated(1))
        let patience = self.settings.patience
        let (answer, call) = self.state.withLock { state -> (RateLimitMachine.Answer, QueuedCall?) in
            let answer = state.machine.ask(context.priority, at: now, cost: cost, patience: min(patience, remaining))
            guard case .wait(let ticket, _) = answer else { return (answer, nil) }
            let call = QueuedCall(ticket)
            state.calls[ticket] = call
            state.time = time
            return (answer, call)
        }
        switch answer {
        case .run: return .run
        case .refused(let retryAfter): return .rejected(self.rejection(.rateLimited, retryAfter, context))
        case .wait(_, let wakeAt): if let wakeAt { self.wake(at: wakeAt, on: time) }
        }
        guard let call else { return .run }
        context.record(PolicyEvent(.rateLimitDelayed, policy: Self.policyName))
        switch await call.wait(patience, in: context, leave: { self.leave(call.ticket, time) }) {
        case .admitted: return .run
        case .cancelled: return .cancelled
        case .tooLate: return .rejected(self.rejection(.deadlineWouldBeMissed, nil, context))
        case .expired, .shed, .full: return .rejected(self.rejection(.rateLimited, nil, context))
        }
    }

    private func leave(_ ticket: RateLimitMachine.Ticket, _ time: any TimeSource) -> Bool {
        let now = time.now
        let (hasLeft, next, cancelled) = self.state.withLock { state -> (Bool, Instant?, TimerToken?) in
            guard state.machine.giveUp(ticket) else { return (false, nil, nil) }
            state.calls[ticket] = nil
            let next = state.machine.nextWake(at: now)
            return (true, next, next == nil ? state.alarm.clear() : nil)
        }
        if let cancelled { time.cancel(cancelled) }
        // Whoever is first now may take less than the one that left.
        if let next { self.wake(at: next, on: time) }
        return hasLeft
    }

    /// Sets the alarm for the first in the queue, unless it rings by then anyway.
    private func wake(at instant: Instant, on time: any TimeSource) {
        let (number, cancelled) = self.state.withLock { $0.alarm.plan(instant) }
        if let cancelled { time.cancel(cancelled) }
        guard let number else { return }
        let token = time.schedule(at: instant) { self.giveOut(number, on: time) }
        let isWanted = self.state.withLock { $0.alarm.note(token, for: number) }
        if !isWanted { time.cancel(token) }
    }

    /// Gives out the places that have come.
    private func giveOut(_ number: UInt64, on time: any TimeSource) {
        let now = time.now
        let (calls, next) = self.state.withLock { state -> ([QueuedCall], Instant?) in
            state.alarm.ring(number)
            let (admitted, next) = state.machine.wake(at: now)
            return (admitted.compactMap { state.calls.removeValue(forKey: $0) }, next)
        }
        for call in calls { call.settle(.admitted) }
        if let next { self.wake(at: next, on: time) }
    }

    func rejection(
        _ reason: RejectionError.Reason, _ retryAfter: Duration?, _ context: OperationContext
    ) -> RejectionError {
        context.record(PolicyEvent(.rateLimitRejected, policy: Self.policyName, duration: retryAfter))
        return RejectionError(policy: Self.policyName, reason: reason, retryAfter: retryAfter, in: context)
    }

    func giveBack(_ cost: Int, startingAt start: Instant) {
        self.state.withLock { $0.machine.giveBack(cost: cost, startingAt: start) }
    }

    func reserve(_ cost: Int, _ patience: Duration?, at now: Instant) -> RateDecision {
        self.state.withLock {
            $0.machine.reserve(at: now, cost: cost, patience: patience ?? $0.machine.settings.patience)
        }
    }

    @usableFromInline
    func obey(_ error: any Error, _ context: OperationContext) {
        let hint: Duration? =
            switch (error as? any RetryAdvising)?.retryAdvice {
            case .always(let after), .ifIdempotent(let after): after
            case .never, nil: nil
            }
        guard let hint, hint > .zero else { return }
        let pause = min(hint, Self.maximumPause)
        context.record(PolicyEvent(.rateLimitPaused, policy: Self.policyName, duration: pause))
        self.pause(until: context.time.now.advanced(by: pause))
    }
}

extension RateLimit: StatefulPolicy {}
