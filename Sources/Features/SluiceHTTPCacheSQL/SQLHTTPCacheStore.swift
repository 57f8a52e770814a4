// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
public import SluiceHTTP
public import SluiceSQL
import Synchronization

/// Keeps answers of an HTTP cache in a database: they outlive the process, and several processes share them.
///
/// Bodies lie there as they came, fields as JSON; request fields that an answer varies by only as digests. An answer
/// that cannot be
/// read any more counts as none.
public final class SQLHTTPCacheStore: HTTPCacheStore {
    private static let table = "sluice_http_cache"
    /// When an answer was last used is noted to the minute, so that reading does not mean writing.
    private static let touchInterval: Int64 = 60_000

    private let database: Database
    private let maximumBytes: Int
    private let now: @Sendable () -> WallTime
    /// The bytes in the table as far as this process knows; nil when it has to ask.
    private let knownBytes = Mutex<Int?>(nil)

    private init(_ database: Database, _ maximumBytes: Int, _ now: @escaping @Sendable () -> WallTime) {
        self.database = database
        self.maximumBytes = maximumBytes
        self.now = now
    }

    /// Makes the table if there is none.
    ///
    /// - Parameters:
    ///   - database: SQLite, PostgreSQL or MySQL; closing it is the caller's.
    ///   - maximumBytes: What all answers may take together; at least 1. Past it those go that were used least
    ///     recently.
    ///   - now: The calendar that uses are dated by.
    /// - Throws: `SQLError`.
    public static func open(
        _ database: Database, maximumBytes: Int = 256 << 20, now: @escaping @Sendable () -> WallTime = WallTime.now
    ) async throws -> SQLHTTPCacheStore {
        precondition(maximumBytes >= 1, "maximumBytes must be at least 1 (is \(maximumBytes))")
        _ = try await database.migrate("http-cache", Self.migrations(database.dialect))
        return SQLHTTPCacheStore(database, maximumBytes, now)
    }

    private static func migrations(_ dialect: SQLDialect) -> [Migration] {
        let create: SQLQuery
        // A URI may be longer than an index takes, so keys and URIs are found by their digests.
        switch dialect {
        case .postgres:
            create = """
                CREATE TABLE sluice_http_cache (
                    id VARCHAR(64) PRIMARY KEY, cache_key VARCHAR(64) NOT NULL, uri VARCHAR(64) NOT NULL,
                    head BYTEA NOT NULL, body BYTEA NOT NULL, size BIGINT NOT NULL, received BIGINT NOT NULL,
                    used BIGINT NOT NULL)
                """
        case .mysql:
            create = """
                CREATE TABLE sluice_http_cache (
                    id VARCHAR(64) PRIMARY KEY, cache_key VARCHAR(64) NOT NULL, uri VARCHAR(64) NOT NULL,
                    head LONGBLOB NOT NULL, body LONGBLOB NOT NULL, size BIGINT NOT NULL, received BIGINT NOT NULL,
                    used BIGINT NOT NULL)
                """
        default:
            create = """
                CREATE TABLE sluice_http_cache (
                    id TEXT PRIMARY KEY, cache_key TEXT NOT NULL, uri TEXT NOT NULL, head BLOB NOT NULL,
                    body BLOB NOT NULL, size INTEGER NOT NULL, received INTEGER NOT NULL, used INTEGER NOT NULL)
                """
        }
        return [
            Migration(
                "001-answers",
                [
                    create, "CREATE INDEX sluice_http_cache_key ON sluice_http_cache (cache_key)",
                    "CREATE INDEX sluice_http_cache_uri ON sluice_http_cache (uri)",
                    "CREATE INDEX sluice_http_cache_used ON sluice_http_cache (used)",
                ], down: ["DROP TABLE sluice_http_cache"])
        ]
    }

    /// Every answer under a key, the newest first.
    public func entries(for key: String) async throws -> [HTTPCacheEntry] {
        let rows = try await self.database.selectMany(
            Self.table, where: ["cache_key": Hexadecimal.digest(key)], order: [.descending("received")],
            limit: HTTPCacheEntry.maximumVariants, columns: ["id", "head", "body", "used"])
        var entries: [HTTPCacheEntry] = []
        var outdated: [String] = []
        let now = self.now().milliseconds
        for row in rows {
            let body = ByteBuffer(bytes: try row.decode("body", as: [UInt8].self))
            guard let entry = try? HTTPCacheEntry(encodedHead: try row.decode("head", as: Data.self), body: body) else {
                continue
            }
            entries.append(entry)
            if try now - row.decode("used", as: Int64.self) > Self.touchInterval {
                outdated.append(try row.decode("id", as: String.self))
            }
        }
        if !outdated.isEmpty {
            try await self.database.updateMany(Self.table, set: ["used": now], where: .in("id", outdated))
        }
        return entries
    }

    /// Keeps an answer, and drops those used least recently if there are too many.
    public func insert(_ entry: HTTPCacheEntry) async throws {
        guard entry.cost <= self.maximumBytes else { return try await self.remove(entry.key, variant: entry.variant) }
        let fields: SQLFields = [
            "id": Self.id(entry.key, entry.variant), "cache_key": Hexadecimal.digest(entry.key),
            "uri": Hexadecimal.digest(entry.uri), "head": try entry.encodedHead(),
            "body": [UInt8](entry.body.readableBytesView), "size": entry.cost,
            "received": entry.responseTime.milliseconds, "used": self.now().milliseconds,
        ]
        try await self.database.upsert(Self.table, fields, conflict: ["id"])
        try await self.shrink(by: entry.cost)
    }

    /// Drops one answer.
    public func remove(_ key: String, variant: String) async throws {
        try await self.database.deleteMany(Self.table, where: ["id": Self.id(key, variant)])
    }

    /// Drops every answer from a URI, and every answer under that key.
    public func invalidate(_ uri: String) async throws {
        let digest = Hexadecimal.digest(uri)
        try await self.database.deleteMany(Self.table, where: .equal("uri", digest) || .equal("cache_key", digest))
    }

    /// Drops everything.
    public func removeAll() async throws {
        try await self.database.deleteAll(Self.table)
        self.knownBytes.withLock { $0 = nil }
    }

    private static func id(_ key: String, _ variant: String) -> String { Hexadecimal.digest("\(key)\n\(variant)") }

    /// Brings the table under its bound, with a tenth to spare, so that this is rare.
    private func shrink(by added: Int) async throws {
        let isOver = self.knownBytes.withLock { known in
            known = known.map { $0 + added }
            return known.map { $0 > self.maximumBytes } ?? true
        }
        guard isOver else { return }
        var bytes = try await self.totalBytes()
        while bytes > self.maximumBytes {
            let oldest = try await self.database.selectMany(
                Self.table, order: [.ascending("used")], limit: 100, columns: ["id", "size"])
            var ids: [String] = []
            for row in oldest where bytes > self.maximumBytes / 10 * 9 {
                ids.append(try row.decode("id", as: String.self))
                bytes -= try row.decode("size", as: Int.self)
            }
            guard !ids.isEmpty else { break }
            try await self.database.deleteMany(Self.table, where: .in("id", ids))
        }
        self.knownBytes.withLock { $0 = bytes }
    }

    /// The bytes that all answers take.
    public func totalBytes() async throws -> Int {
        let rows = try await self.database.rows(
            "SELECT CAST(COALESCE(SUM(size), 0) AS CHAR(20)) AS total FROM sluice_http_cache")
        let text = try rows.first?.decode("total", as: String.self) ?? "0"
        return Int(text.trimmingCharacters(in: .whitespaces)) ?? 0
    }
}
