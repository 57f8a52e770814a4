// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Caches of several processes")
    struct InvalidationTests {
        /// Listens as long as `body` runs.
        private func hearing(
            _ channel: PostgresInvalidationChannel, _ body: (Locked<[CacheInvalidation]>) async throws -> Void
        ) async throws {
            let heard = Locked<[CacheInvalidation]>([])
            let task = Task {
                try await channel.subscribe { change in heard.withLock { $0.append(change) } }
            }
            let thrown = await failure {
                try await until("the channel listens") { heard.withLock { $0.count } == 1 }
                try await body(heard)
            }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            if let thrown { throw thrown }
        }

        @Test("a statement that was under way when a cache was made tells it, too")
        func underWay() async throws {
            try await withPostgres { other in
                try await withPostgres { database in
                    try await withTable(database, "value int") { table in
                        _ = try await database.execute("INSERT INTO \(table) VALUES (1)")
                        let isWaiting: SQLQuery = """
                            SELECT count(*) FROM pg_stat_activity
                            WHERE wait_event_type = 'Lock' AND query LIKE \("UPDATE \"\(table.name)\"%")
                            """
                        let gate = Gate()
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            group.addTask {
                                try await other.withTransaction { transaction in
                                    _ = try await transaction.execute("SELECT value FROM \(table) FOR UPDATE")
                                    try await gate.pass()
                                }
                            }
                            await gate.waitForArrivals(1)
                            group.addTask { _ = try await database.execute("UPDATE \(table) SET value = 2") }
                            try await until("it waits") { try await database.scalar(isWaiting, as: Int.self) == 1 }
                            let reads = database.cached(in: QueryCache(database), reading: [table.name])
                            #expect(try await reads.scalar("SELECT value FROM \(table)", as: Int.self) == 1)
                            gate.open()
                            try await group.waitForAll()
                            #expect(try await reads.scalar("SELECT value FROM \(table)", as: Int.self) == 2)
                        }
                    }
                }
            }
        }

        @Test("drop what another process has changed, and nothing else")
        func caches() async throws {
            try await withPostgres { first in
                try await withPostgres { second in
                    let name = uniqueName("caches")
                    let writer = QueryCache(first, channel: PostgresInvalidationChannel(first, name: name))
                    let reader = QueryCache(second, channel: PostgresInvalidationChannel(second, name: name))
                    try await self.hearing(PostgresInvalidationChannel(second, name: name)) { heard in
                        let running = Task { try await reader.run() }
                        defer { running.cancel() }
                        try await withTable(first, "value int") { table in
                            let query: SQLQuery = "SELECT value FROM \(table)"
                            let reads = second.cached(in: reader, reading: [table.name])
                            _ = try await first.execute("INSERT INTO \(table) VALUES (1)", changing: [table.name])
                            #expect(try await reads.scalar(query, as: Int.self) == 1)
                            _ = try await first.execute("UPDATE \(table) SET value = 2", changing: [table.name])
                            try await until("the change is seen") { try await reads.scalar(query, as: Int.self) == 2 }
                            // What is said of another table leaves the answer where it is, once the reader's own beginning,
                            // at which it drops everything, is over.
                            try await until("what is said of another table drops nothing") {
                                let misses = reader.statistics.misses
                                let count = heard.withLock { $0.count }
                                let another = CacheInvalidation(tables: ["another"])
                                await writer.invalidate(another)
                                // What was said before may be heard only now.
                                try await until("that is heard") { heard.withLock { $0[count...].contains(another) } }
                                #expect(try await reads.scalar(query, as: Int.self) == 2)
                                return reader.statistics.misses == misses
                            }
                        }
                    }
                }
            }
        }

        @Test("a change of more than a notification holds is one of everything, and nobody hears itself")
        func long() async throws {
            try await withPostgres { database in
                let name = uniqueName("long")
                let (one, other) = (
                    PostgresInvalidationChannel(database, name: name), PostgresInvalidationChannel(database, name: name)
                )
                try await self.hearing(one) { heard in
                    let tags = Set((0..<1_000).map { "tag number \($0)" })
                    await one.publish(CacheInvalidation(tags: ["own"]))
                    await other.publish(CacheInvalidation(tags: tags))
                    await other.publish(CacheInvalidation(tags: ["last"]))
                    try await until("the last is heard") { heard.withLock { $0.count } == 3 }
                    #expect(heard.withLock { $0[1] } == .everything)
                    #expect(heard.withLock { $0[2] } == CacheInvalidation(tags: ["last"]))
                    _ = try await database.rows("SELECT pg_notify(\(name), 'not ours')")
                    try await until("that is heard") { heard.withLock { $0.count } == 4 }
                    #expect(heard.withLock { $0[3] } == .everything)
                }
            }
        }

        @Test("a listener whose connection is lost says that everything may have changed, and hears again")
        func lost() async throws {
            let session = uniqueName("listener")
            try await withPostgres { other in
                try await withPostgres(session) { database in
                    let name = uniqueName("lost")
                    let sender = PostgresInvalidationChannel(other, name: name)
                    try await self.hearing(PostgresInvalidationChannel(database, name: name)) { heard in
                        for round in 1...3 {
                            let count = heard.withLock { $0.count }
                            _ = try await other.rows(
                                """
                                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                                WHERE application_name = \(session) AND query LIKE 'LISTEN%'
                                """)
                            // Once when it is lost, and once when it is there again.
                            try await until("it listens again") { heard.withLock { $0.count } >= count + 2 }
                            #expect(heard.withLock { $0[count...].allSatisfy(\.isEverything) })
                            await sender.publish(CacheInvalidation(tags: ["round \(round)"]))
                            try await until("it hears again") {
                                heard.withLock { $0.last } == CacheInvalidation(tags: ["round \(round)"])
                            }
                        }
                    }
                }
            }
        }

        @Test("a listener of a database that is closed ends")
        func closed() async throws {
            try await withPostgres { database in
                let listening = Gate()
                let channel = PostgresInvalidationChannel(database, name: uniqueName("closed"))
                let task = Task { try await channel.subscribe { _ in listening.open() } }
                try await listening.pass()
                await database.close()
                let error = await failure { try await task.value }
                #expect((error as? SQLError)?.kind == .connection)
            }
        }
    }
}
