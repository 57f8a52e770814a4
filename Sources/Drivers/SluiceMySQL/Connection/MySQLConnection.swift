// SPDX-License-Identifier: Apache-2.0
import Sluice
public import SluiceSQL
import Synchronization

/// One MySQL or MariaDB connection on a thread of its own.
///
/// - Note: Unchecked, because of the session; it is touched on `thread` only.
public final class MySQLConnection: StatementLimiting, PooledConnection, @unchecked Sendable {
    /// Whether the server is MariaDB and not MySQL.
    public let isMariaDB: Bool
    /// The connection's number at the server, as in `SHOW PROCESSLIST`.
    public let id: UInt
    /// The number that its pool gave it.
    public let poolID: Int
    let thread: ConnectionThread
    private var session: MySQLSession?
    private let watch: MySQLWatch
    private let socket: MySQLSocket
    private let isLost = Atomic(false)
    private let isInTransaction = Atomic(false)
    private let hasMarks = Atomic(false)

    /// Connects, on a thread of the connection's own.
    static func open(_ settings: MySQLSettings, poolID: Int = 0) async throws -> MySQLConnection {
        let thread = try ConnectionThread()
        do {
            return try await thread.run { MySQLConnection(try .open(settings), on: thread, settings, poolID: poolID) }
        } catch {
            thread.stop()
            throw error
        }
    }

    private init(_ handle: MySQLHandle, on thread: ConnectionThread, _ settings: MySQLSettings, poolID: Int) {
        self.poolID = poolID
        self.thread = thread
        self.id = handle.id
        self.isMariaDB = handle.isMariaDB
        self.session = MySQLSession(handle)
        self.socket = MySQLSocket(of: handle.pointer)
        self.watch = MySQLWatch(settings, connectionID: self.id, socket: self.socket)
    }

    /// `mysql`.
    public var dialect: SQLDialect { .mysql }

    /// Whether the connection can be used again; false once it has been lost or closed.
    public var isUsable: Bool { !self.isLost.load(ordering: .relaxed) }

    /// Whether a transaction is open that must be undone before somebody else gets the connection.
    var isDirty: Bool { self.isInTransaction.load(ordering: .relaxed) }

    /// Whether a borrower has left something in the session that is not the next one's.
    var isMarked: Bool { self.hasMarks.load(ordering: .relaxed) }

    /// Whether it was we who ended the connection, because it did not answer in time.
    var wasCutOff: Bool { self.socket.isSevered }

    /// Runs one statement.
    public func execute(_ query: SQLQuery) async throws -> SQLResult {
        try await self.run(onlyReads: { query.onlyReads }) { session throws(SQLError) in try session.execute(query) }
    }

