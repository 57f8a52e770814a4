// SPDX-License-Identifier: Apache-2.0

/// Tries a failed operation again, if its error says that makes sense and the deadline leaves time for it.
///
/// Failures are retried as their ``RetryAdvice`` says, and attempts ended by a ``Timeout`` inside are retried if the operation is
/// idempotent. Never retried: cancellation, and a call that a policy inside turned away, since it would be turned away again.
/// If the server named a wait, it is kept; if that wait, or the drawn one, would outlast the deadline, the last failure is
/// returned at once instead of sleeping into a certain timeout.
public struct Retry: Policy {
    /// Attempts in total, the first included; at least 1, and 1 never retries.
    public let maximumAttempts: Int
    /// The waits between them.
    public let backoff: Backoff

    private let advice: @Sendable (any Error) -> RetryAdvice
    private let randomness: Randomness

    /// Creates a retry.
    ///
    /// - Parameters:
    ///   - maximumAttempts: Attempts in total, the first included; at least 1.
    ///   - backoff: The waits between them.
    ///   - randomness: Where the jitter comes from.
    ///   - advice: What is made of a failure; by default what the error itself advises.
    public init(
        maximumAttempts: Int = 3,
        backoff: Backoff = Backoff(),
        randomness: Randomness = .shared,
        advice: @escaping @Sendable (any Error) -> RetryAdvice = Retry.adviceOfError
    ) {
        precondition(maximumAttempts >= 1, "maximumAttempts must be at least 1 (is \(maximumAttempts))")
        self.maximumAttempts = maximumAttempts
        self.backoff = backoff
        self.randomness = randomness
        self.advice = advice
    }

    /// What the error itself advises, or ``RetryAdvice/ifIdempotent(after:)`` if it does not.
    @Sendable
    public static func adviceOfError(_ error: any Error) -> RetryAdvice {
        (error as? any RetryAdvising)?.retryAdvice ?? .ifIdempotent(after: nil)
    }

    /// Runs `next` until it succeeds, advises against another attempt, or attempts or time run out.
    @inlinable
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        var context = context
        while true {
            let outcome = await next(context)
            // The happy path ends here, without a call that the optimiser could not see through.
            if case .success = outcome { return outcome }
            guard let retryAt = self.retryInstant(after: outcome, context) else { return outcome }
            do {
                try await context.time.sleep(until: retryAt)
            } catch {
                return .cancelled
            }
            context.attempt += 1
        }
    }

    /// When to start the next attempt, or nil if there is to be none.
    @usableFromInline
    func retryInstant<Value, Failure: Error>(
        after outcome: Outcome<Value, Failure>, _ context: OperationContext
    ) -> Instant? {
        guard let hint = self.hint(after: outcome, context) else { return nil }
        context.record(PolicyEvent("attempt.failed", .warning, policy: "retry", outcome: outcome.label))
        let drawn = self.backoff.delay(beforeRetry: context.attempt, fraction: self.randomness.fraction())
        let wait = max(drawn, hint)
        let instant = context.time.now.advanced(by: wait)
        guard context.attempt < self.maximumAttempts, instant < context.deadline else {
            context.record(PolicyEvent("retry.exhausted", .error, policy: "retry", outcome: outcome.label))
            return nil
        }
        context.record(PolicyEvent("retry.scheduled", .warning, policy: "retry", duration: wait))
        return instant
    }

    /// The shortest wait allowed before trying again, or nil if the outcome must stand.
    private func hint<Value, Failure: Error>(
        after outcome: Outcome<Value, Failure>, _ context: OperationContext
    ) -> Duration? {
        switch outcome {
        case .success, .rejected, .cancelled:
            return nil
        case .timedOut(let error):
            return self.hint(self.advice(error), context)
        case .failure(let error):
            return self.hint(self.advice(error), context)
        }
    }

    private func hint(_ advice: RetryAdvice, _ context: OperationContext) -> Duration? {
        switch advice {
        case .never: nil
        case .always(let after): after ?? .zero
        case .ifIdempotent(let after): context.isIdempotent ? after ?? .zero : nil
        }
    }
}
