// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// One suspended task, or one closure, that is handed a value exactly once, whether it waits for it by then or not.
///
/// The continuation is resumed outside the lock, since resuming takes the runtime's own lock, under which cancellation
/// handlers are called.
package final class Suspension<Value: Sendable>: Sendable {
    private enum State {
        /// Neither suspended nor settled. Becomes either.
        case idle
        /// Suspended. Becomes `settled`.
        case suspended(CheckedContinuation<Value, Never>)
        /// Waited for by a closure. Becomes `settled`.
        case received(@Sendable (Value) -> Void)
        /// The value is there, or was taken.
        case settled(Value)
    }

    private let state = Mutex(State.idle)

    package init() {}

    /// Hands over the value; only the first one counts.
    package func settle(_ value: Value) {
        let before = self.state.withLock { state in
            let before = state
            if case .settled = before { return before }
            state = .settled(value)
            return before
        }
        switch before {
        case .idle, .settled: break
        case .suspended(let continuation): continuation.resume(returning: value)
        case .received(let body): body(value)
        }
    }

    /// Calls `body` with the value: at once if it is there, else from whoever hands it over.
    package func receive(_ body: @escaping @Sendable (Value) -> Void) {
        let value = self.state.withLock { state -> Value? in
            if case .settled(let value) = state { return value }
            state = .received(body)
            return nil
        }
        if let value { body(value) }
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
