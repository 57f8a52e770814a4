// SPDX-License-Identifier: Apache-2.0
import CSQLite
import Synchronization

/// One statement's run, as its task's cancellation sees it: stopped if it runs, never begun if it waits, and nothing at all once
/// it has ended, so that no cancellation can hit another's statement on the same connection.
final class SQLiteRun: Sendable {
    private enum State {
        /// The statement waits for the connection's thread. Becomes `running` or `cancelled`.
        case waiting
        /// The statement runs on the connection. Becomes `over`.
        case running(Connection)
        /// The task was cancelled before the statement ran.
        case cancelled
        /// The statement has ended.
        case over
    }

    /// Unchecked only because it is a C pointer: `sqlite3_interrupt` may be called from any thread while the connection is
    /// open, and it is open as long as a statement runs on it.
    private struct Connection: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private let state = Mutex(State.waiting)

    /// The statement is about to run.
    ///
    /// - Throws: `CancellationError` if its task was cancelled.
    func begin(on connection: OpaquePointer) throws {
        let connection = Connection(pointer: connection)
        let isCancelled = self.state.withLock { state in
            if case .cancelled = state { return true }
            state = .running(connection)
            return false
        }
        if isCancelled { throw CancellationError() }
    }

    /// The statement has ended.
    func end() {
        self.state.withLock { $0 = .over }
    }

    /// The statement's task was cancelled.
    func cancel() {
        self.state.withLock { state in
            switch state {
            case .waiting: state = .cancelled
            // Under the lock, so that the statement cannot end, and another begin, before the call: it only sets a flag.
            case .running(let connection): sqlite3_interrupt(connection.pointer)
            case .cancelled, .over: break
            }
        }
    }
}
