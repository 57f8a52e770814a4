// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("Money")
    struct BankTests {
        @Test("none is lost or made while the server is killed five times")
        func killedServer() async throws {
            try await PrivatePostgres.run { server in
                let pool = PoolSettings(size: 10, overflow: 6, maximumConnectBackoff: .milliseconds(200))
                try await withDatabase(server.url(), pool: pool) { database in
                    let bank = try await Bank(database)
                    try await bank.open(tellers: 16) {
                        for _ in 0..<5 {
                            try await bank.progress(50)
                            await server.kill()
                            try await server.start()
                        }
                        try await bank.progress(50)
                    }
                    try await bank.audit()
                    try await untilNothingIsLent(database)
                }
            }
        }

        @Test("none is lost or made while sessions are ended at random, and the pool is whole again after it")
        func terminatedSessions() async throws {
            let name = uniqueName("bank")
            let pool = PoolSettings(size: 10, overflow: 6)
            try await withPostgres { other in
                try await withPostgres(name, pool: pool) { database in
                    let bank = try await Bank(database)
                    try await bank.open(tellers: 16) {
                        for _ in 0..<20 {
                            try await bank.progress(20)
                            let count = try await other.rows(
                                """
                                SELECT pg_terminate_backend(pid) FROM
                                    (SELECT pid FROM pg_stat_activity WHERE application_name = \(name)
                                     ORDER BY random() LIMIT 3) AS victims
                                """
                            ).count
                            #expect(count > 0)
                        }
                        try await bank.progress(100)
                    }
                    try await bank.audit()
                    try await untilNothingIsLent(database)
                    #expect(try await sessionCount(name, on: other) <= pool.capacity)
                }
            }
        }

        @Test(
            "a commit whose answer is lost is unknown, whether it took effect or not, and is not repeated",
            arguments: [FaultProxy.Direction.toClient, .toUpstream])
        func lostAnswer(direction: FaultProxy.Direction) async throws {
            try await withProxy { database, proxy in
                try await withTable(database, "id int") { table in
                    let runs = Locked(0)
                    let error = await failure {
                        try await database.withTransaction { transaction in
                            runs.withLock { $0 += 1 }
                            _ = try await transaction.execute("INSERT INTO \(table) VALUES (1)")
                            proxy.set(.cut(afterBytes: 0, direction))
                        }
                    }
                    #expect((error as? SQLError)?.kind == .outcomeUnknown)
                    proxy.set(.pass)
                    #expect(runs.withLock { $0 } == 1)
                    let count: Int = try await database.scalar("SELECT count(*) FROM \(table)")
                    #expect(count == (direction == .toClient ? 1 : 0))
                }
            }
        }

        @Test("a statement whose answer is lost is not repeated if it may have changed something")
        func lostStatement() async throws {
            // Nothing but the statement uses the line.
            let pool = PoolSettings(size: 1, overflow: 0, pingAfterIdle: .seconds(3_600))
            try await withProxy(pool: pool) { database, proxy in
                try await withTable(database, "id int") { table in
                    // Once before, so that it is prepared where it is run again.
                    let insert: SQLQuery = "INSERT INTO \(table) VALUES (1)"
                    _ = try await database.execute(insert)
                    proxy.set(.cut(afterBytes: 0, .toClient))
                    let error = await failure { _ = try await database.execute(insert) }
                    proxy.set(.pass)
                    #expect((error as? SQLError)?.kind == .connection)
                    #expect((error as? SQLError)?.hasRun == nil)
                    #expect(try await database.scalar("SELECT count(*) FROM \(table)", as: Int.self) == 2)
                }
            }
        }
    }
}
