// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets a number of calls through in a period, and makes the rest wait for their turn or turns them away.
///
/// A call whose turn would come after its deadline is turned away at once; a call cancelled while it waits gives its place
/// back.
public final class RateLimit: TunablePolicy {
    /// The policy's name in descriptions, events and errors.
    public static let policyName = "rateLimit"

    /// The longest that a server's hint pauses a limit.
    public static let maximumPause = Duration.seconds(3_600)

    private let machine: Mutex<RateLimitMachine>
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
        self.machine = Mutex(RateLimitMachine(settings))
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
    public var settings: RateLimitSettings { self.machine.withLock { $0.settings } }

    /// Works by other values from now on; what calls have taken out stays taken.
    public func update(_ settings: RateLimitSettings) throws(InvalidSettingError) {
        let checked = try settings.applying([:])
        let now = (OperationContext.current?.time ?? SystemTime.shared).now
        let refused = self.machine.withLock { machine -> InvalidSettingError? in
            do throws(InvalidSettingError) { try machine.update(checked, at: now) } catch { return error }
            return nil
        }
        if let refused { throw refused }
    }

    /// Lets no call pass before `instant`, for example because the server said so.
    public func pause(until instant: Instant) {
        self.machine.withLock { $0.pause(until: instant) }
    }

    /// The longest wait for a turn.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds { inner.delayed(by: self.settings.patience) }

    /// Runs `next` when its turn has come.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        let decision = self.take(context)
        guard case .taken(.zero) = decision else {
            return await self.executeLater(decision, context, isolation: #isolation, next)
        }
        let outcome = await next(context)
        if self.obeysHints, case .failure(let error) = outcome { self.obey(error, context) }
        return outcome
    }

    // Takes the isolation as a parameter, so that the way back to it is in this branch and not in everybody's.
    @usableFromInline
    func executeLater<Value, Failure: Error>(
        _ decision: RateDecision, _ context: OperationContext, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        switch decision {
        case .refused(let retryAfter):
            return .rejected(self.rejection(retryAfter, context))
        case .taken(let wait):
            guard await self.waitForTurn(wait, context) else { return .cancelled }
            var context = context
            context.attemptStart = context.time.now
            let outcome = await next(context)
            if self.obeysHints, case .failure(let error) = outcome { self.obey(error, context) }
            return outcome
        }
    }

    @usableFromInline
    func take(_ context: OperationContext) -> RateDecision {
        let cost = self.cost?(context) ?? 1
        // A turn that comes with the deadline comes too late.
        let now = context.attemptStart
        let remaining = context.deadline.nanoseconds.subtractingSaturated(now.nanoseconds)
        return self.machine.withLock { machine in
            machine.take(at: now, cost: cost, patienceNanoseconds: min(machine.patienceNanoseconds, remaining - 1))
        }
    }

    func rejection(_ retryAfter: Duration, _ context: OperationContext) -> RejectionError {
        context.record(PolicyEvent(.rateLimitRejected, policy: Self.policyName, duration: retryAfter))
        return RejectionError(policy: Self.policyName, reason: .rateLimited, retryAfter: retryAfter, in: context)
    }

    /// False if the task was cancelled while it waited.
    private func waitForTurn(_ wait: Duration, _ context: OperationContext) async -> Bool {
        context.record(PolicyEvent(.rateLimitDelayed, policy: Self.policyName, duration: wait))
        let start = context.attemptStart.advanced(by: wait)
        do {
            try await context.time.sleep(until: start)
            return true
        } catch {
            self.giveBack(self.cost?(context) ?? 1, startingAt: start)
            return false
        }
    }

    func giveBack(_ cost: Int, startingAt start: Instant) {
        self.machine.withLock { $0.giveBack(cost: cost, startingAt: start) }
    }

    func reserve(_ cost: Int, _ patience: Duration?, at now: Instant) -> RateDecision {
        self.machine.withLock { $0.take(at: now, cost: cost, patience: patience ?? $0.settings.patience) }
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
