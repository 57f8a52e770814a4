// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// One engine, as ``Database`` sees it: the seam that SQLite, PostgreSQL and MySQL drivers stand behind.
public protocol DatabaseDriver: Sendable {
    /// What the engine's URLs begin with, for example `sqlite`.
    static var schemes: [String] { get }

    /// Opens the database that `url` names.
    ///
    /// - Throws: ``SQLError`` of kind `configuration` or `connection`.
    static func open(_ url: String, time: any TimeSource) async throws -> any DatabaseDriver

    /// Lends a connection to `body`, alone, until it returns.
    func withConnection<Value>(
        _ access: SQLAccess, _ body: (any SQLConnection) async throws -> Value
    ) async throws -> Value

    /// A number that changes with every commit, no matter by which process; or nil if only this process can commit.
    func dataVersion() async throws -> Int64?

    /// Waits for borrowed connections to come back and closes them all.
    func close() async
}

/// What a connection is borrowed for.
public enum SQLAccess: Sendable, Hashable {
    /// Statements that change nothing.
    case read
    /// Statements that may change something; one borrower at a time where the engine has one writer.
    case write
}

/// A connection while it is lent.
public protocol SQLConnection: AnyObject, Sendable {
    /// Runs one statement.
    ///
    /// - Throws: ``SQLError``; `CancellationError` if the task is cancelled, after the statement has been stopped.
    func execute(_ query: SQLQuery) async throws -> SQLResult

    /// Begins a transaction, for writing at once where the engine can: so two writers wait instead of failing at commit.
    func begin(_ access: SQLAccess) async throws

    /// Makes the transaction's changes permanent. Not ended by cancellation.
    func commit() async throws

    /// Undoes the transaction's changes. Not ended by cancellation.
    func rollback() async throws
}

extension SQLConnection {
    /// The rows a statement returns.
    public func rows(_ query: SQLQuery) async throws -> [SQLRow] {
        try await self.execute(query).rows
    }

    /// The first row, if there is one.
    public func first(_ query: SQLQuery) async throws -> SQLRow? {
        try await self.execute(query).rows.first
    }
}
