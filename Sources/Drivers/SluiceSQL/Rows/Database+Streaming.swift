// SPDX-License-Identifier: Apache-2.0
import AsyncAlgorithms

extension Database {
    /// Runs a statement that changes nothing and hands its rows over one after the other, no more than `batch` of them in memory.
    ///
    /// All of them are as they were when it began. `body` sees each row once: what was begun is not repeated.
    ///
    /// - Parameters:
    ///   - batch: How many rows are fetched at a time; at least 1.
    ///   - timeout: The longest it may take, `body` included; nil for what the database was opened with.
    ///   - query: The statement.
    ///   - body: The next batch is fetched when it has returned; what it throws ends the statement.
    public func forEachRow(
        batch: Int = 500, timeout: Duration? = nil, _ query: SQLQuery, _ body: (SQLRow) async throws -> Void
    ) async throws {
        // A lost connection may be tried again only as long as nobody has seen a row.
        var hasBegun = false
        try await self.read(timeout: timeout) { transaction in
            try await SQLError.final(once: { hasBegun }) {
                try await transaction.forEachBatch(of: batch, query) { rows in
                    hasBegun = true
                    for row in rows { try await body(row) }
                }
            }
        }
    }

    /// Runs a statement that changes nothing and lends its rows as a sequence, of which two batches at most are in memory.
    ///
    /// ```swift
    /// let total = try await database.withRows("SELECT amount FROM payments") { rows in
    ///     try await rows.map { try $0.decode("amount", as: Int.self) }.reduce(0, +)
    /// }
    /// ```
    ///
    /// All of them are as they were when it began. The statement ends with the scope, read to its end or not.
    ///
    /// - Parameters:
    ///   - query: The statement.
    ///   - batch: How many rows are fetched at a time; at least 1.
    ///   - timeout: The longest it may take, `body` included; nil for what the database was opened with.
    ///   - body: Reads the sequence, once. It ends with what ended the statement, for example ``SQLError``.
    public func withRows<Value>(
        _ query: SQLQuery, batch: Int = 500, timeout: Duration? = nil,
        _ body: (SQLRowSequence) async throws -> Value
    ) async throws -> Value {
        let batches = AsyncThrowingChannel<SQLRows, any Error>()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.feed(batches, query, batch, timeout) }
            // Leaving the scope ends the statement; the group waits until its connection has come back.
            defer { group.cancelAll() }
            return try await body(SQLRowSequence(batches: batches))
        }
    }

    private func feed(
        _ batches: AsyncThrowingChannel<SQLRows, any Error>, _ query: SQLQuery, _ size: Int, _ timeout: Duration?
    ) async {
        var hasBegun = false
        do {
            try await self.read(timeout: timeout) { transaction in
                try await SQLError.final(once: { hasBegun }) {
                    try await transaction.forEachBatch(of: size, query) { rows in
                        hasBegun = true
                        await batches.send(rows)
                    }
                }
            }
            batches.finish()
        } catch {
            batches.fail(error)
        }
    }
}

/// The rows of a statement as they come, to be read once, in the scope of ``Database/withRows(_:batch:timeout:_:)``.
public struct SQLRowSequence: AsyncSequence, Sendable {
    let batches: AsyncThrowingChannel<SQLRows, any Error>

    /// Reads the rows one after the other.
    public struct Iterator: AsyncIteratorProtocol {
        var batches: AsyncThrowingChannel<SQLRows, any Error>.Iterator
        var rows = SQLRows.none
        var next = 0

        /// The next row; nil after the last.
        ///
        /// - Throws: ``SQLError``; `CancellationError` if the task is cancelled.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> SQLRow? {
            while self.next == self.rows.endIndex {
                guard let rows = try await self.batches.next(isolation: actor) else {
                    try Task.checkCancellation()
                    return nil
                }
                (self.rows, self.next) = (rows, 0)
            }
            defer { self.next += 1 }
            return self.rows[self.next]
        }
    }

    /// Begins to read; once is enough, since a batch that one iterator has taken another does not get.
    public func makeAsyncIterator() -> Iterator { Iterator(batches: self.batches.makeAsyncIterator()) }
}
