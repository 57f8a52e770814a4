// SPDX-License-Identifier: Apache-2.0
import Foundation
public import Sluice
public import SluiceSQL
import Synchronization

/// Carries invalidations between processes by `NOTIFY`, so that their caches of one PostgreSQL database keep up with each other.
///
/// ```swift
/// let cache = QueryCache(database, channel: PostgresInvalidationChannel(database))
/// try await cache.run()
/// ```
///
/// One for each cache. It listens on a connection of its own, connects again by itself, and says
/// ``CacheInvalidation/everything`` when that was interrupted. What could not be sent within the database's own deadline is sent
/// with the next invalidation, or when the interruption is over.
public final class PostgresInvalidationChannel: CacheInvalidationChannel {
    private struct Message: Codable {
        /// Which channel says it, so that it does not listen to itself.
        let sender: String
        let change: CacheInvalidation
    }

    /// What a notification holds: less than 8000 bytes.
    ///
    /// A longer one says that everything may have changed.
    static let maximumPayload = 7_999

    private static let backoff = Backoff.exponential(from: .milliseconds(100)).capped(at: .seconds(5)).jittered(.equal)

    private let database: Database
    private let name: String
    private let time: any TimeSource
    private let sender = UUID().uuidString
    private let unsent = Mutex(CacheInvalidation())

    /// Creates a channel.
    ///
    /// - Parameters:
    ///   - database: A PostgreSQL database.
    ///   - name: The notifications' channel, the same in all processes; at most 63 bytes.
    ///   - time: The time line of the waits between attempts to connect.
    public init(_ database: Database, name: String = "sluice_cache", time: any TimeSource = SystemTime.shared) {
        precondition(database.postgres != nil, "the database must be PostgreSQL")
        precondition((1...63).contains(name.utf8.count), "a channel's name has 1 to 63 bytes (has \(name.utf8.count))")
        self.database = database
        self.name = name
        self.time = time
    }

    /// Tells the other processes.
    public func publish(_ invalidation: CacheInvalidation) async {
        self.unsent.withLock { $0.formUnion(invalidation) }
        await self.send()
    }

    private func send() async {
        let change = self.unsent.withLock { unsent in
            defer { unsent = CacheInvalidation() }
            return unsent
        }
        guard !change.isEmpty else { return }
        do {
            _ = try await self.database.rows("SELECT pg_notify(\(self.name), \(self.payload(change)))")
        } catch {
            self.unsent.withLock { $0.formUnion(change) }
        }
    }

    /// Hands over what the other processes say, until the task is cancelled.
    ///
    /// - Throws: `CancellationError`; ``SQLError`` of kind `connection` once the database is closed.
    public func subscribe(_ receive: @escaping @Sendable (CacheInvalidation) -> Void) async throws {
        guard let driver = self.database.postgres else { return }
        var failures = 0
        while true {
            do {
                try await driver.withNotifications(from: [self.name]) { notifications in
                    failures = 0
                    // From here on everything is heard; what was said before may have been missed.
                    receive(.everything)
                    await self.send()
                    for try await notification in notifications {
                        if let change = self.change(notification.payload) { receive(change) }
                    }
                }
            } catch {
                if Task.isCancelled { throw CancellationError() }
                if driver.isClosed { throw error }
            }
            try Task.checkCancellation()
            // What is kept may be out of date from now on, and nobody says so.
            receive(.everything)
            failures += 1
            let delay = Self.backoff.delay(beforeRetry: failures, fraction: .random(in: 0...1)) ?? .seconds(5)
            try await self.time.sleep(until: self.time.now.advanced(by: delay))
        }
    }

    private func payload(_ change: CacheInvalidation) -> String {
        let text = self.encoded(change)
        return text.utf8.count <= Self.maximumPayload ? text : self.encoded(.everything)
    }

    private func encoded(_ change: CacheInvalidation) -> String {
        // Names and flags can always be written.
        (try? JSONEncoder().encode(Message(sender: self.sender, change: change))).map {
            String(decoding: $0, as: UTF8.self)
        } ?? ""
    }

    /// What a notification says, or nil if it is our own; one that cannot be read may say anything.
    private func change(_ payload: String) -> CacheInvalidation? {
        guard let message = try? JSONDecoder().decode(Message.self, from: Data(payload.utf8)) else {
            return .everything
        }
        return message.sender == self.sender ? nil : message.change
    }
}
