// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceSQLite
import SluiceTesting
import Testing

@Suite("SQLite", .timeLimit(.minutes(5)))
struct SQLiteTests {
    private struct Undo: Error {}

    /// A statement that runs for hours.
    private let endless: SQLQuery = """
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n WHERE i < 0
        """

    @Test("reads back what was written, of every type")
    func types() async throws {
        try await withDatabase { database, _ in
            try await database.withTransaction { connection in
                _ = try await connection.execute("CREATE TABLE t (i INTEGER, r REAL, s TEXT, b INTEGER, n TEXT)")
                _ = try await connection.execute(
                    "INSERT INTO t VALUES (\(Int64.min), \(0.1), \("Málaga\u{0}🏟"), \(true), \(String?.none))")
            }
            let row = try #require(try await database.rows("SELECT * FROM t").first)
            #expect(try row.decode("i") == Int64.min)
            #expect(try row.decode("r") == 0.1)
            #expect(try row.decode("s") == "Málaga\u{0}🏟")
            #expect(try row.decode("b") == true)
            #expect(try row.decode("n", as: String?.self) == nil)
            #expect(throws: SQLError.self) { try row.decode("n", as: String.self) }
            #expect(throws: SQLError.self) { try row.decode("missing", as: String.self) }
        }
    }

    @Test(
        "what is interpolated is bound, never part of the statement",
        arguments: [
            "'; DROP TABLE t; --", "\" OR 1=1 --", "?1", "\\'; SELECT 1", "x'41'", "%", "\u{0}",
        ])
    func injection(text: String) async throws {
        try await withDatabase { database, _ in
            try await database.withTransaction { connection in
                _ = try await connection.execute("CREATE TABLE t (s TEXT)")
                _ = try await connection.execute("INSERT INTO t VALUES (\(text))")
            }
            #expect(try await database.rows("SELECT s FROM t WHERE s = \(text)").first?.decode("s") == text)
        }
    }

