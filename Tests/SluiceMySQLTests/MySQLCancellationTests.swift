// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@testable import SluiceMySQL

@Suite("MySQL cancellation", .timeLimit(.minutes(5)))
struct MySQLCancellationTests {
    @Test("cancelling stops a statement that runs, and the connection works on")
    func stops() async throws {
        try await withDatabase { database, name in
            try await withConnection(to: name) { connection in
                let id = connection.id
                let task = Task { try await connection.execute("SELECT SLEEP(100)") }
                try await database.wait(for: "SLEEP", on: id)
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                #expect(try await connection.scalar("SELECT CONNECTION_ID()", as: Int.self) == Int(id))
            }
        }
    }

    @Test("a statement that was cancelled before it began never runs")
    func neverRuns() async throws {
        try await withDatabase { database, name in
            _ = try await database.execute("CREATE TABLE t (i INT)")
            try await withConnection(to: name) { connection in
                let gate = Gate()
                let task = Task {
                    try? await gate.pass()
                    return try await connection.execute("INSERT INTO t VALUES (1)")
                }
                task.cancel()
                gate.open()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            #expect(try await database.rows("SELECT * FROM t").isEmpty)
        }
    }

    @Test("cancelled at any moment, no answer is lost or goes to another")
    func storm() async throws {
        try await withDatabase(pool: PoolSettings(size: 4, overflow: 0)) { database, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        for round in 0..<50 {
                            let id = worker * 1_000 + round
                            let task = Task {
                                try await database.scalar("SELECT \(id) + 0 * SLEEP(0.0005)", as: Int.self)
                            }
                            for _ in 0..<(round * round * 7 % 400) { await Task.yield() }
                            task.cancel()
                            let answer = try await task.valueUnlessCancelled
                            #expect(answer == nil || answer == id)
                            // At once, and most often on the connection where a late kill would land.
                            #expect(try await database.scalar("SELECT \(id)", as: Int.self) == id)
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await untilNothingIsLent(database)
            let status = try #require(database.driver as? MySQLDriver).poolStatus
            #expect(status.size <= 4)
        }
    }

    @Test("a kill that comes late hits no other statement")
    func late() async throws {
        try await withConnection { connection in
            for round in 0..<100 {
                let task = Task { try await connection.scalar("SELECT \(round)", as: Int.self) }
                for _ in 0..<round { await Task.yield() }
                task.cancel()
                let answer = try await task.valueUnlessCancelled
                #expect(answer == nil || answer == round)
                #expect(try await connection.scalar("SELECT \(round)", as: Int.self) == round)
            }
        }
    }

    @Test("a statement is done or not done, whenever it is cancelled")
    func doneOrNot() async throws {
        try await withDatabase { database, name in
            _ = try await database.execute("CREATE TABLE t (i INT)")
            try await withConnection(to: name) { connection in
                var done = 0
                for round in 0..<100 {
                    let task = Task { try await connection.execute("INSERT INTO t VALUES (\(round))") }
                    for _ in 0..<round { await Task.yield() }
                    task.cancel()
                    done += try await task.valueUnlessCancelled?.changeCount ?? 0
                }
                #expect(try await connection.scalar("SELECT count(*) FROM t", as: Int.self) == done)
            }
        }
    }

    @Test("a cancelled transaction leaves nothing behind")
    func transaction() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INT)")
            let gate = Gate()
            let task = Task {
                try await database.withTransaction { transaction in
                    _ = try await transaction.execute("INSERT INTO t VALUES (1)")
                    try await gate.pass()
                    _ = try await transaction.execute("SELECT SLEEP(100)")
                }
            }
            await gate.waitForArrivals(1)
            gate.open()
            try await database.wait(
                until: "SELECT count(*) > 0 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await database.rows("SELECT * FROM t").isEmpty)
        }
    }

