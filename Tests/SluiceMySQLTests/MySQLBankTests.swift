// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

/// Tests that take many connections or much time; one after the other, since all share few cores.
@Suite("MySQL, reliably", .serialized, .timeLimit(.minutes(5)))
struct Reliability {}

extension Reliability {
    @Suite("Money")
    struct BankTests {
        @Test("none is lost or made while the server is killed five times")
        func killedServer() async throws {
            try await PrivateMariaDB.run { server in
                let pool = PoolSettings(size: 10, overflow: 6, maximumConnectBackoff: .milliseconds(200))
                try await withDatabase(at: server.url(), pool: pool) { database in
                    let bank = try await Bank(database)
                    try await bank.open(tellers: 16) {
                        for _ in 0..<5 {
                            await bank.progress(50)
                            await server.kill()
                            try await server.start()
                        }
                        await bank.progress(50)
                    }
                    try await bank.audit()
                    try await untilNothingIsLent(database)
                }
            }
        }

        @Test("none is lost or made while sessions are ended at random, and the pool is whole again after it")
        func killedSessions() async throws {
            let pool = PoolSettings(size: 10, overflow: 6)
            try await withDatabase(pool: pool) { database, name in
                let other = try await TestServer.open()
                let bank = try await Bank(database)
                try await bank.open(tellers: 16) {
                    for _ in 0..<20 {
                        await bank.progress(20)
                        let victims = try await other.rows(
                            "SELECT id FROM information_schema.processlist WHERE db = \(name) ORDER BY rand() LIMIT 3")
                        for victim in victims {
                            let id = try victim.decode(at: 0, as: Int.self)
                            // It may have ended meanwhile.
                            _ = await failure { _ = try await other.execute(SQLQuery(stringLiteral: "KILL \(id)")) }
                        }
                    }
                    await bank.progress(100)
                }
                try await bank.audit()
                try await untilNothingIsLent(database)
                let count = try await sessionCount(name, on: other)
                #expect(count <= pool.capacity)
                await other.close()
            }
        }

        @Test(
            "a commit whose answer is lost is unknown, whether it took effect or not, and is not repeated",
            arguments: [FaultProxy.Direction.toClient, .toUpstream])
        func lostAnswer(direction: FaultProxy.Direction) async throws {
            try await withProxy { database, other, proxy in
                _ = try await other.execute("CREATE TABLE t (id INT)")
                let runs = Locked(0)
                let error = await failure {
                    try await database.withTransaction { transaction in
                        runs.withLock { $0 += 1 }
                        _ = try await transaction.execute("INSERT INTO t VALUES (1)")
                        proxy.set(.cut(afterBytes: 0, direction))
                    }
                }
                #expect((error as? SQLError)?.kind == .outcomeUnknown, "\(error as Any)")
                proxy.set(.pass)
                #expect(runs.withLock { $0 } == 1)
                // The server may be at the commit still, or not know yet that nobody is there.
                let count = try await other.withTransaction {
                    try await $0.scalar("SELECT count(*) FROM t LOCK IN SHARE MODE", as: Int.self)
                }
                #expect(count == (direction == .toClient ? 1 : 0))
            }
        }

        @Test("a statement whose answer is lost is not repeated if it may have changed something")
        func lostStatement() async throws {
            try await withProxy(pool: PoolSettings(size: 1, overflow: 0)) { database, other, proxy in
                _ = try await other.execute("CREATE TABLE t (id INT)")
                // Once before, so that it is prepared where it is run again.
                _ = try await database.execute("INSERT INTO t VALUES (1)")
                proxy.set(.cut(afterBytes: 0, .toClient))
                let error = await failure { _ = try await database.execute("INSERT INTO t VALUES (1)") }
                proxy.set(.pass)
                #expect((error as? SQLError)?.kind == .connection)
                #expect((error as? SQLError)?.hasRun == nil)
                #expect(try await database.scalar("SELECT count(*) FROM t", as: Int.self) == 2)
            }
        }
    }
}

/// How many connections to a database the server has; those that send kills name none.
func sessionCount(_ name: String, on database: Database) async throws -> Int {
    try await database.scalar("SELECT count(*) FROM information_schema.processlist WHERE db = \(name)")
}
