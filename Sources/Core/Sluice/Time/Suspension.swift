// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// One suspended task that is handed a value exactly once, whether it is suspended by then or not.
///
/// The continuation is resumed outside the lock, since resuming takes the runtime's own lock, under which cancellation
/// handlers are called.
package final class Suspension<Value: Sendable>: Sendable {
    private enum State {
        /// Neither suspended nor settled. Becomes either.
        case idle
        /// Suspended. Becomes `settled`.
        case suspended(CheckedContinuation<Value, Never>)
        /// The value is there, or was taken.
        case settled(Value)
    }

    private let state = Mutex(State.idle)

    package init() {}

    /// Hands over the value; only the first one counts.
    package func settle(_ value: Value) {
        let continuation = self.state.withLock { state -> CheckedContinuation<Value, Never>? in
            switch state {
            case .settled: return nil
            case .idle:
                state = .settled(value)
                return nil
            case .suspended(let continuation):
                state = .settled(value)
                return continuation
            }
        }
        continuation?.resume(returning: value)
    }

    /// The value, once it is there; asked for by one task.
    package func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value = self.state.withLock { state -> Value? in
                if case .settled(let value) = state { return value }
                state = .suspended(continuation)
                return nil
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
