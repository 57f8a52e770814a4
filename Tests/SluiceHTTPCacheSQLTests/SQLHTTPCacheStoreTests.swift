// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceHTTP
import SluiceHTTPCacheSQL
import SluiceMySQL
import SluicePostgres
import SluiceSQL
import SluiceSQLite
import SluiceTesting
import Synchronization
import Testing

@Suite("Response cache in a database", .timeLimit(.minutes(5)))
struct SQLHTTPCacheStoreTests {
    private typealias Fixture = CachedOrigin<SQLHTTPCacheStore>

    private func withFile<Value>(_ body: (String) async throws -> Value) async throws -> Value {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("cache-\(UUID().uuidString).db").path
        defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) } }
        return try await body("sqlite:\(path)")
    }

    private func open(_ url: String) async throws -> Database {
        try await Database.open(url, drivers: [SQLiteDriver.self])
    }

    @Test("an answer outlives the process, byte for byte")
    func survives() async throws {
        try await self.withFile { url in
            let first = try await self.open(url)
            #expect(try await Fixture(first).get("/a") == "/a\u{0}\u{FF}")
            await first.close()
            let second = try await self.open(url)
            let fixture = try await Fixture(second)
            #expect(try await fixture.get("/a") == "/a\u{0}\u{FF}")
            #expect(fixture.asked.withLock { $0 }.isEmpty)
            await second.close()
        }
    }

    /// A database of its own on a server that `make test` starts.
    private func withServer(_ variable: String, _ url: String, _ body: (Database) async throws -> Void) async throws {
        let address = try #require(
            ProcessInfo.processInfo.environment[variable], "\(variable) is not set; run make test")
        let drivers: [any DatabaseDriver.Type] = [PostgresDriver.self, MySQLDriver.self]
        let name = "sluice_\(UUID().uuidString.lowercased().split(separator: "-").joined())"
        let server = try await Database.open(
            "\(url)@\(address)/\(url.hasPrefix("p") ? "postgres" : "")", drivers: drivers)
        _ = try await server.execute("CREATE DATABASE \(identifier: name)")
        do {
            let database = try await Database.open("\(url)@\(address)/\(name)", drivers: drivers)
            do { try await body(database) } catch { Issue.record(error) }
            await database.close()
        } catch {
            Issue.record(error)
        }
        _ = try await server.execute("DROP DATABASE \(identifier: name)")
        await server.close()
    }

    @Test(
        "PostgreSQL and MariaDB keep answers as SQLite does",
        arguments: [("SLUICE_TEST_POSTGRES", "postgres://sluice"), ("SLUICE_TEST_MARIADB", "mariadb://root")])
    func servers(_ variable: String, _ url: String) async throws {
        try await self.withServer(variable, url) { database in
            let fixture = try await Fixture(
                database, maximumBytes: 5_000, fields: [.cacheControl: "max-age=60", .vary: "Accept-Language"])
            for language in ["de", "fr", "de", "fr"] {
                let body = try await fixture.get("/a", .get, [.acceptLanguage: language])
                #expect(body == "/a\(language)\u{0}\u{FF}")
            }
            #expect(fixture.asked.withLock { $0 } == ["/a", "/a"])
            _ = try await fixture.get("/a", .put)
            _ = try await fixture.get("/a", .get, [.acceptLanguage: "de"])
            #expect(fixture.asked.withLock { $0 }.count == 4)
            for number in 0..<10 { _ = try await fixture.get("/\(number)") }
            let bytes = try await fixture.store.totalBytes()
            #expect((1...5_000).contains(bytes))
            try await fixture.cache.removeAll()
            #expect(try await fixture.store.totalBytes() == 0)
            #expect(fixture.cache.statistics.storeFailures == 0)
        }
    }

    @Test("variants lie side by side, and a change drops them all and nothing else")
    func variants() async throws {
        let database = try await self.open("sqlite::memory:")
        let fixture = try await Fixture(database, fields: [.cacheControl: "max-age=60", .vary: "Accept-Language"])
        for language in ["de", "fr", "de", "fr"] {
            #expect(try await fixture.get("/a", .get, [.acceptLanguage: language]) == "/a\(language)\u{0}\u{FF}")
        }
        _ = try await fixture.get("/b")
        #expect(fixture.asked.withLock { $0 } == ["/a", "/a", "/b"])
        _ = try await fixture.get("/a", .post)
        _ = try await fixture.get("/a", .get, [.acceptLanguage: "de"])
        _ = try await fixture.get("/b")
        #expect(fixture.asked.withLock { $0 } == ["/a", "/a", "/b", "/a", "/a"])
        try await fixture.cache.removeAll()
        #expect(try await fixture.store.totalBytes() == 0)
        await database.close()
    }

    @Test("what a call keeps by a key of its own is dropped when its URI changes")
    func namedKey() async throws {
        let database = try await self.open("sqlite::memory:")
        let fixture = try await Fixture(database)
        try await HTTPCacheCall.$current.withValue(HTTPCacheCall(key: "mine")) {
            _ = try await fixture.get("/a?token=1")
            _ = try await fixture.get("/a?token=2")
        }
        #expect(fixture.asked.withLock { $0 } == ["/a?token=1"])
        _ = try await fixture.get("/a?token=1", .delete)
        try await HTTPCacheCall.$current.withValue(HTTPCacheCall(key: "mine")) {
            _ = try await fixture.get("/a?token=3")
        }
        #expect(fixture.asked.withLock { $0 }.last == "/a?token=3")
        await database.close()
    }

    @Test("takes no more room than it may, and drops what was used least recently")
    func bounded() async throws {
        let database = try await self.open("sqlite::memory:")
        let clock = Mutex(Int64(1_900_000_000_000))
        let store = try await SQLHTTPCacheStore.open(database, maximumBytes: 10_000) {
            WallTime(milliseconds: clock.withLock { $0 })
        }
        let cache = HTTPCache(store: store)
        for number in 0..<40 {
            clock.withLock { $0 += 100_000 }
            let request = HTTPRequest(method: .get, scheme: "http", authority: "example.org", path: "/\(number)")
            _ = try await cache.intercept(request, body: nil) { _, _ in
                HTTPTransportResponse(
                    head: HTTPResponse(status: .ok, headerFields: [.cacheControl: "max-age=60"]),
                    body: AsyncThrowingStream { stream in
                        stream.yield(ByteBuffer(repeating: 1, count: 300))
                        stream.finish()
                    })
            }
            // The first is used all the time.
            _ = try await store.entries(for: "http://example.org/0")
            #expect(try await store.totalBytes() <= 10_000)
        }
        #expect(try await store.entries(for: "http://example.org/0").count == 1)
        #expect(try await store.entries(for: "http://example.org/1").isEmpty)
        #expect(try await store.entries(for: "http://example.org/39").count == 1)
        await database.close()
    }

    @Test("what cannot be read counts as nothing, and a database that is gone as an empty one")
    func broken() async throws {
        let database = try await self.open("sqlite::memory:")
        let fixture = try await Fixture(database)
        _ = try await fixture.get("/a")
        try await database.updateAll("sluice_http_cache", set: ["head": Data("{}".utf8)])
        _ = try await fixture.get("/a")
        #expect(fixture.asked.withLock { $0 } == ["/a", "/a"])
        await database.close()
        #expect(try await fixture.get("/a") == "/a\u{0}\u{FF}")
        #expect(fixture.cache.statistics.storeFailures > 0)
    }

    @Test("credentials that an answer varies by are not in the database")
    func secrets() async throws {
        try await self.withFile { url in
            let database = try await self.open(url)
            let fixture = try await Fixture(
                database, fields: [.cacheControl: "max-age=60", .vary: "Authorization, Cookie"])
            let fields: HTTPFields = [.authorization: "Bearer hunter2hunter2", .cookie: "sid=tr0ub4dor"]
            _ = try await fixture.get("/a", .get, fields)
            _ = try await fixture.get("/a", .get, fields)
            #expect(fixture.asked.withLock { $0 } == ["/a"])
            await database.close()
            let path = url.dropFirst("sqlite:".count)
            let bytes = try Data(contentsOf: URL(fileURLWithPath: String(path)))
            #expect(bytes.count > 0)
            #expect(bytes.range(of: Data("hunter2".utf8)) == nil)
            #expect(bytes.range(of: Data("tr0ub4dor".utf8)) == nil)
        }
    }
}

extension CachedOrigin<SQLHTTPCacheStore> {
    fileprivate convenience init(
        _ database: Database, maximumBytes: Int = 1 << 20, fields: HTTPFields = [.cacheControl: "max-age=60"]
    ) async throws {
        self.init(try await SQLHTTPCacheStore.open(database, maximumBytes: maximumBytes), fields: fields)
    }
}
