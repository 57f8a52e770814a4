// SPDX-License-Identifier: Apache-2.0
import SluiceSQL
import Testing

@testable import SluiceMySQL

@Suite("MySQL bulk insert", .timeLimit(.minutes(5)))
struct MySQLBulkInsertTests {
    private let columns = ["id", "name", "score", "data", "at"]

    private func insertion() throws -> MySQLInsertion {
        MySQLInsertion(table: try SQLIdentifier("t"), columns: try self.columns.map { try SQLIdentifier($0) })
    }

    private func create(_ connection: MySQLConnection) async throws {
        _ = try await connection.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, name TEXT, score DOUBLE, data BLOB, at DATETIME(6))")
    }

    private func row(_ id: Int64) -> [SQLValue] {
        [
            .integer(id), id % 3 == 0 ? .null : .text("naïve 🏟 \(id)"), id % 5 == 0 ? .null : .real(Double(id) / 7),
            .blob([0, UInt8(truncatingIfNeeded: id), 255]), .timestamp(1_795_255_200_123_456 + id),
        ]
    }

    @Test(
        "rows of every type are inserted as they are, by arrays and by statements of many rows",
        arguments: [true, false])
    func values(asArrays: Bool) async throws {
        try await withConnection { connection in
            try await self.create(connection)
            let rows = (0..<20_000).map { self.row($0) }
            #expect(try await connection.bulkInsert(try self.insertion(), rows, asArrays: asArrays) == rows.count)
            let read = try await connection.rows("SELECT * FROM t ORDER BY id")
            #expect(read.map(\.values) == rows)
        }
    }

    @Test("a column of mixed values becomes what the column is", arguments: [true, false])
    func mixed(asArrays: Bool) async throws {
        try await withConnection { connection in
            try await self.create(connection)
            let rows: [[SQLValue]] = [
                [.text("1"), .integer(7), .integer(2), .text("text"), .text("2026-11-21 10:00:00")],
                [.integer(2), .text(""), .real(0.1), .blob([]), .null],
            ]
            #expect(try await connection.bulkInsert(try self.insertion(), rows, asArrays: asArrays) == 2)
            let read = try await connection.rows("SELECT * FROM t ORDER BY id").map(\.values)
            #expect(
                read[0] == [
                    .integer(1), .text("7"), .real(2), .blob(Array("text".utf8)), .timestamp(1_795_255_200_000_000),
                ])
            #expect(read[1] == [.integer(2), .text(""), .real(0.1), .blob([]), .null])
        }
    }

    @Test("statements of many rows are not kept prepared, since the next one has another number of rows")
    func notKept() async throws {
        try await withConnection { connection in
            try await self.create(connection)
            let insertion = try self.insertion()
            func keptStatements() async throws -> Int {
                let rows = try await connection.rows(
                    """
                    SELECT CAST(SUM(IF(variable_name = 'COM_STMT_PREPARE', 1, -1) * variable_value) AS INT)
                    FROM information_schema.session_status
                    WHERE variable_name IN ('COM_STMT_PREPARE', 'COM_STMT_CLOSE')
                    """)
                return try rows[0].decode(at: 0)
            }
            let before = try await keptStatements()
            for count in 1...20 {
                let rows = (0..<count).map { self.row(Int64(1_000 * count + $0)) }
                #expect(try await connection.bulkInsert(insertion, rows, asArrays: false) == count)
            }
            #expect(try await keptStatements() == before)
        }
    }

    @Test("all rows or none", arguments: [true, false])
    func allOrNone(asArrays: Bool) async throws {
        try await withConnection { connection in
            try await self.create(connection)
            let rows = ((0..<5_000).map { $0 } + [17]).map { self.row($0) }
            let insertion = try self.insertion()
            let error = await #expect(throws: SQLError.self) {
                try await connection.bulkInsert(insertion, rows, asArrays: asArrays)
            }
            #expect(error?.constraint == "PRIMARY")
            #expect(try await connection.rows("SELECT * FROM t").isEmpty)
            // Inside a transaction only the rows are undone.
            try await connection.begin(.write)
            _ = try await connection.execute("INSERT INTO t (id) VALUES (-1)")
            await #expect(throws: SQLError.self) {
                try await connection.bulkInsert(insertion, rows, asArrays: asArrays)
            }
            #expect(try await connection.bulkInsert(insertion, rows.dropLast(), asArrays: asArrays) == 5_000)
            try await connection.commit()
            #expect(try await connection.scalar("SELECT count(*) FROM t", as: Int.self) == 5_001)
        }
    }

    @Test("rows that do not fit the columns are refused before anything is sent; no rows are none")
    func shape() async throws {
        try await withConnection { connection in
            try await self.create(connection)
            let columns = try self.columns.map { try SQLIdentifier($0) }
            let table = try SQLIdentifier("t")
            let error = await #expect(throws: SQLError.self) {
                try await connection.bulkInsert(into: table, columns: columns, rows: [self.row(1), [.null]])
            }
            #expect(error?.hasRun == false)
            #expect(try await connection.bulkInsert(into: table, columns: columns, rows: []) == 0)
        }
    }

    @Test("parts are no larger than the server takes, and hold every row once")
    func parts() throws {
        let insertion = try self.insertion()
        let rows = (0..<1_000).map { self.row($0) }
        for asArrays in [true, false] {
            for size in [1, 1_000, 100_000, 16 << 20] {
                let parts = insertion.parts(rows, maximumSize: size, asArrays: asArrays)
                #expect(parts.flatMap(Array.init) == Array(0..<1_000))
            }
        }
    }
}
