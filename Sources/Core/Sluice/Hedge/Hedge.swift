// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Starts the operation a second time when the first is slow, takes what succeeds first and cancels the rest.
///
/// Only for operations declared idempotent; others run once. The delay before a hedge is fixed, or a percentile of how long recent
/// calls took, so that the extra load stays the complement of it: 5 % for the 95th. A failed attempt starts the next hedge at
/// once; a failure that advises against trying again ends the call; if all fail, the first attempt's failure is returned. The call
/// returns when the losers have stopped.
///
/// The attempts run interleaved, not in parallel: on the caller's actor or, where it has none, on one made for the call. So the
/// operation need be neither escaping nor sendable, and what it waits for still overlaps.
public final class Hedge: TunablePolicy {
    /// The values a hedge works by.
    public struct Settings: PolicySettings {
        /// Attempts beside the first; at least 1.
        public var maximumHedges: Int
        /// Which percentile of recent latencies to wait before a hedge, in `0...1`; 0 waits `delay` always.
        public var percentile: Double
        /// The wait before a hedge, or until there are enough samples for the percentile.
        public var delay: Duration
        /// How many calls must have succeeded before the percentile is used.
        public var minimumSamples: Int

        /// States settings.
        public init(
            maximumHedges: Int = 1, percentile: Double = 0.95, delay: Duration = .seconds(1), minimumSamples: Int = 50
        ) {
            self.maximumHedges = maximumHedges
            self.percentile = percentile
            self.delay = delay
            self.minimumSamples = minimumSamples
        }

        /// Every value by name.
        public static let keys: [SettingKey<Settings>] = [
            .integer("maximumHedges", 1...100, \.maximumHedges),
            .number("percentile", 0...1, \.percentile),
            .duration("delay", atLeast: .zero, \.delay),
            .integer("minimumSamples", 1...1_000_000, \.minimumSamples),
        ]
    }

    private struct State {
        var settings: Settings
        var window = LatencyWindow()
        /// The percentile, computed anew once in a while.
        var delay: Duration?
        var recordsSinceDelay = 0
    }

    /// The policy's name in descriptions, events and errors.
    public static let policyName = "hedge"

    private let state: Mutex<State>
    let budget: RetryBudget?
    /// Whether a retry around it pays each call into the same budget already.
    let isPaidByRetry = Atomic(false)
    private let advice: @Sendable (any Error) -> RetryAdvice

    /// Creates a hedge.
    ///
    /// - Parameters:
    ///   - settings: The values it works by.
    ///   - budget: What keeps hedges a part of all calls; share it with the pipeline's ``Retry``. Nil for no bound.
    ///   - advice: What is made of a failure: after `.never` no further attempt is started.
    public init(
        _ settings: Settings = Settings(), budget: RetryBudget? = RetryBudget(),
        advice: @escaping @Sendable (any Error) -> RetryAdvice = Retry.adviceOfError
    ) {
        self.state = Mutex(State(settings: settings.checked()))
        self.budget = budget
        self.advice = advice
    }

    /// Creates a hedge after a fixed time.
    public convenience init(after delay: Duration, maximumHedges: Int = 1, budget: RetryBudget? = RetryBudget()) {
        self.init(Settings(maximumHedges: maximumHedges, percentile: 0, delay: delay), budget: budget)
    }

    /// The values it works by now.
    public var settings: Settings { self.state.withLock { $0.settings } }

    /// Works by other values from now on, and keeps the latencies it has seen.
    public func update(_ settings: Settings) throws(InvalidSettingError) {
        let checked = try settings.valid()
        self.state.withLock { state in
            state.settings = checked
            state.delay = nil
        }
    }

    /// So many attempts more, started while the first still runs.
    public func bounds(around inner: PipelineBounds) -> PipelineBounds {
        let settings = self.settings
        let all = inner.repeated(1 + settings.maximumHedges)
        return PipelineBounds(latency: nil, amplification: all.amplification, queued: inner.queued)
    }

