// SPDX-License-Identifier: Apache-2.0
public import Sluice
import Synchronization

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
    /// The pool's name in errors and events.
    public let name: String
    /// The values it works by.
    public let settings: PoolSettings

    let state: Mutex<State>
    let time: any TimeSource
    let connect: @Sendable (Int) async throws -> Connection
    let isPermanent: @Sendable (any Error) -> Bool
    let observer: (any PolicyObserver)?
    let connectName: String
    let randomness: Randomness

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
        self.name = name
        self.connectName = name + ".connect"
        self.settings = settings
        self.time = time
        self.observer = observer
        self.randomness = randomness
        self.isPermanent = isPermanent
        self.connect = connect
        self.state = Mutex(State(settings))
    }

    /// Whether an error of connecting stays until somebody changes something: a wrong address, name or password.
    @Sendable
    public static func isPermanent(_ error: any Error) -> Bool {
        guard let error = error as? SQLError else { return false }
        return error.kind == .configuration || error.kind == .authentication
    }

    /// What the connections do at this moment.
    public var status: PoolStatus { self.state.withLock { $0.machine.status } }

    /// Borrows a connection, which must be given back by ``release(_:isReusable:)``.
    ///
    /// Waits for `acquireTimeout` at most, and not beyond the deadline of the ``OperationContext`` around it: for a free
    /// connection, for one to be opened, and for one that was idle to answer a ping.
    ///
    /// - Throws: ``SQLError``: of kind `pool` if there was none in time or too many wait, of kind `connection` if the pool is
    ///   closed, of whatever kind connecting failed with if trying again does not help. `CancellationError` if the task is
    ///   cancelled.
    public func acquire(_ kind: LeaseKind = .exclusive) async throws -> Connection {
        try Task.checkCancellation()
        let now = self.time.now
        let context = OperationContext.current
        let (claim, work) = self.state.withLock { $0.ask(kind, at: now, self.limit(from: now, context), context) }
        self.perform(work)
        switch claim {
        case .lent(let connection): return connection
        case .refused(let error): throw error ?? self.refusal as any Error
        case .full: throw self.fullQueue
        case .waiting(let waiter): return try await self.wait(waiter)
        }
    }

    /// Borrows a connection if one is at hand that needs no ping.
    public func tryAcquire(_ kind: LeaseKind = .exclusive) -> Connection? {
        let now = self.time.now
        let context = OperationContext.current
        let (connection, work) = self.state.withLock { $0.take(kind, at: now, context) }
        self.perform(work)
        return connection
    }

    /// Gives a connection back.
    ///
    /// - Parameters:
    ///   - connection: What was borrowed, once for each time that it was.
    ///   - isReusable: False if it is to be closed, for example because it is in the middle of something.
    public func release(_ connection: Connection, isReusable: Bool = true) {
        let now = self.time.now
        let work = self.state.withLock { $0.release(connection.poolID, isReusable, at: now) }
        self.perform(work)
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
        let now = self.time.now
        let (isNews, work) = self.state.withLock { state in
            state.noting(at: now) { $0.invalidate(because: connection?.poolID, at: now) }
        }
        if isNews { self.report(.poolInvalidated) }
        self.perform(work)
    }

    /// Turns away all who wait or come later, and returns when every connection has come back and been closed.
    public func close() async {
        let now = self.time.now
        let (work, connects) = self.state.withLock { state in
            (state.resolve(state.machine.close(), at: now), Array(state.connects.values))
        }
        self.perform(work)
        for task in connects { task.cancel() }
        await withCheckedContinuation { continuation in
            let isDrained = self.state.withLock { state in
                if !state.machine.isDrained { state.closers.append(continuation) }
                return state.machine.isDrained
            }
            if isDrained { continuation.resume() }
        }
    }
}
