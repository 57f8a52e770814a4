// SPDX-License-Identifier: Apache-2.0
import Sluice
import Synchronization

/// Where the attempts of one hedged call are, as far as another thread has a part in it.
///
/// A ``Hedge`` starts each attempt as a task that steps onto its caller's executor, and waits for the losers to step off again.
/// Both steps happen outside the simulation's thread. Between two steps everything is back on it, so what counts is how many
/// attempts were started, how many have come in and how many have ended.
final class HedgePassage: Sendable {
    @TaskLocal static var current: HedgePassage?

    private struct State {
        var started = 1
        var entered = 0
        var ended = 0
        var isOver = false

        /// How many tasks are on their way.
        var expected: Int {
            if self.isOver { return 0 }
            // Once all have ended, the hedge waits for their tasks, and then comes back itself.
            return self.entered < self.started ? self.started - self.entered : (self.ended == self.started ? 1 : 0)
        }
    }

    private let executor: SimulationExecutor
    private let call: Int
    private let state = Mutex(State())

    init(_ executor: SimulationExecutor, call: Int) {
        self.executor = executor
        self.call = call
        executor.expect(1)
    }

    /// The hedge starts another attempt.
    func start() { self.change { $0.started += 1 } }

    /// An attempt has come in, and waits for its turn to go on.
    func enter(attempt: Int) async {
        self.change { $0.entered += 1 }
        await self.park(attempt)
    }

    /// An attempt has ended.
    func end() { self.change { $0.ended += 1 } }

    /// The hedge has come back.
    func leave() async {
        self.change { $0.isOver = true }
        await self.park(0)
    }

    private func change(_ body: (inout State) -> Void) {
        let difference = self.state.withLock { state in
            let before = state.expected
            body(&state)
            return state.expected - before
        }
        self.executor.expect(difference)
    }

    private func park(_ attempt: Int) async {
        await withCheckedContinuation { continuation in
            self.executor.park(ParkedStep(call: self.call, attempt: attempt, continuation: continuation))
        }
    }
}

/// Stands around a ``Hedge`` and follows its calls.
struct HedgeEntrance: Policy {
    let executor: SimulationExecutor

    func execute<Value, Failure: Error>(
        _ context: OperationContext, _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        // Only such calls are hedged.
        guard context.isIdempotent == true, context.mode == .normal, let call = SimulatedCall.current else {
            return await next(context)
        }
        let passage = HedgePassage(self.executor, call: call.index)
        let outcome = await self.follow(passage, context, isolation: #isolation, next)
        await passage.leave()
        return outcome
    }

    private func follow<Value, Failure: Error>(
        _ passage: HedgePassage, _ context: OperationContext, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await HedgePassage.$current.withValue(passage) {
            // Capturing the isolation keeps what is inside on it.
            _ = isolation
            return await next(context)
        }
    }
}

/// Stands inside a ``Hedge`` and follows its attempts.
struct HedgeAttempt: Policy {
    func execute<Value, Failure: Error>(
        _ context: OperationContext, _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        guard let passage = HedgePassage.current else { return await next(context) }
        await passage.enter(attempt: context.attempt)
        let outcome = await next(context)
        passage.end()
        return outcome
    }
}
