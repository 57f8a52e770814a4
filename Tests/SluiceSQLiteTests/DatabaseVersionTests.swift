// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sluice
import SluiceSQL
import SluiceSQLite
import SluiceTesting
import Testing

@Suite("Database version and migrations", .timeLimit(.minutes(5)))
struct DatabaseVersionTests {
    @Test("changes with a commit here at once, and with one elsewhere within its reach")
    func version() async throws {
        let time = VirtualTime()
        try await withDatabase { other, path in
            let database = try await Database.open("sqlite:\(path)", drivers: [SQLiteDriver.self], time: time)
            let first = try await database.version()
            #expect(try await database.version() == first)
            try await database.withTransaction { _ = try await $0.execute("CREATE TABLE t (i INTEGER)") }
            let second = try await database.version()
            #expect(second != first)

            try await other.withTransaction { _ = try await $0.execute("INSERT INTO t VALUES (1)") }
            time.advance(by: DatabaseVersions.reach)
            let third = try await database.version()
            #expect(third != second)

            _ = try await database.rows("SELECT * FROM t")
            time.advance(by: DatabaseVersions.reach)
            #expect(try await database.version() == third)
            await database.close()
        }
    }

    private let first = Migration("001", ["CREATE TABLE a (i INTEGER)"])
    private let second = Migration("002", ["CREATE TABLE b (i INTEGER)", "INSERT INTO b VALUES (1)"])

    @Test("migrations are applied once, in order")
    func migrations() async throws {
        try await withDatabase { database, _ in
            let applied = [
                try await database.migrate("app", [self.first]),
                try await database.migrate("app", [self.first, self.second]),
                try await database.migrate("app", [self.first, self.second]), try await database.migrate("other", []),
            ]
            #expect(applied == [["001"], ["002"], [], []])
            #expect(try await database.rows("SELECT * FROM b").count == 1)
        }
    }

    @Test("a migration that fails leaves nothing of itself")
    func failedMigration() async throws {
        try await withDatabase { database, _ in
            let broken = Migration("002", ["CREATE TABLE b (i INTEGER)", "INSERT INTO missing VALUES (1)"])
            await #expect(throws: SQLError.self) { try await database.migrate("app", [self.first, broken]) }
            let applied = try await database.migrate("app", [self.first, self.second])
            #expect(applied == ["001", "002"])
        }
    }

    @Test("a changed or unknown migration is refused")
    func changed() async throws {
        try await withDatabase { database, _ in
            try await database.migrate("app", [self.first, self.second])
            let changed = Migration("001", ["CREATE TABLE a (i TEXT)"])
            let error = await #expect(throws: SQLError.self) {
                try await database.migrate("app", [changed, self.second])
            }
            #expect(error?.kind == .migration)
            let unknown = await #expect(throws: SQLError.self) { try await database.migrate("app", [self.first]) }
            #expect(unknown?.kind == .migration)
        }
    }

    @Test("processes that start at once migrate once")
    func concurrent() async throws {
        try await withDatabase { database, path in
            let other = try await Database.open("sqlite:\(path)", drivers: [SQLiteDriver.self])
            async let one = database.migrate("app", [self.first, self.second])
            async let two = other.migrate("app", [self.first, self.second])
            let applied = try await one + two
            #expect(applied.sorted() == ["001", "002"])
            await other.close()
        }
    }
}

@Suite("SQL query")
struct SQLQueryTests {
    @Test("keeps text and values apart, nested queries included")
    func interpolation() {
        let condition: SQLQuery = "a = \(1) AND b = \("x")"
        let query: SQLQuery = "SELECT * FROM t WHERE \(condition) OR c IS \(Int?.none) LIMIT \(5)"
        #expect(query.text == "SELECT * FROM t WHERE a = ? AND b = ? OR c IS ? LIMIT ?")
        #expect(query.values == [.integer(1), .text("x"), .null, .integer(5)])
        #expect(SQLQuery.all([]).text == "1 = 1")
        #expect(SQLQuery.all(["a = \(1)", "b = \(2)"]).text == "a = ? AND b = ?")
    }
}
