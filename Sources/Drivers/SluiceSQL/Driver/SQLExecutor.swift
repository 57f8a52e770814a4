// SPDX-License-Identifier: Apache-2.0

/// Whatever statements can be run on: a ``Database``, a ``SQLTransaction`` or a ``SQLConnection``.
public protocol SQLExecutor: Sendable {
    /// How the engine wants its statements written.
    var dialect: SQLDialect { get }

    /// Runs one statement.
    ///
    /// - Throws: ``SQLError``; `CancellationError` if the task is cancelled, after the statement has been stopped.
    func execute(_ query: SQLQuery) async throws -> SQLResult

    /// Runs one statement that changes nothing and returns its rows.
    func rows(_ query: SQLQuery) async throws -> SQLRows

    /// Runs one statement that changes the named tables and no others, so that what was read from others stays cached.
    func execute(_ query: SQLQuery, changing tables: Set<String>) async throws -> SQLResult

    /// Runs one statement that reads the named tables and no others, so that its rows can be cached.
    func rows(_ query: SQLQuery, reading tables: Set<String>) async throws -> SQLRows
}

extension SQLExecutor {
    /// The rows a statement returns.
    public func rows(_ query: SQLQuery) async throws -> SQLRows {
        try await self.execute(query).rows
    }

    /// Runs the statement; there is no cache to tell.
    public func execute(_ query: SQLQuery, changing tables: Set<String>) async throws -> SQLResult {
        try await self.execute(query)
    }

    /// Runs the statement; there is no cache to ask.
    public func rows(_ query: SQLQuery, reading tables: Set<String>) async throws -> SQLRows {
        try await self.rows(query)
    }

    /// The first row, if there is one.
    public func first(_ query: SQLQuery) async throws -> SQLRow? {
        try await self.rows(query).first
    }

    /// The first column of the first row.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if there is no row.
    public func scalar<Value: SQLConvertible>(_ query: SQLQuery, as type: Value.Type = Value.self) async throws -> Value
    {
        guard let row = try await self.rows(query).first else {
            throw SQLError(.missing, message: "the statement returned no row")
        }
        return try row.decode(at: 0)
    }
}
