// SPDX-License-Identifier: Apache-2.0
import CSQLite
import Sluice
import SluiceSQL

/// One SQLite connection, with a thread of its own for all that may take long.
///
/// - Note: Unchecked, because the handle is a C pointer. Its borrower alone uses it, on `thread` or, while that has nothing of his to
///   do, where he is; the pool's lock stands between one borrower and the next.
final class SQLiteConnection: SQLConnection, @unchecked Sendable {
    let thread: ConnectionThread
    private var handle: SQLiteHandle?
    /// Whether a transaction was begun and neither committed nor rolled back, as far as the borrower knows.
    private var hasBegun = false
    /// Whether it was opened for reading.
    private let isReader: Bool
    /// Whether the transaction that is open may not write, although the connection may.
    private var isQueryOnly = false

    init(path: String, isReader: Bool) async throws {
        self.isReader = isReader
        self.thread = try ConnectionThread()
        do {
            try await self.thread.run { self.handle = try SQLiteHandle.open(path: path, isReader: isReader) }
        } catch {
            self.thread.stop()
            throw error
        }
    }

    /// Closes the connection and ends its thread; called once, when nobody uses it any more.
    func close() async {
        try? await self.thread.run { self.handle = nil }
        self.thread.stop()
    }

    func execute(_ query: SQLQuery) async throws -> SQLResult {
        if self.thread.isCurrent, let result = try self.executeQuickly(query) { return result }
        let run = SQLiteRun()
        return try await withTaskCancellationHandler {
            try await self.thread.run { try self.executeHere(query, run) }
        } onCancel: {
            run.cancel()
        }
    }

    /// Runs a statement that is all its borrower wants.
    ///
    /// - Throws: ``SQLError`` of kind `statement` if it has begun a transaction, which is undone: the next borrower's statements must
    ///   not become part of it.
    func executeAlone(_ query: SQLQuery) async throws -> SQLResult {
        let result = try await self.execute(query)
        guard self.handle?.isInTransaction == true else { return result }
        try await self.rollback()
        throw SQLError(.statement, message: "a single statement must not begin a transaction; use withTransaction")
    }

    /// Runs a statement on the caller's thread if it only reads and is quick; nil if it is to go to ``execute(_:)``.
    ///
    /// Not ended by cancellation, since it is over sooner than that could be told.
    func executeQuickly(_ query: SQLQuery) throws -> SQLResult? {
        try Task.checkCancellation()
        if self.hasBegun, self.handle?.isInTransaction == false { return nil }
        return try self.handle?.executeQuickly(query)
    }

    var dialect: SQLDialect { .sqlite }

    func begin(_ options: TransactionOptions) async throws {
        try Task.checkCancellation()
        try await self.thread.run {
            // Left open by a borrower whose rollback failed: it must not become part of this one's transaction.
            if self.handle?.isInTransaction == true { _ = try self.executeHere("ROLLBACK") }
            _ = try self.executeHere(options.access == .write ? "BEGIN IMMEDIATE" : "BEGIN")
            // A database in memory has one connection for everything.
            if options.access == .read, !self.isReader { try self.setQueryOnly(true) }
            self.hasBegun = true
        }
    }

    func commit() async throws {
        try await self.thread.run {
            _ = try self.executeHere("COMMIT")
            self.hasBegun = false
            if self.isQueryOnly { try self.setQueryOnly(false) }
        }
    }

    func rollback() async throws {
        // SQLite rolls back by itself after some errors (disk full, out of memory); then there is nothing left to undo.
        try await self.thread.run {
            self.hasBegun = false
            if self.handle?.isInTransaction == true { _ = try self.executeHere("ROLLBACK") }
            if self.isQueryOnly { try self.setQueryOnly(false) }
        }
    }

    private func setQueryOnly(_ isOn: Bool) throws {
        _ = try self.executeHere(isOn ? "PRAGMA query_only = ON" : "PRAGMA query_only = OFF")
        self.isQueryOnly = isOn
    }

    /// Step by step: SQLite itself goes only as far as it is asked to.
    func forEachBatch(
        of size: Int, _ query: SQLQuery, _ body: (SQLRows) async throws -> Void
    ) async throws {
        let cursor = try await self.thread.run { try self.openCursor(query) }
        do {
            var rows: SQLRows
            repeat {
                let run = SQLiteRun()
                rows = try await withTaskCancellationHandler {
                    try await self.thread.run { try self.watched(run) { try cursor.next(size) } }
                } onCancel: {
                    run.cancel()
                }
                if !rows.isEmpty { try await body(rows) }
            } while rows.count == size
        } catch {
            try? await self.thread.run { cursor.close() }
            throw error
        }
        try await self.thread.run { cursor.close() }
    }

    /// One prepared statement, run once for each row.
    func bulkInsert<Rows: AsyncSequence>(
        into table: SQLIdentifier, columns: [SQLIdentifier], _ rows: Rows
    ) async throws -> Int where Rows.Element == [SQLValue] {
        let insertion = SQLiteInsertion(table: table, columns: columns)
        return try await RowChunk.forEach(of: rows, columnCount: columns.count) { chunk in
            let run = SQLiteRun()
            try await withTaskCancellationHandler {
                try await self.thread.run {
                    guard let pointer = self.handle?.pointer else { throw Self.closed }
                    try self.watched(run) { try insertion.insert(chunk, on: pointer) }
                }
            } onCancel: {
                run.cancel()
            }
        }
    }

    private func openCursor(_ query: SQLQuery) throws -> SQLiteCursor {
        guard let cursor = try self.handle?.cursor(query) else { throw Self.closed }
        return cursor
    }

    /// Runs a statement on the current thread, which must be the connection's.
    private func executeHere(_ query: SQLQuery, _ run: SQLiteRun? = nil) throws -> SQLResult {
        if self.hasBegun, self.handle?.isInTransaction == false {
            throw SQLError(.storage, message: "SQLite has rolled the transaction back after an earlier error")
        }
        let execute = { () throws -> SQLResult in
            guard let result = try self.handle?.execute(query) else { throw Self.closed }
            return result
        }
        return try run.map { try self.watched($0, execute) } ?? execute()
    }

    /// Runs `body`, whose statement stops when the run must.
    private func watched<Value>(_ run: SQLiteRun, _ body: () throws -> Value) throws -> Value {
        guard let pointer = self.handle?.pointer else { throw Self.closed }
        try run.begin(on: pointer)
        defer { run.end(on: pointer) }
        do {
            return try body()
        } catch let error as SQLError where error.isInterruption {
            throw run.reason
        }
    }

    private static let closed = SQLError(.connection, message: "the database is closed", hasRun: false)
}
