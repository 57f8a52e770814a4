// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@testable import SluiceMySQL

@Suite("MySQL cursors", .timeLimit(.minutes(5)))
struct MySQLCursorTests {
    private struct Enough: Error {}

    /// What the server counts of a connection: fetches of a cursor, bytes sent.
    private func count(_ name: String, _ connection: any SQLExecutor) async throws -> Int {
        let rows = try await connection.rows(SQLQuery(stringLiteral: "SHOW SESSION STATUS LIKE '\(name)'"))
        return try #require(Int(rows[0].decode(at: 1, as: String.self)))
    }

    /// 100,000 rows of a kilobyte: 100 MB.
    private let large: SQLQuery = "SELECT seq, repeat('x', 1000) FROM seq_1_to_100000"

    @Test("a large result stays at the server but for one batch, and what nobody wants never comes")
    func streams() async throws {
        try await withConnection { connection in
            try await connection.begin(.read)
            let before = try await self.count("Com_stmt_fetch", connection)
            var (batches, next) = (0, 1)
            await #expect(throws: Enough.self) {
                try await connection.forEachBatch(of: 50, self.large) { rows in
                    batches += 1
                    #expect(rows.count == 50)
                    for row in rows {
                        #expect(try row.decode(at: 0, as: Int.self) == next)
                        next += 1
                    }
                    #expect(try rows[49].decode(at: 1, as: String.self).utf8.count == 1_000)
                    // Also that others' statements go between two batches.
                    let fetched = try await self.count("Com_stmt_fetch", connection)
                    #expect(fetched - before == batches)
                    #expect(try await self.count("Bytes_sent", connection) < batches * 50 * 1_100 + 100_000)
                    if batches == 20 { throw Enough() }
                }
            }
            #expect(batches == 20)
            #expect(try await self.count("Bytes_sent", connection) < 20 * 50 * 1_100 + 200_000)
            try await connection.commit()
            #expect(try await connection.scalar("SELECT 7", as: Int.self) == 7)
        }
    }

    @Test("every row comes once and in order, whatever the batch", arguments: [1, 7, 100, 1_000])
    func batches(size: Int) async throws {
        try await withDatabase { database, _ in
            var (next, sizes) = (1, [Int]())
            try await database.read { transaction in
                try await transaction.forEachRow(batch: size, "SELECT seq FROM seq_1_to_700 WHERE seq > \(0)") {
                    let number = try $0.decode(at: 0, as: Int.self)
                    #expect(number == next)
                    next += 1
                }
            }
            #expect(next == 701)
            try await database.driver.withConnection(.read) {
                try await $0.forEachBatch(of: size, "SELECT seq FROM seq_1_to_700") { sizes.append($0.count) }
            }
            #expect(sizes.reduce(0, +) == 700)
            #expect(sizes.dropLast().allSatisfy { $0 == size })
        }
    }

    @Test("what has no rows, none to be kept, or is no query, is handed over too")
    func others() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (i INT PRIMARY KEY)")
            _ = try await database.execute(
                "CREATE PROCEDURE p() BEGIN SELECT seq FROM seq_1_to_10; SELECT 'no'; END")
            try await database.driver.withConnection(.write) { connection in
                func rows(_ query: SQLQuery) async throws -> [Int] {
                    var rows: [Int] = []
                    try await connection.forEachBatch(of: 3, query) { batch in
                        #expect(batch.count <= 3)
                        rows += try batch.map { try $0.decode(at: 0) }
                    }
                    return rows
                }
                let expected: [(SQLQuery, [Int])] = [
                    ("SELECT i FROM t", []), ("SELECT 5 FROM t WHERE false", []), ("SELECT 5", [5]),
                    ("INSERT INTO t VALUES (1), (2), (3), (4) RETURNING i", [1, 2, 3, 4]),
                    ("DELETE FROM t WHERE i = 4", []), ("CALL p()", Array(1...10)),
                    ("SELECT i FROM t ORDER BY i", [1, 2, 3]),
                ]
                for (query, answer) in expected {
                    let found = try await rows(query)
                    #expect(found == answer)
                }
                await #expect(throws: SQLError.self) { _ = try await rows("SELECT nothing") }
                let last = try await rows("SELECT max(i) FROM t")
                #expect(last == [3])
            }
        }
    }

    @Test("a cursor that is cancelled is closed, at the server too, and its connection works on")
    func cancelled() async throws {
        try await withConnection { connection in
            let id = connection.id
            let task = Task {
                try await connection.forEachBatch(of: 10, self.large) { _ in
                    withUnsafeCurrentTask { $0?.cancel() }
                }
            }
            await #expect(throws: CancellationError.self) { try await task.value }
            let found = try await connection.scalar("SELECT CONNECTION_ID()", as: Int.self)
            #expect(found == Int(id))
            #expect(try await self.count("Com_stmt_fetch", connection) == 1)
            #expect(try await self.count("Com_stmt_close", connection) == 1)
        }
    }

    @Test("a cursor is stopped while the server makes its rows")
    func stopped() async throws {
        try await withDatabase { database, name in
            try await withConnection(to: name) { connection in
                let task = Task {
                    try await connection.forEachBatch(of: 10, "SELECT SLEEP(100) FROM seq_1_to_10") { _ in }
                }
                try await database.wait(for: "SLEEP", on: connection.id)
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                #expect(try await connection.scalar("SELECT 7", as: Int.self) == 7)
            }
        }
    }
}
