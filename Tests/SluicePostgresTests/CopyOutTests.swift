// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Much at once, outwards")
    struct CopyOutTests {
        /// Everything that a copy gives.
        private func text(_ query: SQLQuery, _ format: PostgresCopyFormat, on database: Database) async throws -> String
        {
            try await #require(database.postgres).copyOut(query, as: format) { chunks in
                var bytes: [UInt8] = []
                for try await chunk in chunks { bytes += chunk }
                return String(decoding: bytes, as: UTF8.self)
            }
        }

        @Test("gives rows in the form that was asked for, with every value in its place")
        func forms() async throws {
            try await withPostgres { database in
                let none: String? = nil
                let query: SQLQuery = """
                    SELECT \("it's a \\ and a \"")::text, \(-7)::int - \(-3)::int, \(none)::text, \([UInt8]([0, 255]))::bytea
                    WHERE \("O'Neill") = 'O''Neill'
                    """
                let text = try await self.text(query, .text, on: database)
                #expect(text == "it's a \\\\ and a \"\t-4\t\\N\t\\\\x00ff\n")
                let csv = try await self.text(query, .csv, on: database)
                #expect(csv == "\"it's a \\ and a \"\"\",-4,,\\x00ff\n")
                let binary = try await self.text("SELECT 'x'::text", .binary, on: database)
                #expect(binary.hasPrefix("PGCOPY\n"))
                try await withTable(database, "id int") { table in
                    #expect(try await self.text("TABLE \(table)", .text, on: database) == "")
                    _ = try await database.execute("INSERT INTO \(table) SELECT generate_series(1, 3)")
                    #expect(try await self.text("TABLE \(table)", .text, on: database) == "1\n2\n3\n")
                }
            }
        }

        @Test(
            "more than memory should hold, with as much said beside it, is read no further ahead than what is under way"
        )
        func slowReader() async throws {
            try await withPostgres { other in
                try await withProxy { database, proxy in
                    let driver = try #require(database.postgres)
                    let function = try SQLIdentifier(uniqueName("talk"))
                    _ = try await database.execute(
                        """
                        CREATE FUNCTION \(function)(i int) RETURNS int LANGUAGE plpgsql AS
                        $$ BEGIN RAISE NOTICE '%', repeat('x', 1000); RETURN i; END $$
                        """)
                    let count = copyMegabytes * 250
                    let before = proxy.bytesRead(.toClient)
                    let (lines, furthest) = try await driver.copyOut(
                        "SELECT \(function)(i), repeat('y', 3000) FROM generate_series(1, \(count)::int) AS i"
                    ) { chunks in
                        var (lines, furthest, chunkCount) = (0, 0, 0)
                        for try await chunk in chunks {
                            lines += chunk.count { $0 == 0x0A }
                            chunkCount += 1
                            // A reader that has other things to do, at which an eager copy would run far ahead of it.
                            if chunkCount % 8 == 0 { try await other.ping() }
                            furthest = max(furthest, proxy.bytesRead(.toClient) - before - lines * 4_000)
                        }
                        return (lines, furthest)
                    }
                    #expect(lines == count)
                    // What the system's two socket buffers and the proxy hold; what is added to 4,000 bytes is 5 % at most.
                    #expect(furthest < 10 << 20 + count * 200)
                    _ = try await database.execute("DROP FUNCTION \(function)(int)")
                }
            }
        }

        /// What a reader fails with.
        private struct Enough: Error {}

        @Test("one that is left, fails or is cancelled stops at the server, and its connection is used again")
        func leaving() async throws {
            let name = uniqueName("copy")
            try await withPostgres { other in
                try await withPostgres(name, pool: PoolSettings(size: 1, overflow: 0)) { database in
                    let driver = try #require(database.postgres)
                    let session: SQLQuery = "SELECT pg_backend_pid()"
                    let first: Int = try await database.scalar(session)
                    let endless: SQLQuery = "SELECT generate_series(1, 1000000000000)"
                    let start = try await driver.copyOut(endless) { chunks in
                        for try await chunk in chunks { return chunk.prefix(4) }
                        return []
                    }
                    #expect(start == Array("1\n2\n".utf8)[...])
                    try await driver.copyOut(endless) { _ in }
                    await #expect(throws: Enough.self) {
                        try await driver.copyOut(endless) { chunks in for try await _ in chunks { throw Enough() } }
                    }
                    try await self.cancel(driver, endless)
                    let wrong = await failure {
                        try await driver.copyOut("SELECT 1 / (50000 - i) FROM generate_series(1, 100000) AS i") {
                            chunks in
                            for try await _ in chunks {}
                        }
                    }
                    #expect((wrong as? SQLError)?.sqlState == "22012")
                    let refused = await failure { try await driver.copyOut("SELEKT \("geheim")") { _ in } }
                    #expect((refused as? SQLError)?.sqlState == "42601")
                    #expect(!"\(refused as Any)".contains("geheim"))
                    let zero = await failure { try await driver.copyOut("SELECT \("a\0b")") { _ in } }
                    #expect((zero as? SQLError)?.kind == .statement)
                    #expect(try await database.scalar(session, as: Int.self) == first)
                    // The server's own limit is in force again.
                    #expect(try await database.scalar("SHOW statement_timeout", as: String.self) == "31s")
                    #expect(try await sessionCount(name, state: "active", on: other) == 0)
                    try await untilNothingIsLent(database)
                }
            }
        }

        private func cancel(_ driver: PostgresDriver, _ query: SQLQuery) async throws {
            let gate = Gate()
            let task = Task {
                try await driver.copyOut(query) { chunks in
                    for try await _ in chunks { gate.open() }
                }
            }
            try await gate.pass()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            // And where the server is what keeps the reader waiting.
            let sleeping = Task { try await driver.copyOut("SELECT pg_sleep(1000)") { for try await _ in $0 {} } }
            try await until("the server is at it") { driver.poolStatus.leases == 1 }
            sleeping.cancel()
            await #expect(throws: CancellationError.self) { try await sleeping.value }
        }

        @Test("one whose connection is lost ends with an error")
        func loss() async throws {
            try await withProxy { database, proxy in
                let driver = try #require(database.postgres)
                let error = await failure {
                    try await driver.copyOut("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)") { chunks in
                        for try await _ in chunks { proxy.set(.reset, for: .openConnections) }
                    }
                }
                #expect((error as? SQLError)?.kind == .connection, "\(error as Any)")
                #expect(try await database.scalar("SELECT 1::int8", as: Int.self) == 1)
            }
        }
    }
}
