// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceMySQL
import SluiceSQL
import SluiceTesting
import Testing

@Suite("MySQL transactions", .timeLimit(.minutes(5)))
struct MySQLTransactionTests {
    private struct Undo: Error {}

    @Test("a transaction that throws leaves nothing behind, one that does not is there")
    func rollback() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INT)")
            await #expect(throws: Undo.self) {
                try await database.withTransaction { transaction in
                    _ = try await transaction.execute("INSERT INTO t VALUES (1)")
                    throw Undo()
                }
            }
            try await database.withTransaction { _ = try await $0.execute("INSERT INTO t VALUES (2)") }
            #expect(try await database.rows("SELECT i FROM t").map { try $0.decode("i", as: Int.self) } == [2])
        }
    }

    @Test("a part of a transaction can fail alone")
    func savepoint() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INT PRIMARY KEY)")
            try await database.withTransaction { transaction in
                _ = try await transaction.execute("INSERT INTO t VALUES (1)")
                await #expect(throws: SQLError.self) {
                    try await transaction.withSavepoint { part in
                        _ = try await part.execute("INSERT INTO t VALUES (2)")
                        _ = try await part.execute("INSERT INTO t VALUES (1)")
                    }
                }
                try await transaction.withSavepoint { _ = try await $0.execute("INSERT INTO t VALUES (3)") }
            }
            let rows = try await database.rows("SELECT i FROM t ORDER BY i")
            #expect(try rows.map { try $0.decode("i", as: Int.self) } == [1, 3])
        }
    }

    @Test("sees of others what its isolation says", arguments: TransactionOptions.Isolation.allCases)
    func isolation(isolation: TransactionOptions.Isolation) async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
            _ = try await database.execute("INSERT INTO t VALUES (1, 1)")
            let seen = try await database.withTransaction(TransactionOptions(.write, isolation: isolation)) {
                _ = try await $0.rows("SELECT n FROM t WHERE id = 1")
                do {
                    try await database.driver.withConnection(.write) { other in
                        _ = try await other.execute("SET innodb_lock_wait_timeout = 0")
                        _ = try await other.execute("UPDATE t SET n = 2 WHERE id = 1")
                    }
                } catch let error as SQLError where error.kind == .busy {
                    // Whoever is serializable locks what it reads.
                    return 0
                }
                return try await $0.scalar("SELECT n FROM t WHERE id = 1", as: Int.self)
            }
            #expect(seen == [.readCommitted: 2, .repeatableRead: 1, .serializable: 0][isolation])
        }
    }

    @Test("a transaction that only reads may not write")
    func readOnly() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INT)")
            let error = await #expect(throws: SQLError.self) {
                try await database.withTransaction(.read) { _ = try await $0.execute("INSERT INTO t VALUES (1)") }
            }
            #expect(error?.kind == .permission)
        }
    }

    @Test("two that wait for each other: one is repeated whole, and both take effect")
    func deadlock() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
            _ = try await database.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
            let meeting = Gate()
            let kinds = Locked([SQLError.Kind]())
            @Sendable func add(first: Int, second: Int) async throws -> Int {
                try await database.withTransaction { transaction in
                    _ = try await transaction.execute("UPDATE t SET n = n + 1 WHERE id = \(first)")
                    if transaction.attempt == 1 { try await meeting.pass() }
                    do {
                        _ = try await transaction.execute("UPDATE t SET n = n + 1 WHERE id = \(second)")
                    } catch let error as SQLError {
                        kinds.withLock { $0.append(error.kind) }
                        // Swallowed: what follows must not run outside of the transaction that is gone.
                        _ = try await transaction.execute("INSERT INTO t VALUES (3, 0)")
                    }
                    return transaction.attempt
                }
            }
            async let one = add(first: 1, second: 2)
            async let two = add(first: 2, second: 1)
            await meeting.waitForArrivals(2)
            meeting.open()
            let attempts = try await [one, two]
            #expect(attempts.sorted() == [1, 2])
            #expect(kinds.withLock { $0 } == [.serialization])
            let rows = try await database.rows("SELECT n FROM t ORDER BY id")
            #expect(try rows.map { try $0.decode("n", as: Int.self) } == [2, 2])
        }
    }

    @Test("a lock that is not to be had is somebody's being busy")
    func lockWait() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (id INT PRIMARY KEY)")
            _ = try await database.execute("INSERT INTO t VALUES (1)")
            try await database.withTransaction { transaction in
                _ = try await transaction.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE")
                let error = await #expect(throws: SQLError.self) {
                    try await database.driver.withConnection(.write) {
                        try await $0.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT")
                    }
                }
                #expect(error?.kind == .busy)
            }
        }
    }

    @Test("what follows a CREATE TABLE in a transaction is still undone with it")
    func implicitCommit() async throws {
        try await withDatabase { database, _ in
            await #expect(throws: Undo.self) {
                try await database.withTransaction { transaction in
                    _ = try await transaction.execute("CREATE TABLE t (i INT)")
                    _ = try await transaction.execute("INSERT INTO t VALUES (1)")
                    throw Undo()
                }
            }
            let rows = try await database.rows("SELECT * FROM t")
            #expect(rows.isEmpty)
        }
    }

    @Test("what a borrower leaves open is undone before the next one gets the connection")
    func leftOpen() async throws {
        try await withDatabase(pool: PoolSettings(size: 1, overflow: 0)) { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INT)")
            try await database.driver.withConnection(.write) { connection in
                _ = try await connection.execute("BEGIN")
                _ = try await connection.execute("INSERT INTO t VALUES (1)")
            }
            #expect(try await database.rows("SELECT * FROM t").isEmpty)
        }
    }

    @Test("a transaction's statements run on their connection's thread")
    func executor() async throws {
        try await withDatabase { database, _ in
            let sums = try await database.withTransaction { transaction in
                var sum = 0
                for number in 0..<1_000 { sum += try await transaction.scalar("SELECT \(number)", as: Int.self) }
                return sum
            }
            #expect(sums == 499_500)
        }
    }

    @Test("money moved by many at once is neither made nor lost", arguments: TransactionOptions.Isolation.allCases)
    func transfers(isolation: TransactionOptions.Isolation) async throws {
        try await withDatabase(pool: PoolSettings(size: 4, overflow: 0)) { database, _ in
            _ = try await database.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
            _ = try await database.execute("INSERT INTO t SELECT seq, 100 FROM seq_1_to_5")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        for round in 0..<20 {
                            let (from, to) = ((worker + round) % 5 + 1, (worker * 3 + round * 2) % 5 + 1)
                            try await database.withTransaction(TransactionOptions(.write, isolation: isolation)) {
                                _ = try await $0.execute("UPDATE t SET n = n - 1 WHERE id = \(from)")
                                _ = try await $0.execute("UPDATE t SET n = n + 1 WHERE id = \(to)")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.scalar("SELECT CAST(sum(n) AS INT) FROM t", as: Int.self) == 500)
        }
    }
}
