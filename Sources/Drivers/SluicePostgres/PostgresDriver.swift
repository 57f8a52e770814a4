// SPDX-License-Identifier: Apache-2.0
import Sluice
public import SluiceSQL
import Synchronization

/// PostgreSQL on the system's libpq, in its pipeline mode, on an event loop of our own.
///
/// URLs: `postgres://user:password@host:5432/name`, or `postgresql:`; `?host=/folder` for a socket, `?sslmode=…` and libpq's
/// other parameters as they are.
///
/// A single statement goes to a connection that is free, or, once all are at work on others' single statements, behind those: in one
/// round trip with them, each with its own outcome.
public final class PostgresDriver: DatabaseDriver {
    /// `postgres` and `postgresql`.
    public static let schemes = ["postgres", "postgresql"]

    private let reactor: PostgresReactor
    private let pool: ConnectionPool<PostgresConnection>
    private let opening: @Sendable (Int) async throws -> PostgresConnection
    private let hasClosed = Atomic(false)
    /// The connections of those who listen.
    let listening = Mutex<[ObjectIdentifier: PostgresConnection]>([:])

    /// Opens a pool, and one connection to see that it can.
    public static func open(_ url: DatabaseURL, _ options: DatabaseOptions) async throws -> any DatabaseDriver {
        let driver = try PostgresDriver(url, options)
        do {
            try await driver.withConnection(.read) { _ in }
        } catch {
            await driver.close()
            throw error
        }
        return driver
    }

    private init(_ url: DatabaseURL, _ options: DatabaseOptions) throws {
        let reactor = try PostgresReactor()
        let statements = PostgresStatements()
        let parameters = Self.parameters(url, options)
        var pool = options.pool
        if pool.statementsPerConnection == 1 { pool.statementsPerConnection = 16 }
        let open: @Sendable (Int) async throws -> PostgresConnection = { id in
            try await PostgresConnection.open(
                parameters, poolID: id, reactor: reactor, statements: statements, time: options.time)
        }
        self.reactor = reactor
        self.opening = open
        self.pool = ConnectionPool(
            "postgres", settings: pool, time: options.time, observer: options.observer, connect: open)
    }

    /// Opens a connection outside the pool.
    func connect() async throws -> PostgresConnection {
        guard !self.isClosed else { throw SQLError.notSent }
        return try await self.opening(0)
    }

    /// Whether ``close()`` was called.
    var isClosed: Bool { self.hasClosed.load(ordering: .acquiring) }

    private static func parameters(_ url: DatabaseURL, _ options: DatabaseOptions) -> [(String, String)] {
        var parameters = url.parameters
        let parts = [
            ("host", url.host), ("port", url.port.map(String.init)), ("user", url.user), ("password", url.password),
            ("dbname", url.database.isEmpty ? nil : url.database),
        ]
        for case (let name, .some(let value)) in parts { parameters[name] = value }
        let seconds = options.pool.connectTimeout.components.seconds
        parameters["connect_timeout"] = parameters["connect_timeout"] ?? String(max(2, seconds))
        parameters["application_name"] = parameters["application_name"] ?? "sluice"
        // A listener sends nothing by which it could find out that the network is gone: the system asks, and tells within a minute.
        for (name, value) in [("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3")] {
            parameters[name] = parameters[name] ?? value
        }
        parameters["client_encoding"] = "UTF8"
        // A second later than we stop it ourselves: so no statement runs on for ever, whatever becomes of us.
        let statement = options.timeout.clampedNanoseconds / 1_000_000 + 1_000
        parameters["options"] =
            "-c TimeZone=UTC -c DateStyle=ISO -c statement_timeout=\(statement) \(parameters["options"] ?? "")"
        return parameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// `postgres`.
    public var dialect: SQLDialect { .postgres }
    /// The event loop.
    public var executor: (any TaskExecutor)? { self.reactor }

    /// Runs a statement on a connection that others' single statements may share.
    public func execute(_ query: SQLQuery, _ access: SQLAccess) async throws -> SQLResult {
        let connection = try await self.pool.acquire(.shared)
        defer { self.giveBack(connection) }
        connection.isShared.store(true, ordering: .relaxed)
        return try await connection.execute(query)
    }

    /// Lends a connection, alone.
    public func withConnection<Value>(
        _ access: SQLAccess, _ body: (any SQLConnection) async throws -> Value
    ) async throws -> Value {
        try await self.lending(body)
    }

    func lending<Value>(_ body: (PostgresConnection) async throws -> Value) async throws -> Value {
        let connection = try await self.pool.acquire(.exclusive)
        connection.isShared.store(false, ordering: .relaxed)
        do {
            let value = try await body(connection)
            self.giveBack(connection)
            return value
        } catch {
            self.giveBack(connection)
            throw error
        }
    }

    /// Takes a connection back.
    ///
    /// One with an open transaction, whose rollback failed or which a single statement began, is closed, and one whose session was
    /// changed, so that the next borrower has none of its settings, locks and temporary tables. One that is still at a
    /// statement that was given up stays lent for a moment, and is closed if it is not done by then.
    private func giveBack(_ connection: PostgresConnection) {
        switch connection.condition {
        case .free: self.pool.release(connection)
        case .inTransaction, .marked: self.pool.release(connection, isReusable: false)
        case .lost:
            if !connection.isClosed.load(ordering: .relaxed) { self.pool.invalidate(because: connection) }
            self.pool.release(connection, isReusable: false)
        case .busy:
            // Unstructured, since nobody waits for it: the pool counts the connection as lent until it has ended.
            Task.detached {
                let isFree = await connection.waitForStrays()
                self.pool.release(connection, isReusable: isFree && connection.isUsable)
            }
        }
    }

    /// What the pool's connections do at this moment.
    public var poolStatus: PoolStatus { self.pool.status }

    /// Made of the snapshot that a statement would see now: equal snapshots see equal data, whoever committed it.
    public func dataVersion() async throws -> Int64? {
        let rows = try await self.execute("SELECT pg_current_snapshot()::text", .read).rows
        return Int64(bitPattern: Fingerprint.hash(try rows[0].decode(at: 0, as: String.self)))
    }

    /// Waits for every connection to come back and closes it; tells those who listen that theirs is closed.
    public func close() async {
        self.hasClosed.store(true, ordering: .releasing)
        for connection in self.listening.withLock({ $0 }).values { await connection.close() }
        await self.pool.close()
        self.reactor.stop()
    }
}
