// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// One engine, as ``Database`` sees it: the seam that SQLite, PostgreSQL and MySQL drivers stand behind.
public protocol DatabaseDriver: Sendable {
    /// What the engine's URLs begin with, for example `sqlite`.
    static var schemes: [String] { get }

    /// Opens the database that `url` names.
    ///
    /// - Throws: ``SQLError`` of kind `configuration`, `authentication` or `connection`.
    static func open(_ url: DatabaseURL, _ options: DatabaseOptions) async throws -> any DatabaseDriver

    /// How the engine wants its statements written.
    var dialect: SQLDialect { get }

    /// The threads that connections live on, if they also run tasks: a task that prefers them needs no hop for a statement.
    var executor: (any TaskExecutor)? { get }

    /// What the connections do at this moment.
    var poolStatus: PoolStatus { get }

    /// Runs one statement on its own, on any connection.
    func execute(_ query: SQLQuery, _ access: SQLAccess) async throws -> SQLResult

    /// Lends a connection to `body`, alone, until it returns.
    func withConnection<Value>(
        _ access: SQLAccess, _ body: (any SQLConnection) async throws -> Value
    ) async throws -> Value

    /// A number that changes with every commit, no matter by which process; or nil if only this process can commit.
    ///
    /// - Throws: ``SQLError``, of kind `statement` if the engine has no such number.
    func dataVersion() async throws -> Int64?

    /// Waits for borrowed connections to come back and closes them all.
    func close() async
}

extension DatabaseDriver {
    /// None.
    public var executor: (any TaskExecutor)? { nil }

    /// Nothing, of a driver that keeps no connections.
    public var poolStatus: PoolStatus { PoolStatus() }

    /// Runs one statement on a connection that is lent for it.
    public func execute(_ query: SQLQuery, _ access: SQLAccess) async throws -> SQLResult {
        try await self.withConnection(access) { try await $0.execute(query) }
    }
}

/// What every driver is opened with.
public struct DatabaseOptions: Sendable {
    /// How connections are pooled, where the engine has a server.
    public var pool: PoolSettings
    /// The longest that one call may take: the server is told, where it can be, as the last resort.
    public var timeout: Duration
    /// The time line of timeouts and waits.
    public var time: any TimeSource
    /// Who is told of connections that are opened, closed and lent for too long.
    public var observer: (any PolicyObserver)?

    /// States options.
    public init(
        pool: PoolSettings = PoolSettings(), timeout: Duration = .seconds(30),
        time: any TimeSource = SystemTime.shared, observer: (any PolicyObserver)? = nil
    ) {
        self.pool = pool
        self.timeout = timeout
        self.time = time
        self.observer = observer
    }
}

/// What a connection is borrowed for.
public enum SQLAccess: Sendable, Hashable {
    /// Statements that change nothing.
    case read
    /// Statements that may change something; one borrower at a time where the engine has one writer.
    case write
}
