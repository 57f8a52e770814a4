// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Much at once")
    struct CopyTests {
        /// Rows that are made as they are asked for.
        private struct Source: AsyncSequence, Sendable {
            let count: Int
            /// Called before each row is made.
            var willMake: @Sendable (Int) async throws -> [SQLValue]

            struct AsyncIterator: AsyncIteratorProtocol {
                let source: Source
                var position = 0

                mutating func next() async throws -> [SQLValue]? {
                    guard self.position < self.source.count else { return nil }
                    defer { self.position += 1 }
                    return try await self.source.willMake(self.position)
                }
            }

            func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: self) }
        }

        @Test("a server that says more than it is sent, and is not listened to meanwhile, does not stop a copy")
        func notices() async throws {
            try await withPostgres { database in
                try await withTable(database, "id int") { table in
                    let function = try SQLIdentifier(uniqueName("talk"))
                    // 1 KB of notice for a row of 6 bytes: 20 MB in all, far more than the sockets between hold.
                    _ = try await database.execute(
                        """
                        CREATE FUNCTION \(function)() RETURNS trigger LANGUAGE plpgsql AS
                        $$ BEGIN RAISE NOTICE '%', repeat('x', 1000); RETURN NEW; END $$
                        """)
                    _ = try await database.execute(
                        "CREATE TRIGGER talk BEFORE INSERT ON \(table) FOR EACH ROW EXECUTE FUNCTION \(function)()")
                    let rows = Source(count: 20_000) { [.integer(Int64($0))] }
                    let count = try await database.bulkInsert(into: table.name, columns: ["id"], rows)
                    #expect(count == 20_000)
                    // And a single statement that makes as much noise.
                    let changed = try await database.execute("INSERT INTO \(table) SELECT generate_series(1, 20000)")
                    #expect(changed.changeCount == 20_000)
                    _ = try await database.execute("DROP FUNCTION \(function)() CASCADE")
                }
            }
        }

        @Test("a copy over a slow line reads no further ahead than what is under way")
        func slowLine() async throws {
            try await withProxy { database, proxy in
                try await withTable(database, "id int, filler text") { table in
                    let filler = String(repeating: "x", count: 16_000)
                    let rowSize = filler.utf8.count + 5
                    // 24 MB at 12 MB a second: without a bound all of it would be read in the first tenth of that.
                    proxy.set(.throttle(bytesPerSecond: 12_000_000))
                    let before = proxy.bytesRead(.toUpstream)
                    let furthest = Locked(0)
                    let rows = Source(count: 1_500) { position in
                        let ahead = position * rowSize - (proxy.bytesRead(.toUpstream) - before)
                        furthest.withLock { $0 = max($0, ahead) }
                        return [.integer(Int64(position)), .text(filler)]
                    }
                    let count = try await database.bulkInsert(into: table.name, columns: ["id", "filler"], rows)
                    #expect(count == 1_500)
                    // One piece of 256 KiB, and what the system's two socket buffers hold, 4 MiB each at most.
                    #expect(furthest.withLock { $0 } < 10 << 20)
                    proxy.set(.pass)
                    let sum: Int = try await database.scalar("SELECT sum(id) + sum(length(filler)) FROM \(table)")
                    #expect(sum == 1_500 * 1_499 / 2 + 1_500 * 16_000)
                }
            }
        }

        @Test("large results over a slow line come whole, and small ones on other connections meanwhile")
        func slowReader() async throws {
            try await withProxy { database, proxy in
                proxy.set(.throttle(bytesPerSecond: 8_000_000))
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<2 {
                        group.addTask {
                            try await database.read { transaction in
                                let rows = try await transaction.rows(
                                    "SELECT i, repeat('x', 4000) AS s FROM generate_series(1, 1000) AS i")
                                return try rows.reduce(0) { try $0 + $1.decode("s", as: String.self).utf8.count }
                            }
                        }
                    }
                    for _ in 0..<20 {
                        group.addTask { try await database.scalar("SELECT 0::int8") }
                    }
                    let sum = try await group.reduce(0, +)
                    #expect(sum == 8_000_000)
                }
            }
        }

        /// What a source of rows fails with.
        private struct Empty: Error {}

        @Test("a copy that fails, is cancelled or is refused leaves no row, and a connection that is used again")
        func failing() async throws {
            let name = uniqueName("copy")
            try await withPostgres { other in
                try await withPostgres(name, pool: PoolSettings(size: 1, overflow: 0)) { database in
                    try await withTable(database, "id int PRIMARY KEY") { table in
                        let session: SQLQuery = "SELECT pg_backend_pid()"
                        let first: Int = try await database.scalar(session)
                        let thrown = await failure {
                            let rows = Source(count: 100_000) { position in
                                if position == 90_000 { throw Empty() }
                                return [.integer(Int64(position))]
                            }
                            _ = try await database.bulkInsert(into: table.name, columns: ["id"], rows)
                        }
                        #expect(thrown is Empty)
                        let refused = await failure {
                            let rows = Source(count: 100_000) { [.integer(Int64($0 == 50_000 ? 7 : $0))] }
                            _ = try await database.bulkInsert(into: table.name, columns: ["id"], rows)
                        }
                        #expect((refused as? SQLError)?.sqlState == "23505")
                        #expect((refused as? SQLError)?.constraint?.hasSuffix("_pkey") == true)
                        let wrong = await failure {
                            let rows = Source(count: 10) { _ in [.text("geheim")] }
                            _ = try await database.bulkInsert(into: table.name, columns: ["id"], rows)
                        }
                        #expect((wrong as? SQLError)?.sqlState == "22P02")
                        #expect(!"\(wrong as Any)".contains("geheim"))
                        let zero = await failure {
                            let rows = Source(count: 10) { _ in [.text("a\0b")] }
                            _ = try await database.bulkInsert(into: table.name, columns: ["id"], rows)
                        }
                        #expect((zero as? SQLError)?.kind == .statement)
                        try await self.cancel(database, table)
                        #expect(try await database.scalar("SELECT count(*) FROM \(table)", as: Int.self) == 0)
                        #expect(try await database.scalar(session, as: Int.self) == first)
                        #expect(try await sessionCount(name, on: other) == 1)
                    }
                }
            }
        }

        private func cancel(_ database: Database, _ table: SQLIdentifier) async throws {
            let gate = Gate()
            let task = Task {
                let rows = Source(count: 100_000) { position in
                    if position == 60_000 { try await gate.pass() }
                    return [.integer(Int64(position))]
                }
                return try await database.bulkInsert(into: table.name, columns: ["id"], rows)
            }
            await gate.waitForArrivals(1)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }

        @Test("a copy into a network that has gone silent ends soon after it is cancelled")
        func silence() async throws {
            try await withProxy { database, proxy in
                try await withTable(database, "filler text") { table in
                    let filler = String(repeating: "x", count: 16_000)
                    let task = Task {
                        let rows = Source(count: 4_000) { position in
                            // A line that holds everything back, so that nobody can tell it from a slow one.
                            if position == 500 { proxy.set(.delay(.seconds(3_600))) }
                            return [.text(filler)]
                        }
                        return try await database.bulkInsert(into: table.name, columns: ["filler"], rows)
                    }
                    try await until("the line holds everything back") { proxy.mode != .pass }
                    task.cancel()
                    let error = await failure { _ = try await task.value }
                    #expect(error is CancellationError || (error as? SQLError)?.kind == .connection, "\(error as Any)")
                    proxy.set(.pass)
                    #expect(try await database.scalar("SELECT count(*) FROM \(table)", as: Int.self) == 0)
                    try await untilNothingIsLent(database)
                }
            }
        }
    }
}
