// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What a lane needs to know of a call, whatever it returns.
protocol LaneJob: Sendable {
    /// Does the work, on the thread that calls this.
    ///
    /// - Returns: What hands the result to the caller; apart, so that the lane can say first that the thread is free.
    func run() -> () -> Void
    /// Hands the caller an error in place of a result.
    func turnAway(_ error: any Error)
}

/// One call through a ``ThreadLane``: the work, and the caller who waits for it.
final class LaneCall<Value: Sendable>: LaneJob {
    private enum State {
        /// The caller is not suspended yet and there is no result.
        case idle
        /// The caller is suspended.
        case awaited(CheckedContinuation<Result<Value, any Error>, Never>)
        /// The result came before the caller was suspended, or the caller has it.
        case done(Result<Value, any Error>)
    }

    let cancellation = ThreadLane.Cancellation()
    private let context: OperationContext?
    private let work: @Sendable (ThreadLane.Cancellation) throws -> Value
    private let state = Mutex(State.idle)

    init(in context: OperationContext?, _ work: @escaping @Sendable (ThreadLane.Cancellation) throws -> Value) {
        self.context = context
        self.work = work
    }

    /// Waits for the result, cancelled or not.
    func result() async -> Result<Value, any Error> {
        await withCheckedContinuation { caller in
            let result = self.state.withLock { state -> Result<Value, any Error>? in
                if case .done(let result) = state { return result }
                state = .awaited(caller)
                return nil
            }
            if let result { caller.resume(returning: result) }
        }
    }

    func run() -> () -> Void {
        // A thread is not a task: what is bound here is seen by synchronous code, and by the tasks that it starts.
        let result = OperationContext.$current.withValue(self.context) { Result { try self.work(self.cancellation) } }
        return { self.settle(result) }
    }

    func turnAway(_ error: any Error) {
        self.settle(.failure(error))
    }

    private func settle(_ result: Result<Value, any Error>) {
        let caller = self.state.withLock { state -> CheckedContinuation<Result<Value, any Error>, Never>? in
            defer { state = .done(result) }
            if case .awaited(let caller) = state { return caller }
            return nil
        }
        caller?.resume(returning: result)
    }
}
