// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// A database: one API over every engine.
///
/// Every call runs under a deadline (30 s unless the caller's is earlier) and is repeated where that is safe: while another holds
/// the lock that is needed, when a transaction could not be put in order with others, when a statement that changes nothing lost
/// its connection.
///
/// ```swift
/// let database = try await Database.open("sqlite:club.db", drivers: [SQLiteDriver.self])
/// let rows = try await database.rows("SELECT name FROM members WHERE joined >= \(date)")
/// ```
public final class Database: SQLExecutor {
    /// The engine's own driver, for what only it can do.
    public let driver: any DatabaseDriver
    let timeout: Duration
    let observer: (any PolicyObserver)?
    private let statements: Pipeline<Nested<WatchedDeadline, Retry>>
    let makeTransactions: @Sendable (Duration) -> Pipeline<Nested<Deadline, Retry>>
    let transactions: Pipeline<Nested<Deadline, Retry>>
    let versions: DatabaseVersions
    let watch: StatementWatch
    private let time: any TimeSource
    /// Who is told of what was changed, once it is committed.
    let changes = CommittedChanges()

    /// Opens the database that `url` names.
    ///
    /// - Parameters:
    ///   - url: For example `sqlite:var/sluice.db`, `sqlite::memory:` or `postgres://app@localhost/club`.
    ///   - drivers: The engines this program can open.
    ///   - pool: How connections are pooled, where the engine has a server.
    ///   - timeout: The longest one call may take, waiting for a connection included.
    ///   - time: The time line of timeouts and waits.
    ///   - slowStatement: What takes longer is reported as slow.
    ///   - observer: Who is told of every call and every statement.
    /// - Throws: ``SQLError`` of kind `configuration` if no driver takes the URL, else whatever the driver throws.
    public static func open(
        _ url: String, drivers: [any DatabaseDriver.Type], pool: PoolSettings = PoolSettings(),
        timeout: Duration = .seconds(30), slowStatement: Duration = .milliseconds(200),
        time: any TimeSource = SystemTime.shared, observer: (any PolicyObserver)? = nil
    ) async throws -> Database {
        let url = try DatabaseURL(url)
        guard let driver = drivers.first(where: { $0.schemes.contains(url.scheme) }) else {
            let known = drivers.flatMap { $0.schemes }.map { "\($0):" }.joined(separator: ", ")
            throw SQLError(
                .configuration, message: "no driver for this database URL; it must begin with one of: \(known)")
        }
        // Others may be opening, and so making, the same file at this moment.
        let opening = Pipeline("database.open", time: time, observer: observer) {
            Deadline(timeout)
            Self.retry()
        }
        let opened = try await opening {
            try await driver.open(url, DatabaseOptions(pool: pool, timeout: timeout, time: time, observer: observer))
        }
        return Database(driver: opened, timeout: timeout, slowStatement: slowStatement, time: time, observer: observer)
    }

    /// Creates a database on an open driver.
    public init(
        driver: any DatabaseDriver, timeout: Duration = .seconds(30), slowStatement: Duration = .milliseconds(200),
        time: any TimeSource = SystemTime.shared, observer: (any PolicyObserver)? = nil
    ) {
        self.driver = driver
        self.timeout = timeout
        self.observer = observer
        self.time = time
        self.versions = DatabaseVersions(driver: driver, time: time)
        self.watch = StatementWatch(observer: observer, slowAfter: slowStatement, time: time)
        self.statements = Pipeline("database.statement", time: time, observer: observer) {
            WatchedDeadline(timeout)
            Self.retry()
        }
        self.makeTransactions = { timeout in
            Pipeline("database.transaction", time: time, observer: observer) {
                Deadline(timeout)
                Self.retry()
            }
        }
        self.transactions = self.makeTransactions(timeout)
    }

    /// Many short tries, since a lock is held for milliseconds, and it is the deadline that says when to stop; but only of what
    /// the engine says is worth repeating: an error of the caller's own closure never is.
    private static func retry() -> Retry {
        let backoff = Backoff.exponential(from: .milliseconds(10)).capped(at: .milliseconds(250)).jittered()
        return Retry(maximumAttempts: 1_000, backoff: backoff, budget: nil) {
            ($0 as? SQLError)?.retryAdvice ?? .never
        }
    }

