// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// One suspended task, resumed exactly once by whichever comes first: its alarm, or its task's cancellation.
///
/// The continuation is resumed outside the lock, since resuming takes the runtime's own lock, under which cancellation
/// handlers are called.
final class Wait: Sendable {
    private enum State {
        /// Not suspended yet. Becomes `waiting`, or `over` when the task was cancelled already.
        case idle
        /// Suspended. Becomes `over`.
        case waiting(CheckedContinuation<Void, Never>, TimerToken?)
        /// Resumed, or never to be suspended.
        case over
    }

    private let state = Mutex(State.idle)

    /// Takes the continuation to resume later; false if the wait is over already and it must be resumed at once.
    func begin(_ continuation: CheckedContinuation<Void, Never>) -> Bool {
        self.state.withLock { state in
            switch state {
            case .over:
                return false
            case .idle, .waiting:
                state = .waiting(continuation, nil)
                return true
            }
        }
    }

    /// Remembers the alarm, so that cancellation can remove it, and removes it now if the wait ended in the meantime.
    func note(_ token: TimerToken, of time: some TimeSource) {
        let isOver = self.state.withLock { state in
            switch state {
            case .waiting(let continuation, _):
                state = .waiting(continuation, token)
                return false
            case .idle, .over:
                return true
            }
        }
        if isOver { time.cancel(token) }
    }

    /// Ends the wait; `time` is given when it is not the alarm that ends it.
    func end(cancelling time: (any TimeSource)? = nil) {
        let (continuation, token) = self.state.withLock { state -> (CheckedContinuation<Void, Never>?, TimerToken?) in
            switch state {
            case .waiting(let continuation, let token):
                state = .over
                return (continuation, token)
            case .idle, .over:
                state = .over
                return (nil, nil)
            }
        }
        if let token { time?.cancel(token) }
        continuation?.resume()
    }
}
