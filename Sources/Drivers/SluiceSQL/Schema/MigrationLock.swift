// SPDX-License-Identifier: Apache-2.0

extension SQLDialect {
    /// Whether changes of a schema are part of a transaction, and undone with it.
    var hasTransactionalSchema: Bool { self != .mysql }
}

extension Database {
    /// Which lock of PostgreSQL's is ours; nobody else's by its being a random number.
    private static let lockNumber: Int64 = 4_711_640_215_339_087_121

    /// The longest it may take, the wait for another process included: an index of a large table is minutes of work.
    private static let migrationTimeout: Duration = .seconds(3_600)

    /// Runs `body` while no other process migrates this database; as one transaction where that can hold changes of a schema.
    func withMigrationLock<Value>(_ body: (any SQLExecutor) async throws -> Value) async throws -> Value {
        switch self.dialect {
        case .sqlite:
            // A transaction that writes is the lock.
            return try await self.withTransaction(TransactionOptions(.write, timeout: Self.migrationTimeout)) {
                try await body($0)
            }
        case .postgres:
            // Read committed, so that what is read after the lock was had is what its last holder left.
            return try await self.withTransaction(
                TransactionOptions(.write, isolation: .readCommitted, timeout: Self.migrationTimeout)
            ) {
                transaction in
                _ = try await transaction.rows("SELECT pg_advisory_xact_lock(\(Self.lockNumber))")
                return try await body(transaction)
            }
        case .mysql:
            // On one connection, not in a transaction: each change of a schema would commit it.
            let outcome: Result<Value, any Error> = try await self.driver.withConnection(.write) { connection in
                let limited = connection as? any StatementLimiting
                try await limited?.limitStatements(to: Self.migrationTimeout)
                let outcome: Result<Value, any Error>
                do {
                    try await Self.lock(connection)
                    outcome = .success(try await body(WatchedConnection(connection: connection, watch: self.watch)))
                } catch {
                    outcome = .failure(error)
                }
                // In a task of its own, since a cancelled one could not give the lock back.
                await Task {
                    _ = try? await connection.execute("SELECT RELEASE_LOCK(\(Self.lockName))")
                    try? await limited?.limitStatements(to: nil)
                }.value
                return outcome
            }
            // A connection keeps no account of what it changes.
            await self.changes.announce(.everything)
            return try outcome.get()
        }
    }

    /// A server's locks are those of all its databases, so the name tells them apart; it may have 64 characters.
    private static let lockName: SQLQuery = "CONCAT('sluice migrate ', SHA1(DATABASE()))"

    private static func lock(_ connection: any SQLConnection) async throws {
        let answer = try await connection.scalar("SELECT GET_LOCK(\(Self.lockName), \(60))", as: Int?.self)
        guard answer == 1 else {
            throw SQLError(.busy, message: "another process has been migrating this database for a minute")
        }
    }
}

/// A connection without a transaction, whose statements are observed as a transaction's are.
private struct WatchedConnection: SQLExecutor {
    let connection: any SQLConnection
    let watch: StatementWatch

    var dialect: SQLDialect { self.connection.dialect }

    func execute(_ query: SQLQuery) async throws -> SQLResult {
        try await self.watch.run(query) { try await self.connection.execute(query) }
    }
}
