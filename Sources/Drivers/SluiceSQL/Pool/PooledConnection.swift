// SPDX-License-Identifier: Apache-2.0

/// What a ``ConnectionPool`` holds.
public protocol PooledConnection: AnyObject, Sendable {
    /// The number that the pool gave when it had this connection opened.
    var poolID: Int { get }

    /// Whether the server answers; must give up by itself after a while.
    func ping() async -> Bool

    /// Closes the connection, and returns when the server side is gone or cannot be reached; must give up by itself after a while.
    func close() async
}
