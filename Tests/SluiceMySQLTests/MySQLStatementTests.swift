// SPDX-License-Identifier: Apache-2.0
import SluiceMySQL
import SluiceSQL
import Testing

@Suite("MySQL statements", .timeLimit(.minutes(5)))
struct MySQLStatementTests {
    @Test(
        "what is interpolated is bound, never part of the statement",
        arguments: [
            "'; DROP TABLE t; --", "\" OR 1=1 --", "?", "\\'; SELECT 1", "x'41'", "%", "\u{0}", "/*!50000 x */",
            "1 OR 1=1",
        ])
    func injection(text: String) async throws {
        try await withConnection { connection in
            _ = try await connection.execute("CREATE TABLE t (s TEXT)")
            _ = try await connection.execute("INSERT INTO t VALUES (\(text)), ('other')")
            let rows = try await connection.rows("SELECT s FROM t WHERE s = \(text)")
            #expect(try rows.map { try $0.decode("s") } == [text])
        }
    }

    @Test("double quotes are for names")
    func quotes() async throws {
        try await withConnection { connection in
            _ = try await connection.execute(#"CREATE TABLE "order" ("group" INT)"#)
            _ = try await connection.execute("INSERT INTO \(identifier: "order") VALUES (7)")
            #expect(try await connection.scalar(#"SELECT "group" FROM "order""#, as: Int.self) == 7)
        }
    }

    @Test("says how many rows were changed, found ones included, and which key was made")
    func counts() async throws {
        try await withConnection { connection in
            _ = try await connection.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
            let inserted = try await connection.execute("INSERT INTO t (v) VALUES (1), (2)")
            #expect(inserted.changeCount == 2)
            #expect(inserted.insertedID == 1)
            #expect(try await connection.execute("UPDATE t SET v = 1").changeCount == 2)
            #expect(try await connection.execute("UPDATE t SET v = 1").changeCount == 2)
            #expect(try await connection.execute("DELETE FROM t WHERE v = 5").changeCount == 0)
            let returned = try await connection.execute("INSERT INTO t (v) VALUES (9) RETURNING id, v")
            #expect(returned.rows.first?.values == [.integer(3), .integer(9)])
            #expect(try await connection.execute("SELECT 1").insertedID == nil)
        }
    }

    @Test(
        "a text is one statement", arguments: ["", " ; ", "SELECT 1; SELECT 2", "CREATE TABLE a (i INT); DROP TABLE a"])
    func oneStatement(text: String) async throws {
        try await withConnection { connection in
            let error = await #expect(throws: SQLError.self) {
                try await connection.execute(SQLQuery(stringLiteral: text))
            }
            #expect(error?.kind == .statement)
            let answer = try await connection.scalar("SELECT 1;", as: Int.self)
            #expect(answer == 1)
        }
    }

    @Test("a question mark in the text without a value is refused")
    func missingValue() async throws {
        try await withConnection { connection in
            let error = await #expect(throws: SQLError.self) { try await connection.execute("SELECT ?, \(1)") }
            #expect(error?.kind == .statement)
            let answer = try await connection.scalar("SELECT '?'", as: String.self)
            #expect(answer == "?")
        }
    }

    @Test("a statement that was prepared follows the table when it is altered")
    func alteredTable() async throws {
        try await withDatabase { database, _ in
            _ = try await database.execute("CREATE TABLE t (a INT, b INT)")
            _ = try await database.execute("INSERT INTO t VALUES (1, 2)")
            try await database.driver.withConnection(.write) { connection in
                let query: SQLQuery = "SELECT * FROM t WHERE a = \(1)"
                func names() async throws -> [String] {
                    try #require(try await connection.first(query)).columns.names
                }
                #expect(try await names() == ["a", "b"])
                // By another connection, so that this one learns of it from the server alone.
                _ = try await database.execute("ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'new'")
                #expect(try await connection.first(query)?.values == [.integer(1), .integer(2), .text("new")])
                #expect(try await names() == ["a", "b", "c"])
                _ = try await database.execute("ALTER TABLE t CHANGE b d VARCHAR(20)")
                #expect(try await connection.first(query)?.values == [.integer(1), .text("2"), .text("new")])
                #expect(try await names() == ["a", "d", "c"])
                _ = try await database.execute("ALTER TABLE t CHANGE d e VARCHAR(20)")
                #expect(try await names() == ["a", "e", "c"])
                #expect(try await names() == ["a", "e", "c"])
                _ = try await database.execute("ALTER TABLE t DROP COLUMN c, DROP COLUMN e")
                #expect(try await connection.first(query)?.values == [.integer(1)])
                _ = try await database.execute("DROP TABLE t")
                let error = await #expect(throws: SQLError.self) { try await connection.first(query) }
                #expect(error?.kind == .statement)
            }
        }
    }

    @Test("more statements than are kept do no harm, and the server keeps no more of them")
    func manyStatements() async throws {
        try await withConnection { connection in
            for round in 0..<2 {
                for number in 0..<300 {
                    let text = SQLQuery(stringLiteral: "SELECT \(number) + ")
                    #expect(try await connection.scalar("\(text)\(round)", as: Int.self) == number + round)
                }
            }
            let count = try await connection.first("SHOW SESSION STATUS LIKE 'Com_stmt_close'")?.decode(
                at: 1, as: String.self)
            #expect(try #require(Int(count ?? "")) >= 300)
        }
    }

    @Test("a procedure's first result counts, and the connection works on")
    func procedure() async throws {
        try await withConnection { connection in
            _ = try await connection.execute(
                "CREATE PROCEDURE p (n INT) BEGIN SELECT n AS one; SELECT n, 'two'; SELECT 1, 2, 3; END")
            for number in 1...3 {
                let row = try #require(try await connection.first("CALL p(\(number))"))
                #expect(try row.decode("one", as: Int.self) == number)
                #expect(try await connection.scalar("SELECT \(number)", as: Int.self) == number)
            }
        }
    }

    @Test("values larger than the server takes are refused, and the connection works on")
    func tooLarge() async throws {
        try await withConnection { connection in
            let bytes = [UInt8](repeating: 1, count: 17 << 20)
            let error = await #expect(throws: SQLError.self) { try await connection.execute("SELECT length(\(bytes))") }
            #expect(error?.kind == .statement)
            #expect(error?.message.contains("max_allowed_packet") == true)
            let most = [UInt8](repeating: 1, count: 9 << 20)
            let length = try await connection.scalar("SELECT length(\(most))", as: Int.self)
            #expect(length == 9 << 20)
        }
    }

    @Test("a value that does not fit is refused, not changed", arguments: ["x", "300", "1.5.2"])
    func strict(text: String) async throws {
        try await withConnection { connection in
            _ = try await connection.execute("CREATE TABLE t (v TINYINT)")
            let error = await #expect(throws: SQLError.self) {
                try await connection.execute("INSERT INTO t VALUES (\(text))")
            }
            #expect(error?.kind == .statement)
            #expect(error?.message.contains("'\(text)'") == false)
        }
    }
}
