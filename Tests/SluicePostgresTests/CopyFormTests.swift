// SPDX-License-Identifier: Apache-2.0
import Sluice
import SluicePostgres
import SluiceSQL
import SluiceTesting
import Testing

extension Reliability {
    @Suite("The two forms of a copy")
    struct CopyFormTests {
        /// Has a table's column `how` tell which statement wrote a row.
        private func noting(_ database: Database, _ table: SQLIdentifier, _ body: () async throws -> Void) async throws
        {
            let function = try SQLIdentifier(uniqueName("how"))
            _ = try await database.execute(
                """
                CREATE FUNCTION \(function)() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN NEW.how := substring(current_query() from '[(]FORMAT .*[)]'); RETURN NEW; END $$
                """)
            _ = try await database.execute(
                "CREATE TRIGGER how BEFORE INSERT ON \(table) FOR EACH ROW EXECUTE FUNCTION \(function)()")
            try await body()
            _ = try await database.execute("DROP FUNCTION \(function)() CASCADE")
        }

        @Test("values of every type that is written in binary arrive as if they had been bound")
        func types() async throws {
            try await withPostgres { database in
                let domain = try SQLIdentifier(uniqueName("d"))
                let mood = try SQLIdentifier(uniqueName("e"))
                _ = try await database.execute("CREATE DOMAIN \(domain) AS int CHECK (VALUE > 0)")
                _ = try await database.execute("CREATE TYPE \(mood) AS ENUM ('glad', 'Málaga')")
                let columns: SQLQuery = """
                    a bool, b bytea, c int2, d int4, e int8, f float8, g float8, h text, i varchar(9), j char(3), k json,
                    l jsonb, m timestamptz, n timestamp, o \(domain), p \(mood), how text
                    """
                let names = "abcdefghijklmnop".map(String.init)
                let rows: [[SQLValue]] = [
                    [
                        .integer(1), .blob([0, 92, 255]), .integer(-32_768), .integer(-2_147_483_648), .integer(.min),
                        .real(0.1), .integer(1 << 53), .text("tab\tline\n\\N 🏟"), .text("123456789"), .text("ab "),
                        .text("{\"b\":  1}"), .text("{\"b\": 1}"), .timestamp(1_795_255_200_123_456), .timestamp(-1),
                        .integer(7), .text("Málaga"),
                    ],
                    [
                        .integer(0), .blob([]), .integer(32_767), .integer(2_147_483_647), .integer(.max),
                        .real(-.infinity),
                        .integer(-3), .text(""), .text(""), .text("   "), .text("[]"), .text("[]"), .timestamp(0),
                        .timestamp(253_402_300_799_999_999), .integer(1), .text("glad"),
                    ],
                    names.map { _ in .null },
                ]
                try await withTable(database, columns) { table in
                    try await self.noting(database, table) {
                        let count = try await database.bulkInsert(into: table.name, columns: names, rows)
                        #expect(count == 3)
                    }
                    let found = try await database.rows("SELECT * FROM \(table) ORDER BY c NULLS LAST")
                    for (row, expected) in zip(found, rows) {
                        let numbers: [Int: SQLValue] = [6: expected[6].asReal]
                        #expect(row.values.dropLast() == expected.indices.map { numbers[$0] ?? expected[$0] }[...])
                        #expect(try row.decode("how", as: String.self) == "(FORMAT binary)")
                    }
                }
                _ = try await database.execute("DROP DOMAIN \(domain)")
                _ = try await database.execute("DROP TYPE \(mood)")
            }
        }

        @Test(
            "a value of another type than its column is read by the server, as is a column of a type that only it writes"
        )
        func mixed() async throws {
            try await withPostgres { database in
                try await withTable(database, "id int, at timestamptz, price numeric, how text") { table in
                    try await self.noting(database, table) {
                        let moments: [[SQLValue]] = [
                            [.integer(1), .timestamp(0)], [.integer(2), .text("1970-01-01 00:00:01+00")],
                            [.text("3"), .timestamp(2_000_000)],
                        ]
                        var count = try await database.bulkInsert(into: table.name, columns: ["id", "at"], moments)
                        #expect(count == 3)
                        let prices: [[SQLValue]] = [[.integer(4), .text("1.50")], [.integer(5), .integer(2)]]
                        count = try await database.bulkInsert(into: table.name, columns: ["id", "price"], prices)
                        #expect(count == 2)
                    }
                    let rows = try await database.rows(
                        "SELECT extract(epoch FROM at)::int8, price::text, how FROM \(table) ORDER BY id")
                    #expect(
                        rows.map(\.values) == [
                            [.integer(0), .null, .text("(FORMAT binary)")],
                            [.integer(1), .null, .text("(FORMAT text)")],
                            [.integer(2), .null, .text("(FORMAT text)")],
                            [.null, .text("1.50"), .text("(FORMAT text)")],
                            [.null, .text("2"), .text("(FORMAT text)")],
                        ])
                }
            }
        }

        @Test("what neither form can hold leaves no row, also of those that were sent before")
        func wrong() async throws {
            try await withPostgres { database in
                try await withTable(database, "id int2, name varchar(3)") { table in
                    let columns = [try SQLIdentifier("id"), try SQLIdentifier("name")]
                    let wrong: [(SQLValue, SQLValue)] = [
                        (.text("x"), .null), (.integer(40_000), .null), (.integer(1), .text("long")),
                        (.real(1.5), .null),
                        (.integer(1), .text("a\0")),
                    ]
                    for (id, name) in wrong {
                        let rows: [[SQLValue]] = [[.integer(1), .text("a")], [id, name]]
                        await #expect(throws: SQLError.self) {
                            try await database.bulkInsert(
                                into: table.name, columns: columns.map(\.name), rows.asynchronous)
                        }
                        await #expect(throws: SQLError.self) {
                            try await database.bulkInsert(into: table.name, columns: ["id", "name"], rows)
                        }
                    }
                    #expect(try await database.scalar("SELECT count(*) FROM \(table)", as: Int.self) == 0)
                    #expect(database.poolStatus.lent == 0)
                }
            }
        }

        @Test("who may insert but not read copies all the same")
        func insertOnly() async throws {
            try await withPostgres { database in
                try await withTable(database, "id int, how text") { table in
                    let role = try SQLIdentifier(uniqueName("r"))
                    _ = try await database.execute("CREATE ROLE \(role)")
                    _ = try await database.execute("GRANT INSERT ON \(table) TO \(role)")
                    try await self.noting(database, table) {
                        try await database.withTransaction { transaction in
                            _ = try await transaction.execute("SET LOCAL ROLE \(role)")
                            try await transaction.bulkInsert(
                                into: table.name, columns: ["id"], [[.integer(1)] as [SQLValue]].asynchronous)
                        }
                    }
                    #expect(
                        try await database.scalar("SELECT how FROM \(table)", as: String.self) == "(FORMAT binary)")
                    _ = try await database.execute("DROP OWNED BY \(role)")
                    _ = try await database.execute("DROP ROLE \(role)")
                }
            }
        }
    }
}

extension SQLValue {
    /// A whole number as it comes back from a column of floating-point numbers.
    fileprivate var asReal: SQLValue { if case .integer(let value) = self { .real(Double(value)) } else { self } }
}

extension [[SQLValue]] {
    fileprivate var asynchronous: AsyncStream<[SQLValue]> {
        AsyncStream { continuation in
            for row in self { continuation.yield(row) }
            continuation.finish()
        }
    }
}
