// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceMySQL
import SluiceSQL
import Testing

@Suite("MySQL recovery", .timeLimit(.minutes(5)))
struct MySQLRecoveryTests {
    private func kill(_ connection: any SQLConnection, by database: Database) async throws {
        let id = try #require(connection as? MySQLConnection).id
        _ = try await database.execute(SQLQuery(stringLiteral: "KILL \(id)"))
        try await database.wait(
            until: "SELECT count(*) = 0 FROM information_schema.processlist WHERE id = \(Int(id))")
    }

    @Test("a connection that the server has ended is reported, and the pool recovers")
    func killed() async throws {
        try await withDatabase { database, _ in
            let error = await #expect(throws: SQLError.self) {
                try await database.driver.withConnection(.write) { connection in
                    try await self.kill(connection, by: database)
                    _ = try await connection.execute("SELECT 1")
                }
            }
            #expect(error?.kind == .connection)
            try await database.ping()
            _ = try await database.execute("CREATE TABLE t (i INT)")
        }
    }

    @Test("a statement that changes nothing is repeated when its connection is lost")
    func repeated() async throws {
        try await withDatabase(pool: PoolSettings(size: 1, overflow: 1)) { database, _ in
            let other = try await TestServer.open()
            for _ in 0..<5 {
                try await database.driver.withConnection(.read) { try await self.kill($0, by: other) }
                #expect(try await database.scalar("SELECT 1", as: Int.self) == 1)
            }
            await other.close()
        }
    }

    @Test("a statement in flight when its connection is ended may have run")
    func inFlight() async throws {
        try await withDatabase { database, name in
            try await withConnection(to: name) { connection in
                let id = connection.id
                let task = Task { try await connection.execute("SELECT SLEEP(100)") }
                try await database.wait(for: "SLEEP", on: id)
                try await self.kill(connection, by: database)
                let error = await #expect(throws: SQLError.self) { try await task.value }
                #expect(error?.kind == .connection)
                #expect(error?.hasRun == nil)
                let next = await #expect(throws: SQLError.self) { try await connection.execute("SELECT 1") }
                #expect(next?.kind == .connection)
                #expect(next?.hasRun == false)
            }
        }
    }

    @Test("a commit whose connection is lost has an unknown outcome, and is not repeated")
    func commit() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INT)")
            var attempts = 0
            let error = await #expect(throws: SQLError.self) {
                try await database.driver.withConnection(.write) { connection in
                    try await connection.begin(.write)
                    _ = try await connection.execute("INSERT INTO t VALUES (1)")
                    try await self.kill(connection, by: database)
                    attempts += 1
                    try await connection.commit()
                }
            }
            #expect(error?.kind == .outcomeUnknown)
            #expect(attempts == 1)
            #expect(try await database.rows("SELECT * FROM t").isEmpty)
        }
    }

    @Test("a closed database turns calls away, and leaves no connection behind")
    func close() async throws {
        try await withDatabase { database, name in
            let other = try await TestServer.open(name)
            async let one = other.rows("SELECT SLEEP(0.01)")
            async let two = other.rows("SELECT SLEEP(0.01)")
            _ = try await (one, two)
            await other.close()
            await #expect(throws: RejectionError.self) { try await other.ping() }
            try await database.wait(
                until: """
                    SELECT count(*) = 0 FROM information_schema.processlist
                    WHERE db = \(name) AND id <> CONNECTION_ID()
                    """)
        }
    }
}
