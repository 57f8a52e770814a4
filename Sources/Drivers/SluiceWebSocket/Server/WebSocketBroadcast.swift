// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// Sends the same messages to many connections, framing and compressing each message once for all of them.
///
/// ```swift
/// let room = WebSocketBroadcast()
/// let server = WebSocketServer(port: 9000) { connection in
///     try await room.join(connection) {
///         for try await message in connection.messages { await room.send(message) }
///     }
/// }
/// ```
///
/// A slow peer holds nobody up: beyond a number of bytes that wait for it, it misses messages or is closed, by choice.
public final class WebSocketBroadcast: Sendable {
    /// What happens to a peer that does not keep up.
    public enum SlowPeers: Sendable, Hashable {
        /// It misses messages, and stays.
        case drop
        /// It is closed with 1008.
        case close
    }

    /// How many members a message went to.
    public struct Reach: Sendable, Hashable {
        /// Those it was sent to.
        public internal(set) var sent = 0
        /// Those who missed it: slow, or closed.
        public internal(set) var missed = 0
    }

    private struct Members {
        let loop: any EventLoop
        var handlers: [ObjectIdentifier: NIOLoopBound<WebSocketHandler>] = [:]
    }

    private let slow: SlowPeers
    private let limit: Int
    /// By event loop, so that each loop is told once of a message.
    private let members = Mutex<[ObjectIdentifier: Members]>([:])

    /// Creates one without members.
    ///
    /// - Parameters:
    ///   - slow: What happens to a peer that does not keep up.
    ///   - limit: How many bytes may wait for a peer that keeps up; at least 1.
    public init(slow: SlowPeers = .close, limit: Int = 1 << 20) {
        precondition(limit >= 1, "limit must be at least 1 (is \(limit))")
        self.slow = slow
        self.limit = limit
    }

    /// How many connections are members.
    public var count: Int { self.members.withLock { $0.values.reduce(0) { $0 + $1.handlers.count } } }

    /// Makes a connection a member as long as `body` runs.
    public func join<Value>(_ connection: WebSocketConnection, _ body: () async throws -> Value) async rethrows -> Value
    {
        let loop = connection.channel.eventLoop
        let (loopID, id) = (ObjectIdentifier(loop), ObjectIdentifier(connection))
        let handler = connection.handler
        self.members.withLock { $0[loopID, default: Members(loop: loop)].handlers[id] = handler }
        defer {
            self.members.withLock { members in
                members[loopID]?.handlers[id] = nil
                if members[loopID]?.handlers.isEmpty == true { members[loopID] = nil }
            }
        }
        return try await body()
    }

    /// Sends a message to all members.
    ///
    /// Returns once it lies before the system for each of them, or was left out, so that who sends is never far ahead; it waits for no
    /// peer.
    ///
    /// - Parameters:
    ///   - message: What is sent.
    ///   - excluded: A member it is not sent to, such as the one it came from.
    @discardableResult
    public func send(_ message: WebSocketMessage, except excluded: WebSocketConnection? = nil) async -> Reach {
        let shared = SharedMessage(message)
        let (slow, limit, excludedID) = (self.slow, self.limit, excluded.map { ObjectIdentifier($0) })
        let parts = self.members.withLock { Array($0.values) }.map { members in
            members.loop.submit {
                members.handlers.reduce(into: Reach()) { reach, member in
                    if member.key == excludedID { return }
                    let isSent = member.value.value.send(shared, limit: limit, slow: slow)
                    if isSent { reach.sent += 1 } else { reach.missed += 1 }
                }
            }
        }
        var reach = Reach()
        for part in parts {
            // Fails only if the event loop has been shut down.
            guard let loop = try? await part.get() else { continue }
            reach.sent += loop.sent
            reach.missed += loop.missed
        }
        return reach
    }
}
