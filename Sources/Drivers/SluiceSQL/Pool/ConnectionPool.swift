// SPDX-License-Identifier: Apache-2.0
public import Sluice

/// Lends connections to a server, opens as many as are needed within bounds, and closes those that are old, idle or dead.
///
/// ```swift
/// let pool = ConnectionPool("orders.db", settings: PoolSettings(size: 10)) { id in try await Session.open(url, poolID: id) }
/// try await pool.withConnection { session in try await session.run("SELECT 1") }
/// ```
///
/// The rules are those of ``ConnectionPoolMachine``. Lending what is at hand and taking it back take one lock each, and set no
/// alarm. The pool must be closed: until then it holds its connections.
public final class ConnectionPool<Connection: PooledConnection>: Sendable {
    // Not generic, since what is would look up its types at run time in every call: two thirds of the whole.
    private let core: PoolCore

    /// Creates a pool; it opens connections when they are asked for.
    ///
    /// - Parameters:
    ///   - name: The pool's name in errors and events, for example `orders.db`.
    ///   - settings: The values it works by.
    ///   - time: The time line of every wait.
    ///   - observer: Who is told of connections; what concerns a caller is told to the caller's own observer.
    ///   - randomness: Where lifetimes and back-offs are drawn from.
    ///   - isPermanent: Whether an error of `connect` is one that trying again does not help.
    ///   - connect: Opens the connection with this number. Cancelled after `connectTimeout` and when the pool is closed; if it
    ///     throws, nothing must be left of the connection.
    public init(
        _ name: String, settings: PoolSettings = PoolSettings(), time: any TimeSource = SystemTime.shared,
        observer: (any PolicyObserver)? = nil, randomness: Randomness = .shared,
        isPermanent: @escaping @Sendable (any Error) -> Bool = ConnectionPool.isPermanent,
        connect: @escaping @Sendable (Int) async throws -> Connection
    ) {
        self.core = PoolCore(
            name, settings, time: time, observer: observer, randomness: randomness, isPermanent: isPermanent,
            connect: connect)
    }

    /// The pool's name in errors and events.
    public var name: String { self.core.name }
    /// The values it works by.
    public var settings: PoolSettings { self.core.settings }

    /// Whether an error of connecting stays until somebody changes something: a wrong address, name or password.
    @Sendable
    public static func isPermanent(_ error: any Error) -> Bool {
        guard let error = error as? SQLError else { return false }
        return error.kind == .configuration || error.kind == .authentication
    }

    /// What the connections do at this moment.
    public var status: PoolStatus { self.core.status }

    /// Borrows a connection, which must be given back by ``release(_:isReusable:)``.
    ///
    /// Waits for `acquireTimeout` at most, and not beyond the deadline of the ``OperationContext`` around it: for a free
    /// connection, for one to be opened, and for one that was idle to answer a ping.
    ///
    /// - Throws: ``SQLError``: of kind `pool` if there was none in time or too many wait, of whatever kind connecting failed with
    ///   if trying again does not help. `RejectionError` if the pool is closed. `CancellationError` if the task is cancelled.
    public func acquire(_ kind: LeaseKind = .exclusive) async throws -> Connection {
        unsafeDowncast(try await self.core.acquire(kind), to: Connection.self)
    }

    /// Borrows a connection for what is no task, a thread's work for example; otherwise as ``acquire(_:)``.
    ///
    /// - Parameter body: Called once: at once if that does, else from whoever gives a connection back, and so it must not block.
    /// - Returns: What takes the caller out of the queue, if it waits; `body` is then called with a `CancellationError`.
    package func acquire(
        _ kind: LeaseKind = .exclusive, then body: @escaping @Sendable (Result<Connection, any Error>) -> Void
    ) -> (@Sendable () -> Void)? {
        self.core.acquire(kind) { result in body(result.map { unsafeDowncast($0, to: Connection.self) }) }
    }

    /// The error of somebody who has waited in a queue of his own for connections that are all lent.
    package func shortage(after waited: Duration) -> SQLError { self.core.shortage(after: waited) }

    /// Borrows a connection if one is at hand that needs no ping.
    public func tryAcquire(_ kind: LeaseKind = .exclusive) -> Connection? {
        self.core.tryAcquire(kind).map { unsafeDowncast($0, to: Connection.self) }
    }

    /// Gives a connection back.
    ///
    /// - Parameters:
    ///   - connection: What was borrowed, once for each time that it was.
    ///   - isReusable: False if it is to be closed, for example because it is in the middle of something.
    public func release(_ connection: Connection, isReusable: Bool = true) {
        self.core.release(connection.poolID, isReusable)
    }

    /// Lends a connection to `body`.
    ///
    /// - Parameters:
    ///   - kind: How it is lent.
    ///   - isReusable: Asked when `body` has ended, however it did: whether the connection may be lent again.
    ///   - body: Called once.
    /// - Throws: What ``acquire(_:)`` throws, and what `body` throws.
    public func withConnection<Value>(
        _ kind: LeaseKind = .exclusive, isReusable: (Connection) -> Bool = { _ in true },
        _ body: (Connection) async throws -> Value
    ) async throws -> Value {
        let connection = try await self.acquire(kind)
        defer { self.release(connection, isReusable: isReusable(connection)) }
        return try await body(connection)
    }

    /// Closes every connection opened before this moment, those that are lent when they come back.
    ///
    /// - Parameter connection: The one that was found dead, still lent. Nothing happens if an older report covers it already,
    ///   so that the last of many to find out closes nothing that was opened in between.
    public func invalidate(because connection: Connection? = nil) {
        self.core.invalidate(because: connection?.poolID)
    }

    /// Turns away all who wait or come later, and returns when every connection has come back and been closed.
    public func close() async {
        await self.core.close()
    }
}
