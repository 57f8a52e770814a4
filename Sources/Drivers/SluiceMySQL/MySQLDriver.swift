// SPDX-License-Identifier: Apache-2.0
import Sluice
public import SluiceSQL

/// MySQL and MariaDB on libmariadb: a pool of connections, each on a thread of its own.
///
/// URLs: `mysql://user:password@host:3306/name` or `mariadb://…`, with these parameters behind a question mark: `host=/path` for
/// the server's socket; `sslmode=disable`, `prefer` (the default), `require`, `verify-ca` or `verify-full`, and `sslrootcert`;
/// `connect_timeout`, `read_timeout` and `write_timeout` in seconds.
///
/// Every session speaks utf8mb4 and UTC, quotes identifiers with double quotes, and refuses values that do not fit
/// (`sql_mode`). An update counts the rows that it found, as on the other engines. A connection whose session a borrower has
/// changed, with `SET`, `USE` or `LOCK TABLES` for example, is closed after it.
public final class MySQLDriver: DatabaseDriver {
    /// `mysql` and `mariadb`.
    public static let schemes = ["mysql", "mariadb"]

    private let pool: ConnectionPool<MySQLConnection>
    private let lanes: MySQLLanes

    /// Opens the database that `url` names, with one connection to begin with.
    public static func open(_ url: DatabaseURL, _ options: DatabaseOptions) async throws -> any DatabaseDriver {
        let driver = MySQLDriver(try MySQLSettings(url), url, options)
        do {
            try await driver.withConnection(.read) { _ in }
        } catch {
            await driver.close()
            throw error
        }
        return driver
    }

    private init(_ settings: MySQLSettings, _ url: DatabaseURL, _ options: DatabaseOptions) {
        let settings = settings.pooled(connecting: options.pool.connectTimeout, statements: options.timeout)
        self.pool = ConnectionPool(
            "\(url.scheme).\(url.database)", settings: options.pool, time: options.time, observer: options.observer
        ) { id in
            try await MySQLConnection.open(settings, poolID: id)
        }
        self.lanes = MySQLLanes(self.pool, time: options.time)
    }

    /// `mysql`.
    public var dialect: SQLDialect { .mysql }

    /// What the pool's connections do at this moment; single statements that wait are among those who wait.
    public var poolStatus: PoolStatus {
        var status = self.pool.status
        status.waiting += self.lanes.waitingCount
        return status
    }

    /// Runs one statement on its own, on a connection's thread, behind those that wait already.
    public func execute(_ query: SQLQuery, _ access: SQLAccess) async throws -> SQLResult {
        try await self.lanes.execute(query)
    }

    /// Lends a connection; `body` runs on its thread.
    ///
    /// What `body` leaves open is rolled back. A connection that was lost is closed, and so are those opened before it, since what
    /// ended it, a restart of the server for example, will have ended them too.
    public func withConnection<Value>(
        _ access: SQLAccess, _ body: (any SQLConnection) async throws -> Value
    ) async throws -> Value {
        let connection = try await self.borrow()
        do {
            let value = try await withTaskExecutorPreference(connection.thread) { try await body(connection) }
            await self.giveBack(connection)
            return value
        } catch {
            await self.giveBack(connection)
            throw error
        }
    }

    private func borrow() async throws -> MySQLConnection {
        try await self.pool.acquire(.exclusive)
    }

    private func giveBack(_ connection: MySQLConnection) async {
        if connection.isDirty { await connection.reset() }
        self.pool.takeBack(connection)
    }

    /// MySQL cannot tell.
    ///
    /// - Throws: ``SQLError`` of kind `statement`, always.
    public func dataVersion() async throws -> Int64? {
        throw SQLError(.statement, message: "MySQL has no number that changes with every commit", hasRun: false)
    }

    /// Waits for every connection to come back and closes it.
    public func close() async {
        await self.pool.close()
    }
}
