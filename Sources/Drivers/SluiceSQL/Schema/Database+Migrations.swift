// SPDX-License-Identifier: Apache-2.0

extension Database {
    private static let migrationTable = "sluice_migrations"

    /// Brings an app's part of the schema up to date, and says which migrations that took.
    ///
    /// In one transaction where the engine can undo changes of a schema (SQLite, PostgreSQL). MySQL runs one statement after the
    /// other and marks the migration while it does: one that stops in the middle is not passed over. Processes that start at the same
    /// time wait for each other.
    ///
    /// - Throws: ``SQLError`` of kind `migration` if an applied migration differs from the program's, or is unknown to it, or if a
    ///   new one is not at the end.
    @discardableResult
    public func migrate(_ app: String, _ migrations: [Migration]) async throws -> [String] {
        try await self.withMigrationLock { executor in
            try await Self.makeMigrationTable(executor)
            let plan = MigrationPlan(app: app, migrations: migrations, applied: try await Self.applied(app, executor))
            let pending = try plan.pending()
            for migration in pending {
                let isMarked = !executor.dialect.hasTransactionalSchema
                let checksum = isMarked ? MigrationPlan.mark + migration.checksum : migration.checksum
                try await executor.insertMany(
                    Self.migrationTable, [["app": app, "id": migration.id, "checksum": checksum]])
                for statement in migration.up { _ = try await executor.execute(statement) }
                if isMarked { try await Self.setChecksum(app, migration.id, migration.checksum, executor) }
            }
            return pending.map(\.id)
        }
    }

    /// How far an app's migrations have got; changes nothing.
    public func migrationStatus(_ app: String, _ migrations: [Migration]) async throws -> [MigrationStatus] {
        try await self.read { transaction in
            let hasTable = try await transaction.tableNames().contains(Self.migrationTable)
            let applied = hasTable ? try await Self.applied(app, transaction) : [:]
            return MigrationPlan(app: app, migrations: migrations, applied: applied).statuses
        }
    }

    /// Undoes the migrations of an app that were applied last, and says which; the last first.
    ///
    /// - Parameter steps: How many; at least 0. All that are applied, if that is fewer.
    /// - Throws: ``SQLError`` of kind `migration` if one of them does not say how it is undone; then none is.
    @discardableResult
    public func revert(_ app: String, _ migrations: [Migration], steps: Int = 1) async throws -> [String] {
        try await self.withMigrationLock { executor in
            try await Self.makeMigrationTable(executor)
            let plan = MigrationPlan(app: app, migrations: migrations, applied: try await Self.applied(app, executor))
            let last = try plan.last(max(0, steps))
            for (migration, down) in last {
                if !executor.dialect.hasTransactionalSchema {
                    try await Self.setChecksum(app, migration.id, MigrationPlan.mark + migration.checksum, executor)
                }
                for statement in down { _ = try await executor.execute(statement) }
                try await executor.deleteMany(Self.migrationTable, where: ["app": app, "id": migration.id])
            }
            return last.map(\.migration.id)
        }
    }

    /// Says, once the schema has been put right by hand, whether a migration that stopped in the middle is applied.
    ///
    /// - Throws: ``SQLError`` of kind `missing` if there is no such migration that stopped in the middle.
    public func resolveMigration(_ app: String, _ migration: Migration, isApplied: Bool) async throws {
        try await self.withMigrationLock { executor in
            let isInterrupted: SQLCondition =
                ["app": app, "id": migration.id] && .hasPrefix("checksum", MigrationPlan.mark)
            guard try await executor.exists(Self.migrationTable, where: isInterrupted) else {
                throw SQLError(.missing, message: "\(app) \(migration.id) did not stop in the middle")
            }
            if isApplied {
                try await Self.setChecksum(app, migration.id, migration.checksum, executor)
            } else {
                try await executor.deleteMany(Self.migrationTable, where: isInterrupted)
            }
        }
    }

    private static func makeMigrationTable(_ executor: any SQLExecutor) async throws {
        // VARCHAR, since MySQL takes no TEXT into a key; 190 characters, since 767 bytes is what older ones take.
        _ = try await executor.execute(
            """
            CREATE TABLE IF NOT EXISTS sluice_migrations (
                app VARCHAR(190) NOT NULL, id VARCHAR(190) NOT NULL, checksum VARCHAR(190) NOT NULL, PRIMARY KEY (app, id))
            """)
    }

    private static func applied(_ app: String, _ executor: any SQLExecutor) async throws -> [String: String] {
        let rows = try await executor.rows("SELECT id, checksum FROM sluice_migrations WHERE app = \(app)")
        var applied: [String: String] = [:]
        for row in rows { applied[try row.decode("id")] = try row.decode("checksum", as: String.self) }
        return applied
    }

    private static func setChecksum(
        _ app: String, _ id: String, _ checksum: String, _ executor: any SQLExecutor
    ) async throws {
        try await executor.updateMany(
            Self.migrationTable, set: ["checksum": checksum], where: ["app": app, "id": id])
    }
}
