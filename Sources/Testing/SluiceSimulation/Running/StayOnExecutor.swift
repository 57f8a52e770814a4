// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Stands inside a layer and keeps what is further in on the simulation's thread.
///
/// A layer that runs what is inside it in a task of its own, as ``Timeout`` does, starts one that prefers no executor.
struct StayOnExecutor: Policy {
    let executor: SimulationExecutor

    func execute<Value, Failure: Error>(
        _ context: OperationContext, _ next: (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await self.run(context, isolation: #isolation, next)
    }

    private func run<Value, Failure: Error>(
        _ context: OperationContext, isolation: isolated (any Actor)?,
        _ next: nonisolated(nonsending) (OperationContext) async -> Outcome<Value, Failure>
    ) async -> Outcome<Value, Failure> {
        await withTaskExecutorPreference(self.executor) {
            // Capturing the isolation keeps what is inside on it.
            _ = isolation
            return await next(context)
        }
    }
}
