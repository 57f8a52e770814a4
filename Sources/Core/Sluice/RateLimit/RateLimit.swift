// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets a number of calls through in a period, and makes the rest wait for their turn or turns them away.
///
/// A call whose turn would come after its deadline is turned away at once; a call cancelled while it waits gives its place
/// back, and those behind it move up.
public final class RateLimit: TunablePolicy {
    /// The policy's name in descriptions, events and errors.
    public static let policyName = "rateLimit"

    /// The longest that a server's hint pauses a limit.
    public static let maximumPause = Duration.seconds(3_600)

    private struct State {
        var machine: RateLimitMachine
        var waiters: [UInt64: (waiter: RateWaiter, start: Instant)] = [:]
        var tickets: UInt64 = 0
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

    /// Works by other values from now on; what calls have taken out stays taken.
    public func update(_ settings: RateLimitSettings) throws(InvalidSettingError) {
        let checked = try settings.valid()
        // No time here: which time line the calls run on is known to them alone.
        let refused = self.state.withLock { state -> InvalidSettingError? in
            do throws(InvalidSettingError) { try state.machine.update(checked) } catch { return error }
            return nil
        }
        if let refused { throw refused }
    }

    /// Gives no call a turn before `instant`, for example because the server said so; who waits already keeps its turn.
    public func pause(until instant: Instant) {
        self.state.withLock { $0.machine.pause(until: instant) }
    }

    /// The longest wait for a turn.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds { inner.delayed(by: self.settings.patience) }

    /// Runs `next` when its turn has come.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        let turn = self.take(context)
        guard case .now = turn else {
            return await self.executeLater(turn, context, isolation: #isolation, next)
        }
        let outcome = await next(context)
        if self.obeysHints, case .failure(let error) = outcome { self.obey(error, context) }
        return outcome
    }

    // Takes the isolation as a parameter, so that the way back to it is in this branch and not in everybody's.
    @usableFromInline
    func executeLater<Value, Failure: Error>(
        _ turn: RateTurn, _ context: OperationContext, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        var context = context
        switch turn {
        case .refused(let retryAfter):
            return .rejected(self.rejection(retryAfter, context))
        case .later(let waiter, let start, let wait):
            context.record(PolicyEvent(.rateLimitDelayed, policy: Self.policyName, duration: wait))
            guard await self.wait(for: waiter, until: start) else { return .cancelled }
            context.attemptStart = context.time.now
        case .now:
            break
        }
        let outcome = await next(context)
        if self.obeysHints, case .failure(let error) = outcome { self.obey(error, context) }
        return outcome
    }

    @usableFromInline
    func take(_ context: OperationContext) -> RateTurn {
        self.take(self.cost?(context) ?? 1, at: context.attemptStart, context)
    }

    func take(_ cost: Int, at now: Instant, _ context: OperationContext) -> RateTurn {
        // A turn that comes with the deadline comes too late.
        let remaining = context.deadline.nanoseconds.subtractingSaturated(now.nanoseconds) - 1
        return self.state.withLock { state in
            let patience = min(state.machine.patienceNanoseconds, remaining)
            switch state.machine.take(at: now, cost: cost, patienceNanoseconds: patience) {
            case .taken(.zero): return .now
            case .refused(let retryAfter): return .refused(retryAfter: retryAfter)
            case .taken(let wait):
                state.tickets += 1
                let waiter = RateWaiter(state.tickets, cost: cost, time: context.time)
                let start = now.advanced(by: wait)
                state.waiters[waiter.ticket] = (waiter, start)
                return .later(waiter, start: start, wait: wait)
            }
        }
    }

    func rejection(_ retryAfter: Duration, _ context: OperationContext) -> RejectionError {
        context.record(PolicyEvent(.rateLimitRejected, policy: Self.policyName, duration: retryAfter))
        return RejectionError(policy: Self.policyName, reason: .rateLimited, retryAfter: retryAfter, in: context)
    }

    /// False if the task was cancelled while it waited.
    func wait(for waiter: RateWaiter, until start: Instant) async -> Bool {
        waiter.arm(for: start)
        let hasCome = await withTaskCancellationHandler {
            await waiter.value()
        } onCancel: {
            waiter.giveUp()
        }
        if hasCome {
            self.state.withLock { _ = $0.waiters.removeValue(forKey: waiter.ticket) }
        } else {
            self.giveUp(waiter)
        }
        return hasCome
    }

    /// Gives a waiter's place back and moves those behind it up: all of them give back and take again, in order.
    private func giveUp(_ waiter: RateWaiter) {
        let moved = self.state.withLock { state -> [(waiter: RateWaiter, start: Instant)] in
            guard let (_, start) = state.waiters.removeValue(forKey: waiter.ticket) else { return [] }
            let behind = state.waiters.filter { $0.key > waiter.ticket }.sorted { $0.key < $1.key }.map(\.value)
            for (waiter, start) in behind.reversed() { state.machine.giveBack(cost: waiter.cost, startingAt: start) }
            state.machine.giveBack(cost: waiter.cost, startingAt: start)
            let now = waiter.now
            return behind.compactMap { waiter, start in
                guard
                    case .taken(let wait) = state.machine.take(
                        at: now, cost: waiter.cost, patienceNanoseconds: .max)
                else { return nil }
                // Never later than before, for that was checked against the waiter's patience and deadline.
                let moved = min(start, now.advanced(by: wait))
                state.waiters[waiter.ticket] = (waiter, moved)
                return moved < start ? (waiter, moved) : nil
            }
        }
        for (waiter, start) in moved { waiter.arm(for: start) }
    }

    func giveBack(_ cost: Int, startingAt start: Instant) {
        self.state.withLock { $0.machine.giveBack(cost: cost, startingAt: start) }
    }

    func reserve(_ cost: Int, _ patience: Duration?, at now: Instant) -> RateDecision {
        self.state.withLock { $0.machine.take(at: now, cost: cost, patience: patience ?? $0.machine.settings.patience) }
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
