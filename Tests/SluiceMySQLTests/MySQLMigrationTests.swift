// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@testable import SluiceMySQL

@Suite("MySQL migrations", .timeLimit(.minutes(5)))
struct MySQLMigrationTests {
    private let steps = [
        Migration("001", ["CREATE TABLE one (i INT)", "INSERT INTO one VALUES (1)"], down: ["DROP TABLE one"]),
        Migration("002", ["CREATE TABLE two (i INT)", "INSERT INTO two VALUES (2)"], down: ["DROP TABLE two"]),
    ]

    @Test("of programs that migrate at once each step is applied by one, and the others wait for it")
    func atOnce() async throws {
        try await withDatabase { database, name in
            // A database each, so that nothing but the server tells them of each other.
            let applied = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let own = try await TestServer.open(name)
                        let applied = try await own.migrate("test", self.steps)
                        await own.close()
                        return applied
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(applied == ["001", "002"])
            #expect(try await database.scalar("SELECT count(*) FROM two", as: Int.self) == 1)
        }
    }

    @Test("a step may take as long as a migration may, and not only as long as other statements")
    func limit() async throws {
        try await withDatabase(timeout: .seconds(5)) { database, _ in
            let step = Migration("001", ["CREATE TABLE limits AS SELECT @@max_statement_time AS seconds"])
            let applied = try await database.migrate("test", [step])
            #expect(applied == ["001"])
            let seconds = try await database.scalar("SELECT CAST(seconds AS INT) FROM limits", as: Int.self)
            #expect(seconds == 3_601)
            let ordinary = try await database.scalar("SELECT CAST(@@max_statement_time AS INT)", as: Int.self)
            #expect(ordinary == 6)
        }
    }

    @Test(
        "a program that is lost in the middle leaves its lock to others and its step marked, until somebody has looked")
    func lost() async throws {
        try await withDatabase { database, name in
            let slow = Migration(
                "003", ["CREATE TABLE three (i INT)", "DO SLEEP(100)", "INSERT INTO three VALUES (3)"])
            let migrating = Task {
                let own = try await TestServer.open(name)
                let result = await failure { try await own.migrate("test", self.steps + [slow]) }
                await own.close()
                return result
            }
            let isRunning: SQLQuery = """
                SELECT count(*) FROM information_schema.processlist WHERE db = \(name) AND info LIKE 'DO SLEEP%'
                """
            try await database.wait(until: isRunning)
            let id = try await database.scalar(
                "SELECT id FROM information_schema.processlist WHERE db = \(name) AND info LIKE 'DO SLEEP%'",
                as: Int.self)
            _ = try await database.execute(SQLQuery(stringLiteral: "KILL \(id)"))
            let lost = await migrating.result
            #expect((try lost.get() as? SQLError)?.kind == .connection)

            let states = try await database.migrationStatus("test", self.steps + [slow]).map(\.state)
            #expect(states == [.applied, .applied, .interrupted])
            let error = await #expect(throws: SQLError.self) {
                try await database.migrate("test", self.steps + [slow])
            }
            #expect(error?.kind == .migration)
            #expect(error?.message.contains("003 stopped in the middle") == true)

            _ = try await database.execute("DROP TABLE three")
            try await database.resolveMigration("test", slow, isApplied: false)
            let mended = Migration("003", ["CREATE TABLE three (i INT)"], down: ["DROP TABLE three"])
            #expect(try await database.migrate("test", self.steps + [mended]) == ["003"])
            #expect(try await database.revert("test", self.steps + [mended], steps: 3) == ["003", "002", "001"])
            #expect(try await database.tableNames() == ["sluice_migrations"])
        }
    }
}
