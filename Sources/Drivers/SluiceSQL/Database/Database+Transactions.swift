// SPDX-License-Identifier: Apache-2.0
import Sluice

extension Database {
    /// Runs statements that change nothing and all see the database as it was at the first of them.
    ///
    /// - Parameter timeout: The longest it may take; nil for what the database was opened with.
    public func read<Value>(
        timeout: Duration? = nil, _ body: (SQLTransaction) async throws -> Value
    ) async throws -> Value {
        try await self.transact(TransactionOptions(.read, isolation: .repeatableRead, timeout: timeout), body)
    }

    /// Runs statements as one transaction: all of them, or, if `body` throws or the task is cancelled, none.
    ///
    /// `body` may be run more than once, since a transaction that met others is repeated whole.
    ///
    /// - Throws: What `body` throws; ``SQLError`` of kind `outcomeUnknown` if the connection was lost while it was committed.
    public func withTransaction<Value>(
        _ options: TransactionOptions = .write, _ body: (SQLTransaction) async throws -> Value
    ) async throws -> Value {
        let value = try await self.transact(options, body)
        self.versions.noteCommit()
        return value
    }

    /// Runs operations in order as one transaction.
    public func withTransaction(_ operations: [@Sendable (SQLTransaction) async throws -> Void]) async throws {
        try await self.withTransaction { transaction in
            for operation in operations { try await operation(transaction) }
        }
    }

    private func transact<Value>(
        _ options: TransactionOptions, _ body: (SQLTransaction) async throws -> Value
    ) async throws -> Value {
        var attempt = 0
        var last: SQLTransaction?
        do {
            let pipeline = options.timeout.map(self.makeTransactions) ?? self.transactions
            let (value, transaction) = try await pipeline {
                attempt += 1
                let number = attempt
                return try await self.driver.withConnection(options.access) { connection in
                    let tracks = options.access == .write && self.changes.hasListeners
                    let transaction = SQLTransaction(
                        on: connection, attempt: number, watch: self.watch, onlyReads: options.access == .read,
                        tracksChanges: tracks)
                    last = transaction
                    return (try await self.run(transaction, options, on: connection, body), transaction)
                }
            }
            await self.changes.announce(transaction.committedChange)
            await transaction.finish()
            return value
        } catch {
            // If its commit had begun, it may have taken effect all the same.
            if let last { await self.changes.announce(last.committedChange) }
            throw error
        }
    }

    private func run<Value>(
        _ transaction: SQLTransaction, _ options: TransactionOptions, on connection: any SQLConnection,
        _ body: (SQLTransaction) async throws -> Value
    ) async throws -> Value {
        try await self.watch.run(named: "BEGIN") { try await connection.begin(options) }
        let value: Value
        do {
            value = try await body(transaction)
            try Task.checkCancellation()
        } catch {
            // The first error is the one to report; a connection that cannot roll back reports itself at its next use.
            try? await self.watch.run(named: "ROLLBACK") { try await connection.rollback() }
            throw transaction.judged(error)
        }
        transaction.noteCommit()
        do {
            try await self.watch.run(named: "COMMIT") { try await connection.commit() }
        } catch {
            try? await connection.rollback()
            throw error
        }
        return value
    }
}
