// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import Sluice
import SluiceHTTP
import SluiceHTTPCacheRedis
import SluiceRedis
import SluiceTesting
import Synchronization
import Testing

@Suite("Response cache in Redis", .timeLimit(.minutes(5)))
struct RedisHTTPCacheStoreTests {
    private typealias Fixture = CachedOrigin<RedisHTTPCacheStore>

    private static let page = "http://example.org/a"

    /// Lends the server that `make test` starts and a prefix of its own, and leaves no key that begins with it.
    private func withRedis(_ body: (Redis, _ prefix: String) async throws -> Void) async throws {
        let redis = try self.open()
        let prefix = "test:\(UUID().uuidString):"
        do { try await body(redis, prefix) } catch { Issue.record(error) }
        try await redis.forEachKey(withPrefix: prefix) { try await redis.delete($0) }
        await redis.close()
    }

    private func open() throws -> Redis {
        let address = try #require(
            ProcessInfo.processInfo.environment["SLUICE_TEST_REDIS"], "SLUICE_TEST_REDIS is not set; run make test")
        return try Redis("redis://\(address)")
    }

    private func keys(_ redis: Redis, _ prefix: String) async throws -> [String] {
        let found = Mutex<Set<String>>([])
        try await redis.forEachKey(withPrefix: prefix) { keys in found.withLock { $0.formUnion(keys) } }
        return found.withLock { $0.sorted() }
    }

    @Test("an answer outlives the process, byte for byte")
    func survives() async throws {
        try await self.withRedis { redis, prefix in
            let first = try self.open()
            #expect(try await Fixture(first, prefix).get("/a") == "/a\u{0}\u{FF}")
            await first.close()
            let fixture = Fixture(redis, prefix)
            #expect(try await fixture.get("/a") == "/a\u{0}\u{FF}")
            #expect(fixture.asked.withLock { $0 }.isEmpty)
        }
    }

    @Test("variants lie side by side, and a change drops them all and nothing else")
    func variants() async throws {
        try await self.withRedis { redis, prefix in
            let fixture = Fixture(redis, prefix, fields: [.cacheControl: "max-age=60", .vary: "Accept-Language"])
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
            #expect(try await self.keys(redis, prefix).isEmpty)
            #expect(fixture.cache.statistics.storeFailures == 0)
        }
    }

    @Test("everything is dropped, and nothing of another prefix")
    func removeAll() async throws {
        try await self.withRedis { redis, prefix in
            let (fixture, other) = (Fixture(redis, prefix + "[a]*"), Fixture(redis, prefix + "[a]+"))
            for number in 0..<20 { _ = try await fixture.get("/\(number)") }
            _ = try await other.get("/a")
            try await fixture.cache.removeAll()
            #expect(try await self.keys(redis, prefix + "[a]*").isEmpty)
            #expect(try await other.store.entries(for: Self.page).count == 1)
        }
    }

    @Test("what a call keeps by a key of its own is dropped when its URI changes")
    func namedKey() async throws {
        try await self.withRedis { redis, prefix in
            let fixture = Fixture(redis, prefix)
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
        }
    }

    @Test("another process's change drops what this one kept")
    func shared() async throws {
        try await self.withRedis { redis, prefix in
            let (here, there) = (Fixture(redis, prefix), Fixture(redis, prefix))
            _ = try await here.get("/a")
            _ = try await there.get("/a", .put)
            #expect(try await here.store.entries(for: Self.page).isEmpty)
            _ = try await there.get("/a")
            #expect(try await here.store.entries(for: Self.page).count == 1)
        }
    }

    @Test("a mark that the server has evicted, or that expired, loses its answers; it never keeps one alive")
    func evicted() async throws {
        try await self.withRedis { redis, prefix in
            let fixture = Fixture(redis, prefix)
            try await HTTPCacheCall.$current.withValue(HTTPCacheCall(key: "mine")) {
                _ = try await fixture.get("/a")
                let marks = try await self.keys(redis, prefix + "u:")
                #expect(marks.count == 1)
                #expect(try await fixture.store.entries(for: "key:mine").count == 1)
                try await redis.delete(marks)
                #expect(try await fixture.store.entries(for: "key:mine").isEmpty)
                _ = try await fixture.get("/a")
                #expect(try await fixture.store.entries(for: "key:mine").count == 1)
            }
            try await redis.delete(try await self.keys(redis, prefix + "a:"))
            #expect(try await fixture.store.entries(for: "key:mine").isEmpty)
            #expect(fixture.asked.withLock { $0 }.count == 2)
        }
    }

    @Test("the server drops what is too old, the marks too")
    func expiry() async throws {
        try await self.withRedis { redis, prefix in
            _ = try await Fixture(redis, prefix, lifetime: .seconds(100)).get("/a")
            for key in try await self.keys(redis, prefix) {
                let left = try await redis.send("PTTL", [RedisArgument(key)]).integer ?? 0
                #expect((50_001...100_000).contains(left), "\(key)")
            }
            _ = try await Fixture(redis, prefix, lifetime: .milliseconds(1)).get("/b")
            let all = try await self.keys(redis, prefix)
            #expect(all.count <= 4)
            while try await self.keys(redis, prefix).count > 2 { await Task.yield() }
        }
    }

    @Test("under one key there are as many answers as may be, and as many bytes; the oldest go first")
    func bounded() async throws {
        try await self.withRedis { redis, prefix in
            let vary: HTTPFields = [.cacheControl: "max-age=60", .vary: "Accept-Language"]
            let fixture = Fixture(redis, prefix, fields: vary)
            for number in 0..<40 { _ = try await fixture.get("/a", .get, [.acceptLanguage: "x\(number)"]) }
            let entries = try await fixture.store.entries(for: Self.page)
            #expect(entries.count == HTTPCacheEntry.maximumVariants)
            #expect(entries.first.map { String(buffer: $0.body) } == "/ax39\u{0}\u{FF}")
            #expect(entries.last.map { String(buffer: $0.body) } == "/ax8\u{0}\u{FF}")
            let asked = fixture.asked.withLock { $0.count }
            _ = try await fixture.get("/a", .get, [.acceptLanguage: "x20"])
            #expect(fixture.asked.withLock { $0.count } == asked)
            let answers = try #require(try await self.keys(redis, prefix + "a:").first)
            #expect(try await redis.fields(of: answers).count == HTTPCacheEntry.maximumVariants + 1)

            // Removed ones take no place.
            for entry in entries.prefix(20) { try await fixture.store.remove(Self.page, variant: entry.variant) }
            for number in 40..<60 { _ = try await fixture.get("/a", .get, [.acceptLanguage: "x\(number)"]) }
            let kept = try await fixture.store.entries(for: Self.page)
            #expect(kept.count == HTTPCacheEntry.maximumVariants)
            #expect(kept.last.map { String(buffer: $0.body) } == "/ax8\u{0}\u{FF}")

            let small = Fixture(redis, prefix + "small:", maximumBytes: 2_000, fields: vary)
            for number in 0..<40 { _ = try await small.get("/a", .get, [.acceptLanguage: "x\(number)"]) }
            let few = try await small.store.entries(for: Self.page)
            #expect((2..<10).contains(few.count))
            #expect(few.first.map { String(buffer: $0.body) } == "/ax39\u{0}\u{FF}")
            let none = Fixture(redis, prefix + "none:", maximumBytes: 10)
            _ = try await none.get("/a")
            #expect(try await none.store.entries(for: Self.page).isEmpty)
            #expect(none.cache.statistics.storeFailures == 0)
        }
    }

    @Test("many processes that insert at once leave what each of them kept")
    func concurrent() async throws {
        try await self.withRedis { redis, prefix in
            let vary: HTTPFields = [.cacheControl: "max-age=60", .vary: "Accept-Language"]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<30 {
                    let fixture = Fixture(redis, prefix, fields: vary)
                    group.addTask { _ = try await fixture.get("/a", .get, [.acceptLanguage: "x\(number)"]) }
                }
                try await group.waitForAll()
            }
            let entries = try await Fixture(redis, prefix).store.entries(for: Self.page)
            #expect(Set(entries.map { String(buffer: $0.body) }).count == 30)
        }
    }

    @Test("what cannot be read counts as nothing, and a server that is gone as an empty one")
    func broken() async throws {
        try await self.withRedis { redis, prefix in
            let fixture = Fixture(redis, prefix)
            _ = try await fixture.get("/a")
            let key = try #require(try await self.keys(redis, prefix + "a:").first)
            let stored = try await redis.fields(of: key)
            let field = try #require(stored.keys.first { $0 != "order" })
            let whole = try #require(stored[field])
            for damaged in [
                ByteBuffer(), ByteBuffer(string: "{}"), try #require(whole.getSlice(at: whole.readerIndex, length: 60)),
                ByteBuffer(bytes: [UInt8](repeating: 0xFF, count: 100)),
            ] {
                try await redis.send("HSET", [RedisArgument(key), RedisArgument(field), RedisArgument(damaged)])
                #expect(try await fixture.store.entries(for: Self.page).isEmpty)
            }
            _ = try await fixture.get("/a")
            #expect(fixture.asked.withLock { $0 } == ["/a", "/a"])
            #expect(fixture.cache.statistics.storeFailures == 0)
            try await redis.set(key, to: "of another type")
            #expect(try await fixture.get("/a") == "/a\u{0}\u{FF}")
            #expect(fixture.cache.statistics.storeFailures > 0)

            let gone = try self.open()
            let orphan = Fixture(gone, prefix)
            await gone.close()
            #expect(try await orphan.get("/a") == "/a\u{0}\u{FF}")
            #expect(orphan.cache.statistics.storeFailures > 0)
        }
    }

    @Test("credentials that an answer varies by are not in the server")
    func secrets() async throws {
        try await self.withRedis { redis, prefix in
            let fixture = Fixture(redis, prefix, fields: [.cacheControl: "max-age=60", .vary: "Authorization, Cookie"])
            let fields: HTTPFields = [.authorization: "Bearer hunter2hunter2", .cookie: "sid=tr0ub4dor"]
            _ = try await fixture.get("/a", .get, fields)
            _ = try await fixture.get("/a", .get, fields)
            #expect(fixture.asked.withLock { $0 } == ["/a"])
            let keys = try await self.keys(redis, prefix)
            #expect(keys.count == 2)
            for key in keys {
                let dump = try #require(try await redis.send("DUMP", [RedisArgument(key)]).bytes)
                let fields = try? await redis.fields(of: key).values.map { String(buffer: $0) }.joined()
                let text = key + String(buffer: dump) + (fields ?? "")
                #expect(!text.contains("hunter2") && !text.contains("tr0ub4dor"))
            }
        }
    }
}

extension CachedOrigin<RedisHTTPCacheStore> {
    fileprivate convenience init(
        _ redis: Redis, _ prefix: String, lifetime: Duration = .seconds(60), maximumBytes: Int = 1 << 20,
        fields: HTTPFields = [.cacheControl: "max-age=60"]
    ) {
        let store = RedisHTTPCacheStore(redis, prefix: prefix, lifetime: lifetime, maximumBytes: maximumBytes)
        self.init(store, fields: fields)
    }
}