    @Test("a transaction that throws leaves nothing behind")
    func rollback() async throws {
        try await withDatabase { database, _ in
            try await database.withTransaction { _ = try await $0.execute("CREATE TABLE t (i INTEGER)") }
            await #expect(throws: Undo.self) {
                try await database.withTransaction { connection in
                    _ = try await connection.execute("INSERT INTO t VALUES (1)")
                    throw Undo()
                }
            }
            #expect(try await database.rows("SELECT * FROM t").isEmpty)
        }
    }

    @Test("a cancelled transaction leaves nothing behind, and the writer works on")
    func cancelledTransaction() async throws {
        try await withDatabase { database, _ in
            try await database.withTransaction { _ = try await $0.execute("CREATE TABLE t (i INTEGER)") }
            let gate = Gate()
            let task = Task {
                try await database.withTransaction { connection in
                    _ = try await connection.execute("INSERT INTO t VALUES (1)")
                    try await gate.pass()
                }
            }
            await gate.waitForArrivals(1)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await database.withTransaction { _ = try await $0.execute("INSERT INTO t VALUES (2)") }
            #expect(try await database.rows("SELECT i FROM t").map { try $0.decode("i", as: Int.self) } == [2])
        }
    }

    @Test("cancelling stops a statement that is running, and no other")
    func interrupt() async throws {
        try await withDatabase { database, _ in
            // At different moments: before the statement runs, as it begins, while it runs.
            for moment in 0..<60 {
                let task = Task { try await database.rows(self.endless) }
                for _ in 0..<moment * moment { await Task.yield() }
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
            // The same connections, at once: an interrupt that came late would end these.
            for _ in 0..<100 {
                let rows = try await database.rows("SELECT 1 AS one")
                #expect(rows.count == 1)
            }
        }
    }

    @Test("the deadline stops a statement that runs too long")
    func timeout() async throws {
        try await withDatabase { database, path in
            let impatient = try await Database.open(
                "sqlite:\(path)", drivers: [SQLiteDriver.self], timeout: .milliseconds(500))
            await #expect(throws: TimeoutError.self) { try await impatient.rows(self.endless) }
            // Returns, so the statement has ended and its connection has come back.
            await impatient.close()
            try await database.ping()
        }
    }

    @Test("writers of two processes wait for each other")
    func twoWriters() async throws {
        try await withDatabase { first, path in
            try await first.withTransaction { _ = try await $0.execute("CREATE TABLE t (i INTEGER)") }
            let second = try await Database.open("sqlite:\(path)", drivers: [SQLiteDriver.self])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for database in [first, second] {
                    group.addTask {
                        for number in 0..<100 {
                            try await database.withTransaction {
                                _ = try await $0.execute("INSERT INTO t VALUES (\(number))")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            await second.close()
            #expect(try await first.rows("SELECT count(*) AS n FROM t").first?.decode("n") == 200)
        }
    }

    @Test("readers see a transaction whole or not at all, while it runs")
    func isolation() async throws {
        try await withDatabase { database, _ in
            try await database.withTransaction { connection in
                _ = try await connection.execute("CREATE TABLE t (i INTEGER)")
                _ = try await connection.execute("INSERT INTO t VALUES (0), (0)")
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for number in 1...200 {
                        try await database.withTransaction { connection in
                            _ = try await connection.execute("UPDATE t SET i = \(number) WHERE rowid = 1")
                            _ = try await connection.execute("UPDATE t SET i = \(number) WHERE rowid = 2")
                        }
                    }
                }
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<200 {
                            let rows = try await database.rows("SELECT DISTINCT i FROM t")
                            #expect(rows.count == 1)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a full disk is a storage error, and what was there stays")
    func full() async throws {
        try await withDatabase { database, _ in
            try await database.withTransaction { _ = try await $0.execute("CREATE TABLE t (s TEXT)") }
            let error = await #expect(throws: SQLError.self) {
                try await database.withTransaction { connection in
                    _ = try await connection.execute("PRAGMA max_page_count = 10")
                    let text = String(repeating: "x", count: 100_000)
                    _ = try await connection.execute("INSERT INTO t VALUES (\(text))")
                }
            }
            #expect(error?.kind == .storage)
            #expect(try await database.rows("SELECT * FROM t").isEmpty)
        }
    }

    @Test("a transaction that the engine has undone takes no more statements, and the writer works on")
    func undoneByEngine() async throws {
        try await withDatabase { database, _ in
            try await database.withTransaction { _ = try await $0.execute("CREATE TABLE t (i INTEGER UNIQUE)") }
            await #expect(throws: SQLError.self) {
                try await database.withTransaction { connection in
                    _ = try await connection.execute("INSERT INTO t VALUES (1)")
                    // Fails, and with OR ROLLBACK takes the whole transaction with it.
                    _ = try? await connection.execute("INSERT OR ROLLBACK INTO t VALUES (1)")
                    _ = try await connection.execute("INSERT INTO t VALUES (2)")
                }
            }
            let rows = try await database.rows("SELECT * FROM t")
            #expect(rows.isEmpty)
            try await database.withTransaction { _ = try await $0.execute("INSERT INTO t VALUES (3)") }
        }
    }

    @Test(
        "a text is one statement",
        arguments: ["", " ; ", "SELECT 1; SELECT 2", "CREATE TABLE a (i); CREATE TABLE b (i)"])
    func oneStatement(text: String) async throws {
        try await withDatabase { database, _ in
            let error = await #expect(throws: SQLError.self) {
                try await database.withTransaction { _ = try await $0.execute(SQLQuery(stringLiteral: text)) }
            }
            #expect(error?.kind == .statement)
            let rows = try await database.rows("SELECT 1 AS one;")
            #expect(rows.count == 1)
        }
    }

    @Test("many may make and open a new file at once")
    func openTogether() async throws {
        try await withDatabase { _, path in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let database = try await Database.open("sqlite:\(path)-new", drivers: [SQLiteDriver.self])
                        try await database.ping()
                        await database.close()
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("errors are sorted, and name no value")
    func errors() async throws {
        try await withDatabase { database, _ in
            let secret = "s3cret"
            try await database.withTransaction { connection in
                _ = try await connection.execute("CREATE TABLE t (s TEXT UNIQUE)")
                _ = try await connection.execute("INSERT INTO t VALUES (\(secret))")
            }
            let duplicate = await #expect(throws: SQLError.self) {
                try await database.withTransaction { _ = try await $0.execute("INSERT INTO t VALUES (\(secret))") }
            }
            #expect(duplicate?.kind == .constraint)
            #expect(duplicate?.description.contains(secret) == false)
            let wrong = await #expect(throws: SQLError.self) { try await database.rows("SELEKT") }
            #expect(wrong?.kind == .statement)
            let readOnly = await #expect(throws: SQLError.self) {
                try await database.read { try await $0.rows("DELETE FROM t") }
            }
            #expect(readOnly?.kind == .storage)
            #expect(try await database.rows("DELETE FROM t RETURNING s").count == 1)
        }
    }

    @Test("a single statement that begins a transaction is refused, and what follows is no part of one")
    func strayTransaction() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INTEGER)")
            for query: SQLQuery in ["BEGIN", "SAVEPOINT s", "/* stray */ BEGIN IMMEDIATE"] {
                let error = await #expect(throws: SQLError.self) { try await database.execute(query) }
                #expect(error?.kind == .statement)
                await #expect(throws: SQLError.self) { try await database.rows(query) }
                _ = try await database.execute("INSERT INTO t VALUES (1)")
            }
            try await database.withTransaction { _ = try await $0.execute("INSERT INTO t VALUES (1)") }
            #expect(try await database.count("t") == 4)
        }
    }

    @Test("an error of the caller's own is thrown at once, not repeated")
    func callersError() async throws {
        try await withDatabase { database, _ in
            let runs = Locked(0)
            await #expect(throws: Undo.self) {
                try await database.withTransaction { _ in
                    runs.withLock { $0 += 1 }
                    throw Undo()
                }
            }
            #expect(runs.withLock { $0 } == 1)
        }
    }

    @Test("a closed database turns calls away")
    func closed() async throws {
        try await withDatabase { database, _ in
            await database.close()
            await #expect(throws: RejectionError.self) { try await database.ping() }
        }
    }

    @Test("only URLs of known engines are opened", arguments: ["", "x", "postgres://h/d", "sqlite:", ":memory:"])
    func urls(url: String) async {
        let error = await #expect(throws: SQLError.self) { try await Database.open(url, drivers: [SQLiteDriver.self]) }
        #expect(error?.kind == .configuration)
    }

    @Test("a database in memory works like a file")
    func memory() async throws {
        let database = try await Database.open("sqlite::memory:", drivers: [SQLiteDriver.self])
        try await database.withTransaction { _ = try await $0.execute("CREATE TABLE t (i INTEGER)") }
        let before = try await database.version()
        try await database.withTransaction { _ = try await $0.execute("INSERT INTO t VALUES (1)") }
        #expect(try await database.rows("SELECT * FROM t").count == 1)
        #expect(try await database.version() != before)
        await database.close()
    }
}