    /// Runs a statement and hands its rows over in batches, the next of which stays at the server until `body` has returned.
    ///
    /// Other statements may run on the connection between two batches. The whole result of a statement that is no query, a
    /// procedure call for example, comes at once.
    public func forEachBatch(
        of size: Int, _ query: SQLQuery, _ body: (SQLRows) async throws -> Void
    ) async throws {
        let cursor = try await self.run { session throws(SQLError) in try session.openCursor(query, batch: size) }
        let result: Result<Void, any Error>
        do {
            while let rows = try await self.run({ session throws(SQLError) in try session.fetch(cursor) }) {
                try await body(rows)
            }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        // Whatever becomes of the task; nothing is waited for.
        try? await self.thread.run { self.session?.closeCursor(cursor) }
        try result.get()
    }

    /// Begins a transaction; a statement that ends it by itself, as MySQL's `CREATE TABLE` does, begins the next one.
    public func begin(_ options: TransactionOptions) async throws {
        try await self.run { session throws(SQLError) in try session.begin(options) }
    }

    /// Has the server stop what takes longer; nil for the session's own limit.
    package func limitStatements(to time: Duration?) async throws {
        try await self.run { session throws(SQLError) in try session.handle.limitStatements(to: time) }
    }

    /// Makes the transaction's changes permanent.
    ///
    /// Not ended by cancellation.
    public func commit() async throws {
        try await self.runToEnd { session throws(SQLError) in try session.commit() }
    }

    /// Undoes the transaction's changes.
    ///
    /// Not ended by cancellation.
    public func rollback() async throws {
        try await self.runToEnd { session throws(SQLError) in try session.rollback() }
    }

    /// Undoes what a borrower has left open; the connection can be used again if it still is usable.
    func reset() async { try? await self.thread.run { self.resetHere() } }

    /// Whether the server still answers, within a second.
    public func ping() async -> Bool {
        try? await self.thread.run { try self.alarmed(.seconds(1)) { session throws(SQLError) in try session.probe() } }
        return self.isUsable
    }

    /// Closes the connection and ends its thread; called once, when nobody uses it any more.
    public func close() async {
        self.watch.stopAlarm()
        try? await self.thread.run {
            self.isLost.store(true, ordering: .relaxed)
            self.session = nil
            self.socket.waitForEnd()
        }
        self.socket.close()
        self.thread.stop()
    }

    /// Runs `work` on the connection's thread, stopped by cancellation and by the deadline.
    ///
    /// - Parameter onlyReads: Whether an answer is worth nothing once it was to be stopped: `SLEEP`, when interrupted, may return
    ///   1 instead of failing. What has changed something is reported as done if it is.
    func run<Value: Sendable>(
        onlyReads: @escaping @Sendable () -> Bool = { false },
        _ work: @escaping @Sendable (MySQLSession) throws(SQLError) -> Value
    ) async throws -> Value {
        let run = MySQLWatch.Run()
        return try await withTaskCancellationHandler {
            try await self.thread.run { try self.runHere(run, onlyReads, work) }
        } onCancel: {
            self.watch.cancel(run)
        }
    }

    /// How long the end of a transaction may take, which nothing else ends.
    private static let patience: Duration = .seconds(30)

    /// Runs `work` on the connection's thread, whatever becomes of the task.
    private func runToEnd(_ work: @escaping @Sendable (MySQLSession) throws(SQLError) -> Void) async throws {
        try await self.thread.run { try self.alarmed(Self.patience, work) }
    }

    /// Stops a statement, whether it has begun or not.
    func cancel(_ run: MySQLWatch.Run) { self.watch.cancel(run) }

    // MARK: On the thread

    /// Runs one statement; stopped as ``run(onlyReads:_:)`` says.
    func executeHere(_ query: SQLQuery, _ run: MySQLWatch.Run) -> Result<SQLResult, any Error> {
        Result {
            try self.runHere(run, { query.onlyReads }) { session throws(SQLError) in try session.execute(query) }
        }
    }

    /// Undoes what a borrower has left open.
    func resetHere() {
        try? self.alarmed(MySQLKill.grace) { session throws(SQLError) in try session.rollback() }
    }

    private func runHere<Value>(
        _ run: MySQLWatch.Run, _ onlyReads: () -> Bool, _ work: (MySQLSession) throws(SQLError) -> Value
    ) throws -> Value {
        let session = try self.openSession()
        try self.watch.begin(run)
        let result = Result { () throws(SQLError) in try work(session) }
        self.note(session)
        let reason = self.watch.end(run)
        // A kill may have come when the statement had just ended: then it hits this, and not what follows.
        if reason != nil, self.isUsable {
            try? self.alarmed(MySQLKill.grace) { session throws(SQLError) in try session.probe() }
        }
        switch result {
        case .success(let value):
            if let reason, onlyReads() { throw reason.error }
            return value
        case .failure(let error):
            if let reason, error.kind == .timeout || error.kind == .connection { throw reason.error }
            throw error
        }
    }

    /// Runs `work`, and cuts the connection off if that takes longer than `time`.
    private func alarmed(_ time: Duration, _ work: (MySQLSession) throws(SQLError) -> Void) throws {
        let session = try self.openSession()
        let clock = SystemTime.shared
        let socket = self.socket
        let alarm = clock.schedule(at: clock.now.advanced(by: time)) { socket.sever() }
        defer {
            clock.cancel(alarm)
            self.note(session)
        }
        try work(session)
    }

    private func note(_ session: MySQLSession) {
        if session.isLost { self.isLost.store(true, ordering: .relaxed) }
        self.isInTransaction.store(session.handle.isInTransaction, ordering: .relaxed)
        if session.handle.isMarked { self.hasMarks.store(true, ordering: .relaxed) }
    }

    private func openSession() throws(SQLError) -> MySQLSession {
        guard let session = self.session else {
            throw SQLError(.connection, message: "the connection is closed", hasRun: false)
        }
        return session
    }
}

extension SQLQuery {
    /// Whether the statement begins like one that changes nothing; `WITH` may, on MySQL, begin one that does.
    var onlyReads: Bool { ["SELECT", "VALUES", "TABLE"].contains(self.firstWord) }
}
