// SPDX-License-Identifier: Apache-2.0
import GRDB

/// A row of the table `users`.
struct User: Sendable, Equatable {
    let id: Int64
    let name: String
    let email: String
    let age: Int64
    let score: Double
    let isActive: Bool
    /// Microseconds since 1970: SQLite has no dates.
    let createdAt: Int64

    var arguments: StatementArguments {
        [self.id, self.name, self.email, self.age, self.score, self.isActive, self.createdAt]
    }

    /// The row with that id, as it must be read.
    static func expected(_ id: Int64) -> User {
        User(
            id: id, name: "user name \(id)", email: "user\(id)@example.com", age: 18 + id % 60,
            score: Double(id) * 0.5, isActive: id % 2 == 0, createdAt: 1_704_067_200_000_000 + id * 1_000_001)
    }

    /// Reads by primary key, in GRDB's cheapest way: a cached statement, columns by position, no copy of the row.
    static func read(_ database: GRDB.Database, id: Int64) throws -> User {
        let statement = try database.cachedStatement(sql: "SELECT * FROM users WHERE id = ?")
        let rows = try Row.fetchCursor(statement, arguments: [id])
        guard let row = try rows.next() else { throw DatabaseError(message: "no row \(id)") }
        let user = User(
            id: row[0], name: row[1], email: row[2], age: row[3], score: row[4], isActive: row[5], createdAt: row[6])
        guard try rows.next() == nil else { throw DatabaseError(message: "more than one row \(id)") }
        return user
    }

    /// Reads one row and compares every column.
    static func check(_ database: GRDB.Database) throws {
        guard try self.read(database, id: 4_711) == self.expected(4_711) else {
            throw DatabaseError(message: "a row was read wrongly")
        }
    }
}