    /// How the engine wants its statements written.
    public var dialect: SQLDialect { self.driver.dialect }

    /// What the connections do at this moment.
    public var poolStatus: PoolStatus { self.driver.poolStatus }

    /// Runs one statement and returns its rows.
    ///
    /// One that changes something, such as `INSERT … RETURNING`, is run as ``execute(_:)`` runs it: it is not repeated, and caches
    /// are told.
    public func rows(_ query: SQLQuery) async throws -> SQLRows {
        if query.mayChange { return try await self.execute(query).rows }
        if let fault = query.fault { throw fault }
        return try await self.statements.outcome(isIdempotent: true) { (_: OperationContext) async throws in
            try await self.watch.run(query) { try await self.driver.execute(query, .read) }.rows
        }.get()
    }

    /// Runs one statement, which takes effect by itself.
    ///
    /// A statement that begins with `SELECT` is taken for one that only reads. If it calls a function that changes something, say
    /// what by ``execute(_:changing:)``.
    ///
    /// - Throws: ``SQLError``; of kind `connection` with `hasRun` nil if the connection was lost and it is unknown whether the
    ///   statement took effect.
    public func execute(_ query: SQLQuery) async throws -> SQLResult {
        try await self.execute(query) { query.undeclaredChange }
    }

    /// Runs one statement that changes the named tables and no others, so that what was read from others stays cached.
    ///
    /// - Throws: As ``execute(_:)``.
    public func execute(_ query: SQLQuery, changing tables: Set<String>) async throws -> SQLResult {
        try await self.execute(query) { CacheInvalidation(tables: tables) }
    }

    private func execute(_ query: SQLQuery, _ change: () -> CacheInvalidation) async throws -> SQLResult {
        if let fault = query.fault { throw fault }
        return try await self.changing(query.fingerprint, change) { try await self.driver.execute(query, .write) }
    }

    /// Runs statements in order on one connection, in one round trip where the engine can.
    ///
    /// Each takes effect by itself: what one of them does wrong is in its place of the results, and no matter to the others.
    ///
    /// - Returns: Each one's result or failure, in their order.
    /// - Throws: As ``execute(_:)``, and then it is unknown which of them took effect; ``SQLError`` with `hasRun` false if none did.
    public func pipeline(_ queries: [SQLQuery]) async throws -> [Result<SQLResult, SQLError>] {
        for query in queries { if let fault = query.fault { throw fault } }
        return try await self.changing("pipeline") {
            queries.reduce(into: CacheInvalidation()) { $0.formUnion($1.undeclaredChange) }
        } _: {
            try await self.driver.withConnection(.write) { try await $0.pipeline(queries) }
        }
    }

    private func changing<Value>(
        _ text: @autoclosure () -> String, _ change: () -> CacheInvalidation, _ body: () async throws -> Value
    ) async throws -> Value {
        let outcome = await self.statements.outcome(isIdempotent: false) { (_: OperationContext) async throws in
            try await self.watch.run(named: text(), body)
        }
        // Also after an error: the statement may have taken effect all the same. Whoever listens by now has to hear of it.
        if self.changes.hasListeners { await self.changes.announce(change()) }
        let value = try outcome.get()
        self.versions.noteCommit()
        return value
    }

    /// Drops what caches keep under tags, without anything being changed.
    public func invalidate(tags: Set<String>) async {
        await self.changes.announce(CacheInvalidation(tags: tags))
    }

    /// What the data is at, to tell whether something computed from it is still true.
    ///
    /// Sees commits of this process at once and those of other processes within ``DatabaseVersions/reach``.
    public func version() async throws -> DatabaseVersion {
        if let version = self.versions.current { return version }
        return try await self.transactions { try await self.versions.refresh() }
    }

    /// Answers if the database does.
    ///
    /// - Returns: How long it took, the wait for a connection included.
    @discardableResult
    public func ping() async throws -> Duration {
        let start = self.time.now
        _ = try await self.rows("SELECT 1")
        return start.duration(to: self.time.now)
    }

    /// Waits for calls under way and closes every connection; later calls are turned away.
    public func close() async {
        await self.driver.close()
    }
}
