// SPDX-License-Identifier: Apache-2.0
import Foundation
public import Sluice
import Synchronization

/// Carries invalidations through a table of the database itself, which every process looks into once a second: for engines that
/// cannot notify.
///
/// What one process has changed the others may answer from their caches for ``interval`` longer. A process that dies between its
/// commit and the note in the table leaves the others' answers to their lifetimes.
public final class TableInvalidationChannel: CacheInvalidationChannel {
    /// How many notes are looked at again: numbers are given out before they are committed, so a lower one may appear after a
    /// higher one.
    private static let overlap: Int64 = 1_000
    /// How many notes are kept.
    ///
    /// Who has been away for longer takes everything for invalid.
    private static let kept: Int64 = 10_000
    /// How many are read at once.
    private static let pageSize = 2_000
    /// How long a note may be, in bytes; MySQL's `TEXT` takes 65,535.
    ///
    /// What is longer becomes ``CacheInvalidation/everything``.
    private static let maximumSize = 60_000

    /// How long it is from one look to the next.
    public let interval: Duration
    private let database: Database
    private let time: any TimeSource
    /// What this process's own notes are known by.
    private let sender = UUID().uuidString
    private let published = Atomic<Int>(0)
    /// Whether a note could not be written; the next one then says everything.
    private let hasLost = Atomic(false)

    /// Makes the table, if it is missing.
    ///
    /// - Parameters:
    ///   - database: The database.
    ///   - interval: How long it is from one look to the next; more than zero.
    ///   - time: The time line of that.
    public init(
        _ database: Database, interval: Duration = .seconds(1), time: any TimeSource = SystemTime.shared
    ) async throws {
        precondition(interval > .zero, "interval must be more than zero (is \(interval))")
        self.database = database
        self.interval = interval
        self.time = time
        let key =
            switch database.dialect {
            case .sqlite: "INTEGER PRIMARY KEY AUTOINCREMENT"
            case .postgres: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
            case .mysql: "BIGINT AUTO_INCREMENT PRIMARY KEY"
            }
        let table = "CREATE TABLE IF NOT EXISTS sluice_invalidations (id \(key), sender VARCHAR(36), note TEXT)"
        // Declared to change nothing, since a note about notes would have no end.
        let statement = SQLQuery(stringLiteral: table)
        do {
            _ = try await database.execute(statement, changing: [])
        } catch is SQLError {
            // PostgreSQL lets two who begin together both find it missing; now it is there.
            _ = try await database.execute(statement, changing: [])
        }
    }

    /// Notes an invalidation; tries for as long as the database allows.
    ///
    /// What could not be noted makes the next note, or the next look of ``subscribe(_:)``, say everything.
    public func publish(_ invalidation: CacheInvalidation) async {
        let hasLost = self.hasLost.exchange(false, ordering: .acquiringAndReleasing)
        let note = (try? JSONEncoder().encode(hasLost ? .everything : invalidation)) ?? Data()
        let text = String(decoding: note.count <= Self.maximumSize ? note : Self.everything, as: UTF8.self)
        do {
            _ = try await self.database.execute(
                "INSERT INTO sluice_invalidations (sender, note) VALUES (\(self.sender), \(text))", changing: [])
        } catch {
            self.hasLost.store(true, ordering: .releasing)
        }
        if self.published.add(1, ordering: .relaxed).newValue % 1_000 == 0 { await self.removeOld() }
    }

    /// What no reader understands is taken for everything.
    private static let everything = Data("everything".utf8)

    private func removeOld() async {
        guard let last = try? await self.lastID() else { return }
        _ = try? await self.database.execute(
            "DELETE FROM sluice_invalidations WHERE id < \(last - Self.kept)", changing: [])
    }

    /// Looks into the table again and again, until the task is cancelled.
    ///
    /// While the database cannot be read it goes on trying, and takes everything for invalid once it can.
    public func subscribe(_ receive: @escaping @Sendable (CacheInvalidation) -> Void) async throws {
        while true {
            do {
                try await self.follow(receive)
            } catch {
                try Task.checkCancellation()
                try await self.time.sleep(until: self.time.now.advanced(by: self.interval))
            }
        }
    }

    private func follow(_ receive: @Sendable (CacheInvalidation) -> Void) async throws {
        var last = try await self.lastID()
        var seen = Set(try await self.notes(after: last - Self.overlap).map(\.id))
        receive(.everything)
        await self.removeOld()
        while true {
            try await self.time.sleep(until: self.time.now.advanced(by: self.interval))
            if self.hasLost.load(ordering: .acquiring) { await self.publish(.everything) }
            let notes = try await self.notes(after: last - Self.overlap)
            let isComplete = notes.count < Self.pageSize
            for note in notes where seen.insert(note.id).inserted && note.sender != self.sender {
                receive(note.invalidation)
            }
            last = max(last, notes.last?.id ?? last)
            // More than can have been read at once, or than is still there.
            if !isComplete { return }
            seen = seen.filter { $0 > last - 2 * Self.overlap }
        }
    }

    private func lastID() async throws -> Int64 {
        try await self.database.scalar("SELECT coalesce(max(id), 0) FROM sluice_invalidations")
    }

    private func notes(
        after id: Int64
    ) async throws -> [(id: Int64, sender: String, invalidation: CacheInvalidation)] {
        let rows = try await self.database.rows(
            """
            SELECT id, sender, note FROM sluice_invalidations WHERE id > \(id) ORDER BY id LIMIT \(Self.pageSize)
            """)
        return try rows.map { row in
            let note = try row.decode(at: 2, as: String.self)
            // What a newer version of this program says may be more than this one understands.
            let invalidation = try? JSONDecoder().decode(CacheInvalidation.self, from: Data(note.utf8))
            return (try row.decode(at: 0), try row.decode(at: 1), invalidation ?? .everything)
        }
    }
}
