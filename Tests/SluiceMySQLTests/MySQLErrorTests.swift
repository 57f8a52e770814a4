// SPDX-License-Identifier: Apache-2.0
import Foundation
import SluiceMySQL
import SluiceSQL
import Testing

@testable import SluiceMySQL

@Suite("MySQL errors", .timeLimit(.minutes(5)))
struct MySQLErrorTests {
    @Test("constraints are named, and no error holds a value")
    func constraints() async throws {
        try await withConnection { connection in
            let secret = "s3cret' for key 'fake"
            _ = try await connection.execute(
                """
                CREATE TABLE p (id INT PRIMARY KEY, s VARCHAR(100), n INT NOT NULL, c INT, CONSTRAINT small CHECK (c < 10),
                CONSTRAINT only_once UNIQUE (s))
                """)
            _ = try await connection.execute(
                "CREATE TABLE k (id INT, CONSTRAINT parent FOREIGN KEY (id) REFERENCES p (id))")
            _ = try await connection.execute("INSERT INTO p VALUES (1, \(secret), 1, 1)")
            _ = try await connection.execute("INSERT INTO k VALUES (1)")
            let wrong: [(SQLQuery, String, Int)] = [
                ("INSERT INTO p VALUES (2, \(secret), 1, 1)", "only_once", 1062),
                ("INSERT INTO p VALUES (1, 'x', 1, 1)", "PRIMARY", 1062),
                ("INSERT INTO p VALUES (2, 'y', \(Int?.none), 1)", "n", 1048),
                ("INSERT INTO p VALUES (2, 'y', 1, 77)", "small", 4025),
                ("INSERT INTO k VALUES (9)", "parent", 1452),
                ("DELETE FROM p", "parent", 1451),
                ("INSERT INTO p (id) VALUES (3)", "n", 1364),
            ]
            for (query, name, code) in wrong {
                let error = await #expect(throws: SQLError.self) { try await connection.execute(query) }
                #expect(error?.kind == .constraint, "\(query.text)")
                #expect(error?.constraint == name)
                #expect(error?.engineCode == code)
                #expect(error?.description.contains("s3cret") == false)
            }
        }
    }

    @Test("what code in the schema says of a row does not name its values")
    func signalled() async throws {
        try await withConnection { connection in
            _ = try await connection.execute("CREATE TABLE p (s VARCHAR(100))")
            _ = try await connection.execute(
                """
                CREATE TRIGGER refuse BEFORE INSERT ON p FOR EACH ROW BEGIN
                    DECLARE words VARCHAR(200) DEFAULT CONCAT('no ', NEW.s, ' here, please');
                    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = words;
                END
                """)
            let error = await #expect(throws: SQLError.self) {
                try await connection.execute("INSERT INTO p VALUES (\("geheim"))")
            }
            #expect(error?.message.contains("here, please") == true)
            #expect(error?.message.contains("geheim") == false)
        }
    }

    @Test("statements that are wrong are told apart")
    func statements() async throws {
        try await withConnection { connection in
            let wrong: [(SQLQuery, SQLError.Kind)] = [
                ("SELEKT", .statement), ("SELECT * FROM nothing", .statement), ("SELECT nothing", .statement),
                ("SELECT CAST(\("abc") AS INT) FROM nothing", .statement), ("KILL 999999999", .statement),
            ]
            for (query, kind) in wrong {
                let error = await #expect(throws: SQLError.self) { try await connection.execute(query) }
                #expect(error?.kind == kind)
                #expect(error?.sqlState?.utf8.count == 5)
            }
        }
    }

    @Test("what the user may not do is told apart from what is wrong")
    func permission() async throws {
        try await withDatabase { database, name in
            let user = "u\(UUID().uuidString.prefix(8))"
            _ = try await database.execute("CREATE USER \(identifier: user) IDENTIFIED BY 'it''s @ secret'")
            _ = try await database.execute("GRANT SELECT ON \(identifier: name).* TO \(identifier: user)")
            _ = try await database.execute("CREATE TABLE t (i INT)")
            let url = "mysql://\(user):it's%20%40%20secret@\(try TestServer.address())/\(name)"
            let limited = try await Database.open(url, drivers: [MySQLDriver.self])
            #expect(try await limited.rows("SELECT * FROM t").isEmpty)
            let error = await #expect(throws: SQLError.self) { try await limited.execute("INSERT INTO t VALUES (1)") }
            #expect(error?.kind == .permission)
            await limited.close()
            let wrong = url.split(separator: "secret").joined(separator: "secrets")
            let refused = await #expect(throws: SQLError.self) {
                try await Database.open(wrong, drivers: [MySQLDriver.self])
            }
            #expect(refused?.kind == .authentication)
            _ = try await database.execute("DROP USER \(identifier: user)")
        }
    }

    @Test("a database that is not there is no reason to wait")
    func noDatabase() async throws {
        let error = await #expect(throws: SQLError.self) { try await TestServer.open("sluice_nothing") }
        #expect(error?.kind == .authentication)
    }

    @Test(
        "an encrypted connection is not had from a server that does not encrypt", arguments: ["require", "verify-full"])
    func noTLS(mode: String) async throws {
        let settings = try MySQLSettings(DatabaseURL("mysql://root@\(try TestServer.address())/?sslmode=\(mode)"))
        let error = await #expect(throws: SQLError.self) { try await MySQLConnection.open(settings) }
        #expect(error?.kind == .configuration)
        #expect(error?.hasRun == false)
    }

    @Test("a server that is not there is a lost connection, in which nothing has run")
    func noServer() async throws {
        // The port that nothing can listen on.
        let settings = try MySQLSettings(DatabaseURL("mysql://root@127.0.0.1:1/x"))
        let error = await #expect(throws: SQLError.self) { try await MySQLConnection.open(settings) }
        #expect(error?.kind == .connection)
        #expect(error?.hasRun == false)
    }

    @Test(
        "a URL that says something wrong is refused, without being repeated",
        arguments: [
            "mysql:file", "mysql://u:hidden@h/d?sslmode=maybe", "mysql://u:hidden@h/d?sslmod=require",
            "mysql://u:hidden@h/d?connect_timeout=x", "mysql://u:hidden@h/d?sslmode=verify-ca",
        ])
    func settings(url: String) throws {
        let url = try DatabaseURL(url)
        let error = #expect(throws: SQLError.self) { try MySQLSettings(url) }
        #expect(error?.kind == .configuration)
        #expect(error?.description.contains("hidden") == false)
    }

    @Test(
        "values are taken out of messages, whatever they contain",
        arguments: [
            (1062, "Duplicate entry 'a' for key 'x' b' for key 't.name'", "a duplicate entry for key 'name'"),
            (
                1366, "Incorrect integer value: 'it's' for column `d`.`t`.`v` at row 1",
                "Incorrect integer value: '…' for column `d`.`t`.`v` at row 1"
            ),
            (1146, "Table 'd.t' doesn't exist", "Table 'd.t' doesn't exist"),
        ])
    func messages(code: Int, text: String, expected: String) {
        #expect(MySQLMessage(code: code, text: text).withoutValues == expected)
    }
}
