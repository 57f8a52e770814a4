// SPDX-License-Identifier: Apache-2.0

/// A connection while it is lent.
public protocol SQLConnection: AnyObject, SQLExecutor {
    /// Begins a transaction, for writing at once where the engine can: so two writers wait instead of failing at commit.
    func begin(_ options: TransactionOptions) async throws

    /// Makes the transaction's changes permanent. Not ended by cancellation.
    ///
    /// - Throws: ``SQLError``, of kind `outcomeUnknown` if the answer was lost.
    func commit() async throws

    /// Undoes the transaction's changes. Not ended by cancellation.
    func rollback() async throws

    /// Runs a statement and hands its rows over in batches: the next is fetched when `body` has returned.
    ///
    /// Called inside a transaction. What `body` throws ends it.
    func forEachBatch(
        of size: Int, _ query: SQLQuery, _ body: (SQLRows) async throws -> Void
    ) async throws

    /// Runs statements in order, each with its own outcome; in one round trip where the engine can.
    ///
    /// - Throws: What concerns none of them alone: `CancellationError`, or ``SQLError`` if none was sent.
    func pipeline(_ queries: [SQLQuery]) async throws -> [Result<SQLResult, SQLError>]

    /// Inserts rows the fastest way that the engine has.
    ///
    /// Called inside a transaction. What `rows` throws ends it.
    ///
    /// - Parameters:
    ///   - table: The table.
    ///   - columns: The columns, at least one, in the order of a row's values.
    ///   - rows: Rows of as many values; read no further ahead than a ``RowChunk``.
    /// - Returns: How many rows there were.
    func bulkInsert<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue]
}

/// A connection whose server has a limit of its own on how long a statement may run, which a transaction's options do not reach.
package protocol StatementLimiting: SQLConnection {
    /// Sets the limit of the statements that follow; nil for the session's own.
    func limitStatements(to time: Duration?) async throws
}

extension SQLConnection {
    /// Runs them one after the other.
    public func pipeline(_ queries: [SQLQuery]) async throws -> [Result<SQLResult, SQLError>] {
        var results: [Result<SQLResult, SQLError>] = []
        for query in queries {
            do {
                results.append(.success(try await self.execute(query)))
            } catch let error as SQLError where error.kind != .timeout {
                results.append(.failure(error))
            }
        }
        return results
    }

    /// Inserts them by statements of many rows.
    public func bulkInsert<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        let statements = TableStatements(table.name, self.dialect)
        let names = columns.map(\.name)
        let size = statements.rowsPerInsert(columns: columns.count)
        return try await RowChunk.forEach(of: rows, columnCount: columns.count, maximumCount: size) { chunk in
            let sources = chunk.map { $0.map { SQLFields.Source.value($0) } }
            _ = try await self.execute(statements.insert(names, sources[...]))
        }
    }
}
