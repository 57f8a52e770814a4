// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceSQLite
import SluiceTesting
import Testing

@Suite("Query cache", .timeLimit(.minutes(5)))
struct QueryCacheTests {
    /// Holds the first read up at a gate, once the engine has answered it.
    private final class SlowReads: DatabaseDriver {
        static let schemes: [String] = []
        static func open(_ url: DatabaseURL, _ options: DatabaseOptions) async throws -> any DatabaseDriver {
            throw SQLError(.configuration, message: "not opened by a URL")
        }

        let inner: any DatabaseDriver
        let gate = Gate()
        let isArmed = Locked(false)
        init(_ inner: any DatabaseDriver) { self.inner = inner }

        var dialect: SQLDialect { self.inner.dialect }
        func execute(_ query: SQLQuery, _ access: SQLAccess) async throws -> SQLResult {
            let result = try await self.inner.execute(query, access)
            let isFirst = self.isArmed.withLock { isArmed in
                defer { isArmed = false }
                return isArmed
            }
            if access == .read, isFirst { try await self.gate.pass() }
            return result
        }
        func withConnection<Value>(
            _ access: SQLAccess, _ body: (any SQLConnection) async throws -> Value
        ) async throws -> Value { try await self.inner.withConnection(access, body) }
        func dataVersion() async throws -> Int64? { try await self.inner.dataVersion() }
        func close() async { await self.inner.close() }
    }

    private func name(_ executor: any SQLExecutor) async throws -> String? {
        try await executor.selectOne("users", where: ["id": 1])?.decode("name")
    }

    private func prepare(_ database: Database) async throws {
        _ = try await database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        try await database.insertOne("users", ["name": "old"])
    }

    @Test("a load that began before a change is neither kept nor joined after it")
    func race() async throws {
        try await withDatabase { inner, _ in
            try await self.prepare(inner)
            let driver = SlowReads(inner.driver)
            let database = Database(driver: driver)
            let cache = QueryCache(database)
            driver.isArmed.withLock { $0 = true }
            let early = Task { try await self.name(database.cached(in: cache)) }
            await driver.gate.waitForArrivals(1)
            try await database.updateOne("users", set: ["name": "new"], where: ["id": 1])
            #expect(try await self.name(database.cached(in: cache)) == "new")
            driver.gate.open()
            #expect(try await early.value == "old")
            #expect(try await self.name(database.cached(in: cache)) == "new")
            #expect(cache.statistics == QueryCache.Statistics(hits: 1, misses: 2))
        }
    }

    @Test("many who ask for the same at once have it loaded once")
    func singleFlight() async throws {
        try await withDatabase { inner, _ in
            try await self.prepare(inner)
            let driver = SlowReads(inner.driver)
            let database = Database(driver: driver)
            let cache = QueryCache(database)
            driver.isArmed.withLock { $0 = true }
            let first = Task { try await self.name(database.cached(in: cache)) }
            await driver.gate.waitForArrivals(1)
            let others = (0..<20).map { _ in Task { try await self.name(database.cached(in: cache)) } }
            while cache.statistics.misses < 21 { await Task.yield() }
            // Past the database: were they to load by themselves, they would see this.
            try await inner.updateOne("users", set: ["name": "new"], where: ["id": 1])
            driver.gate.open()
            #expect(try await first.value == "old")
            for other in others { #expect(try await other.value == "old") }
        }
    }

    @Test("an answer is kept for its time, an hour unless told otherwise")
    func lifetime() async throws {
        #expect(QueryCache.defaultSettings.timeToLive == .seconds(3_600))
        try await withDatabase { database, path in
            try await self.prepare(database)
            let time = VirtualTime()
            let cache = QueryCache(database, settings: CacheSettings(timeToLive: .seconds(60), jitter: 0), time: time)
            #expect(try await self.name(database.cached(in: cache)) == "old")
            let other = try await Database.open("sqlite:\(path)", drivers: [SQLiteDriver.self])
            try await other.updateOne("users", set: ["name": "new"], where: ["id": 1])
            await other.close()
            time.advance(by: .seconds(59))
            #expect(try await self.name(database.cached(in: cache)) == "old")
            time.advance(by: .seconds(1))
            #expect(try await self.name(database.cached(in: cache)) == "new")
        }
    }

    @Test("a change by another process is heard through the channel, and what may have been missed is dropped")
    func channel() async throws {
        try await withDatabase { first, path in
            try await self.prepare(first)
            let second = try await Database.open("sqlite:\(path)", drivers: [SQLiteDriver.self])
            let hub = InMemoryInvalidationHub()
            let writer = QueryCache(first, channel: hub.channel())
            let reader = QueryCache(second, channel: hub.channel())
            #expect(try await self.name(second.cached(in: reader)) == "old")
            try await first.updateOne("users", set: ["name": "missed"], where: ["id": 1])
            #expect(try await self.name(second.cached(in: reader)) == "old")

            let listening = Task { try await reader.run() }
            while hub.subscriberCount < 1 { await Task.yield() }
            while reader.count > 0 { await Task.yield() }
            #expect(try await self.name(second.cached(in: reader)) == "missed")
            try await first.updateOne("users", set: ["name": "new"], where: ["id": 1])
            #expect(try await self.name(second.cached(in: reader)) == "new")
            await writer.invalidate(CacheInvalidation(tags: ["unknown"]))
            #expect(try await self.name(second.cached(in: reader)) == "new")
            #expect(reader.statistics == QueryCache.Statistics(hits: 2, misses: 3))

            listening.cancel()
            await #expect(throws: CancellationError.self) { try await listening.value }
            #expect(hub.subscriberCount == 0)
            await second.close()
        }
    }

    @Test("an observer is told of every hit and miss")
    func events() async throws {
        let observer = RecordingObserver()
        try await withDatabase(observer: observer) { database, _ in
            try await self.prepare(database)
            let cache = QueryCache(database)
            for _ in 0..<3 { _ = try await self.name(database.cached(in: cache)) }
            #expect(observer.names.filter { $0.hasPrefix("cache.") } == ["cache.miss", "cache.hit", "cache.hit"])
        }
    }

    @Test("a cache that is gone is told nothing, and more tags than are told apart drop all and lose none")
    func bounds() async throws {
        try await withDatabase { database, _ in
            try await self.prepare(database)
            do { _ = QueryCache(database) }
            let cache = QueryCache(database)
            _ = try await self.name(database.cached(in: cache, tags: ["kept"]))
            for number in 0..<101 {
                await database.invalidate(tags: Set((0..<100).map { "tag \(number) \($0)" }))
            }
            _ = try await self.name(database.cached(in: cache, tags: ["kept"]))
            #expect(cache.statistics == QueryCache.Statistics(hits: 0, misses: 2))
            _ = try await self.name(database.cached(in: cache, tags: ["kept"]))
            #expect(cache.statistics.hits == 1)
        }
    }
}
