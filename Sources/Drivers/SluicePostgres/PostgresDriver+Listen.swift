// SPDX-License-Identifier: Apache-2.0
public import SluiceSQL
import Synchronization

extension PostgresDriver {
    /// How many notifications wait for who listens before it is told that it is too slow.
    public static let maximumNotifications = 10_000

    /// Listens to channels on a connection of its own, outside the pool, as long as `body` runs.
    ///
    /// - Parameters:
    ///   - channels: Their names, as `NOTIFY` or `pg_notify` has them.
    ///   - body: Gets the notifications from the moment it is called. The sequence ends by throwing ``SQLError``: of kind
    ///     `connection` when the connection is lost, and then notifications may have been missed; of kind `storage` when more than
    ///     ``maximumNotifications`` wait.
    public func withNotifications<Value>(
        from channels: [String], _ body: (AsyncThrowingStream<PostgresNotification, any Error>) async throws -> Value
    ) async throws -> Value {
        let connection = try await self.connect()
        self.listening.withLock { $0[ObjectIdentifier(connection)] = connection }
        defer { self.listening.withLock { $0[ObjectIdentifier(connection)] = nil } }
        do {
            // Closed while it connected: then nobody else closes it.
            if self.isClosed { throw SQLError.notSent }
            let (stream, continuation) = AsyncThrowingStream<PostgresNotification, any Error>.makeStream(
                bufferingPolicy: .bufferingOldest(Self.maximumNotifications))
            connection.listener.withLock { listener in
                listener = { event in
                    switch event {
                    case .failure(let error): continuation.finish(throwing: error)
                    case .success(let notification):
                        guard case .dropped = continuation.yield(notification) else { return }
                        continuation.finish(
                            throwing: SQLError(.storage, message: "who listens is slower than who notifies"))
                    }
                }
            }
            for channel in channels { _ = try await connection.execute("LISTEN \(SQLIdentifier(channel))") }
            let value = try await body(stream)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }
}

extension Database {
    /// What only PostgreSQL can do, if that is what the database is.
    public var postgres: PostgresDriver? { self.driver as? PostgresDriver }
}
