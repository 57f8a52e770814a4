// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
public import SluiceSQL
import Synchronization

/// SQLite on the system's libsqlite3: one writer and several readers, each on a thread of its own.
///
/// URLs: `sqlite:PATH` for a file, made if it is missing, with its folder; `sqlite::memory:` for a database that lives and dies
/// with this process. Files use write-ahead logging, so readers never wait for the writer.
///
/// A statement that only reads runs on the thread of whoever asks for as long as it is quick, and begins anew on the connection's
/// thread once it turns out not to be.
public final class SQLiteDriver: DatabaseDriver {
    /// `sqlite`.
    public static let schemes = ["sqlite"]

    /// How many readers a file gets: more than this many statements at once gain nothing on few cores.
    public static let readerCount = 4

    /// After how many reads one of the readers makes room: some 300 µs of work.
    private static let readsPerTurn = 64

    private let readCount = Atomic(0)
    private let writers: ResourcePool<SQLiteConnection>
    private let readers: ResourcePool<SQLiteConnection>
    /// A connection for ``dataVersion()`` alone, since the number is only comparable on one connection.
    private let watcher: SQLiteConnection?
    private let connections: [SQLiteConnection]

    /// Opens a file or a database in memory.
    public static func open(_ url: DatabaseURL, _ options: DatabaseOptions) async throws -> any DatabaseDriver {
        var path = url.remainder[...]
        if path.hasPrefix("//") { path = path.dropFirst(2) }
        guard !path.isEmpty else {
            throw SQLError(
                .configuration, message: "the database URL names no file; write sqlite:PATH or sqlite::memory:")
        }
        return try await SQLiteDriver(path: String(path))
    }

    private init(path: String) async throws {
        if path == ":memory:" {
            let only = try await SQLiteConnection(path: path, isReader: false)
            self.writers = ResourcePool("sqlite.connection", [only])
            self.readers = self.writers
            self.watcher = nil
            self.connections = [only]
            return
        }
        try Self.makeFolder(for: path)
        // The writer first: it makes the file and switches it to write-ahead logging.
        let writer = try await SQLiteConnection(path: path, isReader: false)
        var opened = [writer]
        do {
            for _ in 0...Self.readerCount {
                opened.append(try await SQLiteConnection(path: path, isReader: true))
            }
        } catch {
            for connection in opened { await connection.close() }
            throw error
        }
        self.writers = ResourcePool("sqlite.writer", [writer])
        self.readers = ResourcePool("sqlite.readers", Array(opened[2...]))
        self.watcher = opened[1]
        self.connections = opened
    }

    /// `sqlite`.
    public var dialect: SQLDialect { .sqlite }

    /// What the writer and the readers do at this moment.
    public var poolStatus: PoolStatus {
        let pools = self.readers === self.writers ? [self.writers] : [self.writers, self.readers]
        let size = self.connections.count - (self.watcher == nil ? 0 : 1)
        let idle = pools.reduce(0) { $0 + $1.freeCount }
        return PoolStatus(
            size: size, idle: idle, lent: size - idle, leases: size - idle,
            waiting: pools.reduce(0) { $0 + $1.waiterCount })
    }

    /// Lends the writer or a reader; a transaction's closure runs on the connection's thread.
    public func withConnection<Value>(
        _ access: SQLAccess, _ body: (any SQLConnection) async throws -> Value
    ) async throws -> Value {
        let pool = access == .write ? self.writers : self.readers
        return try await pool.withResource { connection in
            try await withTaskExecutorPreference(connection.thread) { try await body(connection) }
        }
    }

    /// Runs one statement: a quick one that only reads where the caller is, since the hop to the connection's thread and back costs
    /// several times what it does.
    public func execute(_ query: SQLQuery, _ access: SQLAccess) async throws -> SQLResult {
        guard access == .read else { return try await self.writers.withResource { try await $0.executeAlone(query) } }
        let result = try await self.readers.withResource { connection in
            if let result = try connection.executeQuickly(query) { return result }
            return try await connection.executeAlone(query)
        }
        // Whoever reads again and again without ever being suspended must let others have the thread now and then.
        if self.readCount.add(1, ordering: .relaxed).newValue % Self.readsPerTurn == 0 { await Task.yield() }
        return result
    }

    /// SQLite's `data_version`; nil in memory.
    public func dataVersion() async throws -> Int64? {
        guard let watcher = self.watcher else { return nil }
        return try await watcher.first("PRAGMA data_version")?.decode("data_version")
    }

    /// Waits for every connection to come back and closes it.
    public func close() async {
        await self.writers.close()
        await self.readers.close()
        for connection in self.connections { await connection.close() }
    }

    private static func makeFolder(for path: String) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw SQLError(.connection, message: "the database's folder \(folder.path) cannot be made")
        }
    }
}
