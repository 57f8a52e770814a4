// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluiceSQL
import SluiceTesting
import Testing

@testable import SluiceMySQL

@Suite("MySQL sessions", .timeLimit(.minutes(5)))
struct MySQLSessionTests {
    private static let session: SQLQuery = "SELECT CONNECTION_ID()"

    @Test(
        "what a borrower leaves in a session is not the next one's, whether he borrowed or sent one statement",
        arguments: [
            "SET @left = 1", "/* a comment */ set session sort_buffer_size = 65536", "SELECT GET_LOCK('left', 0)",
            "CREATE TEMPORARY TABLE left_behind (i INT)", "USE mysql",
        ] as [SQLQuery])
    func left(_ statement: SQLQuery) async throws {
        try await withDatabase(pool: PoolSettings(size: 1, overflow: 0)) { database, _ in
            let before = try await database.driver.withConnection(.write) { connection in
                _ = try await connection.execute(statement)
                return try await connection.scalar(Self.session, as: Int.self)
            }
            let between = try await database.scalar(Self.session, as: Int.self)
            #expect(between != before)
            _ = try await database.execute(statement)
            #expect(try await database.scalar(Self.session, as: Int.self) != between)
        }
    }

    @Test("what changes nothing of it costs no connection")
    func unchanged() async throws {
        try await withDatabase(pool: PoolSettings(size: 1, overflow: 0)) { database, _ in
            let before = try await database.scalar(Self.session, as: Int.self)
            _ = try await database.execute("CREATE TABLE kept (i INT)")
            _ = try await database.withTransaction { try await $0.insertMany("kept", [["i": 1]]) }
            #expect(try await database.scalar(Self.session, as: Int.self) == before)
        }
    }
}
