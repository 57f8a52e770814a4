// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Sessions")
    struct SessionTests {
        private static let session: SQLQuery = "SELECT pg_backend_pid()"

        @Test(
            "what a borrower leaves in a session is not the next one's",
            arguments: [
                "SET search_path = pg_catalog", "/* a comment */ set session work_mem = '1MB'",
                "SELECT set_config('sluice.test', 'left', false)", "SELECT pg_advisory_lock(4711)",
                "CREATE TEMP TABLE left_behind (id int)", "LISTEN left_behind",
                "DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1",
            ] as [SQLQuery])
        func left(_ statement: SQLQuery) async throws {
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0)) { database in
                let before = try await database.withTransaction { transaction in
                    _ = try await transaction.execute(statement)
                    return try await transaction.scalar(Self.session, as: Int.self)
                }
                #expect(try await database.scalar(Self.session, as: Int.self) != before)
            }
        }

        @Test(
            "what ends with its transaction costs no connection",
            arguments: [
                "SET LOCAL work_mem = '1MB'", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                "SELECT pg_advisory_xact_lock(4711)", "DECLARE done CURSOR FOR SELECT 1", "SELECT 'SET search_path'",
            ] as [SQLQuery])
        func local(_ statement: SQLQuery) async throws {
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0)) { database in
                let before = try await database.scalar(Self.session, as: Int.self)
                try await database.withTransaction { _ = try await $0.execute(statement) }
                #expect(try await database.scalar(Self.session, as: Int.self) == before)
            }
        }

        @Test("a copy that is sent as a statement is refused, alone and in a transaction, and disturbs nobody")
        func copyAsStatement() async throws {
            try await withPostgres(pool: PoolSettings(size: 1, overflow: 0)) { database in
                try await withTable(database, "id int") { table in
                    for copy in ["COPY \(table) FROM STDIN", "-- out\ncopy \(table) TO STDOUT"] as [SQLQuery] {
                        for isAlone in [true, false] {
                            let error = await failure {
                                if isAlone {
                                    _ = try await database.execute(copy)
                                    return
                                }
                                try await database.withTransaction { _ = try await $0.execute(copy) }
                            }
                            #expect((error as? SQLError)?.kind == .statement)
                            #expect((error as? SQLError)?.hasRun == false)
                        }
                        let results = try await database.pipeline(["SELECT 1", copy, "SELECT 2"])
                        #expect(results.count == 3)
                        #expect(throws: SQLError.self) { try results[1].get() }
                    }
                    #expect(try await database.scalar("SELECT 1", as: Int.self) == 1)
                    #expect(database.poolStatus.lent == 0)
                }
            }
        }

        @Test("a statement that somebody else stops did not run into its deadline")
        func stoppedByOthers() async throws {
            try await withPostgres { database in
                let sleeping = Task {
                    try await database.scalar("SELECT pg_sleep(60)::text || 'stopped'", as: String.self)
                }
                let stop: SQLQuery = """
                    SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                    WHERE query LIKE '%pg_sleep(60)::text || ''stopped''' AND wait_event = 'PgSleep'
                    """
                while try await database.scalar(stop, as: Int.self) == 0 { await Task.yield() }
                let error = await failure { _ = try await sleeping.value }
                #expect((error as? SQLError)?.kind == .timeout, "\(error as Any)")
            }
        }

        @Test("a statement that cannot be prepared has not run; one that fails later has")
        func hasRun() async throws {
            try await withPostgres { database in
                let wrong: [(SQLQuery, Bool)] = [
                    ("SELEKT 1", false), ("SELECT * FROM no_such_table_anywhere", false),
                    ("SELECT 1 / (random() * 0)::int", true),
                ]
                for (query, hasRun) in wrong {
                    for _ in 0..<2 {
                        let error = await failure { _ = try await database.execute(query) } as? SQLError
                        #expect(error?.hasRun == hasRun, "\(query.text)")
                    }
                }
            }
        }
    }
}
