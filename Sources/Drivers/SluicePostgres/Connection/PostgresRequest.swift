// SPDX-License-Identifier: Apache-2.0
import CPQ
import Sluice
import SluiceSQL

/// What was sent up to one synchronisation point, and the answers to it.
///
/// Unchecked, because everything in it is touched under its connection's lock, and once it is done by the task that waits for it
/// alone.
final class PostgresRequest: @unchecked Sendable {
    /// Why an answer is not waited for any more.
    enum Abandonment: Sendable {
        case cancelled, deadline
    }

    /// What came back, in order; freed by whoever takes them.
    private var results: [OpaquePointer] = []
    /// Set instead of an answer.
    var failure: SQLError?
    var abandonment: Abandonment?
    var isSent = false
    /// False if the statement could not even be prepared.
    var hasRun = true
    var isDone = false
    var continuation: UnsafeContinuation<Void, Never>?
    /// Told when everything has been answered, or never will be.
    var watchers: [Suspension<Bool>] = []
    /// How many commands were answered.
    var answerCount = 0
    /// The statement that is prepared first, and how many commands go before that.
    var preparing: (statement: PostgresStatement, position: Int)?
    /// The statement that was to be prepared and is not if the next answer is an error.
    var unprepared: PostgresStatement? {
        self.preparing.flatMap { self.answerCount <= $0.position ? $0.statement : nil }
    }
    /// Tells the server to stop; awaited before the connection is used again.
    var stopping: Task<TimerToken, Never>?

    deinit { for result in self.results { PQclear(result) } }

    func append(_ result: OpaquePointer) { self.results.append(result) }

    /// It is over.
    ///
    /// - Returns: Who waits for it, to be resumed outside the lock.
    func finish(_ failure: SQLError? = nil) -> UnsafeContinuation<Void, Never>? {
        guard !self.isDone else { return nil }
        self.isDone = true
        self.failure = failure
        defer { self.continuation = nil }
        return self.continuation
    }

    /// The last answer, which is the caller's to free; or the first that is an error.
    func take() throws(SQLError) -> OpaquePointer {
        let failed = self.results.first { PQresultStatus($0) == PGRES_FATAL_ERROR }
        if let failed {
            var error = SQLError(postgres: failed)
            if !self.hasRun { error.hasRun = false }
            throw error
        }
        if let failure = self.failure { throw failure }
        guard let last = self.results.popLast() else {
            throw SQLError(.connection, message: "the server gave no answer")
        }
        return last
    }
}
