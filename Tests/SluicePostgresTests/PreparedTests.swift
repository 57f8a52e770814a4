// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Prepared statements")
    struct PreparedTests {
        @Test("however many savepoints a transaction has, one after the other, few statements are prepared for them")
        func savepoints() async throws {
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0)) { database in
                let count = try await database.withTransaction { transaction in
                    for number in 0..<50 {
                        try await transaction.withSavepoint { outer in
                            try await outer.withSavepoint { _ = try await $0.rows("SELECT \(number)::int8") }
                        }
                    }
                    return try await transaction.scalar(
                        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%SAVEPOINT%'", as: Int.self)
                }
                // To begin and to release, at two depths; and the question itself.
                #expect(count == 5)
            }
        }

        /// Reads in many tasks, by single statements and in transactions, until `body` returns.
        ///
        /// - Returns: How many reads there were, and how many runs of transactions.
        private func load(
            _ database: Database, _ query: SQLQuery, _ body: () async throws -> Void
        ) async throws -> (reads: Int, runs: Int) {
            let isOver = Locked(false)
            let runs = Locked(0)
            return try await withThrowingTaskGroup(of: Int.self) { group in
                for task in 0..<8 {
                    group.addTask {
                        var reads = 0
                        while !isOver.withLock({ $0 }) {
                            let row =
                                if task % 2 == 0 {
                                    try await database.first(query)
                                } else {
                                    try await database.read { transaction in
                                        runs.withLock { $0 += 1 }
                                        return try await transaction.first(query)
                                    }
                                }
                            #expect(try row?.decode("id") == 7)
                            #expect(try row?.decode("name") == "seven")
                            reads += 1
                        }
                        return reads
                    }
                }
                let thrown = await failure { try await body() }
                isOver.withLock { $0 = true }
                let reads = try await group.reduce(0, +)
                if let thrown { throw thrown }
                return (reads, runs.withLock { $0 })
            }
        }

        @Test("a table that is altered under load is read all the time, in its old shape or its new one")
        func altered() async throws {
            try await withPostgres { other in
                try await withPostgres { database in
                    try await withTable(other, "id int PRIMARY KEY, name text") { table in
                        _ = try await other.execute("INSERT INTO \(table) VALUES (7, 'seven')")
                        let (reads, _) = try await self.load(database, "SELECT * FROM \(table) WHERE id = \(7)") {
                            for number in 0..<15 {
                                // Arrays come as text only, integers in binary: so the form changes to and fro.
                                let column = try SQLIdentifier("extra\(number)")
                                let type: SQLQuery = number % 2 == 0 ? "int[] DEFAULT '{1,2}'" : "int DEFAULT 3"
                                _ = try await other.execute("ALTER TABLE \(table) ADD COLUMN \(column) \(type)")
                                for _ in 0..<20 { _ = try await database.rows("SELECT * FROM \(table)") }
                                if number % 3 == 2 {
                                    let first = try SQLIdentifier("extra\(number - 2)")
                                    _ = try await other.execute("ALTER TABLE \(table) DROP COLUMN \(first)")
                                }
                            }
                        }
                        #expect(reads > 100)
                    }
                }
            }
        }

        @Test("what changes its shape is read right on a connection that has never seen it")
        func form() async throws {
            try await withPostgres { database in
                try await withTable(database, "id int") { table in
                    _ = try await database.execute("INSERT INTO \(table) VALUES (1)")
                    let query: SQLQuery = "SELECT * FROM \(table)"
                    #expect(try await database.first(query)?.values == [.integer(1)])
                    _ = try await database.execute("ALTER TABLE \(table) ADD COLUMN tags text[] DEFAULT '{a,b}'")
                    let gate = Gate()
                    try await withThrowingTaskGroup(of: [SQLValue]?.self) { group in
                        for _ in 0..<4 {
                            group.addTask {
                                try await database.read { transaction in
                                    try await gate.pass()
                                    return try await transaction.first(query)?.values
                                }
                            }
                        }
                        await gate.waitForArrivals(4)
                        gate.open()
                        for try await values in group { #expect(values == [.integer(1), .text("{a,b}")]) }
                    }
                }
            }
        }

        @Test("what somebody has discarded under load is prepared again")
        func discarded() async throws {
            try await withPostgres { other in
                try await withPostgres(pool: PoolSettings(size: 3, overflow: 0)) { database in
                    try await withTable(other, "id int PRIMARY KEY, name text") { table in
                        _ = try await other.execute("INSERT INTO \(table) VALUES (7, 'seven')")
                        let (reads, runs) = try await self.load(database, "SELECT * FROM \(table) WHERE id = \(7)") {
                            for _ in 0..<50 {
                                try await database.driver.withConnection(.write) {
                                    _ = try await $0.execute("DISCARD ALL")
                                }
                            }
                        }
                        #expect(reads > 100)
                        // At most one repetition for each connection whose statements were discarded.
                        #expect(runs <= reads + 200)
                    }
                }
            }
        }

        @Test("a statement that fails at first on every connection fails for its own reason, and works once it can")
        func failing() async throws {
            try await withPostgres(pool: PoolSettings(size: 3, overflow: 0)) { database in
                try await withTable(database, "id int PRIMARY KEY") { table in
                    _ = try await database.execute("INSERT INTO \(table) VALUES (1)")
                    try await self.expectAll(database, "INSERT INTO \(table) VALUES (\(1))", fail: "23505")
                    _ = try await database.execute("DELETE FROM \(table)")
                    _ = try await database.execute("INSERT INTO \(table) VALUES (\(1))")
                    let missing = try SQLIdentifier(uniqueName("missing"))
                    try await self.expectAll(database, "SELECT * FROM \(missing)", fail: "42P01")
                    _ = try await database.execute("CREATE TABLE \(missing) AS SELECT 1 AS one")
                    for _ in 0..<10 {
                        #expect(try await database.scalar("SELECT * FROM \(missing)", as: Int.self) == 1)
                    }
                    _ = try await database.execute("DROP TABLE \(missing)")
                }
            }
        }

        private func expectAll(_ database: Database, _ query: SQLQuery, fail state: String) async throws {
            for _ in 0..<5 {
                await withTaskGroup(of: String?.self) { group in
                    for number in 0..<12 {
                        group.addTask {
                            let error = await failure {
                                if number % 2 == 0 {
                                    _ = try await database.execute(query)
                                } else {
                                    try await database.withTransaction { _ = try await $0.execute(query) }
                                }
                            }
                            return (error as? SQLError)?.sqlState
                        }
                    }
                    for await seen in group { #expect(seen == state) }
                }
            }
        }

        @Test("more statements than stay prepared push each other out and run all the same")
        func many() async throws {
            let name = uniqueName("many")
            try await withPostgres(name, pool: PoolSettings(size: 1, overflow: 0)) { database in
                for _ in 0..<2 {
                    for number in 0..<300 {
                        let alias = try SQLIdentifier("column\(number)")
                        let row = try await database.first("SELECT \(number)::int8 AS \(alias)")
                        #expect(try row?.decode(alias.name) == number)
                    }
                }
                let count: Int = try await database.scalar("SELECT count(*) FROM pg_prepared_statements")
                #expect(count <= 257)
                #expect(count > 200)
            }
        }
    }
}
