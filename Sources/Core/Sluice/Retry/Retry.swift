// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Tries a failed operation again, if its error says that makes sense, the budget allows it and the deadline leaves time for it.
///
/// Failures are retried as their ``RetryAdvice`` says; attempts that a ``Timeout`` inside ended only if the operation is declared
/// idempotent. Never retried: cancellation, and a call that a policy inside turned away, since it would be turned away again. If
/// the server named a wait, it is kept; if that wait, or the drawn one, would outlast the deadline, the last failure is returned
/// at once instead of sleeping into a certain timeout.
///
/// Inside an operation that is itself being repeated nothing is retried, so nested retries add up and do not multiply.
public final class Retry: TunablePolicy {
    /// The values a retry works by.
    public struct Settings: PolicySettings {
        /// Attempts in total, the first included; at least 1, and 1 never retries.
        public var maximumAttempts: Int
        /// The waits between them.
        public var backoff: Backoff
        /// The longest wait that a server may ask for; a longer one ends the call with the failure it has.
        public var maximumHint: Duration

        /// States settings.
        public init(
            maximumAttempts: Int = Defaults.maximumAttempts, backoff: Backoff = .standard,
            maximumHint: Duration = .seconds(60)
        ) {
            self.maximumAttempts = maximumAttempts
            self.backoff = backoff
            self.maximumHint = maximumHint
        }

        /// Every value by name.
        public static let keys: [SettingKey<Settings>] = [
            .integer("maximumAttempts", 1...Int.max, \.maximumAttempts),
            SettingKey("backoff", range: "a back-off such as \(Backoff.standard)") {
                $0.backoff.description
            } write: { settings, text in
                guard let backoff = Backoff(text) else { return false }
                settings.backoff = backoff
                return true
            },
            .duration("maximumHint", atLeast: .zero, \.maximumHint),
        ]
    }

    /// The policy's name in descriptions, events and errors.
    public static let policyName = "retry"

    private let current: Mutex<Settings>
    private let advice: @Sendable (any Error) -> RetryAdvice
    private let backoffForError: (@Sendable (any Error) -> Backoff?)?
    private let resultAdvice: (@Sendable (Any) -> RetryAdvice)?
    private let randomness: Randomness
    @usableFromInline let budget: RetryBudget?
    @usableFromInline let judgesResults: Bool

    /// Creates a retry.
    ///
    /// - Parameters:
    ///   - maximumAttempts: Attempts in total, the first included; at least 1.
    ///   - backoff: The waits between them.
    ///   - budget: What keeps retries a part of all calls; its own by default, and nil for no bound.
    ///   - randomness: Where the jitter comes from.
    ///   - advice: What is made of a failure; by default what the error itself advises.
    ///   - backoffForError: Other waits for some errors; nil for the usual ones.
    ///   - resultAdvice: What is made of a value that was returned; `.never` keeps it.
    public init(
        maximumAttempts: Int = Defaults.maximumAttempts,
        backoff: Backoff = .standard,
        budget: RetryBudget? = RetryBudget(),
        randomness: Randomness = .shared,
        advice: @escaping @Sendable (any Error) -> RetryAdvice = Retry.adviceOfError,
        backoffForError: (@Sendable (any Error) -> Backoff?)? = nil,
        resultAdvice: (@Sendable (Any) -> RetryAdvice)? = nil
    ) {
        self.current = Mutex(Settings(maximumAttempts: maximumAttempts, backoff: backoff).checked())
        self.budget = budget
        self.randomness = randomness
        self.backoffForError = backoffForError
        self.resultAdvice = resultAdvice
        self.judgesResults = resultAdvice != nil
        self.advice = advice
    }

    /// The values it works by now.
    public var settings: Settings { self.current.withLock { $0 } }
    /// The waits between attempts.
    public var backoff: Backoff { self.settings.backoff }

    /// Works by other values from the next failure on.
    public func update(_ settings: Settings) throws(InvalidSettingError) {
        let checked = try settings.valid()
        self.current.withLock { $0 = checked }
    }

