// SPDX-License-Identifier: Apache-2.0
public import Sluice
import Synchronization

/// A database: one API over every engine.
///
/// Every call runs under a deadline (30 s unless the caller's is earlier) and is repeated, whole, while another process holds
/// the database's lock.
///
/// ```swift
/// let database = try await Database.open("sqlite:club.db", drivers: [SQLiteDriver.self])
/// let rows = try await database.rows("SELECT name FROM members WHERE joined >= \(date)")
/// ```
public final class Database: Sendable {
    private let driver: any DatabaseDriver
    private let reads: Pipeline<AnyPolicy>
    private let transactions: Pipeline<AnyPolicy>
    private let versions: DatabaseVersions

    /// Opens the database that `url` names.
    ///
    /// - Parameters:
    ///   - url: For example `sqlite:var/sluice.db` or `sqlite::memory:`.
    ///   - drivers: The engines this program can open.
    ///   - timeout: The longest one call may take, waiting for a connection included.
    ///   - time: The time line of timeouts and waits.
    ///   - observer: Who is told of every call.
    /// - Throws: ``SQLError`` of kind `configuration` if no driver takes the URL, else whatever the driver throws.
    public static func open(
        _ url: String, drivers: [any DatabaseDriver.Type], timeout: Duration = .seconds(30),
        time: any TimeSource = SystemTime.shared, observer: (any PolicyObserver)? = nil
    ) async throws -> Database {
        let scheme = String(url.prefix { $0 != ":" })
        guard url.contains(":"), let driver = drivers.first(where: { $0.schemes.contains(scheme) }) else {
            let known = drivers.flatMap { $0.schemes }.map { "\($0):" }.joined(separator: ", ")
            throw SQLError(
                .configuration, message: "no driver for this database URL; it must begin with one of: \(known)")
        }
        // Others may be opening, and so making, the same file at this moment.
        let opened = try await Self.pipeline("database.open", timeout, time, observer)() {
            try await driver.open(url, time: time)
        }
        return Database(driver: opened, timeout: timeout, time: time, observer: observer)
    }

    /// Creates a database on an open driver.
    public init(
        driver: any DatabaseDriver, timeout: Duration = .seconds(30), time: any TimeSource = SystemTime.shared,
        observer: (any PolicyObserver)? = nil
    ) {
        self.driver = driver
        self.versions = DatabaseVersions(driver: driver, time: time)
        self.reads = Self.pipeline("database.read", timeout, time, observer)
        self.transactions = Self.pipeline("database.transaction", timeout, time, observer)
    }

    private static func pipeline(
        _ name: String, _ timeout: Duration, _ time: any TimeSource, _ observer: (any PolicyObserver)?
    ) -> Pipeline<AnyPolicy> {
        // Many short tries: a lock is held for milliseconds, and it is the deadline that says when to stop.
        let backoff = Backoff.exponential(from: .milliseconds(10)).capped(at: .milliseconds(250)).jittered()
        return Pipeline(name, time: time, observer: observer) {
            Deadline(timeout)
            // Only what the engine says is worth repeating: an error of the caller's own closure never is.
            Retry(maximumAttempts: 1_000, backoff: backoff, budget: nil) { ($0 as? SQLError)?.retryAdvice ?? .never }
        }.erased()
    }

    /// Runs one statement that changes nothing and returns its rows.
    public func rows(_ query: SQLQuery) async throws -> [SQLRow] {
        try await self.reads {
            try await self.driver.withConnection(.read) { try await $0.rows(query) }
        }
    }

    /// Runs statements that change nothing and all see the database as it was at the first of them.
    public func read<Value>(_ body: (any SQLConnection) async throws -> Value) async throws -> Value {
        try await self.reads {
            try await self.driver.withConnection(.read) { try await self.transact(.read, on: $0, body) }
        }
    }

    /// Runs statements as one transaction: all of them, or, if `body` throws or the task is cancelled, none.
    ///
    /// `body` may be run more than once, since a transaction that found the database locked is repeated whole.
    public func withTransaction<Value>(_ body: (any SQLConnection) async throws -> Value) async throws -> Value {
        let value = try await self.transactions {
            try await self.driver.withConnection(.write) { try await self.transact(.write, on: $0, body) }
        }
        self.versions.noteCommit()
        return value
    }

    /// What the data is at, to tell whether something computed from it is still true.
    ///
    /// Sees commits of this process at once and those of other processes within ``DatabaseVersions/reach``.
    public func version() async throws -> DatabaseVersion {
        if let version = self.versions.current { return version }
        return try await self.reads { try await self.versions.refresh() }
    }

    /// Answers if the database does.
    public func ping() async throws {
        _ = try await self.rows("SELECT 1")
    }

    /// Waits for calls under way and closes every connection; later calls are turned away.
    public func close() async {
        await self.driver.close()
    }

    private func transact<Value>(
        _ access: SQLAccess, on connection: any SQLConnection, _ body: (any SQLConnection) async throws -> Value
    ) async throws -> Value {
        try await connection.begin(access)
        let value: Value
        do {
            value = try await body(connection)
            try Task.checkCancellation()
        } catch {
            // The first error is the one to report; a connection that cannot roll back reports itself at its next use.
            try? await connection.rollback()
            throw error
        }
        do {
            try await connection.commit()
        } catch {
            try? await connection.rollback()
            throw error
        }
        return value
    }
}
