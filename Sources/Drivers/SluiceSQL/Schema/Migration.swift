// SPDX-License-Identifier: Apache-2.0

/// One step of a schema, applied once and never changed afterwards.
public struct Migration: Sendable, Hashable {
    /// Its name, unique within its app and never reused, for example `001-seasons`.
    public let id: String
    /// What it does, in order.
    public let statements: [SQLQuery]

    /// Creates a migration.
    public init(_ id: String, _ statements: [SQLQuery]) {
        self.id = id
        self.statements = statements
    }

    /// Tells whether the text of an applied migration was changed later.
    public var checksum: String {
        Fingerprint.hexadecimal(self.statements.map(\.text).joined(separator: ";"))
    }
}

extension Database {
    /// Brings an app's part of the schema up to date, in one transaction, and says which migrations that took.
    ///
    /// Processes that start at the same time wait for each other at the database's write lock.
    ///
    /// - Throws: ``SQLError`` of kind `migration` if an applied migration differs from the program's, or is unknown to it.
    @discardableResult
    public func migrate(_ app: String, _ migrations: [Migration]) async throws -> [String] {
        try await self.withTransaction { connection in
            _ = try await connection.execute(
                """
                CREATE TABLE IF NOT EXISTS sluice_migrations (
                    app TEXT NOT NULL, id TEXT NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (app, id))
                """)
            let rows = try await connection.rows("SELECT id, checksum FROM sluice_migrations WHERE app = \(app)")
            var applied: [String: String] = [:]
            for row in rows { applied[try row.decode("id")] = try row.decode("checksum", as: String.self) }
            var new: [String] = []
            for migration in migrations {
                if let checksum = applied.removeValue(forKey: migration.id) {
                    guard checksum == migration.checksum else {
                        throw SQLError(
                            .migration,
                            message: "\(app) \(migration.id) was changed after it had been applied; add another")
                    }
                    continue
                }
                for statement in migration.statements { _ = try await connection.execute(statement) }
                _ = try await connection.execute(
                    """
                    INSERT INTO sluice_migrations (app, id, checksum)
                    VALUES (\(app), \(migration.id), \(migration.checksum))
                    """)
                new.append(migration.id)
            }
            if let unknown = applied.keys.min() {
                throw SQLError(
                    .migration, message: "\(app) \(unknown) is in the database and not in this program; update it")
            }
            return new
        }
    }
}