    /// Every attempt's time, and the longest waits between them.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds {
        let settings = self.settings
        var waits = Duration.zero
        // A sum over more retries than anybody waits for adds nothing to what is known.
        for retry in 1..<max(1, min(settings.maximumAttempts, 10_000)) {
            let wait = max(settings.backoff.longestDelay(beforeRetry: retry) ?? .zero, settings.maximumHint)
            waits = .nanoseconds(Instant(nanoseconds: waits.clampedNanoseconds).advanced(by: wait).nanoseconds)
        }
        return inner.repeated(settings.maximumAttempts).delayed(by: waits)
    }

    /// What the error itself advises, or ``RetryAdvice/ifIdempotent(after:)`` if it does not.
    @Sendable
    public static func adviceOfError(_ error: any Error) -> RetryAdvice {
        (error as? any RetryAdvising)?.retryAdvice ?? .ifIdempotent(after: nil)
    }

    /// Runs `next` until it succeeds, advises against another attempt, or attempts, budget or time run out.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        if let budget = self.budget { budget.recordCall(at: context.attemptStart) }
        let outcome = await next(context)
        // The happy path ends here, without a call that the optimiser could not see through.
        if case .success = outcome, !self.judgesResults { return outcome }
        return await self.repeated(outcome, context, isolation: #isolation, next)
    }

    // Takes the isolation as a parameter, so that the way back to it is in this branch and not in everybody's.
    @usableFromInline
    func repeated<Value, Failure: Error>(
        _ first: Outcome<Value, Failure>, _ context: OperationContext, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        var outcome = first
        var context = context
        var wait = Duration.zero
        while let advised = self.advised(outcome, context) {
            guard let retry = self.plan(outcome, advised, context, previous: wait) else { return outcome }
            wait = retry.wait
            do {
                try await context.time.sleep(until: retry.instant)
            } catch {
                return .cancelled
            }
            context.attempt += 1
            context.attemptStart = context.time.now
            outcome = await next(context)
        }
        return outcome
    }

    /// What an outcome asks for: the error, if it was one, and the shortest wait allowed; nil if the outcome must stand.
    private func advised<Value, Failure: Error>(
        _ outcome: Outcome<Value, Failure>, _ context: OperationContext
    ) -> (error: (any Error)?, hint: Duration)? {
        switch outcome {
        case .success(let value):
            guard let advice = self.resultAdvice?(value) else { return nil }
            return self.hint(advice, isUncertain: false, context).map { (nil, $0) }
        case .failure(let error):
            return self.hint(self.advice(error), isUncertain: error is TimeoutError, context).map { (error, $0) }
        case .timedOut(let error):
            return self.hint(self.advice(error), isUncertain: true, context).map { (error, $0) }
        case .rejected, .cancelled:
            return nil
        }
    }

    /// - Parameter isUncertain: Whether the attempt may have taken effect although it failed.
    private func hint(_ advice: RetryAdvice, isUncertain: Bool, _ context: OperationContext) -> Duration? {
        switch advice {
        case .never:
            return nil
        case .always(let after):
            return after ?? .zero
        case .ifIdempotent(let after):
            if context.isIdempotent ?? !isUncertain { return after ?? .zero }
            context.record(PolicyEvent(.attemptNotRepeated, policy: Self.policyName))
            return nil
        }
    }

    /// When to start the next attempt, or nil if there is to be none.
    private func plan<Value, Failure: Error>(
        _ outcome: Outcome<Value, Failure>, _ advised: (error: (any Error)?, hint: Duration),
        _ context: OperationContext,
        previous: Duration
    ) -> (wait: Duration, instant: Instant)? {
        let settings = self.settings
        context.record(PolicyEvent(.attemptFailed, policy: Self.policyName, outcome: outcome.label))
        if context.isInsideRepetition, settings.maximumAttempts > 1 {
            context.record(PolicyEvent(.retrySuppressed, policy: Self.policyName, outcome: outcome.label))
            return nil
        }
        let backoff = advised.error.flatMap { self.backoffForError?($0) } ?? settings.backoff
        let now = context.time.now
        let drawn = backoff.delay(
            beforeRetry: context.attempt, fraction: self.randomness.fraction(), previous: previous)
        guard context.attempt < settings.maximumAttempts, context.mode == .normal, let drawn,
            advised.hint <= settings.maximumHint, now.advanced(by: max(drawn, advised.hint)) < context.deadline
        else {
            context.record(PolicyEvent(.retryExhausted, policy: Self.policyName, outcome: outcome.label))
            return nil
        }
        if let budget = self.budget, !budget.takeRetry(at: now) {
            context.record(PolicyEvent(.retryBudgetExhausted, policy: Self.policyName, outcome: outcome.label))
            return nil
        }
        let wait = max(drawn, advised.hint)
        context.record(PolicyEvent(.retryScheduled, policy: Self.policyName, duration: wait))
        return (wait, now.advanced(by: wait))
    }
}

extension Retry: FailureSensitive {}