    /// Runs `next` once, or more than once if that takes long.
    @inlinable @inline(__always)
    public func execute<Value, Failure: Error>(
        _ context: OperationContext,
        _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        guard context.isIdempotent == true, context.mode == .normal else { return await next(context) }
        return await self.race(context, isolation: #isolation, next)
    }

    @usableFromInline
    func race<Value, Failure: Error>(
        _ context: OperationContext, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        if !self.isPaidByRetry.load(ordering: .relaxed) { self.budget?.recordCall(at: context.attemptStart) }
        return await withoutActuallyEscaping(next) { next in
            let race = HedgeRace(context, on: isolation ?? HedgeIsolation(), next)
            return await withTaskCancellationHandler {
                await self.run(race, context)
            } onCancel: {
                race.cancelAll()
            }
        }
    }

    private func run<Value, Failure: Error>(
        _ race: HedgeRace<Value, Failure>, _ context: OperationContext
    ) async -> Outcome<Value, Failure> {
        let (settings, delay) = self.plan()
        var primary: Outcome<Value, Failure>?
        var started = 1
        race.start(attempt: 0)
        while true {
            let alarm = started <= settings.maximumHedges ? context.time.now.advanced(by: delay) : nil
            let event = await race.next(alarm: alarm)
            if case .ended(let attempt, let outcome, let duration) = event {
                if attempt == 0 { primary = outcome }
                if case .success = outcome {
                    if attempt == 0 {
                        self.record(duration)
                    } else {
                        self.recordWin(context, isFirstOut: primary != nil)
                    }
                }
                if self.isDecisive(outcome) {
                    await race.stopAll()
                    return outcome
                }
                // What a policy inside turned away it would turn away again.
                if case .rejected = outcome { started = settings.maximumHedges + 1 }
            }
            // Nothing is begun for a caller that has left.
            if !Task.isCancelled, started <= settings.maximumHedges {
                if self.budget?.takeRetry(at: context.time.now) ?? true {
                    context.record(PolicyEvent(.hedgeStarted, policy: Self.policyName, duration: delay))
                    race.start(attempt: started)
                    started += 1
                } else {
                    // An exhausted budget means no more attempts, and no failure of its own.
                    started = settings.maximumHedges + 1
                }
            }
            if race.running == 0, let primary {
                await race.stopAll()
                return Task.isCancelled ? .cancelled : primary
            }
        }
    }

    private func recordWin(_ context: OperationContext, isFirstOut: Bool) {
        context.record(PolicyEvent(.hedgeWon, policy: Self.policyName))
        // The first attempt would have taken at least this long.
        if !isFirstOut { self.record(context.attemptStart.duration(to: context.time.now)) }
    }

    /// Whether an outcome ends the call: a success, a cancellation, or a failure that advises against another attempt.
    private func isDecisive<Value, Failure: Error>(_ outcome: Outcome<Value, Failure>) -> Bool {
        switch outcome {
        case .success: true
        case .cancelled: true
        case .failure(let error): self.advice(error) == .never
        case .rejected, .timedOut: false
        }
    }

    private func plan() -> (Settings, Duration) {
        self.state.withLock { state in
            guard state.settings.percentile > 0, state.window.count >= state.settings.minimumSamples else {
                return (state.settings, state.settings.delay)
            }
            // A percentile moves slowly; summing the histogram for every call would cost more than the call.
            if state.delay == nil || state.recordsSinceDelay >= 32 {
                state.delay = state.window.percentile(state.settings.percentile)
                state.recordsSinceDelay = 0
            }
            return (state.settings, state.delay ?? state.settings.delay)
        }
    }

    private func record(_ duration: Duration) {
        self.state.withLock { state in
            state.window.record(duration)
            state.recordsSinceDelay += 1
        }
    }
}

extension Hedge: HedgingLayer {}
