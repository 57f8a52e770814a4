// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL

extension SQLContract {
    private struct Undo: Error {}

    /// Two tables, each with a row, and a cache.
    private static func notes(
        _ scope: SQLContractScope
    ) async throws -> (table: String, other: String, cache: QueryCache) {
        let table = try await scope.makeTable("notes", ["id": .key, "text": .text])
        let other = try await scope.makeTable("others", ["id": .key, "text": .text])
        try await scope.database.insertOne(table, ["text": "old"])
        try await scope.database.insertOne(other, ["text": "other"])
        return (table, other, QueryCache(scope.database))
    }

    private static func text(
        _ scope: SQLContractScope, _ table: String, _ cache: QueryCache, key: String? = nil, tags: Set<String> = []
    ) async throws -> String? {
        try await scope.database.cached(in: cache, key: key, tags: tags).selectOne(table, where: ["id": 1])?
            .decode("text")
    }

    static let cache: [Check] = [
        Check("a read after an update is never stale, with a key or without") { scope in
            let (table, _, cache) = try await Self.notes(scope)
            for (number, key) in [nil, "\(table):1", "note"].enumerated() {
                let before = try await Self.text(scope, table, cache, key: key)
                try scope.expectEqual(try await Self.text(scope, table, cache, key: key), before, "a read that is kept")
                try await scope.database.updateOne(table, set: ["text": "new \(number)"], where: ["id": 1])
                try scope.expectEqual(
                    try await Self.text(scope, table, cache, key: key), "new \(number)", "the key \(key ?? "none")")
            }
            try scope.expectEqual(cache.statistics, QueryCache.Statistics(hits: 3, misses: 6), "how it answered")
        },
        Check("every kind of write is followed by fresh reads") { scope in
            let (table, _, cache) = try await Self.notes(scope)
            let database = scope.database
            let writes: [(String, Int, (any SQLExecutor) async throws -> Void)] = [
                ("insertOne", 2, { try await $0.insertOne(table, ["text": "a"]) }),
                ("insertMany", 4, { try await $0.insertMany(table, [["text": "b"], ["text": "c"]]) }),
                ("upsert", 5, { try await $0.upsert(table, ["id": 50, "text": "d"], conflict: ["id"]) }),
                ("deleteOne", 4, { try await $0.deleteOne(table, where: ["text": "a"]) }),
                ("deleteMany", 3, { try await $0.deleteMany(table, where: ["text": "b"]) }),
                ("SQL", 2, { _ = try await $0.execute("DELETE FROM \(identifier: table) WHERE text = \("c")") }),
                ("deleteAll", 0, { try await $0.deleteAll(table) }),
            ]
            for (what, count, write) in writes {
                _ = try await database.cached(in: cache).count(table)
                try await write(database.cached(in: cache))
                try scope.expectEqual(try await database.cached(in: cache).count(table), count, "after \(what)")
            }
            for (what, count, write) in writes.prefix(2) {
                _ = try await database.cached(in: cache).count(table)
                try await database.withTransaction { try await write($0) }
                try scope.expectEqual(
                    try await database.cached(in: cache).count(table), count - 1, "after \(what) in a transaction")
            }
        },
        Check("what another table's change leaves true stays kept; tags and keys drop what they name") { scope in
            let (table, other, cache) = try await Self.notes(scope)
            let database = scope.database
            func hits(_ what: String, _ expected: Int, key: String? = nil, tags: Set<String> = []) async throws {
                let before = cache.statistics.hits
                _ = try await Self.text(scope, table, cache, key: key, tags: tags)
                try scope.expectEqual(cache.statistics.hits - before, expected, what)
            }
            try await hits("the first read", 0, tags: ["home"])
            try await database.updateOne(other, set: ["text": "x"], where: ["id": 1])
            try await hits("after a change of another table", 1, tags: ["home"])
            _ = try await database.execute("UPDATE \(identifier: other) SET text = \("y")", changing: [other])
            try await hits("after a declared change of another table", 1, tags: ["home"])
            await database.invalidate(tags: ["away"])
            try await hits("after another tag", 1, tags: ["home"])
            await database.invalidate(tags: ["home"])
            try await hits("after the tag", 0, tags: ["home"])
            try await database.withTransaction { $0.invalidate(tags: ["home"]) }
            try await hits("after the tag in a transaction", 0, tags: ["home"])
            _ = try await database.execute("UPDATE \(identifier: other) SET text = \("z")")
            try await hits("after a change that says not what it changes", 0, tags: ["home"])
            try await hits("the first read by a key", 0, key: "k")
            await cache.invalidate(CacheInvalidation(keys: ["k"]))
            try await hits("after the key", 0, key: "k")
            try await hits("the second read by the key", 1, key: "k")
        },
        Check("reads in a transaction see what it wrote, and nothing of it is kept unless it is committed") { scope in
            let (table, _, cache) = try await Self.notes(scope)
            _ = try await Self.text(scope, table, cache)
            do {
                try await scope.database.withTransaction { transaction in
                    try await transaction.updateOne(table, set: ["text": "mine"], where: ["id": 1])
                    let row = try await transaction.selectOne(table, where: ["id": 1])
                    try scope.expectEqual(try row?.decode("text"), "mine", "its own write")
                    throw Undo()
                }
            } catch is Undo {}
            try scope.expectEqual(try await Self.text(scope, table, cache), "old", "after the rollback")
            try scope.expectEqual(cache.statistics, QueryCache.Statistics(hits: 1, misses: 1), "how it answered")
            let seen = Locked<[String?]>([])
            try await scope.database.withTransaction { transaction in
                try await transaction.updateOne(table, set: ["text": "new"], where: ["id": 1])
                transaction.afterCommit {
                    let text = try? await Self.text(scope, table, cache)
                    seen.withLock { $0.append(text) }
                }
            }
            try scope.expectEqual(seen.withLock { $0 }, ["new"], "what follows the commit sees it")
        },
        Check("what cascades is dropped too, and SQL is kept only if it says what it reads") { scope in
            let (table, other, _) = try await Self.notes(scope)
            let child = try await scope.makeTable(
                "replies", ["id": .key, "note": .raw("BIGINT NOT NULL")],
                ", FOREIGN KEY (note) REFERENCES \"\(table)\" (id) ON DELETE CASCADE")
            try await scope.database.insertOne(child, ["note": 1])
            let cascades = try await scope.database.cascades()
            try scope.expectEqual(cascades[table], [child], "the tables that change with it")
            try scope.expectEqual(cascades[other], nil, "the tables that change with another")
            let cache = QueryCache(scope.database, cascades: cascades)
            let database = scope.database
            try scope.expectEqual(try await database.cached(in: cache).count(child), 1, "replies before")
            try await database.deleteOne(table, where: ["id": 1])
            try scope.expectEqual(try await database.cached(in: cache).count(child), 0, "replies after")
            for (tables, hits) in [([], 0), ([child], 1)] as [(Set<String>, Int)] {
                let before = cache.statistics.hits
                for _ in 0..<2 {
                    _ = try await database.cached(in: cache, reading: tables)
                        .rows("SELECT id FROM \(identifier: child)")
                }
                try scope.expectEqual(cache.statistics.hits - before, hits, "hits of SQL that reads \(tables)")
            }
        },
        Check("what changes something is run by each who asks, and its answer not kept") { scope in
            let table = try await scope.makeTable("numbers", ["id": .key, "n": .integer])
            let cache = QueryCache(scope.database)
            let reads = scope.database.cached(in: cache, reading: [table])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<32 {
                    group.addTask {
                        _ = try await reads.rows("INSERT INTO \(identifier: table) (n) VALUES (7) RETURNING id")
                    }
                }
                try await group.waitForAll()
            }
            try scope.expectEqual(try await scope.database.count(table), 32, "rows")
        },
        Check("processes tell each other through a table what they have changed, and not themselves") { scope in
            let (here, there) = (scope.prefix + "here", scope.prefix + "there")
            let first = try await TableInvalidationChannel(scope.database, interval: .milliseconds(5))
            let second = try await TableInvalidationChannel(scope.database, interval: .milliseconds(5))
            let seen = Locked<[[CacheInvalidation]]>([[], []])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, channel) in [first, second].enumerated() {
                    group.addTask {
                        try await channel.subscribe { change in seen.withLock { $0[index].append(change) } }
                    }
                }
                let end = SystemTime.shared.now.advanced(by: .seconds(30))
                func waitUntil(_ condition: ([[CacheInvalidation]]) -> Bool) async throws {
                    while !seen.withLock({ condition($0) }) {
                        try scope.expect(SystemTime.shared.now < end, "they do not hear of each other")
                        try await SystemTime.shared.sleep(until: SystemTime.shared.now.advanced(by: .milliseconds(1)))
                    }
                }
                try await waitUntil { $0.allSatisfy { $0.contains(.everything) } }
                await first.publish(CacheInvalidation(tags: [here]))
                await second.publish(CacheInvalidation(tables: [there], keys: ["k"]))
                try await waitUntil {
                    $0[0].contains(CacheInvalidation(tables: [there], keys: ["k"]))
                        && $0[1].contains(CacheInvalidation(tags: [here]))
                }
                group.cancelAll()
                while let result = await group.nextResult() {
                    if case .failure(let error) = result, !(error is CancellationError) { throw error }
                }
            }
            let (firstSaw, secondSaw) = seen.withLock { ($0[0], $0[1]) }
            try scope.expect(!firstSaw.contains(CacheInvalidation(tags: [here])), "one heard its own note")
            try scope.expect(
                !secondSaw.contains(CacheInvalidation(tables: [there], keys: ["k"])), "one heard its own note")
        },
    ]
}