    @Test("the deadline stops a statement that runs too long")
    func deadline() async throws {
        try await withDatabase { database, name in
            let impatient = try await TestServer.open(name, timeout: .seconds(10))
            await #expect(throws: TimeoutError.self) { try await impatient.rows("SELECT SLEEP(100)") }
            // The same connection, on which the alarm was set for a statement that has ended.
            for number in 0..<100 {
                #expect(try await impatient.scalar("SELECT \(number)", as: Int.self) == number)
            }
            await #expect(throws: TimeoutError.self) { try await impatient.rows("SELECT SLEEP(100)") }
            await impatient.close()
            try await database.ping()
        }
    }

    @Test(
        "the server knows the database's timeout, and a transaction's own for as long as that runs"
    )
    func limitAtServer() async throws {
        try await withDatabase { _, name in
            let database = try await TestServer.open(name, timeout: .seconds(7))
            let limit: SQLQuery = "SELECT CAST(@@max_statement_time AS INT)"
            #expect(try await database.scalar(limit, as: Int.self) == 8)
            for isUndone in [false, true] {
                let seen = Locked<Int?>(nil)
                let options = TransactionOptions(.write, timeout: .seconds(3_600))
                try? await database.withTransaction(options) { transaction in
                    let found = try await transaction.scalar(limit, as: Int.self)
                    seen.withLock { $0 = found }
                    if isUndone { throw SQLError(.missing, message: "undone") }
                }
                #expect(seen.withLock { $0 } == 3_601)
                #expect(try await database.read { try await $0.scalar(limit, as: Int.self) } == 8)
                #expect(try await database.scalar(limit, as: Int.self) == 8)
            }
            await database.close()
        }
    }

    @Test("what nobody here stops, because no kill gets through, the server does")
    func nobodyKills() async throws {
        try await withDatabase { _, name in
            let url = try DatabaseURL("mysql://root@\(try TestServer.address())/\(name)")
            let settings = try MySQLSettings(url).pooled(connecting: .seconds(10), statements: .zero)
            let connection = try await MySQLConnection.open(settings)
            // Without a deadline of its own, so that no kill is sent.
            let error = await #expect(throws: SQLError.self) {
                try await connection.execute("SELECT sum(sqrt(seq)) FROM seq_1_to_1000000000000")
            }
            #expect(error?.kind == .timeout)
            #expect(error?.engineCode == 1969)
            #expect(connection.isUsable)
            await connection.close()
        }
    }

    @Test("the deadline of the operation around a statement stops it too, by the operation's own time")
    func outerDeadline() async throws {
        try await withDatabase { database, name in
            try await withConnection(to: name) { connection in
                let id = connection.id
                let time = VirtualTime()
                let context = OperationContext(name: "test", time: time)
                let limited = context.limited(to: time.now.advanced(by: .seconds(60)))
                let task = Task {
                    try await OperationContext.$current.withValue(limited) {
                        try await connection.execute("SELECT SLEEP(100)")
                    }
                }
                try await database.wait(for: "SLEEP", on: id)
                time.advance(by: .seconds(61))
                let error = await #expect(throws: SQLError.self) { try await task.value }
                #expect(error?.kind == .timeout)
                let late = await #expect(throws: SQLError.self) {
                    try await OperationContext.$current.withValue(limited) { try await connection.execute("SELECT 1") }
                }
                #expect(late?.kind == .timeout)
                #expect(late?.hasRun == false)
            }
        }
    }

    @Test("only what begins like a query is taken for one")
    func onlyReads() {
        let reads: [SQLQuery] = ["SELECT 1", "\n (select 1)", "VALUES (1)"]
        for query in reads { #expect(query.onlyReads) }
        let others: [SQLQuery] = [
            "", "INSERT INTO t VALUES (1) RETURNING i", "SELEC", "WITH x AS (SELECT 1) DELETE FROM t", "CALL p()",
        ]
        for query in others { #expect(!query.onlyReads) }
    }

    @Test("the server's own time limit is a time-out")
    func serverLimit() async throws {
        try await withConnection { connection in
            let error = await #expect(throws: SQLError.self) {
                try await connection.execute(
                    "SET STATEMENT max_statement_time = 0.05 FOR SELECT sum(sqrt(seq)) FROM seq_1_to_1000000000000")
            }
            #expect(error?.kind == .timeout)
            let answer = try await connection.scalar("SELECT 1", as: Int.self)
            #expect(answer == 1)
        }
    }
}
