// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A transaction while it runs: its statements, parts of it that can fail alone, and what is to happen once it is committed.
public final class SQLTransaction: SQLExecutor {
    private struct State {
        var savepoints = 0
        var afterCommit: [@Sendable () async -> Void] = []
        var change = CacheInvalidation()
        var hasBegunCommit = false
        /// The connection's last error.
        var lastFailure: SQLError?
    }

    private let connection: any SQLConnection
    private let state = Mutex(State())
    let watch: StatementWatch
    /// Which run of the closure this is, from 1: a transaction that met others is repeated whole.
    public let attempt: Int
    /// Whether anybody wants to know what it changes.
    private let tracksChanges: Bool

    private let onlyReads: Bool

    init(
        on connection: any SQLConnection, attempt: Int, watch: StatementWatch, onlyReads: Bool, tracksChanges: Bool
    ) {
        self.onlyReads = onlyReads
        self.watch = watch
        self.connection = connection
        self.attempt = attempt
        self.tracksChanges = tracksChanges
    }

    /// How the engine wants its statements written.
    public var dialect: SQLDialect { self.connection.dialect }

    /// Runs one statement as part of the transaction.
    public func execute(_ query: SQLQuery) async throws -> SQLResult {
        if let fault = query.fault { throw fault }
        if self.tracksChanges { self.note(query.undeclaredChange) }
        return try await self.run(query)
    }

    /// Runs one statement that changes the named tables and no others, so that what was read from others stays cached.
    public func execute(_ query: SQLQuery, changing tables: Set<String>) async throws -> SQLResult {
        if let fault = query.fault { throw fault }
        if self.tracksChanges { self.note(CacheInvalidation(tables: tables)) }
        return try await self.run(query)
    }

    /// Has the connection itself change a table with rows that somebody makes; `text` is what observers know it by.
    func changing<Value>(
        _ table: String, _ text: @autoclosure () -> String, beside companion: StatementCompanion,
        _ body: (any SQLConnection) async throws -> Value
    ) async throws -> Value {
        if self.tracksChanges { self.note(CacheInvalidation(tables: [table])) }
        return try await self.own {
            try await self.watch.run(named: text(), beside: companion) { try await body(self.connection) }
        }
    }

    /// Has caches drop what they keep under tags, once the transaction has been committed.
    public func invalidate(tags: Set<String>) {
        if self.tracksChanges { self.note(CacheInvalidation(tags: tags)) }
    }

    /// Noted before the statement runs, and kept if it fails or its savepoint is undone: too much costs a load, too little the truth.
    private func note(_ change: CacheInvalidation) {
        guard !change.isEmpty else { return }
        self.state.withLock { $0.change.formUnion(change) }
    }

    /// The commit is about to begin.
    func noteCommit() { self.state.withLock { $0.hasBegunCommit = true } }

    /// What it has changed, if its commit has begun.
    var committedChange: CacheInvalidation {
        self.state.withLock { state in
            guard state.hasBegunCommit else { return CacheInvalidation() }
            // Who began to listen meanwhile has to take it for anything.
            return self.tracksChanges || self.onlyReads ? state.change : .everything
        }
    }

    /// Runs statements that are undone alone if `body` throws, while the transaction goes on.
    ///
    /// Not to be used by two tasks at once, since savepoints lie one inside the other.
    public func withSavepoint<Value>(_ body: (SQLTransaction) async throws -> Value) async throws -> Value {
        let (number, kept) = self.state.withLock { state in
            state.savepoints += 1
            return (state.savepoints, state.afterCommit.count)
        }
        // By how deep it lies, so that there are few texts to prepare however many savepoints there are.
        defer { self.state.withLock { $0.savepoints -= 1 } }
        let name = try SQLIdentifier("sluice_\(number)")
        try await self.command("SAVEPOINT", name)
        let value: Value
        do {
            value = try await body(self)
            try Task.checkCancellation()
        } catch {
            self.state.withLock { $0.afterCommit.removeSubrange(kept...) }
            // A cancelled task undoes the whole transaction, which needs no savepoint; and so does an engine that already has.
            if !Task.isCancelled {
                try await self.command("ROLLBACK TO SAVEPOINT", name)
                try await self.command("RELEASE SAVEPOINT", name)
            }
            throw error
        }
        try await self.command("RELEASE SAVEPOINT", name)
        return value
    }

    /// Observers know it by its word alone, since there may be many names.
    private func command(_ word: String, _ name: SQLIdentifier) async throws {
        let query = SQLQuery(stringLiteral: "\(word) \(name.quoted)")
        _ = try await self.own { try await self.watch.run(named: word) { try await self.connection.execute(query) } }
    }

    /// As ``own(_:)``, without a closure where nobody observes.
    private func run(_ query: SQLQuery) async throws -> SQLResult {
        do {
            guard self.watch.observer != nil else { return try await self.connection.execute(query) }
            return try await self.watch.run(query) { try await self.connection.execute(query) }
        } catch let error as SQLError {
            self.note(error)
            throw error
        }
    }

    private func note(_ failure: SQLError) { self.state.withLock { $0.lastFailure = failure } }

    /// Has the connection do something, and remembers how it failed.
    private func own<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as SQLError {
            self.note(error)
            throw error
        }
    }

    /// An error that the closure ended with, as what it is to the transaction: one of another database, or of the closure's own
    /// making, says nothing of whether this transaction is worth repeating.
    func judged(_ error: any Error) -> any Error {
        guard var error = error as? SQLError, error != self.state.withLock({ $0.lastFailure }) else { return error }
        error.isFinal = true
        return error
    }

    /// Runs `action` once the transaction has been committed; never if it is not.
    ///
    /// Where the outcome of the commit is unknown it is not run either.
    public func afterCommit(_ action: @escaping @Sendable () async -> Void) {
        self.state.withLock { $0.afterCommit.append(action) }
    }

    /// Runs a statement and hands its rows over one after the other, no more than `batch` of them in memory at once.
    ///
    /// - Parameters:
    ///   - batch: How many rows are fetched at a time; at least 1.
    ///   - query: The statement.
    ///   - body: The next batch is fetched when it has returned; what it throws ends the statement.
    public func forEachRow(
        batch: Int = 500, _ query: SQLQuery, _ body: (SQLRow) async throws -> Void
    ) async throws {
        try await self.forEachBatch(of: batch, query) { rows in
            for row in rows { try await body(row) }
        }
    }

    func forEachBatch(of size: Int, _ query: SQLQuery, _ body: (SQLRows) async throws -> Void) async throws {
        precondition(size >= 1, "a batch has at least one row (is \(size))")
        if self.tracksChanges { self.note(query.undeclaredChange) }
        let reader = self.watch.companion()
        try await self.own {
            try await self.watch.run(named: query.fingerprint, beside: reader) {
                try await self.connection.forEachBatch(of: size, query) { rows in
                    let start = reader.begin()
                    do {
                        try await body(rows)
                        reader.end(start)
                    } catch {
                        reader.end(start, error)
                        throw error
                    }
                    try Task.checkCancellation()
                }
            }
        }
    }

    /// Runs what is to happen after the commit.
    func finish() async {
        let actions = self.state.withLock { state in
            defer { state.afterCommit = [] }
            return state.afterCommit
        }
        for action in actions { await action() }
    }
}
