// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import Synchronization

/// One single statement, from when it is asked for until its answer is there, so that it can be cancelled wherever it is.
final class MySQLCall: Sendable {
    typealias Continuation = CheckedContinuation<SQLResult, any Error>

    private enum State {
        /// Its task is not suspended yet.
        case new
        /// Waits for a connection.
        case queued(Continuation)
        /// Runs on a connection, or is about to.
        case running(Continuation, MySQLConnection)
        /// Its task has been told how it ended, or is about to tell itself.
        case ended
    }

    let query: SQLQuery
    /// When it was asked for.
    let start: Instant
    /// When waiting for a connection ends in any case.
    let limit: Instant
    let run = MySQLWatch.Run()
    private let state = Mutex(State.new)

    init(_ query: SQLQuery, start: Instant, limit: Instant) {
        self.query = query
        self.start = start
        self.limit = limit
    }

    /// Its task waits from now on.
    ///
    /// - Returns: False if it has been cancelled already, and has been told so.
    func suspend(_ continuation: Continuation) -> Bool {
        let isWanted = self.state.withLock { state in
            if case .ended = state { return false }
            state = .queued(continuation)
            return true
        }
        if !isWanted { continuation.resume(throwing: CancellationError()) }
        return isWanted
    }

    /// Whether nobody waits for it any more.
    var hasEnded: Bool { self.state.withLock { if case .ended = $0 { true } else { false } } }

    /// A connection takes it out of the queue.
    ///
    /// - Returns: False if it has ended meanwhile.
    func begin(on connection: MySQLConnection) -> Bool {
        self.state.withLock { state in
            guard case .queued(let continuation) = state else { return false }
            state = .running(continuation, connection)
            return true
        }
    }

    /// Tells its task how it ended, unless it has been told.
    func end(_ result: Result<SQLResult, any Error>) {
        let state = self.state.withLock { state in
            defer { state = .ended }
            return state
        }
        switch state {
        case .queued(let continuation), .running(let continuation, _): continuation.resume(with: result)
        case .new, .ended: break
        }
    }

    /// Its task was cancelled: ends it if it waits, and has the server stop it if it runs.
    func cancel() {
        let state = self.state.withLock { state in
            let before = state
            if case .running = state { return before }
            state = .ended
            return before
        }
        switch state {
        case .queued(let continuation): continuation.resume(throwing: CancellationError())
        case .running(_, let connection): connection.cancel(self.run)
        case .new, .ended: break
        }
    }
}
